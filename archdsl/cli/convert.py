"""`archdsl convert`: from text to YAML, and from YAML to text."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from archdsl.cli import texts
from archdsl.cli.console import DONE, CallError, Console
from archdsl.cli.main import exit_code
from archdsl.source.diagnostic import Report

NAME = "convert"
HELP = "write a spec in its other form: text (.arch) as YAML (.yaml), YAML as text"
EXAMPLES = (
    "archdsl convert specs/biformer_t.arch biformer_t.yaml",
    "archdsl convert @biformer_t -",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", metavar="A", help="the file to read, @NAME of a packaged spec, or - for stdin")
    parser.add_argument("target", metavar="B", help="the file to write, or - for stdout")
    parser.add_argument("--to", choices=("arch", "yaml"), help="the form to write; needed where both are streams only")
    parser.add_argument("--force", action="store_true", help="replace B if it is there")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    path = _packaged(args.source)
    before, after = _forms(path, args.target, args.to)
    if args.target != "-" and not args.force and Path(args.target).exists():
        raise CallError(f"`{args.target}` is there already", "`--force` replaces it")
    report = Report()
    source = texts.read(path, report)
    file = texts.parse(source, before, report) if source else None
    if report.diagnostics:
        console.diagnostics(report.diagnostics)
    if file is None or report.errors:
        return exit_code(report.diagnostics)
    if after == "yaml":
        from archdsl.lang.yaml_write import write_yaml

        text = write_yaml(file)
    else:
        from archdsl.lang.text_write import write_text

        text = write_text(file)
    again = texts.reread(text, after, file)
    if args.target == "-":
        console.text(text)
    else:
        texts.write(args.target, text)
    if lost := len(file.comments) - len(again.comments):
        console.say(f"{lost} of {len(file.comments)} comments could not be kept")
    return DONE


def _packaged(source: str) -> str:
    """The path of what is to be read."""
    if not source.startswith("@"):
        return source
    from archdsl.ir.library import packaged_names, packaged_specs

    if source[1:] not in packaged_names():
        from archdsl.source.suggest import closest

        near = closest(source[1:], packaged_names())
        help = f"did you mean `@{near}`?" if near else "`archdsl list specs` shows them"
        raise CallError(f"there is no packaged spec `{source[1:]}`", help)
    return str(packaged_specs() / f"{source[1:]}.arch")


def _forms(source: str, target: str, to: texts.Form | None) -> tuple[texts.Form, texts.Form]:
    """The form to read and the form to write; of a stream it follows from the other, or from `to`."""
    for path in (source, target):
        if path != "-" and texts.form_of(path) is None:
            file, _, name = path.rpartition(":")
            if name and texts.form_of(file):
                raise CallError(f"`{path}` names a part of a file, and files are converted as a whole", f"give `{file}`")
            raise CallError(f"the form of `{path}` is not known", "a spec ends in .arch (text), .yaml or .yml (YAML)")
    before, after = texts.form_of(source), texts.form_of(target)
    if to and after and to != after:
        raise CallError(f"`{target}` does not end as `--to {to}` says", f"leave `--to` out, or end it in .{to}")
    after = after or to
    if before is None and after is None:
        raise CallError("between two streams the direction is not known", "say it: `--to yaml`, or `--to arch`")
    if before == after:
        raise CallError(
            "both are of the same form", "`archdsl fmt` brings text into canonical form" if before == "arch" else ""
        )
    first: texts.Form = before or ("yaml" if after == "arch" else "arch")
    return first, "yaml" if first == "arch" else "arch"
