"""Assembly: a declaration with all its bases becomes one model."""

from __future__ import annotations

from archdsl.ir.amend import amend
from archdsl.ir.library import Library, LoadedFile
from archdsl.ir.model import Model, Placer
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Reported
from archdsl.source.suggest import did_you_mean


def assemble(item: ast.Arch | ast.Space, owner: LoadedFile, library: Library) -> Model:
    """The model of an arch or space declared in `owner`. Raises `Reported` where a base cannot be had."""
    return _assemble(item, owner, library, ())


def _assemble(
    item: ast.Arch | ast.Space, owner: LoadedFile, library: Library, above: tuple[ast.Arch | ast.Space, ...]
) -> Model:
    report = library.report
    own = Placer(report).model(item, dict(library.by_source))
    if item.base is None:
        return own
    if item in above:
        circle = [*above[above.index(item) :], item]
        report.fail(
            "extends-cycle",
            "archs extend each other in a circle",
            item.base.span,
            " -> ".join(f"`{entry.name.id}`" for entry in circle),
            help="one of them must stand by itself",
        )
    word = "extends" if isinstance(item, ast.Arch) else "over"
    if item.base.id in owner.failed:
        raise Reported
    found = owner.find(item.base.id)
    if found is None or not isinstance(found[0], ast.Arch):
        archs = [
            name
            for name in owner.names
            if (known := owner.find(name)) and isinstance(known[0], ast.Arch) and name != item.name.id
        ]
        notes = [Note("it is defined here", found[0].span.head())] if found else []
        report.fail(
            "unknown-base",
            f"there is no arch `{item.base.id}`" if found is None else f"`{item.base.id}` is not an arch",
            item.base.span,
            f"`{word}` needs an arch of this file, or one it imports",
            notes=notes,
            help=did_you_mean(item.base.id, archs, "archs in sight are") or f'import it: `import "FILE.arch" ({item.base.id})`',
        )
    base = _assemble(found[0], found[1], library, (*above, item))
    return amend(base, own, report)
