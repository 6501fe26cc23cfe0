"""What there is to name: components, packaged specs and studies, and the pages of errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.resources import data_path

if TYPE_CHECKING:
    from archdsl.schema.component import Slot


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


def broken_components() -> dict[str, str]:
    """The components that cannot be used, each with the reason."""
    from archdsl.schema import registry

    return {
        name: f"`{name}` of the package `{found.distribution}` cannot be used: {found.error}"
        for name in registry.names()
        if isinstance(found := registry.installed(name), registry.BrokenPlugin)
    }


def ignored_components() -> list[str]:
    """Of each component that is left aside because its name is taken: whose it is, and who has the name."""
    from archdsl.schema import registry

    return [
        f"`{clash.name}` of the package `{clash.distribution}` is left aside: `{clash.kept}` has a component of that name"
        for clash in registry.clashes()
    ]


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
