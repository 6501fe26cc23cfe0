"""Which values of a space's network read which: found by resolving them, without their maps."""

from __future__ import annotations

from archdsl.feasible.anatomy import Anatomy, values_read
from archdsl.feasible.trace import Source
from archdsl.ir import graph
from archdsl.ir.part import first_reads
from archdsl.ir.reach import sources
from archdsl.ir.space import Space
from archdsl.source.diagnostic import Report


class Wiring:
    """The values of a space, in an `order` in which each comes after all that it is known to read."""

    def __init__(self, space: Space, own: Anatomy) -> None:
        self.own = own
        given = graph.given(own.arch)
        self.order = graph.order(own.arch, given, Report())
        # what a stage is given, and all that a node reads, is one thing everywhere: no decision may stand there
        self._given = {name: {given[name]} for name in own.model.stages}
        self._given |= {name: set(sources(space.base_network, name)) for name in own.model.nodes}
        # what each value is known to read at some points
        self._needs = {name: set(sources(space.base_network, name)) - {""} for name in self.order}

    def circular(self, name: str, read: str) -> bool:
        """Whether a value reads what is computed from itself."""
        waiting, seen = [read], {read}
        while waiting:
            here = waiting.pop()
            if here == name:
                return True
            new = self._given.get(here, set()) - seen
            seen |= new
            waiting += new
        return False

    def move(self, name: str, behind: str) -> bool:
        """Let a value come behind another one that it reads at some points. False if that makes a circle, or was so before."""
        needs = self._needs.get(name)
        if needs is None or behind in needs:
            return False
        needs.add(behind)
        left, found = list(self.order), list[str]()
        while left:
            following = next((value for value in left if not self._needs[value] & set(left)), None)
            if following is None:
                return False
            found.append(following)
            left.remove(following)
        self.order = found
        return True

    # --- what each piece reads --------------------------------------------------------------------------------

    def value(self, name: str, probe: Source) -> frozenset[str]:
        """The values that a node or a head is computed from."""

        def work(source: Source) -> frozenset[str]:
            part = self.own.value_part(name, source)
            return values_read([part], None if first_reads(part) else next(reversed(self.own.model.stages)))

        return self.own.once(("read by", name), probe, work)

    def logits(self, probe: Source) -> frozenset[str]:
        """The values that evaluation returns."""
        return self.own.once("read by logits", probe, lambda source: values_read([self.own.resolver(source).logits()]))

    def around(self, stage: str, probe: Source) -> frozenset[str]:
        """The values that a stage reads around its blocks: in `from`, `down` and `tail`, and what comes before it."""

        def work(source: Source) -> frozenset[str]:
            parts, given = self.own.entrance_parts(stage, source)
            resolver = self.own.resolver(source)
            tail = resolver.stages.tail(self.own.stage(resolver, stage))
            return values_read([*parts, *([tail] if tail else [])], given)

        return self.own.once(("read around", stage), probe, work)

    def line(self, stage: str, line: int, probe: Source) -> frozenset[str]:
        """The values that a line of a stage reads, in any of its blocks."""

        def work(source: Source) -> frozenset[str]:
            depth = self.own.number(stage, "depth", source)
            assert depth is not None
            found: frozenset[str] = frozenset()
            for block in range(depth):
                resolver = self.own.resolver(source)
                written, env = resolver.stages.layout(self.own.block(resolver, stage, self.own.position(block, depth), block))
                if line < len(written):
                    read = resolver.stages.line(env, written[line])
                    found |= values_read([part for part in (read.body, read.skip) if part])
            return found

        return self.own.once(("read by line", stage, line), probe, work)
