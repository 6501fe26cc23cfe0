"""Puts the data folders of the checkout into the wheel, where `archdsl.resources` looks first; pyproject.toml has the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = {"grammars": "grammars", "specs": "specs", "search": "search", "errors": "docs/errors"}


class BuildWithData(build_py):
    def run(self) -> None:
        super().run()
        # an editable install reads them from the checkout
        if not self.editable_mode:
            for kind, folder in DATA.items():
                target = Path(self.build_lib, "archdsl", "_data", kind)
                shutil.rmtree(target, ignore_errors=True)
                if Path(folder).is_dir():
                    left = shutil.ignore_patterns(".*", "__pycache__", "*.py", "study.db*", "report.html")
                    shutil.copytree(folder, target, ignore=left)


setup(cmdclass={"build_py": BuildWithData})
