"""What is different between two networks, said in the words of a spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archdsl.ir import part as parts
from archdsl.ir.decisions import Decision
from archdsl.ir.network import Network, Placed, PlacedBlock, PlacedStage, leaves
from archdsl.report.parts import outline, over_blocks, slot, text
from archdsl.report.written import fields, written_component
from archdsl.schema.field import FromArch
from archdsl.source.record import dataclass, replace

_NOTHING = "nothing"
# what a block has where others of its stage have more
_ABSENT = "identity"
# a level is told by what is in it
_SAME = "-"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: what stands at a path before and after; None where there is nothing.

    The path is that of an override, or with `inside` one that goes on into a part, by the names that the network has there.
    """

    path: str
    before: str | None
    after: str | None
    inside: bool = False

    def __str__(self) -> str:
        return f"{self.path} {_side(self.before)} -> {_side(self.after)}"


def _side(value: str | None) -> str:
    if value is None:
        return _NOTHING
    return f"({value})" if " -> " in value and not value.endswith("}") else value


@dataclass(frozen=True, slots=True)
class _Fact:
    """What stands at a path. `kind` is the component there; where it changes, its fields are not compared one by one.

    `whole` says all that stands there and below: enough where the other side has nothing. `short` is the value in short:
    enough where that differs, too. `inside` is that of `Change`.
    """

    value: str
    kind: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    whole: str = ""
    short: str = ""
    inside: bool = False


def changes(before: Network, after: Network) -> list[Change]:
    """The differences in the order of the networks. Names of lets and the way a spec is written make none."""
    old, new = dict(_facts(before)), dict(_facts(after))
    found: list[Change] = []
    covered = "\n"
    for path in _merged(list(old), list(new)):
        if path.startswith(covered):
            continue
        left, right = old.get(path), new.get(path)
        if left is None or right is None:
            fact = left or right
            assert fact is not None
            said = fact.whole or fact.value
            found.append(Change(path, said if left else None, said if right else None, fact.inside))
            covered = f"{path}." if fact.whole else covered
        else:
            found.extend(_compared(path, left, right))
    return found


def decision_changes(before: Iterable[Decision], after: Iterable[Decision]) -> list[Change]:
    """The differences between the decisions of two spaces."""
    old, new = ({found.path: " | ".join(found.labels) for found in side} for side in (before, after))
    return [
        Change(path, old.get(path), new.get(path)) for path in _merged(list(old), list(new)) if old.get(path) != new.get(path)
    ]


def _compared(path: str, old: _Fact, new: _Fact) -> Iterator[Change]:
    if not old.kind or old.kind != new.kind:
        if old.short != new.short:
            yield Change(path, old.short or old.value, new.short or new.value, new.inside)
        elif old.value != new.value:
            yield Change(path, old.value, new.value, new.inside)
        return
    left, right = dict(old.fields), dict(new.fields)
    for name in _merged(list(left), list(right)):
        if left.get(name) != right.get(name):
            yield Change(f"{path}.{name}", left.get(name), right.get(name), new.inside)


def _merged(old: list[str], new: list[str]) -> list[str]:
    """All of both, each once: the order of `new`, and what only `old` has behind the neighbour it had."""
    merged = list(new)
    known = set(new)
    behind = 0
    for path in old:
        if path in known:
            behind = merged.index(path) + 1
        else:
            merged.insert(behind, path)
            behind += 1
    return merged


def _facts(network: Network) -> Iterator[tuple[str, _Fact]]:
    yield "input", _Fact(str(network.image))
    yield "classes", _Fact(str(network.classes))
    if network.preprocess is not None:
        yield "preprocess", _Fact(str(network.preprocess))
    yield from _part(network.stem, "stem")
    for name, value in network.values.items():
        if isinstance(value, PlacedStage):
            yield from _stage(name, value, network.reads.get(name, ""))
        else:
            yield from _part(value, name)
    if len(network.heads) > 1:
        yield "logits", _Fact(outline(network.logits.part, short=False))


def _stage(name: str, stage: PlacedStage, reads: str) -> Iterator[tuple[str, _Fact]]:
    layouts = [_layout(block, short=False) for block in stage.blocks], [_layout(block, short=True) for block in stage.blocks]
    full, short = map(over_blocks, layouts)
    yield name, _Fact(_SAME, whole=_whole(stage, short))
    yield f"{name}.from", _Fact(reads or "stem")
    yield from _part(stage.source, f"{name}.from")
    yield from _part(stage.down, f"{name}.down")
    yield f"{name}.dim", _Fact(str(stage.y.channels))
    yield f"{name}.depth", _Fact(str(len(stage.blocks)))
    yield f"{name}.drop_path", _Fact(_range(stage.drop_rates))
    yield f"{name}.layout", _Fact(full, short=short)
    yield from _blocks(name, stage.blocks)
    yield from _part(stage.tail, f"{name}.tail")


def _whole(stage: PlacedStage, layout: str) -> str:
    """A stage in one line."""
    said = [f"dim = {stage.y.channels}", f"depth = {len(stage.blocks)}"]
    mixers = {word: [slot(block, word) for block in stage.blocks] for word in ("token", "channel")}
    told = [f"{word} = {over_blocks([found or 'none' for found in side])}" for word, side in mixers.items() if any(side)]
    return f"{{ {', '.join(said + (told or [f'layout {layout}']))} }}"


def _blocks(name: str, blocks: Iterable[PlacedBlock]) -> Iterator[tuple[str, _Fact]]:
    """The components of all blocks of a stage, by their place in a block."""
    every = [dict(_inside(block)) for block in blocks]
    for path in dict.fromkeys(path for block in every for path in block):
        found = [block.get(path) for block in every]
        kinds = {fact.kind for fact in found if fact}
        value = over_blocks([fact.value if fact else _ABSENT for fact in found])
        inside = path not in ("token", "channel")
        if any(fact.whole for fact in found if fact):
            whole = over_blocks([fact.whole if fact else _ABSENT for fact in found])
            yield f"{name}.{path}", _Fact(value, whole=whole, inside=inside)
        elif len(kinds) == 1 and None not in found:
            names = dict.fromkeys(name for fact in found if fact for name, _ in fact.fields)
            said = {name: over_blocks([dict(fact.fields)[name] for fact in found if fact]) for name in names}
            yield f"{name}.{path}", _Fact(value, kinds.pop(), tuple(said.items()), inside=inside)
        else:
            yield f"{name}.{path}", _Fact(value, inside=inside)


def _inside(block: PlacedBlock) -> Iterator[tuple[str, _Fact]]:
    """The components of a block, and the levels they stand on."""
    for line in block.lines:
        yield from _levels(line.body, "")
        if line.skip is not None:
            # the layout has how it is put together
            yield "skip", _Fact(_SAME, whole=outline(line.skip.part))
            yield from _levels(line.skip, "skip")


def _levels(placed: Placed, level: str) -> Iterator[tuple[str, _Fact]]:
    here = f"{level}.{placed.name}".removeprefix(".") if placed.name else level
    if isinstance(placed.part, parts.Leaf):
        yield here, _fact(placed)
    elif placed.name:
        yield here, _Fact(_SAME, whole=outline(placed.part, inside=True))
    for child in placed.children:
        yield from _levels(child, here)


def _part(placed: Placed | None, path: str) -> Iterator[tuple[str, _Fact]]:
    if placed is None:
        return
    if isinstance(placed.part, parts.Leaf):
        yield path, _fact(placed)
        return
    yield path, _Fact(outline(placed.part, short=False), whole=text(placed))
    for key, leaf in leaves(placed, path):
        yield key, replace(_fact(leaf), inside=True)


def _fact(leaf: Placed) -> _Fact:
    schema = leaf.leaf.schema
    every = fields(leaf.leaf, [field.name for field in schema.fields])
    # what the arch has for all of them may be another one on either side
    of_arch = [
        field.name
        for field in schema.fields
        if isinstance(field.default, FromArch) and getattr(leaf.leaf, field.name) != field.default.otherwise
    ]
    # by its fields, not by its text: a default that is written out changes nothing
    return _Fact(written_component(leaf.leaf, of_arch), schema.name, tuple(every.items()))


def _layout(block: PlacedBlock, *, short: bool) -> str:
    said = []
    for line in block.lines:
        skip = f" skip {outline(line.skip.part, short=short)}" if line.skip else ""
        said.append(f"{'residual' if line.residual else 'then'} {outline(line.body.part, short=short)}{skip}")
    return "{ " + ", ".join(said) + " }"


def _range(rates: tuple[float, ...]) -> str:
    low, high = (f"{rate:.4g}" for rate in (min(rates, default=0.0), max(rates, default=0.0)))
    return low if low == high else f"{low}..{high}"
