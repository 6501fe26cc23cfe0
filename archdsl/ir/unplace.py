"""From a network back to its arch, to place it again: for other images, or with other components."""

from __future__ import annotations

from collections.abc import Callable

from archdsl.ir.network import Network, Placed, PlacedBlock, PlacedStage
from archdsl.ir.part import Arch, Block, Chain, Concat, Fit, Line, Part, Split, Stage, Sum, Value
from archdsl.source.record import replace
from archdsl.source.text import Source, Span

NOWHERE = Span(Source("", ""), 0, 0)


def unplaced(network: Network, change: Callable[[Part], Part]) -> Arch:
    """The arch of a network, every part put through `change`, the inner ones first. Its places in a text are lost.

    `dim` is left out of the stages: it was checked. Equal blocks of a stage stay one object.
    """

    def changed(part: Part) -> Part:
        match part:
            case Chain() | Sum() | Split() | Concat():
                return change(replace(part, parts=tuple(map(changed, part.parts))))
            case Fit():
                return change(replace(part, part=changed(part.part)))
            case _:
                return change(part)

    def section(placed: Placed | None) -> Part | None:
        return None if placed is None else changed(placed.part)

    def lines(block: PlacedBlock) -> tuple[Line, ...]:
        return tuple(Line(line.residual, changed(line.body.part), section(line.skip), NOWHERE) for line in block.lines)

    def value(name: str) -> Value:
        placed = network.values[name]
        assert isinstance(placed, Placed)
        return Value(name, changed(placed.part), NOWHERE)

    def stage(name: str) -> Stage:
        placed = network.values[name]
        assert isinstance(placed, PlacedStage)
        distinct = {id(block): block for block in placed.blocks}
        known = {key: lines(block) for key, block in distinct.items()}
        blocks = tuple(Block(known[id(block)], rate) for block, rate in zip(placed.blocks, placed.drop_rates, strict=True))
        return Stage(name, None, section(placed.source), section(placed.down), blocks, section(placed.tail), NOWHERE)

    return Arch(
        name=network.name,
        image=network.image,
        image_span=NOWHERE,
        classes=network.classes,
        stem=section(network.stem),
        stages=tuple(map(stage, network.stages)),
        nodes=tuple(map(value, network.nodes)),
        heads=tuple(map(value, network.heads)),
        logits=changed(network.logits.part),
        span=NOWHERE,
        preprocess=network.preprocess,
    )
