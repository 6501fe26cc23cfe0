"""Files and what they declare: imports are followed here, and nowhere else is a path opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from archdsl.ir.work import Work
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.limits import FILES
from archdsl.source.record import dataclass, field
from archdsl.source.suggest import closest, did_you_mean
from archdsl.source.text import Source, Span

if TYPE_CHECKING:
    from archdsl.ir.model import Model

Declaration: TypeAlias = ast.Arch | ast.Space | ast.Let | ast.Layout

SUFFIXES = (".arch", ".yaml", ".yml")
EDITION = 1
# the folder of a study that holds what was found
WINNERS = "winners"


@dataclass(slots=True)
class LoadedFile:
    """A parsed file with the names it declares and the names it imports."""

    file: ast.File
    path: Path | None
    declarations: dict[str, Declaration] = field(default_factory=dict)
    imports: dict[str, tuple[LoadedFile, str]] = field(default_factory=dict)
    # imported names that cannot be had, which was reported: what needs them is left out silently
    failed: set[str] = field(default_factory=set)

    def find(self, name: str) -> tuple[Declaration, LoadedFile] | None:
        """What `name` means in this file, and the file that declares it."""
        if name in self.declarations:
            return self.declarations[name], self
        if name in self.imports:
            other, original = self.imports[name]
            return other.find(original)
        return None

    @property
    def names(self) -> list[str]:
        return [*self.declarations, *self.imports]

    def models(self) -> list[ast.Arch | ast.Space]:
        """The archs and spaces this file itself declares, in reading order."""
        return [item for item in self.file.items if isinstance(item, ast.Arch | ast.Space)]


class Parsed:
    """Syntax trees of texts that are read several times, such as those of bases. Only what parses without a word is kept."""

    def __init__(self) -> None:
        self._trees: dict[tuple[str, str], ast.File] = {}

    def tree(self, source: Source, path: Path | None, report: Report) -> ast.File | None:
        """The tree of a text; that of an earlier source where name and text are the same."""
        key = (source.name, source.text)
        if key not in self._trees:
            told = Report()
            file = _parsed(source, path, told)
            report.take(told)
            if file is None or told.diagnostics:
                return file
            self._trees[key] = file
        return self._trees[key]


class Library:
    """Opens spec files, each once, and follows their imports.

    `root` is the folder that imports may not leave: that of the first file opened, or of the study whose winner it is.
    Packaged specs are a tree of their own.
    Libraries that share `parsed` tell a mistake in a shared base at the same place.
    """

    def __init__(self, report: Report, parsed: Parsed | None = None) -> None:
        self.report = report
        self._parsed = parsed or Parsed()
        self._files: dict[Path, LoadedFile | None] = {}
        self._opening: list[Path] = []
        self.by_source: dict[Source, LoadedFile] = {}
        self.models: dict[int, Model | None] = {}
        self.work = Work()
        self.too_long = False
        self._full = False

    def open(self, path: Path, *, root: Path | None = None, name: str | None = None) -> LoadedFile | None:
        """A file by path; None when it could not be read or parsed, which was then reported."""
        from archdsl.source.files import read_source

        real = Path(os.path.realpath(path))
        if real in self._files:
            return self._files[real]
        self._files[real] = None
        try:
            source = read_source(str(path), self.report, name=name or "")
        except Reported:
            return None
        self._opening.append(real)
        try:
            loaded = self._parse(source, path)
            self._files[real] = loaded
            if loaded:
                self._follow(loaded, root or _root(real.parent))
        finally:
            self._opening.pop()
        return loaded

    def text(self, source: Source, *, path: Path | None = None) -> LoadedFile | None:
        """A spec given as text, that of `path` if there is one. Without, it may import packaged specs only."""
        loaded = self._parse(source, path)
        if loaded:
            self._follow(loaded, _root(Path(os.path.realpath(path.parent))) if path else None)
        return loaded

    def packaged(self, name: str) -> LoadedFile | None:
        """A packaged spec by its name without `@`."""
        folder = packaged_specs()
        return self.open(folder / f"{name}.arch", root=Path(os.path.realpath(folder)), name=f"@{name}")

    def _parse(self, source: Source, path: Path | None) -> LoadedFile | None:
        file = self._parsed.tree(source, path, self.report)
        if file is None:
            return None
        loaded = LoadedFile(file, path)
        self.by_source[file.source] = loaded
        for item in file.items:
            if isinstance(item, ast.Edition):
                self._check_edition(item)
            elif not isinstance(item, ast.Import):
                self._declare(loaded, item)
        return loaded

    def _check_edition(self, edition: ast.Edition) -> None:
        if edition.number.value != EDITION:
            self.report.error(
                "unknown-edition",
                f"edition {edition.number.value} is not known to this archdsl",
                edition.number.span,
                f"this archdsl reads edition {EDITION}",
                help=f"write `edition {EDITION}`, or install an archdsl that is newer than the file",
            )

    def _declare(self, loaded: LoadedFile, item: Declaration) -> None:
        name = item.name
        # neither form of the language can leave out the name of a layout outside an arch
        assert name is not None
        if name.id in loaded.declarations:
            self._duplicate(name, loaded.declarations[name.id])
        else:
            loaded.declarations[name.id] = item

    def _duplicate(self, name: ast.Ident, first: Declaration) -> None:
        assert first.name is not None
        self.report.error(
            "duplicate-name",
            f"`{name.id}` is defined twice in this file",
            name.span,
            "second definition",
            notes=[Note("first defined here", first.name.span)],
            help="give one of them another name",
        )

    def _follow(self, loaded: LoadedFile, root: Path | None) -> None:
        for item in loaded.file.items:
            if isinstance(item, ast.Import):
                names = {name.id for name in item.names}
                with self.report.guard():
                    self._import(loaded, item, root)
                loaded.failed |= names - set(loaded.imports) - set(loaded.declarations)

    def _import(self, loaded: LoadedFile, item: ast.Import, root: Path | None) -> None:
        other = self._imported_file(loaded, item.path, root)
        for name in item.names:
            if name.id in loaded.declarations or name.id in loaded.imports:
                first = loaded.declarations.get(name.id)
                self.report.error(
                    "duplicate-name",
                    f"`{name.id}` is defined twice in this file",
                    name.span,
                    "imported here",
                    notes=[Note("also defined here", first.name.span)] if first and first.name else [],
                    help="rename the one defined in this file",
                )
                continue
            if other is None:
                continue
            if other.find(name.id) is None:
                self.report.error(
                    "unknown-name",
                    f"`{item.path.value}` has no `{name.id}`",
                    name.span,
                    "not defined there",
                    help=did_you_mean(name.id, other.names, "it defines"),
                )
                continue
            loaded.imports[name.id] = (other, name.id)

    def _imported_file(self, loaded: LoadedFile, path: ast.String, root: Path | None) -> LoadedFile | None:
        """The file an import names. Raises `Reported` where the path itself is at fault."""
        text, span = path.value, path.span
        if len(self._files) >= FILES:
            if self._full:
                raise Reported
            self._full = True
            self.report.fail(
                "limit-exceeded", f"a spec may import at most {FILES} files", span, help="bring the files together"
            )
        if text.startswith("@"):
            return self._checked(self._packaged_path(text[1:], span), Path(os.path.realpath(packaged_specs())), span, text)
        parts = text.replace("\\", "/").split("/")
        if text.startswith(("/", "~")) or ":" in text or not text or "\\" in text:
            self.report.fail(
                "import-outside",
                "an import names a file by a path relative to this one, or a packaged spec as `@name`",
                span,
                "neither a relative path nor a packaged name",
                help='write `import "file.arch" (...)` or `import "@name" (...)`',
            )
        if root is None:
            self.report.fail(
                "import-outside",
                "a spec given as text may import packaged specs only",
                span,
                "there is no folder to look in",
                help="save the spec as a file, or import `@name`",
            )
        folder = (loaded.path.resolve() if loaded.path.is_symlink() else loaded.path).parent if loaded.path else root
        real = Path(os.path.realpath(folder.joinpath(*parts)))
        if not real.is_relative_to(root):
            self.report.fail(
                "import-outside",
                "an import may not leave the folder of the spec",
                span,
                "outside that folder",
                help="put the file into the same folder or below it",
            )
        if not real.is_file():
            near = closest(real.name, (entry.name for entry in specs_in(real.parent))) if real.parent.is_dir() else None
            packaged = real.stem if real.stem in packaged_names() else None
            instead = "/".join([*parts[:-1], near]) if near else f"@{packaged}" if packaged else ""
            self.report.fail(
                "import-missing",
                f"there is no file `{text}`",
                span,
                "no such file" if not real.exists() else "not a file",
                help=f"did you mean `{instead}`?" if instead else "the path is relative to the importing file",
            )
        # the name readers see stays relative, as the files were given; below a packaged spec it is that of a call
        shown = Path(os.path.normpath(folder.joinpath(*parts)))
        beside = loaded.file.source.name.startswith("@") and shown.parent == packaged_specs()
        return self._checked(shown, root, span, f"@{shown.stem}" if beside else text)

    def _packaged_path(self, name: str, span: Span) -> Path:
        if name not in packaged_names():
            self.report.fail(
                "import-missing",
                f"there is no packaged spec `{name}`",
                span,
                "no such spec",
                help=did_you_mean(name, packaged_names(), "packaged specs are") or "`archdsl list specs` shows them",
            )
        return packaged_specs() / f"{name}.arch"

    def _checked(self, path: Path, root: Path, span: Span, shown: str) -> LoadedFile | None:
        real = Path(os.path.realpath(path))
        if real in self._opening:
            circle = [*self._opening[self._opening.index(real) :], real]
            self.report.fail(
                "import-cycle",
                "files import each other in a circle",
                span,
                " -> ".join(f"`{entry.name}`" for entry in circle),
                help="move what both need into a third file",
            )
        return self.open(path, root=root, name=shown if shown.startswith("@") else None)


def _root(folder: Path) -> Path:
    """The folder that imports of a file in `folder` may not leave. Winners of a study extend a base beside its space."""
    study = folder.parent
    if folder.name == WINNERS:
        # the study of `NAME.arch` is `NAME.study` beside it
        for space in (study / "space", study.with_suffix("") if study.suffix == ".study" else None):
            if space and any(space.with_name(space.name + suffix).is_file() for suffix in SUFFIXES):
                return space.parent
    return folder


def _parsed(source: Source, path: Path | None, report: Report) -> ast.File | None:
    if path is not None and path.suffix in (".yaml", ".yml"):
        from archdsl.lang.yaml_twin import parse_yaml

        return parse_yaml(source, report)
    from archdsl.lang.parse import parse_file

    return parse_file(source, report)


def specs_in(folder: Path) -> list[Path]:
    """The specs of a folder, in no order; none where it cannot be read."""
    try:
        return [entry for entry in folder.iterdir() if entry.suffix in SUFFIXES][:1000]
    except OSError:
        return []


def packaged_specs() -> Path:
    """The folder of packaged specs."""
    from archdsl.resources import data_path

    return data_path("specs")


def packaged_spaces() -> dict[str, Path]:
    """The spaces of packaged studies, by the name of the study."""
    from archdsl.resources import data_path

    return {path.parent.name: path for path in sorted(data_path("search").glob("*/space.arch"))}


def packaged_names() -> list[str]:
    """Names of the packaged specs, sorted."""
    return sorted(entry.stem for entry in specs_in(packaged_specs()) if entry.suffix == ".arch")
