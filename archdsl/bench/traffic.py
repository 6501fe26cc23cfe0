"""Bytes that a network or an operator reads and writes: by its reference, compiled, with kernels, and at least."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from archdsl.bench.baselines import PUBLISHED, published
from archdsl.bench.counted import Counter, all_bytes
from archdsl.bench.launches import beside
from archdsl.bench.scheduled import Layouts, gradients, no_gradients, scheduled_bytes
from archdsl.ir.network import Network, Placed, network_leaves
from archdsl.kernels.choice import Kernelled, Use, why_reference
from archdsl.kernels.operator import Operator
from archdsl.kernels.sample import Sample
from archdsl.lowering.dispatch import choose
from archdsl.lowering.fault import blamed
from archdsl.lowering.module import lower
from archdsl.schema.component import instantiate

NO_KERNEL = "it has no kernel"
_CUDA = torch.device("cuda")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes read and written, in a forward pass or in a forward and a backward pass.

    `reference` and `compiled` are those of the reference, eager and compiled; `kernels` and `kernels_compiled` likewise with
    kernels. `minimum`: every component reads its input and its weights once, and writes its output once.
    """

    reference: int
    compiled: int
    kernels: int
    kernels_compiled: int
    minimum: int

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.reference + other.reference,
            self.compiled + other.compiled,
            self.kernels + other.kernels,
            self.kernels_compiled + other.kernels_compiled,
            self.minimum + other.minimum,
        )

    def times(self, count: int) -> Traffic:
        """That of several alike."""
        return Traffic(*(count * value for value in self.values()))

    def values(self) -> tuple[int, int, int, int, int]:
        """The bytes in the order of the fields."""
        return self.reference, self.compiled, self.kernels, self.kernels_compiled, self.minimum


@dataclass(frozen=True, slots=True)
class Row:
    """The traffic of `count` sites together: the token mixers of one kind in a stage, or one shape of an operator.

    `reason` is why the reference runs where kernels are on, None where the kernel does.
    """

    name: str
    component: str
    count: int
    traffic: Traffic
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Counting:
    """How traffic is counted."""

    batch: int = 128
    dtype: torch.dtype = torch.bfloat16
    training: bool = False
    step: Callable[[str], None] = lambda text: None


def operator_traffic(operator: Operator, counting: Counting, shapes: Sequence[Sample] | None = None) -> list[Row]:
    """The traffic of an operator at each of its published shapes, or at some.

    Where the published code has another formulation, a row of its own has that in the place of the reference.
    """
    samples = operator.samples()
    rows = []
    for sample in samples.PUBLISHED if shapes is None else shapes:
        counting.step(f"counting {operator.name} at {sample}")
        drawn = samples.draw(sample, 1, dtype=counting.dtype, device="cpu")
        with FakeTensorMode():
            given = [
                _like(value, counting.batch if name in operator.batched else None, grad=name in operator.differentiable)
                for name, value in zip(operator.arguments, drawn, strict=True)
            ]
            wanted = [given[operator.arguments.index(name)] for name in operator.differentiable]
            reference = _both(operator.reference, given, wanted, counting)
            kernels = _both(operator, given, wanted, counting)
            y = all_bytes([operator.allocate(*given)[0]])
            minimum = all_bytes(given) + y
            if counting.training:
                minimum += all_bytes(given) + y + all_bytes(wanted)
            other = published(operator)
            official = None if other is None else _both(other, given, wanted, counting)
        rows.append(Row(str(sample), operator.name, 1, Traffic(*reference, *kernels, minimum)))
        if official is not None:
            rows.append(Row(f"{sample}, {PUBLISHED}", operator.name, 1, Traffic(*official, *kernels, minimum)))
    return rows


def network_traffic(network: Network, counting: Counting) -> tuple[list[Row], Traffic]:
    """The traffic of the token mixers of a network, by stage and component, each counted alone; and that of all of it.

    Raises
    ------
    SpecError: `broken-plugin`, where a component cannot run.
    """
    with blamed():
        return _sites(network, counting), _whole(network, counting)


def _sites(network: Network, counting: Counting) -> list[Row]:
    measured: dict[Any, tuple[Traffic, str | None]] = {}
    rows: dict[tuple[str, str, str | None], Row] = {}
    for path, placed in network_leaves(network):
        if placed.leaf.schema.slot != "token":
            continue
        key = (placed.leaf, placed.x)
        if key not in measured:
            counting.step(f"counting {path}")
            measured[key] = _site(placed, counting)
        traffic, reason = measured[key]
        top, _, rest = path.partition(".")
        stage = rest.partition(".")[0] if top == "stages" else top
        kind = (stage, placed.leaf.schema.name, reason)
        so_far = rows.get(kind)
        count, sum_of = (so_far.count + 1, so_far.traffic + traffic) if so_far else (1, traffic)
        rows[kind] = Row(stage, placed.leaf.schema.name, count, sum_of, reason)
    return list(rows.values())


def _site(placed: Placed, counting: Counting) -> tuple[Traffic, str | None]:
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        module: nn.Module = instantiate(placed.leaf, placed.x)
    with FakeTensorMode():
        _emptied(module, counting.dtype)
        x = torch.empty(counting.batch, *placed.x.shape, dtype=counting.dtype, requires_grad=counting.training)
        found = _four(module, x, [x, *module.parameters()], counting, "eager")
    return Traffic(*found, _least(placed, counting)), _reason(module, counting.dtype)


def _whole(network: Network, counting: Counting) -> Traffic:
    module = lower(network)
    with FakeTensorMode():
        _emptied(module, counting.dtype)
        images = torch.empty(counting.batch, *network.image.shape, dtype=counting.dtype)
        found = _four(module, images, list(module.parameters()), counting, "free")
    unused = () if counting.training else tuple(f"head.{name}." for name in network.trained_only)
    leaves = (placed for path, placed in network_leaves(network) if not path.startswith(unused or "\0"))
    return Traffic(*found, sum(_least(placed, counting) for placed in leaves))


def _four(
    module: nn.Module, x: Tensor, wanted: Sequence[Tensor], counting: Counting, layouts: Layouts
) -> tuple[int, int, int, int]:
    """The reference eager and compiled, and with kernels likewise."""
    module.train(counting.training)
    choose(module, Use.REFERENCE)
    counting.step(f"counting {module.__class__.__name__}, the reference")
    reference = _both(module, [x], wanted, counting, layouts)
    if all(_declines(part, counting.dtype) for part in module.modules()):
        return *reference, *reference
    choose(module, Use.OPERATOR)
    counting.step(f"counting {module.__class__.__name__}, with kernels")
    return *reference, *_both(module, [x], wanted, counting, layouts)


def _declines(part: nn.Module, dtype: torch.dtype) -> bool:
    return not isinstance(part, Kernelled) or _reason(part, dtype) is not None


def _reason(module: nn.Module, dtype: torch.dtype) -> str | None:
    """Why the kernel of a component would not run on a GPU that is there."""
    if not isinstance(module, Kernelled):
        return NO_KERNEL
    module.use = Use.OPERATOR
    return why_reference(module, _CUDA, dtype)


def _both(
    run: Callable[..., Any], given: Sequence[Any], wanted: Sequence[Tensor], counting: Counting, layouts: Layouts = "eager"
) -> tuple[int, int]:
    """What a function moves eagerly and compiled."""
    differentiate = gradients(wanted) if counting.training else no_gradients
    with torch.set_grad_enabled(counting.training):
        with Counter(beside) as counter:
            differentiate(run(*given))
        return counter.bytes, scheduled_bytes(run, differentiate, given, beside, layouts)


def _least(placed: Placed, counting: Counting) -> int:
    """Input and weights read once, output written once; for the gradients once more, and these written."""
    count = counting.batch
    weights = sum(torch.Size(shape).numel() for shape in placed.leaf.weights(placed.x).values())
    once = count * (placed.x.elements + placed.y.elements) + weights
    again = once + count * placed.x.elements + weights if counting.training else 0
    return (once + again) * counting.dtype.itemsize


def _emptied(module: nn.Module, dtype: torch.dtype) -> None:
    """Parameters and buffers that hold nothing, on what stands for a CPU."""
    module._apply(lambda t: torch.empty(t.shape, dtype=dtype if t.is_floating_point() else t.dtype, device="cpu"))


def _like(value: Any, batch: int | None, *, grad: bool) -> Any:
    if not isinstance(value, Tensor):
        return value
    shape = value.shape if batch is None else (batch, *value.shape[1:])
    return torch.empty(shape, dtype=value.dtype, requires_grad=grad)


def total(rows: Iterable[Row]) -> Traffic:
    """The traffic of some rows together."""
    return sum((row.traffic for row in rows), Traffic(0, 0, 0, 0, 0))
