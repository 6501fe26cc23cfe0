"""Rules of counting: which form of a network a number is about, and what of it is counted."""

from __future__ import annotations

from archdsl.ir.counts import Closed, closed_form
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network

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
    if rule == "conv_linear":
        return sum(found.cost.ops.get(name, 0) for name in ("conv", "linear"))
    return found.flops


def counted(network: Network, quantity: str, rule: str) -> int:
    """`params` or `flops` of a network by a rule."""
    return by_rule(closed_form(fused(network) if is_fused(rule) else network), quantity, rule)
