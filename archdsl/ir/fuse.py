"""The deploy form of a network: each component with its branches merged."""

from __future__ import annotations

from archdsl.ir.network import Network, network_leaves
from archdsl.ir.part import Leaf, Part
from archdsl.ir.shapes import place
from archdsl.ir.unplace import unplaced
from archdsl.source.diagnostic import Report, SpecError
from archdsl.source.record import replace


def fused(network: Network) -> Network:
    """The network that computes the same in evaluation with every component fused, and with their costs and weights.

    It remembers the one it was made of as `training_form`. A network in which nothing is to be fused comes back as it is.

    Raises
    ------
    SpecError: the fused form of a component does not fit where the component did.
    """
    distinct = {leaf.leaf for _, leaf in network_leaves(network)}
    if all(component.fused() == component for component in distinct):
        return network
    report = Report()
    found = place(unplaced(network, _fused), report, advise=False)
    if found is None:
        raise SpecError(report.errors)
    return replace(found, training_form=network)


def _fused(part: Part) -> Part:
    return replace(part, component=part.component.fused()) if isinstance(part, Leaf) else part
