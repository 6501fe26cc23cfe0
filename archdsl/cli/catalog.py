"""What there is to name: components, objectives, packaged specs and studies, and the pages of errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archdsl.resources import data_path
from archdsl.schema.plugins import BrokenPlugin

if TYPE_CHECKING:
    from archdsl.schema.component import Slot

# what packages may bring
Plugged = Literal["components", "objectives"]


def components(slot: Slot | None = None) -> list[str]:
    """Names of the components, of one slot on request."""
    from archdsl.schema import registry

    return list(registry.names(slot))


def component_about(name: str) -> str:
    """Slot and first sentence."""
    from archdsl.schema import registry

    slot, about = registry.summary(name)
    owner = registry.distribution(name)
    if slot is None:
        return f"{'broken':<8} Cannot be used. [{owner}]"
    return f"{slot:<8} {about}" + (f" [{owner}]" if owner != "archdsl" else "")


def objectives() -> list[str]:
    """Names of the objectives of the search."""
    from archdsl.ir.objectives import objectives

    return list(objectives())


def objective_about(name: str) -> str:
    """The first sentence."""
    from archdsl.search.objectives import registry

    owner = registry.distribution(name)
    if name in broken("objectives"):
        return f"Cannot be used. [{owner}]"
    return registry.summary(name) + (f" [{owner}]" if owner != "archdsl" else "")


def broken(what: Plugged) -> dict[str, str]:
    """The components or objectives that cannot be used, each with the reason."""
    registry = _registry(what)
    found = ((name, registry.installed(name)) for name in registry.names())
    return {
        name: f"`{name}` of the package `{plugin.distribution}` cannot be used: {plugin.error}"
        for name, plugin in found
        if isinstance(plugin, BrokenPlugin)
    }


def ignored(what: Plugged) -> list[str]:
    """Of each component or objective that is left aside because its name is taken: whose it is, and who has the name."""
    kind = what.removesuffix("s")
    return [
        f"`{clash.name}` of the package `{clash.distribution}` is left aside: `{clash.kept}` has "
        f"{'an' if kind == 'objective' else 'a'} {kind} of that name"
        for clash in _registry(what).clashes()
    ]


def _registry(what: Plugged) -> Any:
    if what == "components":
        from archdsl.schema import registry

        return registry
    from archdsl.search.objectives import registry as objectives

    return objectives


def specs() -> list[str]:
    """Packaged specs as they are called: `@biformer_t`."""
    folder = data_path("specs")
    return sorted(f"@{entry.stem}" for entry in folder.glob("*.arch")) if folder.is_dir() else []


def spec_about(name: str) -> str:
    """The first line of a packaged spec, if it is a comment."""
    return _first_comment(data_path("specs") / f"{name[1:]}.arch")


def studies() -> list[str]:
    """Packaged studies as they are called: `@biformer_nas`."""
    folder = data_path("search")
    return sorted(f"@{entry.parent.name}" for entry in folder.glob("*/space.arch")) if folder.is_dir() else []


def study_folder(name: str) -> Path:
    """Where a packaged study lies."""
    return data_path("search") / name[1:]


def study_about(name: str) -> str:
    """The first line of the space of a packaged study, if it is a comment."""
    return _first_comment(study_folder(name) / "space.arch")


def _first_comment(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        line = file.readline()
    return line[1:].strip() if line.startswith("#") else ""


def errors() -> list[str]:
    """The slugs that have a page."""
    folder = data_path("errors")
    return sorted(entry.stem for entry in folder.glob("*.md")) if folder.is_dir() else []


def error_page(slug: str) -> str:
    """The page of a slug."""
    return (data_path("errors") / f"{slug}.md").read_text(encoding="utf-8")


def error_about(slug: str) -> str:
    """The one sentence below the title of a page."""
    return " ".join(_paragraph(error_page(slug)))


def _paragraph(page: str) -> Iterator[str]:
    begun = False
    for line in page.splitlines()[1:]:
        if not line.strip() or line.startswith("#"):
            if begun:
                return
            continue
        begun = True
        yield line.strip()
