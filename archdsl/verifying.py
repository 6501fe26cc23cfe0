"""Hold a spec against what is known of its network: counts three ways, published numbers, published logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archdsl import arguments
from archdsl.api import Spec, load
from archdsl.arguments import PathLike
from archdsl.budget.compare import Comparison
from archdsl.ir.counts import closed_form
from archdsl.ir.expect import Expectation
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network
from archdsl.ir.rules import by_rule, is_fused
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Diagnostic, SpecError
from archdsl.source.record import dataclass, field, replace
from archdsl.testing.stored import Goldens, Stored

if TYPE_CHECKING:
    from archdsl.lowering.checkpoint import Weights
    from archdsl.lowering.module import Backbone

Kind = Literal["spec", "count", "expect", "golden"]


@dataclass(frozen=True, slots=True)
class Row:
    """One count by one rule at one size, with the lines of the spec that are about it.

    `measured` is fvcore's, of the whole module, and `parts` the sum of what it counts in each part; None where nothing was
    run, or the rule counts what cannot be told apart in a module.
    """

    quantity: str
    at: Size
    rule: str
    closed: int
    expectations: tuple[Expectation, ...] = ()
    measured: int | None = None
    parts: int | None = None

    @property
    def equal(self) -> bool:
        """Whether the closed form and what was measured are the same."""
        return self.measured in (None, self.closed) and self.parts in (None, self.closed)


@dataclass(frozen=True, slots=True)
class Compared:
    """A golden, and how far the logits are from it in their standard deviations; None where they could not be had."""

    golden: Stored
    error: float | None

    @property
    def holds(self) -> bool:
        return self.error is not None and self.error <= self.golden.tolerance


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What falls short: the spec itself, a count measured otherwise, an expectation, or a golden."""

    kind: Kind
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one spec; it `holds` where nothing falls short.

    `fuse` says that it is about a deploy form, which not every network has, `measured` whether anything was run. `goldens`
    are those that are stored, `compared` what came of them. `diagnostics` has the warnings of the spec, and in full what
    `shortfalls` says in a line.
    """

    name: str
    spec: Spec | None = field(repr=False)
    fuse: bool = False
    measured: bool = False
    rows: tuple[Row, ...] = ()
    goldens: tuple[Stored, ...] = ()
    compared: tuple[Compared, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = field(default=(), repr=False)

    @property
    def holds(self) -> bool:
        return not self.shortfalls

    @property
    def bare(self) -> bool:
        """Whether there was nothing to hold the spec against: it has no expectation, and no golden that is compared."""
        expected = any(row.expectations for row in self.rows)
        return not (self.shortfalls or expected or (self.measured and self.goldens))


def verify(
    spec: Spec | PathLike,
    *,
    goldens: Goldens | PathLike | None = None,
    fuse: bool = False,
    step: Callable[[str], None] = lambda text: None,
) -> Verified:
    """Hold a spec against its `expect` lines, fvcore, and the stored logits of its published weights.

    At every size that an expectation names the closed form, fvcore's count of the module and the sum over its parts must be
    the same. Weights of a golden are drawn anew under their published names, and go through the key map of the spec.

    Parameters
    ----------
    spec: a path, `FILE:NAME`, `@name`, or a loaded spec, as it is written: nothing is overridden.
    goldens: their folder; None: `tests/golden` beside the folder of the spec, if there is one.
    fuse: measure the deploy form where there is one, and compare every golden with it; those of the deploy form always are.
    step: told what is being done.

    Raises
    ------
    SpecError: the spec, or the folder of the goldens, cannot be read.
    ValueError: the spec is a space.
    """
    return measured(verify_counts(spec, goldens=goldens, fuse=fuse), step=step)


def verify_counts(spec: Spec | PathLike, *, goldens: Goldens | PathLike | None = None, fuse: bool = False) -> Verified:
    """As `verify`, without torch: the closed form alone is held against the expectations."""
    spec = spec if isinstance(spec, Spec) else load(spec)
    if spec.kind == "space":
        raise ValueError(f"`{spec.name}` is a space; verify one of its points: `verify(space.arch(space.draw(seed)))`")
    # where nothing is to be merged, the deploy form is the network itself
    fuse = (fuse or spec.fuse) and fused(spec.network).training_form is not None
    if not isinstance(goldens, Goldens):
        goldens = Goldens(None if goldens is None else Path(arguments.path(goldens, "goldens")))
    missed = tuple(Shortfall("expect", message) for message in _missed(spec))
    rows, stored = _rows(spec, fuse), goldens.of(spec.name, spec.path)
    return Verified(spec.name, spec, fuse, False, rows, stored, (), missed, spec.diagnostics)


def measured(found: Verified, *, step: Callable[[str], None] = lambda text: None) -> Verified:
    """What `verify_counts` found, with everything that takes a module."""
    if found.spec is None:
        return found
    work = _Measuring(found.spec, found, step)
    work.run()
    return replace(
        found,
        measured=True,
        rows=tuple(work.rows),
        compared=tuple(work.compared),
        shortfalls=(*found.shortfalls, *work.shortfalls),
        diagnostics=(*found.diagnostics, *work.diagnostics),
    )


def _rows(spec: Spec, fuse: bool) -> tuple[Row, ...]:
    """The rows in closed form: first those of the form that is asked for, then what else is expected, in the order written."""
    own = spec.network.image.size
    assert own is not None
    form = "fused" if fuse else "fvcore"
    closed = closed_form(fused(spec.network) if fuse else spec.network)
    rows = {
        (quantity, own, form): Row(quantity, own, form, by_rule(closed, quantity, form)) for quantity in ("params", "flops")
    }
    for entry in spec.expectations:
        if entry.counted is None:
            continue
        key = (entry.quantity, entry.at or own, entry.rule)
        row = rows.get(key) or Row(*key, entry.counted)
        rows[key] = replace(row, expectations=(*row.expectations, entry))
    return tuple(rows.values())


def _missed(spec: Spec) -> Iterator[str]:
    """What falls short of the expectations, each in one line."""
    failed = [entry for entry in spec.expectations if entry.status == "fails"]
    yield from map(_fails, failed)
    for diagnostic in spec.missed:
        at = diagnostic.span.start if diagnostic.span else -1
        # a line that names a size at which nothing can be counted
        if not any(entry.span.start <= at < entry.span.end for entry in failed):
            yield diagnostic.message


def _fails(entry: Expectation) -> str:
    at = f" at {entry.at}" if entry.at else ""
    by = f" by {entry.rule}" if entry.rule != "fvcore" else ""
    said = f"{entry.quantity}{at}{by} is counted {entry.counted:_}, the spec expects {entry.written}"
    return said if entry.bound.exact else f"{said} and records no reason"


class _Measuring:
    """What takes a module: made once for each size and form, one in memory at a time."""

    def __init__(self, spec: Spec, found: Verified, step: Callable[[str], None]) -> None:
        self.rows = list(found.rows)
        self.compared: list[Compared] = []
        self.shortfalls: list[Shortfall] = []
        self.diagnostics: list[Diagnostic] = []
        self._spec, self._fuse, self._step = spec, found.fuse, step
        self._stored = found.goldens

    def run(self) -> None:
        """Measure and compare everything."""
        compared: dict[str, Compared] = {}
        forms = dict.fromkeys((row.at, is_fused(row.rule)) for row in self.rows)
        forms |= dict.fromkeys(map(self._form, self._stored))
        for at, fuse in forms:
            stored = [golden for golden in self._stored if self._form(golden) == (at, fuse)]
            rows = [index for index, row in enumerate(self.rows) if (row.at, is_fused(row.rule)) == (at, fuse)]
            if not self._fuse or fuse or stored:
                compared |= {each.golden.name: each for each in self._at(at, fuse, rows, stored)}
        self.compared = [compared[golden.name] for golden in self._stored]

    def _form(self, golden: Stored) -> tuple[Size, bool]:
        return golden.size, golden.fuse or self._fuse

    def _at(self, at: Size, fuse: bool, rows: list[int], stored: Iterable[Stored]) -> list[Compared]:
        """Measure at one size in one form, and compare with the goldens of it."""
        form = f"the deploy form at {at}" if fuse else f"{at}"
        compared: list[Compared] = []
        try:
            network = self._network(at, fuse)
            self._step("loading torch")
            from archdsl.lowering.module import lower

            self._step(f"making the module for {form}")
            module = lower(network)
            if rows:
                self._step(f"counting with fvcore at {form}")
                self._measure(module, network, rows)
        except SpecError as error:
            self._fell_short("count", f"nothing can be measured at {form}", error)
            return [Compared(golden, None) for golden in stored]
        for golden in stored:
            if misfit := _misfit(golden, network):
                compared.append(Compared(golden, None))
                self.shortfalls.append(Shortfall("golden", f"`{golden.name}` cannot be compared: {misfit}"))
                continue
            self._step(f"comparing with the logits of {golden.name}")
            try:
                compared.append(Compared(golden, self._compare(module, network, golden)))
            except SpecError as error:
                compared.append(Compared(golden, None))
                self._fell_short("golden", f"`{golden.name}` cannot be compared", error)
                continue
            if not compared[-1].holds:
                far = f"{compared[-1].error:.1e}"
                message = f"`{golden.name}` is {far} standard deviations from the published logits, not {golden.tolerance:.0e}"
                self.shortfalls.append(Shortfall("golden", message))
        return compared

    def _network(self, at: Size, fuse: bool) -> Network:
        own = at == self._spec.network.image.size
        network = self._spec.network if own else self._spec.overridden(at=at).network
        return fused(network) if fuse else network

    def _measure(self, module: Backbone, network: Network, rows: list[int]) -> None:
        from archdsl.budget.compare import compare
        from archdsl.budget.fvcore_count import measure
        from archdsl.lowering.fault import blamed

        closed = closed_form(network)
        with blamed():
            compared = compare(closed, measure(module, network))
        for index in rows:
            row = self.rows[index]
            whole, parts = _sides(compared, row)
            # what the logits of several heads are made with belongs to no part
            rest = closed.rest.flops if row.quantity == "flops" and parts is not None else 0
            self.rows[index] = replace(row, measured=whole, parts=parts if parts is None else parts + rest)
        if not compared.equal:
            names = ", ".join(dict.fromkeys(row.name for row in compared.differing))
            size = self.rows[rows[0]].at
            self.shortfalls.append(Shortfall("count", f"closed form and fvcore differ at {size}: {names}"))

    def _compare(self, module: Backbone, network: Network, golden: Stored) -> float:
        from archdsl.checkpoints import keymap_of
        from archdsl.lowering.fault import blamed
        from archdsl.lowering.memory import activation_bytes, refuse_beyond_memory, weight_bytes
        from archdsl.lowering.weights import load_weights
        from archdsl.testing.golden import distance_of, official_state
        from archdsl.testing.golden import golden as read

        published = read(golden.name, golden.path.parent)
        # the checkpoint beside the module, and its images
        needed = weight_bytes(network) + activation_bytes(network, batch=published["input_shape"][0])
        refuse_beyond_memory(network, needed, "compare")
        keymap = keymap_of(self._spec)
        state: Weights = official_state(published)
        if network.training_form is not None:
            from archdsl.lowering.fuse import folded_weights
            from archdsl.lowering.reading import Wanted

            # of either form
            state = folded_weights(network, state, keymap, Wanted()).weights
        load_weights(module, state, keymap)
        with blamed():
            return distance_of(published, module)

    def _fell_short(self, kind: Kind, message: str, error: SpecError) -> None:
        self.diagnostics.extend(error.diagnostics)
        self.shortfalls.append(Shortfall(kind, f"{message}: {error.diagnostics[0].message}"))


def _misfit(golden: Stored, network: Network) -> str:
    """Why a golden is of another network."""
    logits, channels = network.logits.y.channels, network.image.channels
    if golden.logits > logits:
        return f"it has {golden.logits} logits of each image, and the spec gives {logits}"
    if golden.channels != channels:
        return f"it is of images of {golden.channels} channels, and the spec takes {channels}"
    return ""


def _sides(compared: Comparison, row: Row) -> tuple[int | None, int | None]:
    """What was measured of a module by the rule of a row: in the whole, and as the sum of its parts."""
    if row.rule == "conv_linear" and row.quantity == "flops":
        counted: Mapping[str, int] = {op.name: op.measured for op in compared.ops}
        return sum(counted.get(name, 0) for name in ("conv", "linear")), None
    if row.quantity == "flops":
        return compared.flops.measured, sum(part.measured for part in compared.parts)
    if row.rule == "deploy":
        # without what evaluation does not compute, which is part of the module
        return None, None
    return compared.params.measured, sum(part.measured for part in compared.params_by_part)
