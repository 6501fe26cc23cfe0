"""Small networks made by hand, with the language left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from archdsl.ir import part as parts
from archdsl.ir.network import Network, Placed, PlacedBlock, PlacedLine, PlacedStage
from archdsl.schema.component import Component
from archdsl.schema.cost import Cost
from archdsl.schema.defaults import with_defaults
from archdsl.schema.units import FeatureMap, Size
from archdsl.source.text import Source, Span

SPAN = Span(Source("by hand", ""), 0, 0)


class Willing:
    """A site that refuses with a bare error."""

    def require(self, holds: bool, message: str, **_: object) -> None:
        assert holds, message

    def require_map(self, x: FeatureMap) -> Size:
        assert x.size is not None
        return x.size

    def require_divisible(self, size: Size, by: Size, **_: object) -> None:
        assert size.height % by.height == 0 and size.width % by.width == 0


def conv(out: int, kernel: int = 3, stride: int = 1) -> Component:
    return with_defaults("conv", {"kernel": kernel, "out": out, "stride": stride})


def linear(out: int) -> Component:
    return with_defaults("linear", {"out": out})


def dwconv() -> Component:
    return with_defaults("dwconv", {"kernel": 3})


def routing(topk: int) -> Component:
    return with_defaults("routing", {"topk": topk, "regions": 7, "head_dim": 8, "lepe": Size(5, 5)})


GELU = with_defaults("gelu", {})
BATCHNORM = with_defaults("batchnorm", {})
LAYERNORM = with_defaults("layernorm", {"eps": 1e-6})
MEAN = with_defaults("mean", {})
ATTENTION = with_defaults("attention", {"heads": 4, "qkv_bias": False, "lepe": Size(5, 5), "lepe_of": "input"})
MLP = with_defaults("mlp", {"ratio": 2.0, "act": GELU})


def leaf(component: Component, x: FeatureMap, name: str) -> Placed:
    return Placed(parts.Leaf(component, SPAN), x, component.shape(x, Willing()), (), name, component.cost(x))


def chain(*pairs: tuple[Component, str] | Placed, x: FeatureMap, name: str | None = None) -> Placed:
    """Components in turn, each with its name, or parts that were placed before."""
    children = []
    here = x
    for pair in pairs:
        placed = pair if isinstance(pair, Placed) else leaf(pair[0], here, pair[1])
        children.append(placed)
        here = placed.y
    part = parts.Chain(tuple(child.part for child in children), SPAN, name)
    return Placed(part, x, here, tuple(children), name, Cost.total(child.cost for child in children))


def read(value: str, x: FeatureMap) -> Placed:
    return Placed(parts.Read(value, SPAN), x, x)


def identity(x: FeatureMap) -> Placed:
    return Placed(parts.Identity(SPAN), x, x)


def total(*children: Placed, scales: Sequence[float] | None = None, name: str | None = None) -> Placed:
    scales = tuple(scales or (1.0,) * len(children))
    x, y = children[0].x, children[0].y
    unseen = {"add": y.elements * (len(children) - 1), "mul": y.elements * sum(scale != 1 for scale in scales)}
    part = parts.Sum(scales, tuple(child.part for child in children), SPAN, name)
    cost = Cost.total([*(child.cost for child in children), Cost(unseen={k: v for k, v in unseen.items() if v})])
    return Placed(part, x, y, children, name, cost)


def split(*children: Placed, x: FeatureMap, sizes: tuple[int, ...] | None = None) -> Placed:
    y = x.with_channels(sum(child.y.channels for child in children))
    part = parts.Split(sizes, tuple(child.part for child in children), SPAN)
    return Placed(part, x, y, children, None, Cost.total(child.cost for child in children))


def concat(*children: Placed) -> Placed:
    x = children[0].x
    y = children[0].y.with_channels(sum(child.y.channels for child in children))
    part = parts.Concat(tuple(child.part for child in children), SPAN)
    return Placed(part, x, y, children, None, Cost.total(child.cost for child in children))


def line(body: Placed, *, residual: bool = True, skip: Placed | None = None) -> PlacedLine:
    return PlacedLine(residual, body, skip)


def block(*lines: PlacedLine) -> PlacedBlock:
    y = lines[-1].body.y
    costs = []
    for placed in lines:
        costs.append(placed.body.cost)
        if placed.skip is not None:
            costs.append(placed.skip.cost)
        if placed.residual:
            costs.append(Cost(unseen={"add": placed.body.y.elements}))
    return PlacedBlock(lines, lines[0].body.x, y, Cost.total(costs))


def stage(
    name: str,
    x: FeatureMap,
    *blocks: PlacedBlock,
    down: Placed | None = None,
    source: Placed | None = None,
    tail: Placed | None = None,
    rates: Sequence[float] | None = None,
) -> PlacedStage:
    costs = [piece.cost for piece in (source, down, tail) if piece is not None] + [b.cost for b in blocks]
    y = tail.y if tail is not None else blocks[-1].y
    drop_rates = tuple(rates) if rates is not None else (0.0,) * len(blocks)
    return PlacedStage(name, source, down, blocks, drop_rates, tail, x, y, Cost.total(costs))


def mixing_block(x: FeatureMap, token: Component) -> PlacedBlock:
    """Position branch, token mixer, channel mixer: the block of BiFormer."""
    position = total(identity(x), leaf(dwconv(), x, "dwconv"))
    return block(
        line(position, residual=False),
        line(chain((LAYERNORM, "layernorm"), (token, "token"), x=x)),
        line(chain((LAYERNORM, "layernorm_2"), (MLP, "channel"), x=x)),
    )


def small(*, classes: int = 10, rates: Sequence[float] = (0.0, 0.1, 0.2), dim: int = 16) -> Network:
    """A BiFormer of two stages at 56x56: `s1` with routing at 14x14, `s2` with full attention at 7x7."""
    image = FeatureMap(3, Size(56, 56))
    stem = chain(
        (conv(dim // 2, 3, 2), "conv"),
        (BATCHNORM, "batchnorm"),
        (GELU, "gelu"),
        (conv(dim, 3, 2), "conv_2"),
        (BATCHNORM, "batchnorm_2"),
        x=image,
    )
    first = stage("s1", stem.y, mixing_block(stem.y, routing(4)), mixing_block(stem.y, routing(4)), rates=rates[:2])
    down = chain((conv(2 * dim, 3, 2), "conv"), (BATCHNORM, "batchnorm"), x=stem.y)
    second = stage("s2", first.y, mixing_block(down.y, ATTENTION), down=down, rates=rates[2:])
    head = chain((BATCHNORM, "batchnorm"), (MEAN, "mean"), (linear(classes), "linear"), x=second.y)
    return Network(
        name="small",
        image=image,
        classes=classes,
        stem=stem,
        stages=("s1", "s2"),
        nodes=(),
        heads=("head",),
        values={"s1": first, "s2": second, "head": head},
        reads={"s1": "", "s2": "s1", "head": "s2"},
        logits=read("head", head.y),
    )


def branching(*, classes: int = 6) -> Network:
    """A graph: a node that both heads and the last stage read, a skip path, levels of their own, a head of training only."""
    image = FeatureMap(3, Size(16, 16))
    stem = chain((conv(8, 3, 2), "conv"), x=image)
    x = stem.y
    inner = chain((conv(4, 1), "conv"), (GELU, "gelu"), (conv(8, 1), "conv_2"), x=x, name="squeeze")
    shortcut = chain((conv(8, 1), "conv"), (BATCHNORM, "batchnorm"), x=x, name="shortcut")
    half = x.with_channels(4)
    groups = split(leaf(conv(4), half, "conv"), leaf(GELU, half, "gelu"), x=x)
    first = stage(
        "s1",
        x,
        block(line(inner, skip=shortcut), line(groups, residual=False)),
        tail=chain((LAYERNORM, "layernorm"), x=x),
        rates=(0.5,),
    )
    guide = chain(read("s1", x), (conv(8, 1), "conv"), x=x)
    guided = concat(identity(x), read("guide", x))
    mixed = block(line(chain(guided, (conv(8, 1), "conv"), x=x)), line(leaf(MLP, x, "channel")))
    second = stage("s2", x, mixed, source=total(read("s1", x), chain(read("guide", x), x=x), scales=(1.0, 0.5)), rates=(0.0,))
    main = chain((MEAN, "mean"), (linear(classes), "linear"), x=x)
    aux = chain(read("guide", x), (MEAN, "mean"), (linear(classes), "linear"), x=x)
    extra = chain((MEAN, "mean"), (linear(classes), "linear"), x=x)
    vector = main.y
    logits = total(read("main", vector), read("aux", vector), scales=(1.0, 0.5))
    return Network(
        name="branching",
        image=image,
        classes=classes,
        stem=stem,
        stages=("s1", "s2"),
        nodes=("guide",),
        heads=("main", "aux", "extra"),
        values={"s1": first, "guide": guide, "s2": second, "main": main, "aux": aux, "extra": extra},
        reads={"s1": "", "guide": "s1", "s2": "s1", "main": "s2", "aux": "s2", "extra": "s1"},
        logits=logits,
        trained_only=frozenset({"extra"}),
    )


def replaced(network: Network, **values: PlacedStage | Placed) -> Network:
    """The same network with other stages, nodes or heads."""
    return dataclasses.replace(network, values={**network.values, **values})
