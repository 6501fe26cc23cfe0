"""The order in which a backbone computes its values. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archdsl.ir.network import Network
from archdsl.ir.reach import reached, read_values, sources
from archdsl.lowering.names import escaped_name


@dataclass(frozen=True, slots=True)
class Compute:
    """One value: the level at `path` run on the value `given`, after which the values `done` are no longer needed."""

    value: str
    given: str
    path: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is computed, in order, and the values that are left at the end."""

    steps: tuple[Compute, ...]
    left: tuple[str, ...]

    def escaped(self) -> Plan:
        """The same plan over levels called by their `escaped_name`."""
        return Plan(tuple(replace(s, path=tuple(escaped_name(name) for name in s.path)) for s in self.steps), self.left)


def plans(network: Network, wanted: Sequence[str]) -> tuple[Plan, Plan]:
    """Everything before the heads, whose end is what the heads read; then the heads. Of the wanted values none is lost."""
    order = reached(network, wanted)
    after: list[str] = []
    for name in order:
        if name in network.heads or sources(network, name) & set(after):
            after.append(name)
    before = [name for name in order if name not in after]
    boundary = {source for name in after for source in sources(network, name)} | set(wanted)
    between = tuple(name for name in ("", *before) if name in boundary)
    return plan(network, before, between), plan(network, after, tuple(wanted))


def wanted_values(network: Network, *, training: bool) -> tuple[str, ...]:
    """What an output is made of: all heads in training, what `logits` reads in evaluation."""
    read = read_values(network.logits)
    return network.heads if training else tuple(name for name in network.values if name in read)


def module_path(network: Network, name: str) -> tuple[str, ...]:
    """The names that lead from the backbone to the level of a value."""
    if name in network.stages:
        return "stages", name
    if name in network.nodes:
        return "nodes", name
    return ("head",) if len(network.heads) == 1 else ("head", name)


def plan(network: Network, names: Sequence[str], left: tuple[str, ...]) -> Plan:
    steps: list[Compute] = []
    needed = set(left)
    for name in reversed(names):
        read = sources(network, name)
        given = network.reads.get(name, "")
        if given not in read:
            # the part begins by reading a value by name: what comes in is not looked at, and must only be there
            given = min(read, default="")
        done = (read | {name}) - needed
        steps.append(Compute(name, given, module_path(network, name), tuple(sorted(done))))
        needed |= read
    return Plan(tuple(reversed(steps)), left)
