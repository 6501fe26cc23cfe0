"""Every slug has a page and a golden, and there is no page and no golden without a slug."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archdsl.cli import catalog
from archdsl.resources import data_path
from archdsl.testing import txtar
from archdsl.testing.slugs import slugs
from tests.cli.goldens import paths, play, rewrite, rewriting

ROOT = Path(__file__).parents[2]
USES = slugs(ROOT / "archdsl")
SLUGS = sorted({use.slug for use in USES if use.slug})
# no call raises these with files alone: where they are tested instead
ELSEWHERE = {
    "bad-setting": "search/test_settings.py",
    "build-changed": "lowering/test_artifact.py",
    "compiler-missing": "lowering/test_artifact.py",
    "damaged-study": "search/test_storage.py",
    "failing-trials": "search/test_faults.py",
    "missing-package": "search/data/test_load.py",
    "no-evaluator": "search/test_faults.py",
    "no-objective": "search/test_faults.py",
    "not-a-build": "lowering/test_artifact.py",
    "not-a-study": "search/test_faults.py",
    "out-of-memory": "lowering/test_memory.py",
    "parity-failed": "lowering/test_export.py",
    "storage-gone": "search/test_storage.py",
    "study-changed": "search/test_lock.py",
    "study-exists": "search/test_faults.py",
    "study-format": "search/test_lock.py",
    "unknown-feature": "lowering/test_extractor.py",
    "unknown-setting": "search/test_settings.py",
    "unwritable-study": "search/test_storage.py",
    "wrong-call": "cli/test_main.py",
    "wrong-storage": "search/test_storage.py",
}
# their pages show calls that take a checkpoint, a package, images, or a machine without a compiler
NO_SPEC = {
    *ELSEWHERE,
    "bad-key-map",
    "broken-plugin",
    "folder-taken",
    "key-map-mismatch",
    "missing-data",
    "too-few-images",
    "unreadable-data",
    "unreadable-weights",
    "weights-mismatch",
    "wrong-data",
}
SECTIONS = ["## Why", "## Wrong", "## Right"]
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


def section(page: str, title: str) -> str:
    """The text below a title."""
    return page.partition(f"{title}\n")[2].partition("\n## ")[0]


def found(text: str) -> set[str]:
    """The slugs in rendered diagnostics."""
    return set(re.findall(r"^(?:error|warning)\[([a-z0-9-]+)\]", text, re.M))


def test_slugs_are_written_out() -> None:
    assert [use.place for use in USES if not use.slug] == []


def test_every_slug_has_a_page() -> None:
    assert catalog.errors() == SLUGS


def test_every_slug_has_a_golden() -> None:
    assert [path.stem for path in paths()] == [slug for slug in SLUGS if slug not in ELSEWHERE]


@pytest.mark.parametrize(("slug", "test"), ELSEWHERE.items())
def test_or_a_test_of_its_own(slug: str, test: str) -> None:
    assert f'"{slug}"' in (ROOT / "tests" / test).read_text()


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_golden(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    archive = txtar.parse(path.read_text())
    printed = play(archive, tmp_path, monkeypatch)
    if rewriting(request.config):
        rewrite(path, archive, printed)
        return
    assert printed == {name: archive.files.get(name) for name in printed}
    assert path.stem in found(printed["stderr"])


@pytest.mark.parametrize("slug", catalog.errors())
def test_page(slug: str) -> None:
    page = catalog.error_page(slug)
    assert page.startswith(f"# {slug}\n\n")
    assert [line for line in page.splitlines() if line.startswith("## ")] == SECTIONS
    assert catalog.error_about(slug).endswith(".")
    assert len(page.splitlines()) <= 60
    assert max(map(len, page.splitlines())) <= 150


@pytest.mark.parametrize("slug", [slug for slug in catalog.errors() if slug not in NO_SPEC])
def test_the_specs_of_a_page(slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page calls wrong raises its slug, what it calls right does not."""
    page = catalog.error_page(slug)
    for title, expected in (("## Wrong", True), ("## Right", False)):
        folder = tmp_path / title[3:]
        folder.mkdir()
        fences = FENCE.findall(section(page, title))
        assert fences, f"no spec below {title}"
        files = dict(_file(*fence) for fence in fences if fence[0] != "sh")
        commands = [text for kind, _, text in fences if kind == "sh"] or [
            f"archdsl check {' '.join(name.partition(' ')[0] for name in files)}\n"
        ]
        for command in commands:
            printed = play(txtar.Archive(files={**files, "command": command}), folder, monkeypatch)
            assert (slug in found(printed["stderr"])) == expected, printed["stderr"]


def _file(kind: str, name: str, text: str) -> tuple[str, str]:
    """A file of a page: `a.arch` or `a.yaml` unless it is named; text in Python's escapes where it cannot be shown."""
    if kind == "escaped":
        return f"{name} (escaped)", text
    return name or f"a.{'yaml' if kind == 'yaml' else 'arch'}", text


def test_pages_come_with_the_package() -> None:
    assert data_path("errors").is_dir()
