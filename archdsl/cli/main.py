"""The command `archdsl`: one module a verb, imported when its verb is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO, cast

from archdsl.cli.console import BUG, CALL_AT_FAULT, DONE, INPUT_AT_FAULT, INTERRUPTED, CallError, Closed, Console, OutputError
from archdsl.source.diagnostic import Diagnostic, SpecError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from archdsl.cli.arguments import Parser
    from archdsl.source.render import Format

VERBS = (
    *("check", "fmt", "show", "count", "verify", "build", "bench", "search", "weights", "diff", "explain", "list", "convert"),
    "completion",
)
# the one verb that has verbs of its own
INNER = {"search": ("run", "resume", "worker", "show", "count", "export", "report")}

COMMON = """\
options of every verb:
  --color auto|always|never   colour; NO_COLOR and FORCE_COLOR are honoured
  -q, --quiet; -v, --verbose  errors only; reasons as well
  --debug                     a traceback where archdsl itself fails
  --version, --help

exit: 0 done, 1 the input is at fault, 2 the call is at fault, 3 a bug in archdsl, 130 interrupted"""

# what the machine refuses is no fault of a spec
_CALL_SLUGS = frozenset(
    {
        *("compiler-missing", "folder-taken", "unreadable-file"),
        # of a search
        *("missing-device", "no-evaluator", "not-a-study", "storage-gone", "study-exists", "unwritable-study", "wrong-storage"),
    }
)


class Verb(Protocol):
    """What a module of `archdsl.cli` has to be a verb."""

    NAME: str
    HELP: str
    EXAMPLES: tuple[str, str]

    def configure(self, parser: ArgumentParser) -> None:
        """Add the arguments."""

    def run(self, args: Namespace, console: Console) -> int:
        """Do it, and return the exit code. Imports what is heavy."""


def every_verb() -> tuple[str, ...]:
    """Each verb as it is called, those of `search` as `search run`."""
    return tuple(call for name in VERBS for call in (name, *(f"{name} {inner}" for inner in INNER.get(name, ()))))


def verb(name: str) -> Verb:
    """The module of a verb."""
    from importlib import import_module

    inner = name.partition(" ")[2]
    return cast("Verb", import_module(f"archdsl.cli.searching.{inner}" if inner else f"archdsl.cli.{name}"))


def parser_of(chosen: Verb) -> Parser:
    """The parser of a verb, for calls, help and completion."""
    from archdsl.cli.arguments import Help, Parser, add_common, placed

    examples = "\n".join(f"  {example}" for example in chosen.EXAMPLES)
    parser = Parser(
        prog=f"archdsl {chosen.NAME}",
        description=chosen.HELP[0].upper() + chosen.HELP[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=Help,
        allow_abbrev=False,
    )
    chosen.configure(parser)
    parser.add_argument("-h", "--help", action="help", help="show this and exit")
    # the options are listed below anyway
    parser.usage = " ".join(["%(prog)s [option ...]", *placed(parser)])
    add_common(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # a run without a stream has none here
    sys.stdout = sys.stdout or Closed()
    sys.stderr = sys.stderr or Closed()
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    console = Console(command=("archdsl", *words))
    try:
        code = _guarded(words, console)
        console.flush()
        return code
    except BrokenPipeError:
        # the reader has seen enough
        _drop(console.stdout)
        return DONE
    except OutputError as error:
        _drop(console.stdout)
        try:
            console.fail(str(error))
        except OutputError:
            _drop(console.stderr)
        return CALL_AT_FAULT


def _drop(stream: TextIO) -> None:
    """Lose what a stream has kept back: the interpreter must not fail on it again while it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _guarded(words: list[str], console: Console) -> int:
    try:
        return _call(words, console)
    except SpecError as error:
        # a component of some package failed: its makers want to know where
        if console.debug and error.__cause__ is not None:
            import traceback

            console.stderr.write("".join(traceback.format_exception(error.__cause__)))
        console.diagnostics(error.diagnostics)
        return exit_code(error.diagnostics)
    except CallError as error:
        # a call that failed before its options were read says in its words what it asked for
        form = console.form if console.form != "full" else _form(words)
        if form in ("json", "github"):
            console.form = form
            console.diagnostics([Diagnostic("wrong-call", error.message, help=error.help)])
        else:
            console.fail(error.message, error.help)
        return CALL_AT_FAULT
    except KeyboardInterrupt:
        console.say("interrupted")
        return INTERRUPTED
    except (BrokenPipeError, OutputError, SystemExit):
        raise
    except BaseException as error:
        return _apologise(error, words, console)


def exit_code(found: Sequence[Diagnostic]) -> int:
    """The exit code for what was found: warnings are no failure."""
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if errors and all(error.slug in _CALL_SLUGS for error in errors):
        return CALL_AT_FAULT
    return INPUT_AT_FAULT if errors else DONE


def _call(words: list[str], console: Console) -> int:
    name, rest = _split(words)
    if name == "help":
        # `help` and `help VERB` are what people type first
        name, rest = _split(rest)
        rest = [*rest, "--help"]
    if name is None:
        return _no_verb(rest, console)
    if name not in VERBS:
        _unknown(name, VERBS, name)
    if name in INNER:
        name, rest = _inner(name, rest)
    chosen = verb(name)
    parser = parser_of(chosen)
    # streams and colours must be right before anything can fail
    console.debug = "--debug" in rest
    try:
        args = parser.parse(rest)
    except SystemExit:  # --help was printed
        return DONE
    console.color, console.quiet, console.verbose = args.color, args.quiet, args.verbose
    console.form = "json" if getattr(args, "json", False) else getattr(args, "format", "full")
    return chosen.run(args, console)


def _inner(name: str, words: list[str]) -> tuple[str, list[str]]:
    """The verb inside a verb, and everything else; the outer verb itself where only its help is asked for."""
    inner, rest = _split(words)
    if inner in INNER[name]:
        return f"{name} {inner}", rest
    if inner is not None:
        if inner.startswith("@") or os.path.lexists(inner):
            raise CallError(f"there is no verb `{name} {inner}`", f"write `archdsl {name} run {inner}`")
        _unknown(inner, INNER[name], f"{name} {inner}")
    return name, rest


def _unknown(word: str, known: Sequence[str], call: str) -> NoReturn:
    from archdsl.source.suggest import closest

    near = closest(word, known)
    raise CallError(f"there is no verb `{call}`", f"did you mean `{near}`?" if near else f"verbs are {', '.join(known)}")


def _form(words: list[str]) -> Format:
    """The form of what is found that the words of a call ask for, whether or not they are a call."""
    for word, value in zip(words, [*words[1:], ""], strict=False):
        for form in ("json", "github"):
            if word in (f"--{form}", f"--format={form}") or (word, value) == ("--format", form):
                return form
    return "full"


def _split(words: list[str]) -> tuple[str | None, list[str]]:
    """The verb, and everything else; options of every verb may also stand before it."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        at += 2 if words[at] == "--color" else 1
    return (words[at], words[:at] + words[at + 1 :]) if at < len(words) else (None, words)


def _no_verb(words: list[str], console: Console) -> int:
    from archdsl.cli.arguments import Parser, add_common

    parser = Parser(prog="archdsl", allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    add_common(parser)
    args = parser.parse(words)
    if args.version:
        console.out(f"archdsl {_version()}")
        return DONE
    if args.help:
        console.out(_overview())
        return DONE
    raise CallError("a verb is missing", f"verbs are {', '.join(VERBS)}; `archdsl --help` says what they do")


def _overview() -> str:
    rows = "\n".join(f"  {name:<11} {verb(name).HELP}" for name in VERBS)
    return f"usage: archdsl VERB ...      `archdsl VERB --help` tells more.\n\n{rows}\n\n{COMMON}"


def _apologise(error: BaseException, words: list[str], console: Console) -> int:
    import platform
    import tempfile
    import traceback

    trace = "".join(traceback.format_exception(error))
    facts = f"archdsl {_version()}, Python {platform.python_version()}, {platform.platform()}\narchdsl {' '.join(words)}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="archdsl-report-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.write(f"{facts}\n\n{trace}")
        where = f"a report for its makers is in {report.name}"
    except OSError:
        where = "`--debug` shows where"
    if console.debug:
        console.stderr.write(trace)
    console.fail(f"archdsl failed, and your spec is not to blame: {type(error).__name__}", f"sorry for that; {where}")
    return BUG


def _version() -> str:
    import archdsl

    # an apology must not fail as well
    return str(getattr(archdsl, "__version__", "of unknown version"))
