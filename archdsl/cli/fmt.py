"""`archdsl fmt`: the canonical text of specs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli import texts
from archdsl.cli.console import DONE, INPUT_AT_FAULT, CallError, Console
from archdsl.cli.files import spec_files
from archdsl.cli.main import exit_code
from archdsl.source.diagnostic import Report

if TYPE_CHECKING:
    from archdsl.source.text import Source

NAME = "fmt"
HELP = "bring spec files into canonical form, and print the names of those that changed"
EXAMPLES = (
    "archdsl fmt specs",
    "archdsl fmt --check --diff specs/biformer_t.arch",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help="an .arch file, a folder, or - for stdin to stdout")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file would change")
    parser.add_argument("--diff", action="store_true", help="change nothing; print what would change")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    paths = spec_files(args.paths, (".arch",))
    for path in paths:
        if path != "-" and texts.form_of(path) == "yaml":
            raise CallError(
                f"`{path}` is the YAML form, and only the text form has a formatter",
                f"`archdsl convert {path} FILE.arch` makes text of it, in canonical form",
            )
    report = Report()
    changed = [path for path in paths if _format(path, args, console, report)]
    if report.diagnostics:
        console.diagnostics(report.diagnostics)
    code = exit_code(report.diagnostics)
    return INPUT_AT_FAULT if code == DONE and changed and args.check else code


def _format(path: str, args: Namespace, console: Console, report: Report) -> bool:
    """Whether the text changed."""
    from archdsl.lang.fmt import format_file

    source = texts.read(path, report)
    file = texts.parse(source, "arch", report) if source else None
    if source is None or file is None:
        return False
    text = format_file(file)
    changed = text != source.text
    if changed:
        texts.reread(text, "arch", file)
    if args.diff and changed:
        console.text(_difference(source, text))
    elif path == "-" and not args.check and not args.diff:
        console.text(text)
    elif changed and not args.diff:
        if not args.check:
            texts.write(path, text)
        console.out(source.name)
    return changed


def _difference(source: Source, text: str) -> str:
    from difflib import unified_diff

    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    lines = unified_diff(before, after, source.name, f"{source.name} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no line break at the end\n" for line in lines)
