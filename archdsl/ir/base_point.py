"""The base among the points of a space: at each place the combination that says what the base says there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

from archdsl.ir.decisions import Decision, Point, active, combinations, domains_in, reached_lets
from archdsl.ir.digest import digest
from archdsl.ir.evaluate import Context, DomainKey, Env, domain_key
from archdsl.ir.model import Model, Place
from archdsl.ir.network import Network
from archdsl.ir.part import Part, detail, parts_of
from archdsl.ir.resolve import resolve
from archdsl.ir.shapes import place as placed
from archdsl.ir.values import Built, Partial
from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Report, Reported

# a place whose domains have more combinations than this is not compared with the base
_COMPARED = 2_000
# combinations of what no place settles that are built and compared as a whole
_BUILT = 64
_WORK = 40_000
# what a place says that says nothing
_UNSAID: dict[str, object] = {"join": "add", "stride": 1}


class BasePoint:
    """Finds the values that the decisions of a space have in its base."""

    def __init__(
        self, model: Model, base: Model, network: Network, decisions: Sequence[Decision], report: Report, work: Work
    ) -> None:
        self.model = model
        self.base = base
        self.network = network
        self.decisions = tuple(decisions)
        self.by_key = {decision.key: decision for decision in decisions}
        self.report = report
        self.whole = work
        self.work = work.part(_WORK)
        self.point: dict[DomainKey, int | Fraction] = {}

    def find(self) -> dict[DomainKey, int | Fraction] | None:
        """The base's point; None where the base lies outside a domain, which was then reported."""
        wrong = False
        waiting = list(self._entries())
        while waiting:
            left = []
            for entry in waiting:
                try:
                    if not self._match(*entry):
                        left.append(entry)
                except Reported:
                    wrong = True
            if len(left) == len(waiting):
                # what is left reads something that no place settles
                break
            waiting = left
        if self.work.left < 0:
            self.report.fail(
                "limit-exceeded",
                f"comparing `{self.model.name}` with its base may take at most {self.work.limit:_} steps",
                self.model.span,
                "it takes more",
                help="make the domains simpler",
            )
        found = None if wrong else self._whole()
        self.whole.rejoin(self.work)
        return found

    def _entries(self) -> Iterator[tuple[Place, Place | None, str | None, str, ast.Expr]]:
        model, base = self.model, self.base
        places: list[tuple[Place, Place | None, str | None]] = [(model.place, base.place, None)]
        for name, stage in model.stages.items():
            twin = base.stages[name]
            places.append((stage, twin, name))
            places += [(position, twin.positions.get(which), name) for which, position in stage.positions.items()]
        places.append((model.default, base.default, None))
        places += [(p, base.default.positions.get(which), None) for which, p in model.default.positions.items()]
        for here, other, stage_name in places:
            for name, let in here.lets.items():
                if let.params is None:
                    yield here, other, stage_name, name, let.value
            for name, attribute in here.attributes.items():
                yield here, other, stage_name, name, attribute.value

    def _match(self, here: Place, twin: Place | None, stage: str | None, name: str, expr: ast.Expr) -> bool:
        """Settle the domains that a value reads; whether that is done with."""
        reached = [expr, *(let.value for let in reached_lets(self.model, [expr]))]
        keys = dict.fromkeys(domain_key(domain) for inner in reached for domain in domains_in(inner))
        domains = [self.by_key[key] for key in keys if key not in self.point and key in self.by_key]
        stages = [stage] if stage else list(self.model.stages)
        target = self._values(self.base, stages, here, name, None) if domains else None
        if target is None:
            return True
        tried = list(itertools.islice(combinations(domains, self.point), _COMPARED + 1))
        if len(tried) > _COMPARED:
            return True
        said = False
        for combination in tried:
            trial = {**self.point, **combination}
            value = self._values(self.model, stages, here, name, trial)
            said = said or value is not None
            if value == target:
                self.point |= combination
                return True
        if said:
            self._outside(here, twin, name, expr)
        return False

    def _values(self, model: Model, stages: list[str], here: Place, name: str, point: Point | None) -> object:
        """What a name of a place comes to in each block it is read in; None where that cannot be said."""
        context = Context(model, Report(), point, self.work)
        try:
            if here.kind == "arch":
                return [self._value(Env(context, (model.place,), "", model.span), name)]
            found = []
            for stage in stages:
                at = model.stages[stage]
                places: tuple[Place, ...] = (at, model.default, model.place)
                if here.kind == "position":
                    which = here.path.rpartition(".")[2]
                    places = (*(p.positions[which] for p in (at, model.default) if which in p.positions), *places)
                blocks = range(4) if name in ("token", "channel") else range(1)
                found += [self._value(Env(context, places, "", at.span, block=block), name) for block in blocks]
            return found
        except Reported:
            return None

    def _value(self, env: Env, name: str) -> object:
        for scope in env.places:
            written = scope.lets.get(name) or scope.attributes.get(name)
            if name == "layout" and scope.layout is not None:
                return scope.layout
            if written is None:
                continue
            if name == "layout":
                return env.chosen(written.value) if isinstance(written.value, ast.Choice) else written.value
            val = env.evaluate(written.value)
            return _essence(env.to_part(val, val.span).part) if isinstance(val.value, Partial | Built) else val.value
        return _UNSAID.get(name)

    def _outside(self, here: Place, twin: Place | None, name: str, expr: ast.Expr) -> None:
        domain = next((d for d in domains_in(expr)), None)
        decision = self.by_key.get(domain_key(domain)) if domain else None
        notes = []
        written = (twin.lets.get(name) or twin.attributes.get(name)) if twin else None
        if written is not None:
            value = " ".join(written.value.span.text.split())
            notes = [Note(f"`{self.base.name}` sets it to {value}, and the base is trial 0", written.value.span)]
        self.report.fail(
            "outside-domain",
            f"the base value of `{here.below(name)}` is not in its domain",
            decision.span if decision else expr.span,
            decision.listed() if decision else "",
            notes=notes,
            help="let the domain include what the base has, or extend the base first",
        )

    def _whole(self) -> dict[DomainKey, int | Fraction]:
        """The point, with what no place settled as it must be for the base's network, or as written first."""
        settled = dict(self.point)
        first = {**{decision.key: decision.values[0] for decision in self.decisions}, **settled}
        unsettled = [decision for decision in active(self.decisions, first) if decision.key not in settled]
        if not unsettled:
            return first
        wanted = digest(self.network, names=False)
        for combination in itertools.islice(combinations(unsettled, settled), _BUILT):
            quiet = Report()
            arch = resolve(self.model, quiet, {**first, **combination}, work=self.work)
            network = placed(arch, quiet, work=self.work, advise=False) if arch else None
            if network is not None and digest(network, names=False) == wanted:
                return {**first, **combination}
        # what a space changes for all its points moves them away from the base, so nothing can be said
        return first


def _essence(part: Part) -> object:
    """What a part does, whatever its pieces are called."""
    return type(part), detail(part), tuple(_essence(piece) for piece in parts_of(part))
