"""Which file a reference means, and which arch or space of it."""

from __future__ import annotations

import os
from pathlib import Path

from archdsl.ir.library import Library, LoadedFile, packaged_names, packaged_spaces, specs_in
from archdsl.lang import ast
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.suggest import closest, did_you_mean
from archdsl.source.text import Span


def opened(spec: str, library: Library) -> tuple[LoadedFile | None, str | None]:
    """The file a reference means, and the name after its colon."""
    report = library.report
    path, _, chosen = spec.partition(":")
    # a colon may also be part of a file's name
    if chosen and Path(spec).exists():
        path, chosen = spec, ""
    try:
        if path.startswith("@"):
            names = packaged_names()
            space = packaged_spaces().get(path[1:])
            if path[1:] not in names and space:
                return library.open(space, name=path), chosen or None
            if path[1:] not in names:
                # an import of it would be the fault of a text, this is one of the call
                help = did_you_mean(path, [f"@{name}" for name in names]) or "`archdsl list specs` shows them"
                report.fail("unreadable-file", f"there is no packaged spec `{_shown(path[1:])}`", help=help)
            return library.packaged(path[1:]), chosen or None
        if not os.path.lexists(path):
            help = _instead(Path(path))
            report.fail("unreadable-file", f"`{_shown(path)}` cannot be read: no such file or directory", help=help)
        return library.open(Path(path)), chosen or None
    except Reported:
        return None, None


def _instead(path: Path) -> str:
    """What may have been meant by a path where nothing is: a file beside it, or a packaged spec."""
    stem, names = path.name.partition(".")[0], packaged_names()
    if stem in names:
        return f"there is a packaged spec of that name: `@{stem}`"
    near = closest(path.name, (entry.name for entry in specs_in(path.parent)))
    if near:
        return f"did you mean `{_shown((path.parent / near).as_posix())}`?"
    packaged = did_you_mean(stem, [f"@{name}" for name in names]) or did_you_mean(f"@{stem}", [f"@{name}" for name in names])
    return packaged or "check the path; `archdsl list specs` shows the packaged ones"


def _shown(path: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in path[:200])


def chosen(loaded: LoadedFile, name: str | None, report: Report) -> ast.Arch | ast.Space:
    """The one arch or space that is asked for."""
    models = loaded.models()
    names = [model.name.id for model in models]
    shown = loaded.file.source.name
    if name is not None:
        for model in models:
            if model.name.id == name:
                return model
        report.fail(
            "unknown-name", f"`{shown}` has no arch or space `{_shown(name)}`", help=did_you_mean(name, names, "it has")
        )
    if len(models) == 1:
        return models[0]
    if not models:
        start = Span(loaded.file.source, 0, 0)
        report.fail("no-model", f"`{shown}` has no arch and no space", start, "none in here", help="write `arch NAME { ... }`")
    # a file named after one of its archs holds that one
    stem = loaded.path.name.partition(".")[0] if loaded.path else ""
    for model in models:
        if model.name.id == stem:
            return model
    report.fail(
        "ambiguous-model",
        f"`{shown}` has {len(models)} archs and spaces",
        help="say which: " + ", ".join(f"`{shown}:{each}`" for each in names[:8]),
    )
