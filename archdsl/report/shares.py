"""What each kind of component has of a network's parameters and operations."""

from __future__ import annotations

from math import prod

from archdsl.ir.network import Network, network_leaves
from archdsl.report.table import Table
from archdsl.report.written import exact
from archdsl.source.record import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """How often a component is used, and its parameters and closed-form operations in all these places."""

    name: str
    places: int
    params: int
    flops: int

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        return {"name": self.name, "places": self.places, "params": self.params, "flops": self.flops}


def by_component(network: Network) -> list[Share]:
    """The components of a network, the most parameters first. Those of heads of training only count as well."""
    found: dict[str, Share] = {}
    for _, placed in network_leaves(network):
        component = placed.leaf
        name = component.schema.name
        so_far = found.get(name, Share(name, 0, 0, 0))
        params = sum(prod(shape) for shape in component.weights(placed.x).values())
        found[name] = Share(name, so_far.places + 1, so_far.params + params, so_far.flops + placed.cost.flops)
    return sorted(found.values(), key=lambda share: (-share.params, -share.flops, share.name))


def share_table(shares: list[Share]) -> Table:
    """Shares as a table, with parts of the whole in percent."""
    params, flops = sum(share.params for share in shares) or 1, sum(share.flops for share in shares) or 1
    rows = tuple(
        (
            *(share.name, str(share.places)),
            *(exact(share.params), f"{share.params / params:.1%}".replace("%", " %")),
            *(exact(share.flops), f"{share.flops / flops:.1%}".replace("%", " %")),
        )
        for share in shares
    )
    return Table(("component", "places", "params", "", "flops", ""), rows, frozenset(range(1, 6)))
