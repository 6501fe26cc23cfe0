"""The paper's table of a backbone: a column for each stage."""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.ir import part as parts
from archdsl.ir.counts import closed_form, part_levels, short
from archdsl.ir.decisions import Decision
from archdsl.ir.network import Network, PlacedBlock, PlacedStage
from archdsl.report.parts import in_turn, outline, runs, slot, slot_parts, text
from archdsl.report.pile import pile
from archdsl.report.table import Table
from archdsl.schema.units import FeatureMap

_MIDDLE = ("output", "dim", "depth", "layout", "token", "channel")


def stage_table(network: Network) -> Table:
    """A column each for stem, stages, nodes and heads in the order they are computed, and the totals.

    A network whose stages have neither token nor channel mixers is shown with the lines of its layouts instead.
    """
    columns: list[tuple[str, ...]] = []
    closed = closed_form(network)
    for level, name in part_levels(network).items():
        y, middle = _place(network, name)
        spent = "training" if name in network.trained_only else short(closed.parts[level].flops)
        columns.append((name or "stem", *_map(y), *middle, short(closed.params_by_part[level]), spent))
    columns.append(("total", *[""] * len(_MIDDLE), short(closed.params), short(closed.flops)))
    header, *rows = zip(("", *_MIDDLE, "params", "FLOPs"), *columns, strict=True)
    return Table(header, tuple(row for row in rows if any(row[1:])))


def decision_table(decisions: Iterable[Decision]) -> Table:
    """What a space leaves open: a row for each decision."""
    rows = tuple((found.path, str(len(found.labels)), " | ".join(found.labels)) for found in decisions)
    return Table(("decision", "values", ""), rows, frozenset({1}))


def stage_rows(network: Network) -> list[dict[str, object]]:
    """The same as plain data, exact."""
    found: list[dict[str, object]] = []
    closed = closed_form(network)
    for level, name in part_levels(network).items():
        row: dict[str, object] = {"name": name or "stem", "output": list(_place(network, name)[0].shape)}
        value = network.values[name] if name else network.stem
        if isinstance(value, PlacedStage):
            mixers = {word: [slot(block, word) for block in value.blocks] for word in ("token", "channel")}
            row |= {"depth": len(value.blocks), **mixers, "layout": [layout_lines(block) for block in value.blocks]}
            row["drop_path"] = list(value.drop_rates)
        elif value is not None:
            row["parts"] = text(value)
        found.append({**row, "params": closed.params_by_part[level], "flops": closed.parts[level].flops})
    return found


def _place(network: Network, name: str) -> tuple[FeatureMap, tuple[str, str, str, str]]:
    """What comes out at a place, and the depth, the layout and the mixers of a stage."""
    value = network.values[name] if name else network.stem
    assert value is not None
    return value.y, _stage(value) if isinstance(value, PlacedStage) else ("", "", "", "")


def _map(y: FeatureMap) -> tuple[str, str]:
    return "" if y.size is None else str(y.size), str(y.channels)


def _stage(stage: PlacedStage) -> tuple[str, str, str, str]:
    mixers = [["\n".join(map(pile, slot_parts(block, word))) for block in stage.blocks] for word in ("token", "channel")]
    token, channel = (_mixer([found or "none" for found in side]) if any(side) else "" for side in mixers)
    layout = "" if token or channel else _mixer(["\n".join(layout_lines(block)) for block in stage.blocks])
    return str(len(stage.blocks)), layout, token, channel


def layout_lines(block: PlacedBlock) -> list[str]:
    """The lines of a block; what is long goes on below its first word."""
    found: list[str] = []
    for line in block.lines:
        found += _piled_part("residual" if line.residual else "then", line.body.part)
        if line.skip:
            found += [f"  {shown}" for shown in _piled_part("skip", line.skip.part)]
    return found


def _piled_part(word: str, part: parts.Part) -> list[str]:
    if isinstance(part, parts.Fit):
        word, part = f"{word} fit", part.part
    if not isinstance(part, parts.Chain) or not (part.label or len(part.parts) > 1):
        return [f"{word} {outline(part, kernels=True)}"]
    head = f"{word} {part.label}" if part.label else word
    return [head, *(f"  {outline(inner, kernels=True)}" for inner in part.parts)]


def _mixer(values: list[str]) -> str:
    """What the blocks of a stage have, each value on its own lines."""
    if turn := in_turn(values):
        return turn[0] if len(turn) == 1 else "\n".join(["in turn", *turn])
    return "\n".join(f"{many} x {_hung(value)}" for many, value in runs(values))


def _hung(value: str) -> str:
    """A value behind its number; where it is more than a component with its fields, all of it is set in."""
    lines = value.split("\n")
    return value if all(line.startswith("  ") for line in lines[1:]) else "\n    ".join(lines)
