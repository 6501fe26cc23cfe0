"""What a network must be as a whole: within the limits, and fit to be a module."""

from __future__ import annotations

from archdsl.ir.counts import params
from archdsl.ir.naming import has_state
from archdsl.ir.network import Network, network_parts
from archdsl.ir.part import Arch, Leaf, Stage, Value, walk_parts
from archdsl.ir.reach import inside
from archdsl.ir.reserved import is_reserved, other_name
from archdsl.ir.work import Work
from archdsl.schema.cost import FREE, Cost
from archdsl.schema.sliding import padding
from archdsl.schema.units import FeatureMap, Size
from archdsl.source import limits
from archdsl.source.diagnostic import Report, Reported


def check_size(arch: Arch, work: Work, report: Report) -> None:
    """Refuse more components than a network may have, before any of them is placed."""
    total = 0
    counted: dict[int, int] = {}
    for stage in arch.stages:
        for block in stage.blocks:
            if id(block.lines) not in counted:
                parts = [part for line in block.lines for part in (line.body, line.skip) if part]
                counted[id(block.lines)] = sum(isinstance(p, Leaf) for part in parts for p in walk_parts(part))
            total += counted[id(block.lines)]
    if total > limits.PARTS:
        report.fail(
            "limit-exceeded",
            f"a network may have at most {limits.PARTS:_} components",
            arch.span,
            f"this one has {total:_}",
            help="choose a smaller depth",
        )
    work.spend(total, arch.span, report)


def check_network(network: Network, arch: Arch, report: Report) -> None:
    """Refuse what is too large to be made, and what makes no module; warn of what was hardly meant. Raises `Reported`."""
    _check_counts(network, arch, report)
    _check_logits(network, arch, report)
    _check_labels(network, arch, report)
    _check_patches(network, report)


def _check_counts(network: Network, arch: Arch, report: Report) -> None:
    total = params(network)
    if total > limits.PARAMETERS:
        report.fail(
            "limit-exceeded",
            f"a network may have at most {limits.PARAMETERS:_} parameters",
            arch.span,
            f"this one has {total:_}",
            help="choose smaller dims or depths",
        )
    cost = Cost.total([network.stem.cost if network.stem else FREE, *(value.cost for value in network.values.values())])
    if cost.flops + cost.unseen_flops > limits.OPERATIONS:
        report.fail(
            "limit-exceeded",
            f"a network may take at most {limits.OPERATIONS:_} operations for an image",
            arch.span,
            f"this one takes {cost.flops + cost.unseen_flops:_}",
            help="choose a smaller input, or smaller dims",
        )


def _check_labels(network: Network, arch: Arch, report: Report) -> None:
    """Refuse words that would name a module like an attribute that every module has."""
    roots = [placed for _, placed in network_parts(network)]
    written = {placed.name: placed.part.span for root in roots for placed in inside(root) if placed.name}
    values: list[Stage | Value] = [*arch.stages, *arch.nodes, *arch.heads]
    written |= {value.name: value.span for value in values}
    refused = sorted(filter(is_reserved, written))
    for name in refused:
        report.error(
            "reserved-label",
            f"`{name}` cannot name a part: every torch module has an attribute of that name",
            written[name],
            "it would be part of a name in the state_dict",
            help=f"give the let, stage, node or head another name, such as `{other_name(name)}`",
        )
    if refused:
        raise Reported


def _check_logits(network: Network, arch: Arch, report: Report) -> None:
    if has_state(network.logits):
        report.fail(
            "logits-with-weights",
            "`logits` puts heads together, and has no weights of its own",
            network.logits.part.span,
            "this has some",
            help="move the part with weights into a head",
        )
    if network.logits.y.channels != network.classes:
        report.fail(
            "classes-mismatch",
            "the logits have one channel for each class",
            arch.heads[0].span,
            f"{network.logits.y.channels} come out, and `classes` is {network.classes}",
            help="end the head with `linear(classes)`, or correct `classes`",
        )
    if network.logits.y.tokens and network.logits.y.positions > 1:
        report.fail(
            "unpooled-logits",
            "the logits are a vector, or a map",
            arch.heads[0].span,
            f"a list of tokens comes out: {network.logits.y}",
            help=f"begin the head with {_to_vector(network.logits.y)}",
        )
    # for classification the pooling was forgotten; for dense tasks a map is meant
    if len(network.logits.y.shape) > 1:
        report.warn(
            "unpooled-logits",
            "the logits are a map, one prediction for each position",
            arch.heads[0].span,
            f"{network.logits.y} comes out",
            help="to predict once for each image, pool first: `head = mean -> linear(classes)`",
        )


def _check_patches(network: Network, report: Report) -> None:
    """Warn of patches, cut by a convolution of the stem, that leave some of the image uncovered."""
    for placed in inside(network.stem):
        if not isinstance(placed.part, Leaf) or placed.x != network.image or placed.leaf.schema.name != "conv":
            continue
        kernel, stride, pad = (getattr(placed.leaf, name) for name in ("kernel", "stride", "pad"))
        size, out = placed.x.size, placed.y.size
        if kernel != stride or size is None or out is None:
            continue
        added = padding(size, kernel, stride, pad)
        covered = Size(out.height * stride.height - added.top, out.width * stride.width - added.left)
        rows, columns = max(size.height - covered.height, 0), max(size.width - covered.width, 0)
        if rows or columns:
            lost = [_counted(*each) for each in ((rows, "row"), (columns, "column")) if each[0]]
            report.warn(
                "dropped-pixels",
                "the patches of a stem should cover the whole image",
                placed.part.span,
                f"left out: the last {' and '.join(lost)} of {size}",
                help=f"use a multiple of {stride} as input, or `patch_embed({kernel})`, which pads the image",
            )


def _counted(count: int, what: str) -> str:
    return what if count == 1 else f"{count} {what}s"


def _to_vector(y: FeatureMap) -> str:
    """What makes one token of a list of them."""
    ways = ['`select("class")`'] if any(token.name == "class" for token in y.tokens) else []
    ways.append('`select("patches") -> mean`' if y.size else "`mean`")
    return " or ".join(ways)
