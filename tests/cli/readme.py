"""The README shows what commands print and what files hold: this fills it in, and tells where it is out of date.

`python tests/cli/readme.py` rewrites it; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
_BLOCK = re.compile(r"```console\n\$ (archdsl [^\n]*)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"<!-- file: (\S+) -->\n```\n(.*?)```", re.DOTALL)


def commands(text: str) -> list[str]:
    """The archdsl commands of a text, in reading order."""
    return [match[1] for match in _BLOCK.finditer(text)]


def printed(command: str, folder: Path) -> str:
    """What a command prints, in a folder where the checkout's folders are: results, then diagnostics; a build as it goes."""
    for name in ("specs", "search"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    call = [sys.executable, "-m", "archdsl", *shlex.split(command)[1:]]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    # a build tells what it proves while it goes on, and its folder last
    both = done.stderr + done.stdout if call[3] == "build" else done.stdout + done.stderr
    # how long it took is no fact about the spec
    return "\n".join(re.sub(r" \(\d+ ms\)$", "", line).rstrip() for line in both.splitlines()) + "\n"


def filled(text: str, folder: Path, *, only: str | None = None) -> str:
    """The text with every block as it is today; `only` runs the commands of one verb."""

    def run(match: re.Match[str]) -> str:
        command = match[1]
        if only is not None and command.split()[1] != only:
            return match[0]
        return f"```console\n$ {command}\n{printed(command, folder)}```"

    def read(match: re.Match[str]) -> str:
        return f"<!-- file: {match[1]} -->\n```\n{(ROOT / match[1]).read_text(encoding='utf-8')}```"

    return _BLOCK.sub(run, _FILE.sub(read, text))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        README.write_text(filled(README.read_text(encoding="utf-8"), Path(scratch)), encoding="utf-8")
