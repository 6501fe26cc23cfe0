"""Placed parts made into modules and the steps that run them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from archdsl.ir import part as parts
from archdsl.ir.network import Placed, PlacedBlock, leaves
from archdsl.lowering import fault, steps
from archdsl.lowering.level import Block, Level
from archdsl.schema.component import Component, instantiate
from archdsl.schema.units import FeatureMap
from archdsl.source.diagnostic import SpecError

SKIP = "skip"


def level(placed: Placed, key: str, seed: int) -> Level:
    """The level `key` that holds one placed part."""
    children, (step,) = _grow([placed], key, seed)
    return Level(children, step)


def block(placed: PlacedBlock, key: str, drop_rate: float, seed: int) -> Block:
    """A block: the bodies of its lines share its level, their skips the level `skip` below it."""
    bodies, body_steps = _grow([line.body for line in placed.lines], key, seed, reserved={SKIP})
    lines: list[steps.Step] = []
    skips = [line.skip for line in placed.lines if line.skip is not None]
    skip_children, skip_steps = _grow(skips, f"{key}.{SKIP}", seed)
    if skip_children:
        bodies[SKIP] = Level(skip_children)
    taken = iter(skip_steps)
    here = placed.x
    for line, body in zip(placed.lines, body_steps, strict=True):
        if not line.residual:
            lines.append(body)
            here = line.body.y
            continue
        skip: steps.Step = steps.Identity()
        if line.skip is not None:
            skip = next(taken)
            if skip_children:
                skip = steps.Within(SKIP, skip)
        kept = line.skip.y if line.skip else here
        part = kept.place_of(line.body.y) if kept != line.body.y else None
        lines.append(steps.Residual(body, skip) if part is None else steps.ResidualTokens(body, skip, *part))
        here = kept
    return Block(bodies, steps.Chain(tuple(lines)), drop_rate)


def component(spec: Component, x: FeatureMap, key: str, seed: int) -> nn.Module:
    """The module of one component, with weights drawn from a seed of its own: a function of `seed` and `key` alone.

    Raises
    ------
    SpecError: `broken-plugin`, when the module cannot be made, or has other weights than the spec of the component promises.
    """
    name = spec.schema.name
    try:
        with _fresh(seed, key):
            module = instantiate(spec, x)
        promised = {**spec.weights(x), **spec.buffers(x)}
        found = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    except (SpecError, MemoryError):
        raise
    except Exception as error:
        raise fault.broken(name, key, fault.quoted(error)) from error
    if found != promised:
        raise fault.broken(name, key, "its spec promises other weights than its module has", fault.differences(promised, found))
    fault.remember(module, name)
    return module


@contextmanager
def _fresh(seed: int, key: str) -> Iterator[None]:
    """Float32 on the CPU under a seed for this place; what the caller had set comes back afterwards."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest()
    dtype = torch.get_default_dtype()
    # the CPU generator alone is forked and seeded: torch.manual_seed would also move those of the accelerators
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(int.from_bytes(digest, "little") >> 1)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def _grow(
    roots: Sequence[Placed], key: str, seed: int, reserved: Iterable[str] = ()
) -> tuple[dict[str, nn.Module], list[steps.Step]]:
    """The children and one step for each of several parts that stand on one level."""
    names = _names(roots, key, reserved)
    children: dict[str, nn.Module] = {}

    def step(placed: Placed) -> steps.Step:
        name = names.get(id(placed))
        if name is None:
            return structure(placed)
        if isinstance(placed.part, parts.Leaf):
            if name not in children:
                children[name] = component(placed.leaf, placed.x, f"{key}.{name}", seed)
            return steps.Call(name)
        if name not in children:
            below, run = _grow_inside(placed, f"{key}.{name}", seed)
            children[name] = Level(below, run)
        return steps.Enter(name)

    def structure(placed: Placed) -> steps.Step:
        return _structure(placed, [step(child) for child in placed.children])

    return children, [step(root) for root in roots]


def _grow_inside(placed: Placed, key: str, seed: int) -> tuple[dict[str, nn.Module], steps.Step]:
    children, inner = _grow(placed.children, key, seed)
    return children, _structure(placed, inner)


def _structure(placed: Placed, inner: list[steps.Step]) -> steps.Step:
    """The step of a part that is no component, over the steps of its children."""
    match placed.part:
        case parts.Chain() | parts.Fit():
            return inner[0] if len(inner) == 1 else steps.Chain(tuple(inner))
        case parts.Sum(scales=scales):
            return steps.Sum(scales, tuple(inner))
        case parts.Split(sizes=sizes):
            groups = len(inner)
            return steps.Split(sizes or (placed.x.channels // groups,) * groups, tuple(inner))
        case parts.Concat():
            return steps.Concat(tuple(inner))
        case parts.DropPath(rate=rate):
            return steps.DropPath(rate)
        case parts.Read(value=value):
            return steps.Read(value)
        case parts.Resize(value=value):
            return steps.Resize(value)
        case parts.Identity():
            return steps.Identity()
    raise TypeError(f"cannot lower {type(placed.part).__name__}")


def _names(roots: Sequence[Placed], key: str, reserved: Iterable[str]) -> dict[int, str]:
    """Names of all components and levels that stand directly on one level, by identity.

    What has weights or buffers keeps the name it was given; the rest takes what is free.
    """
    here = [placed for root in roots for placed in _on_level(root)]
    taken = set(reserved)
    names: dict[int, str] = {}
    for placed in here:
        if _has_state(placed) and id(placed) not in names:
            name = placed.name or placed.leaf.schema.name
            if name in taken:
                raise ValueError(f"two parts are called {key}.{name}")
            taken.add(name)
            names[id(placed)] = name
    for placed in here:
        if id(placed) not in names:
            word = name = placed.name or placed.leaf.schema.name
            count = 1
            while name in taken:
                count += 1
                name = f"{word}_{count}"
            taken.add(name)
            names[id(placed)] = name
    return names


def _on_level(placed: Placed) -> Iterator[Placed]:
    if placed.name or isinstance(placed.part, parts.Leaf):
        yield placed
    else:
        for child in placed.children:
            yield from _on_level(child)


def _has_state(placed: Placed) -> bool:
    return any(leaf.leaf.weights(leaf.x) or leaf.leaf.buffers(leaf.x) for _, leaf in leaves(placed))
