"""The Python API: load a spec, check it, count it. What needs torch is imported when it is called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archdsl import arguments
from archdsl.arguments import PathLike, SizeLike
from archdsl.ir.assemble import assemble
from archdsl.ir.counts import flops, params
from archdsl.ir.digest import digest
from archdsl.ir.expect import Expectation, Overridden, check_expectations
from archdsl.ir.fuse import fused
from archdsl.ir.library import Library, LoadedFile, Parsed
from archdsl.ir.model import Model
from archdsl.ir.network import Network
from archdsl.ir.override import apply_overrides, resized
from archdsl.ir.reference import chosen, opened
from archdsl.ir.resolve import resolve
from archdsl.ir.shapes import place
from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Diagnostic, Report, Reported, SpecError
from archdsl.source.limits import TOLD
from archdsl.source.text import Source, Span

# ways through the pieces of a space that a check looks at: a second or two
_LOOKED_AT = 10_000

if TYPE_CHECKING:
    from random import Random

    from archdsl.feasible import Feasible
    from archdsl.ir.decisions import Decision, Point
    from archdsl.ir.points import Drawn
    from archdsl.ir.space import Space


class Spec:
    """A spec that was read, resolved and checked.

    `kind` is `arch` or `space`; `network` the resolved network (of a space: its base); `expectations` what was expected and
    counted. `missed` has an error for each expectation that fails, which `build` refuses; `diagnostics` these and all
    warnings. `space` has the points of a space. With `fuse` the network is in its deploy form; expectations are about the
    form that their rule names.
    """

    def __init__(
        self,
        model: Model,
        network: Network,
        expectations: tuple[Expectation, ...],
        diagnostics: tuple[Diagnostic, ...],
        path: Path | None,
        overrides: Overridden,
        missed: tuple[Diagnostic, ...] = (),
        *,
        fuse: bool = False,
    ) -> None:
        self.model = model
        self.kind: Literal["arch", "space"] = model.kind
        self.name = model.name
        self.fuse = fuse
        self.network = fused(network) if fuse else network
        self.expectations = expectations
        self.diagnostics = diagnostics
        self.path = path
        self.missed = missed
        self._overrides: Overridden = overrides
        self.space: Space | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}: {self.params:_} parameters, {self.flops:_} flops at {self.network.image.size}>"

    def _repr_html_(self) -> str:
        from archdsl.report.stage_table import stage_table

        return stage_table(self.network).html()

    @property
    def params(self) -> int:
        """All parameters of the module, those of heads that only training uses among them."""
        return params(self.network)

    @property
    def flops(self) -> int:
        """Operations of one image at the spec's input, in closed form by fvcore's rules."""
        return flops(self.network)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the network computes: equal for specs that differ in wording only."""
        return digest(self.network)

    @cached_property
    def canonical(self) -> str:
        """The spec as one self-contained text: imports, bases and overrides merged in."""
        from archdsl.ir.write import canonical_text

        report = Report()
        try:
            return canonical_text(self.model, report)
        except Reported:
            raise SpecError(report.diagnostics) from None

    def overridden(self, *, set: Mapping[str, object] | None = None, at: SizeLike | None = None) -> Spec:
        """The same spec with overrides put in, as `load` takes them, on top of those it was loaded with."""
        report = Report()
        spec: Spec | None = None
        set, at = arguments.overrides(set), arguments.size(at)
        with report.guard():
            model, base = _overridden(self.model, self.space.base_model if self.space else None, report, set, at)
            # what was overridden stays so: only sizes may still be looked up
            overrides: Overridden = "values" if set or self._overrides == "values" else "size" if at else self._overrides
            if not report.error_count:
                spec = _of_model(model, base, report, self.path, overridden=overrides, work=Work(), fuse=self.fuse)
        return _finished(spec, report)

    def draw(self, random: Random | int, *, require: bool = True) -> Drawn:
        """A point of a space, as `Space.draw` gives it."""
        return self._as_space().draw(random, require=require)

    def arch(self, point: Point) -> Spec:
        """The arch at a point of a space, such as `draw` gives: a spec like any other, to build, count or write out.

        Raises
        ------
        SpecError: it cannot be built, or `require` does not hold.
        ValueError: the spec is no space, or this is no point of it.
        """
        from archdsl.ir.points import settled_text

        space = self._as_space()
        space.network(point)
        report = Report()
        try:
            text = settled_text(space, point, report)
        except Reported:
            raise SpecError(report.diagnostics) from None
        spec = loads(text, fuse=self.fuse)
        # a key map is found by the names of the bases, in the folder of the file
        spec.path, spec.model.lineage = self.path, self.model.lineage
        return spec

    @cached_property
    def feasible(self) -> Feasible:
        """The points of a space that fit its budgets: `count()`, `draw(random)`, `near(wanted, random)`.

        Raises
        ------
        SpecError: no point fits.
        ValueError: the spec is no space.
        """
        from archdsl.feasible import Feasible

        return Feasible(self._as_space())

    def keeps_budgets(self, point: Point) -> bool:
        """Whether a point of a space keeps every budget, each at its own size, by the closed form."""
        return self._as_space().keeps_budgets(point)

    def _as_space(self) -> Space:
        if self.space is None:
            raise ValueError(f"`{self.name}` is an arch: it leaves nothing to choose")
        return self.space

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions of a space, in the order of their places; none for an arch."""
        return self.space.decisions if self.space else ()

    def explain(self, path: str) -> list[tuple[str, Span]]:
        """Where the value at a path such as `s3.dim` comes from: (text, span) pairs, the value first."""
        from archdsl.ir.explain import explain

        report = Report()
        try:
            return explain(self.model, path, report)
        except Reported:
            raise SpecError(report.diagnostics) from None


def load(
    spec: PathLike,
    *,
    set: Mapping[str, object] | None = None,
    at: SizeLike | None = None,
    name: str | None = None,
    fuse: bool = False,
) -> Spec:
    """Read, resolve and check a spec.

    Parameters
    ----------
    spec: a path, `FILE:NAME` for one arch of several, or `@name` for a packaged spec.
    set: overrides by path, such as `{"s3.depth": 9, "width": 96}`.
    at: height and width of the input in pixels, in place of the spec's: `(64, 64)`, `"64x64"`, or `64` for a square.
    name: the arch or space of the file, where it has several.
    fuse: the deploy form, in which components with branches have become those without.

    Raises
    ------
    SpecError: with everything that was found wrong.
    """
    report = Report()
    library = Library(report)
    set, at = arguments.overrides(set), arguments.size(at)
    loaded, called = opened(arguments.path(spec), library)
    return _spec(library, loaded, name or called, set, at, fuse=fuse)


def loads(
    text: str,
    *,
    set: Mapping[str, object] | None = None,
    at: SizeLike | None = None,
    name: str | None = None,
    fuse: bool = False,
) -> Spec:
    """As `load`, for a spec given as text. It may import packaged specs only."""
    from archdsl.source.files import source_from_bytes

    if not isinstance(text, str):
        raise TypeError(f"`text` takes a spec as text, not {type(text).__name__}")
    report = Report()
    library = Library(report)
    loaded: LoadedFile | None = None
    set, at = arguments.overrides(set), arguments.size(at)
    with report.guard():
        loaded = library.text(source_from_bytes("<text>", text.encode("utf-8", "surrogatepass"), report))
    return _spec(library, loaded, name, set, at, fuse=fuse)


def _spec(
    library: Library,
    loaded: LoadedFile | None,
    name: str | None,
    set: Mapping[str, object] | None,
    at: tuple[int, int] | None,
    *,
    fuse: bool,
) -> Spec:
    report = library.report
    spec: Spec | None = None
    if loaded is not None:
        with report.guard():
            item = chosen(loaded, name, report)
            spec = _resolved(library, loaded, item, set, at, fuse=fuse)
    return _finished(spec, report)


def _finished(spec: Spec | None, report: Report) -> Spec:
    """The spec with all that was said of it. A missed expectation does not keep a spec from being looked at."""
    report.raise_errors()
    if spec is None:
        raise SpecError(report.diagnostics)
    spec.diagnostics = (*report.diagnostics, *spec.missed)
    return spec


def _resolved(
    library: Library,
    loaded: LoadedFile,
    item: ast.Arch | ast.Space,
    set: Mapping[str, object] | None,
    at: tuple[int, int] | None,
    *,
    fuse: bool = False,
) -> Spec | None:
    report = library.report
    before = report.error_count
    written = assemble(item, loaded, library)
    base: Model | None = None
    if isinstance(item, ast.Space):
        found = loaded.find(item.base.id)
        assert found is not None and isinstance(found[0], ast.Arch)
        base = assemble(found[0], found[1], library)
    overridden: Overridden = "values" if set else "size" if at else "no"
    model, base = _overridden(written, base, report, set, at)
    if report.error_count > before:
        return None
    return _of_model(model, base, report, loaded.path, overridden=overridden, work=library.work, fuse=fuse)


def _overridden(
    model: Model, base: Model | None, report: Report, set: Mapping[str, object] | None, at: tuple[int, int] | None
) -> tuple[Model, Model | None]:
    """A model, and the base of a space, with the same overrides put in."""
    return (
        apply_overrides(model, report, set=set, at=at),
        None if base is None else apply_overrides(base, report, set=set, at=at),
    )


def _of_model(
    model: Model,
    base: Model | None,
    report: Report,
    path: Path | None,
    *,
    overridden: Overridden,
    work: Work,
    fuse: bool,
) -> Spec | None:
    """The spec of a model, over `base` if it is a space; None if something in it is wrong, which was then reported."""
    if base is not None:
        from archdsl.ir.space import Space

        space = Space.of(model, base, report, work)
        if space is None:
            return None
        with _taken(report):
            found = Spec(model, space.base_network, (), (), path, overridden, fuse=fuse)
            found.space = space
            return found
        return None
    arch = resolve(model, report, work=work)
    network = place(arch, report, work=work) if arch else None

    def network_at(size: Size) -> Network:
        quiet = Report()
        with quiet.guard():
            other = resolve(resized(model, size, quiet), quiet, work=work)
            if found := place(other, quiet, work=work, advise=False) if other else None:
                return found
        raise SpecError(quiet.errors)

    missed = Report()
    expectations = check_expectations(model.expects, network, report, missed, at=network_at, overridden=overridden)
    if network is None:
        return None
    with _taken(report):
        return Spec(model, network, expectations, (), path, overridden, missed.diagnostics, fuse=fuse)
    return None


@contextmanager
def _taken(report: Report) -> Iterator[None]:
    """What is wrong with a deploy form goes to a report, with all else."""
    try:
        yield
    except SpecError as error:
        for diagnostic in error.diagnostics:
            report.add(diagnostic)


def check(
    specs: PathLike | Sequence[PathLike], *, set: Mapping[str, object] | None = None, at: SizeLike | None = None
) -> tuple[Diagnostic, ...]:
    """Everything there is to say about specs: of each file every arch and space, or the one that is named. Raises nothing."""
    report = Report()
    set, at = arguments.overrides(set), arguments.size(at)
    parsed = Parsed()
    for spec in [specs] if isinstance(specs, str | os.PathLike) else specs:
        # each file has a library of its own: the root of its imports is its own folder. Each has a report of its own, too:
        # what is wrong with a base is told once, and yet keeps all that need it from going on
        told = Report()
        library = Library(told, parsed)
        loaded, name = opened(arguments.path(spec), library)
        if loaded is not None:
            _check_file(library, loaded, name, set, at)
        report.take(told)
    return report.diagnostics


def _check_space(space: Space, report: Report, work: Work) -> None:
    """What can be said of a space beside what every point of it needs."""
    from archdsl.feasible.cheapest import check_reachable
    from archdsl.feasible.structure import Structure, TooLarge

    space.warn_of_infeasible(report, work)
    # a space that takes longer to look at is left to the search
    with suppress(TooLarge):
        check_reachable(Structure(space, report, most=_LOOKED_AT), report)


def check_source(source: Source, *, path: Path | None = None) -> tuple[Diagnostic, ...]:
    """As `check`, for a text at hand, such as that of a stream or of an editor on `path`, whose suffix tells the form."""
    report = Report()
    library = Library(report)
    loaded = library.text(source, path=path)
    if loaded is not None:
        _check_file(library, loaded, None, None, None)
    return report.diagnostics


def _check_file(
    library: Library, loaded: LoadedFile, name: str | None, set: Mapping[str, object] | None, at: tuple[int, int] | None
) -> None:
    report = library.report
    items: list[ast.Arch | ast.Space] = []
    with report.guard():
        items = loaded.models() if name is None else [chosen(loaded, name, report)]
        if not loaded.declarations:
            start = Span(loaded.file.source, 0, 0)
            name = loaded.file.source.name
            report.fail("no-model", f"`{name}` says nothing", start, "an empty file", help="write `arch NAME { ... }`")
    for item in items:
        if report.error_count >= TOLD:
            break
        with report.guard():
            spec = _resolved(library, loaded, item, set, at)
            for diagnostic in spec.missed if spec else ():
                report.add(diagnostic)
            if spec and spec.space:
                _check_space(spec.space, report, library.work)
