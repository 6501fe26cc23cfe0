"""Wheels that are built and installed for a test, and commands that run with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECKOUT = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "archdsl",
    "grammars",
    "specs",
    "search",
    "docs/errors",
)


@dataclass(frozen=True)
class Installed:
    """A folder with installed packages. `run` starts Python with it, in a folder of its own, far from the checkout."""

    target: Path
    cwd: Path
    also: tuple[Path, ...] = ()

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS`; its exit code must be `code`."""
        path = os.pathsep.join(map(str, (self.target, *self.also)))
        environment = {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "120"}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def archdsl(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "archdsl", *arguments, code=code)


def pip(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def install(source: Path, target: Path, needed: Sequence[str] = ()) -> Path:
    """Build the wheel of a copy of `source`, so that nothing is left in the checkout, and install it alone into `target`."""
    work = target.with_name(target.name + "_source")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".*")
    if needed:
        work.mkdir()
        for name in needed:
            place = work / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_dir():
                shutil.copytree(source / name, place, ignore=ignore)
            else:
                shutil.copy(source / name, place)
    else:
        shutil.copytree(source, work, ignore=ignore)
    wheels = target.with_name(target.name + "_wheel")
    pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", wheels, work)
    (wheel,) = wheels.glob("*.whl")
    pip("install", "--no-deps", "--no-index", "--target", target, wheel)
    return wheel
