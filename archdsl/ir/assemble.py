"""Assembly: a declaration with all its bases becomes one model."""

from __future__ import annotations

from typing import NoReturn

from archdsl.ir.amend import amend
from archdsl.ir.graph import shown_circle
from archdsl.ir.library import Library, LoadedFile
from archdsl.ir.model import Model, Placer
from archdsl.lang import ast
from archdsl.source.diagnostic import Note, Reported
from archdsl.source.limits import BASES
from archdsl.source.suggest import did_you_mean


def assemble(item: ast.Arch | ast.Space, owner: LoadedFile, library: Library) -> Model:
    """The model of an arch or space declared in `owner`, each made once.

    Raises `Reported` where a base cannot be had, or where something in it is misplaced.
    """
    return _assemble(item, owner, library, ())


def _assemble(
    item: ast.Arch | ast.Space, owner: LoadedFile, library: Library, above: tuple[ast.Arch | ast.Space, ...]
) -> Model:
    report, known = library.report, library.models
    if id(item) not in known:
        before = report.error_count
        # what goes wrong on the way is told once: whoever needs this arch later finds nothing
        known[id(item)] = None
        model = _amended(item, owner, library, above)
        if report.error_count == before:
            known[id(item)] = model
    elif any(item is other for other in above):
        assert item.base is not None
        circle = [*(entry.name.id for entry in above[[id(entry) for entry in above].index(id(item)) :]), item.name.id]
        report.fail(
            "extends-cycle",
            "archs extend each other in a circle",
            item.base.span,
            shown_circle(circle),
            help="one of them must stand by itself",
        )
    found = known[id(item)]
    if found is None:
        raise Reported
    return found


def _amended(item: ast.Arch | ast.Space, owner: LoadedFile, library: Library, above: tuple[ast.Arch | ast.Space, ...]) -> Model:
    report = library.report
    library.work.spend(len(item.items), item.name.span, report)
    own = Placer(report).model(item, dict(library.by_source))
    if item.base is None:
        return own
    if len(above) >= BASES:
        _too_long(item, library)
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
    if len(base.lineage) >= BASES:
        _too_long(item, library)
    library.work.spend(sum(1 + len(p.lets) + len(p.attributes) for p in base.places()), item.name.span, report)
    return amend(base, own, report)


def _too_long(item: ast.Arch | ast.Space, library: Library) -> NoReturn:
    assert item.base is not None
    if library.too_long:
        raise Reported
    library.too_long = True
    library.report.fail(
        "limit-exceeded",
        f"at most {BASES} archs may extend each other in a row",
        item.base.span,
        "one more",
        help="extend an arch nearer to the first",
    )
