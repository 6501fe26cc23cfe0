"""Expectations: what a spec says its counts are, and whether they are."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import ceil
from typing import Literal

from archdsl.ir.counts import Closed, closed_form, short
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network
from archdsl.ir.rules import RULES, by_rule, is_fused, shares
from archdsl.lang import ast
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Diagnostic, Note, Report, Reported, SpecError
from archdsl.source.limits import SIZES
from archdsl.source.record import dataclass
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span

UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
QUANTITIES = ("params", "flops")

Overridden = Literal["no", "size", "values"]
Status = Literal["holds", "fails", "recorded", "not checked"]


@dataclass(frozen=True, slots=True)
class Bound:
    """The counts that a written number stands for, both ends included."""

    low: int
    high: int
    exact: bool

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high


@dataclass(frozen=True, slots=True)
class Expectation:
    """One `expect` line: what it says, and what was counted."""

    quantity: str
    written: str
    bound: Bound
    at: Size | None
    rule: str
    because: str | None
    counted: int | None
    status: Status
    span: Span

    def __str__(self) -> str:
        at = f" at {self.at}" if self.at else ""
        by = f" by {self.rule}" if self.rule != "fvcore" else ""
        return f"{self.quantity} = {self.written}{at}{by}"


def amount(value: ast.Expr, report: Report, *, quantity: str) -> tuple[Decimal, Decimal, bool]:
    """A written count as number, weight of its last digit, and whether it is a plain integer."""
    if isinstance(value, ast.Integer):
        return Decimal(value.value), Decimal(1), True
    if isinstance(value, ast.Quantity):
        unit = UNITS.get(value.unit)
        if unit is None:
            near = next((known for known in UNITS if value.unit[:1].upper() == known), None)
            help = f"did you mean `{value.number}{near}`?" if near else "units are K, M, G and T: thousands of thousands"
            where = Span(value.span.source, value.span.start + len(value.number), value.span.end)
            report.fail("unknown-unit", f"`{quantity}` has no unit `{value.unit}`", where, "not a unit of counts", help=help)
        digits = value.number.replace("_", "")
        decimals = len(digits.partition(".")[2])
        return Decimal(digits) * unit, Decimal(unit) / 10**decimals, False
    report.fail(
        "wrong-unit",
        f"`{quantity}` is a count",
        value.span,
        "not a count",
        help="write all digits, `13_142_760`, or some with a unit, `13.1M`",
    )


def bound(value: ast.Expr, report: Report, *, quantity: str) -> Bound:
    """The counts that print as the digits written, rounded or cut off: papers do both."""
    number, last, exact = amount(value, report, quantity=quantity)
    if exact:
        return Bound(int(number), int(number), exact=True)
    return Bound(ceil(number - last / 2), ceil(number + last) - 1, exact=False)


def size_at(value: ast.Expr | None, report: Report) -> Size | None:
    """The size after `at`."""
    if value is None:
        return None
    if isinstance(value, ast.Shape) and len(value.values) == 2 and min(value.values) > 0:
        return Size(*value.values)
    report.fail("wrong-type", "`at` is followed by a size", value.span, "not a size", help="write `at 224x224`")


def counted_by(rule: ast.Ident | None, report: Report) -> str:
    """The counting rule after `by`; fvcore's where none is named."""
    if rule is None:
        return "fvcore"
    if rule.id not in RULES:
        help = did_you_mean(rule.id, RULES, "rules are")
        report.fail("unknown-rule", f"there is no counting rule `{rule.id}`", rule.span, "not a rule", help=help)
    return rule.id


def quantity_of(name: ast.Ident, report: Report) -> str:
    """The quantity that is counted: `params` or `flops`."""
    if name.id not in QUANTITIES:
        help = did_you_mean(name.id, QUANTITIES, "counted are")
        report.fail("unknown-quantity", f"`{name.id}` is not counted", name.span, "not a quantity", help=help)
    return name.id


def check_expectations(
    expects: tuple[ast.Expect, ...],
    network: Network | None,
    report: Report,
    missed: Report,
    *,
    at: Callable[[Size], Network],
    overridden: Overridden,
) -> tuple[Expectation, ...]:
    """Hold every `expect` line against the counts. What is wrong with a line goes to `report`, a count it misses to `missed`.

    `network` is the spec as asked for; `at` gives the spec at another input size, or raises `SpecError`. They are about the
    spec as written: with another size (`overridden` is `size`) only lines that name this size are checked, after other
    overrides (`values`) none.
    """
    found = []
    counted = _Counted(network, at, missed)
    for line in expects:
        with report.guard():
            found.append(_checked(line, counted, report, missed, overridden))
    return tuple(found)


class _Counted:
    """The counts of a spec at the sizes and in the forms asked for, each made once."""

    def __init__(self, network: Network | None, at: Callable[[Size], Network], report: Report) -> None:
        self.network = network
        self._at = at
        self._report = report
        self._full = False
        self._networks: dict[Size | None, Network | None] = {None: network}
        if network:
            self._networks[network.image.size] = network
        self._found: dict[tuple[Size | None, bool], Closed | None] = {}

    def at(self, size: Size | None, span: Span, *, fuse: bool) -> Closed:
        """The counts at a size, of the deploy form with `fuse`; raises `Reported` where the spec does not fit, said once."""
        network = self._network(size, span)
        key = (network.image.size, fuse)
        if key not in self._found:
            # told once, where it cannot be made
            self._found[key] = None
            self._found[key] = closed_form(self._fused(network, span) if fuse else network)
        found = self._found[key]
        if found is None:
            raise Reported
        return found

    def _fused(self, network: Network, span: Span) -> Network:
        try:
            return fused(network)
        except SpecError as error:
            cause = next(iter(error.diagnostics))
            self._report.fail(
                "expectation-failed",
                "the deploy form of the spec cannot be made",
                span,
                "so nothing can be counted in it",
                notes=[_told(cause, "fused")],
                help="repair the component whose fused form does not fit, or leave the line out",
            )

    def _network(self, size: Size | None, span: Span) -> Network:
        if size not in self._networks:
            if len(self._networks) > SIZES + 1:
                if self._full:
                    raise Reported
                self._full = True
                self._report.fail("limit-exceeded", f"an arch says what it expects at most at {SIZES} other sizes", span)
            self._networks[size] = None
            try:
                self._networks[size] = self._at(size) if size else None
            except SpecError as error:
                cause = next(iter(error.diagnostics))
                self._report.fail(
                    "expectation-failed",
                    f"the spec cannot be built at {size}",
                    span,
                    "so nothing can be counted there",
                    notes=[_told(cause, f"at {size}")],
                    help="name a size that fits, or leave the line out",
                )
        network = self._networks[size]
        if network is None:
            raise Reported
        return network


def _told(cause: Diagnostic, where: str) -> Note:
    return Note(f"{where}: {cause.message}{f' ({cause.label})' if cause.label else ''}", cause.span)


def _checked(
    line: ast.Expect,
    counts: _Counted,
    report: Report,
    missed: Report,
    overridden: Overridden,
) -> Expectation:
    quantity = quantity_of(line.quantity, report)
    accepted = bound(line.value, report, quantity=quantity)
    size = size_at(line.at, report)
    rule = counted_by(line.by, report)
    because = line.because.value if line.because else None
    written = line.value.span.text

    def told(counted: int | None, status: Status) -> Expectation:
        return Expectation(quantity, written, accepted, size, rule, because, counted, status, line.span)

    network = counts.network
    if network is None or overridden == "values" or (overridden == "size" and size != network.image.size):
        return told(None, "not checked")
    found = counts.at(size, line.at.span if line.at else line.span, fuse=is_fused(rule))
    counted = by_rule(found, quantity, rule)
    if counted in accepted:
        if because is not None:
            report.warn(
                "needless-reason",
                f"the count agrees, so `{quantity}` needs no reason",
                line.because.span if line.because else line.span,
                f"counted {counted:_}",
                help="leave `because` out",
            )
        return told(counted, "holds")
    if because is not None:
        return told(counted, "recorded")
    accepts = f"{accepted.low:_}" if accepted.exact else f"{accepted.low:_} to {accepted.high:_}"
    missed.error(
        "expectation-failed",
        f"{quantity}{f' by {rule}' if rule != 'fvcore' else ''} is {_like(counted, line.value)}, the spec expects {written}",
        line.value.span,
        f"accepts {accepts}, counted {counted:_}",
        notes=[Note(f"{shares(found, quantity, rule)}; `{_shows(rule, quantity, size)}` shows all")],
        help='correct the spec, or record why the published number differs: `because "..."`',
    )
    return told(counted, "fails")


def _shows(rule: str, quantity: str, size: Size | None) -> str:
    """The call that shows what a count is made of."""
    by = "op" if rule == "conv_linear" and quantity == "flops" else "stage"
    return f"archdsl count --by {by}{' --fuse' * is_fused(rule)}{f' --at {size}' if size else ''}"


def _like(count: int, written: ast.Expr) -> str:
    """A count with the digits and unit of what was written."""
    if isinstance(written, ast.Quantity) and written.unit in UNITS:
        decimals = len(written.number.partition(".")[2])
        shown = f"{count / UNITS[written.unit]:.{decimals}f}"
        # nothing but zeros would say that nothing was counted
        return f"{shown}{written.unit}" if float(shown) else short(count)
    return f"{count:_}"
