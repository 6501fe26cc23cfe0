"""Rules of counting: which form of a network a number is about, and what of it is counted."""

from __future__ import annotations

from collections.abc import Iterable

from archdsl.ir.counts import Closed, closed_form, short
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network
from archdsl.schema.cost import Cost

# what each counts, in the order in which they are listed
RULES = {
    "fvcore": "all parameters, and the operations that fvcore counts",
    "fused": "the same of the deploy form, in which branches are merged",
    "deploy": "as `fused`, without the parameters of what evaluation does not compute",
    "conv_linear": "all parameters, and of the operations those of convolutions and linear maps",
}
_FUSED = frozenset({"fused", "deploy"})


def is_fused(rule: str) -> bool:
    """Whether a rule counts the deploy form."""
    return rule in _FUSED


def by_rule(found: Closed, quantity: str, rule: str) -> int:
    """A count of a network by a rule; `found` is the closed form of the form that the rule counts."""
    if quantity == "params":
        return found.evaluated_params if rule == "deploy" else found.params
    return _operations(found.cost, rule)


def _operations(cost: Cost, rule: str) -> int:
    return sum(cost.ops.get(name, 0) for name in ("conv", "linear")) if rule == "conv_linear" else cost.flops


def shares(found: Closed, quantity: str, rule: str, most: int = 3) -> str:
    """The sections that hold most of a quantity as the rule counts it, and what it leaves out; in words."""
    if quantity == "params":
        counted = dict(found.params_by_part)
    else:
        counted = {level: _operations(cost, rule) for level, cost in found.parts.items()}
    left_out = {level: counted.pop(level) for level in found.unreached} if rule == "deploy" and quantity == "params" else {}
    total = sum(counted.values()) or 1
    largest = sorted(counted.items(), key=lambda entry: (entry[1], entry[0]), reverse=True)[:most]
    told = [f"{_last(level)} {short(count)} ({100 * count / total:.0f} %)" for level, count in largest]
    aside = ", ".join(f"{_last(level)} {short(count)}" for level, count in sorted(left_out.items()) if count)
    without = f"; left out, for the logits are made without: {aside}" if aside else ""
    return f"largest shares: {', '.join(told)}{without}"


def _last(level: str) -> str:
    return level.rpartition(".")[2]


def counted(network: Network, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Counts of a network by quantity, `params` or `flops`, and rule; each form of it is placed and added up once."""
    wanted = tuple(wanted)
    forms = dict.fromkeys(is_fused(rule) for _, rule in wanted)
    closed = {fuse: closed_form(fused(network) if fuse else network) for fuse in forms}
    return {(quantity, rule): by_rule(closed[is_fused(rule)], quantity, rule) for quantity, rule in wanted}
