"""Which folders a build may write to. Free of torch, so that a refusal comes before the work."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from archdsl.lowering.atomic import try_folder
from archdsl.source.diagnostic import Diagnostic, SpecError

KIND = "archdsl build"
REPORT, SPEC = "report.json", "spec.arch"
_LARGEST_REPORT = 10_000_000


def check_folder(folder: Path, arch: str, *, weights: bool = False, force: bool = False, specs: Iterable[Path] = ()) -> None:
    """Refuse a folder that the build of an arch must not replace, or cannot write. Nothing is left behind.

    Parameters
    ----------
    weights: whether the build is made with weights.
    force: replace a folder also where it holds no build, that of another arch, or one whose weights would be lost.
    specs: the files that the build is made from, which must outlive it.

    Raises
    ------
    SpecError: `folder-taken`.
    OSError: where the folder cannot be made.
    """
    target = Path(os.path.realpath(folder))
    if target.exists():
        _refuse_precious(folder, target, specs)
        if not force and any(target.iterdir()) and (why := _lost(build_report(target), arch, weights)):
            _taken(folder, why, "name another folder, or replace this one with `--force`")
    try_folder(folder)


def _lost(report: dict[str, Any] | None, arch: str, weights: bool) -> str:
    """What would be lost with what a folder holds, if anything."""
    if report is None:
        return "is there already, and holds no build"
    if report.get("arch") != arch:
        return f"holds the build of another arch, `{report.get('arch')!s:.100}`"
    if report.get("weights") and not weights:
        return f"holds a build with the weights `{report['weights']!s:.200}`, and this one would have none"
    return ""


def build_report(folder: Path) -> dict[str, Any] | None:
    """The report of a build, of whatever version; None where a folder holds none."""
    path = folder / REPORT
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_REPORT:
            return None
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and report.get("kind") == KIND and "version" in report else None


def _refuse_precious(folder: Path, target: Path, specs: Iterable[Path]) -> None:
    """What is never replaced, with or without `force`."""
    elsewhere = "name a folder that is not there yet, such as `build/NAME`"
    if not target.is_dir():
        _taken(folder, "is a file, and a build is a folder", elsewhere)
    if Path.cwd().is_relative_to(target):
        _taken(folder, "is where you are, or above it", "name a folder below this one")
    if Path.home().resolve().is_relative_to(target):
        _taken(folder, "is your home, or above it", elsewhere)
    if (target / ".git").exists():
        _taken(folder, "is a repository", elsewhere)
    for spec in specs:
        file = Path(os.path.realpath(spec))
        # the spec of a build is written again as it is
        own = file == target / SPEC and build_report(target) is not None
        if file.is_relative_to(target) and not own:
            _taken(folder, f"holds `{spec.name}`, which the build is made from", elsewhere)


def _taken(folder: Path, why: str, help: str) -> NoReturn:
    raise SpecError([Diagnostic("folder-taken", f"`{folder.as_posix()}` {why}", help=help)])
