"""The frame of the command line: which verb, which stream, which exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.cli.console import CallError, Console
from archdsl.cli.main import INNER, VERBS, every_verb, exit_code, main, parser_of, verb
from archdsl.source.diagnostic import Diagnostic, SpecError

ROOT = Path(__file__).parents[2]


def fake(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `list` fail."""

    def run(args: object, console: object) -> int:
        raise error

    monkeypatch.setattr("archdsl.cli.list.run", run)


@pytest.mark.parametrize("name", every_verb())
def test_the_help_of_a_verb_fits_a_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    shown, said = capsys.readouterr()
    lines = shown.splitlines()
    assert said == ""
    assert len(lines) <= 24, "\n".join(lines)
    assert max(map(len, lines)) <= 100
    assert lines[-3] == "examples:"
    assert [line.strip() for line in lines[-2:]] == list(verb(name).EXAMPLES)
    assert all(example.startswith(f"archdsl {name} ") for example in verb(name).EXAMPLES)


@pytest.mark.parametrize("name", every_verb())
def test_examples_are_real_calls(name: str) -> None:
    for example in verb(name).EXAMPLES:
        words = example.split(" > ")[0].split()[1:]
        called = " ".join(words[:2]) if words[0] in INNER else words[0]
        parser_of(verb(called)).parse(words[len(called.split()) :])


@pytest.mark.parametrize("name", every_verb())
def test_a_verb_is_called_as_its_module(name: str) -> None:
    assert name == verb(name).NAME
    assert verb(name).HELP[0].islower()
    assert not verb(name).HELP.endswith(".")


def test_the_overview_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= 24
    assert max(map(len, shown.splitlines())) <= 100
    assert all(f"\n  {name} " in shown for name in VERBS)


@pytest.mark.parametrize("words", [(), ("check",), ("build",), ("search",), ("search", "run")])
def test_help_is_a_word_too(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    expected = capsys.readouterr()
    assert main(["help", *words]) == 0
    assert capsys.readouterr() == expected


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("check", "SPEC ..."),
        ("explain", "SLUG|COMPONENT|WORD|PATH [SPEC]"),
        ("diff", "A [B]"),
        ("show", "SPEC"),
        ("verify", "[SPEC ...]"),
        ("search", "run|resume|worker|show|count|export|report"),
        ("search run", "STUDY"),
    ],
)
def test_usage_says_what_may_be_left_out_or_repeated(name: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"usage: archdsl {name} [option ...] {usage}"


def test_the_last_colour_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--color", "always", "list", "specs", "--plain", "--color", "never"]) == 0


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    import archdsl

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"archdsl {archdsl.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "error: a verb is missing"),
        (["chekc"], "error: there is no verb `chekc`\nhelp: did you mean `check`?"),
        (["xyzzy"], "error: there is no verb `xyzzy`\nhelp: verbs are check, fmt,"),
        (["check", "--jsno", "a"], "error: `archdsl check` has no option `--jsno`\nhelp: did you mean `--json`?"),
        (["list", "specs", "more"], "error: unexpected argument `more`"),
        (
            ["list", "spces"],
            "error: `spces` is none of components, objectives, specs, studies, errors\nhelp: did you mean `specs`?",
        ),
        (["search"], "error: `archdsl search` needs run|resume|worker|show|count|export|report\nhelp: `archdsl search --help`"),
        (["search", "rnu"], "error: there is no verb `search rnu`\nhelp: did you mean `run`?"),
        (["search", "xyzzy"], "error: there is no verb `search xyzzy`\nhelp: verbs are run, resume, worker,"),
        (
            ["search", "search/biformer_nas"],
            "error: there is no verb `search search/biformer_nas`\nhelp: write `archdsl search run",
        ),
        (
            ["search", "--color", "never", "run", "x", "--tirals"],
            "error: `archdsl search run` has no option `--tirals`\nhelp: did",
        ),
        (
            ["search", "run", "x", "--sampler", "tpee"],
            "error: `tpee` is none of auto, random, tpe, nsga2, gp\nhelp: did you mean",
        ),
        (["help", "search", "conut"], "error: there is no verb `search conut`\nhelp: did you mean `count`?"),
        (["check", "a", "--format", "xml"], "error: `xml` is none of full, short, json, github"),
        (["check"], "error: `archdsl check` needs SPEC\nhelp: `archdsl check --help`"),
        (["check", "a.arch", "--set", "width"], "error: `--set width` has no value"),
        (["check", "a.arch", "--set", "w=1", "--set", "w=2"], "error: `--set w` is given twice"),
        (["convert"], "error: `archdsl convert` needs A and B"),
        (["show", "a", "--latex", "--markdown"], "error: `--markdown` and `--latex` exclude each other"),
        (["check", "a", "--json=x"], "error: `--json` takes no value"),
        (["build", "a", "-o"], "error: `--output` needs a value\nhelp: write `--output DIR`"),
        (["check", "a", "--format"], "error: `--format` needs a value\nhelp: write `--format full|short|json|github`"),
        (["count", "a", "--by", "op", "--by", "op"], "error: `--by` is given twice"),
        (["build", "@biformer_t", "--seed", "x"], "error: `--seed x` is no whole number"),
        (["build", "@biformer_t", "--classes", "abc"], "error: `--classes abc` is no whole number"),
        (["build", "@biformer_t", "--classes", "0"], "error: `--classes 0` is no whole number from 1"),
        (["build", "@biformer_t", "--classes", "5", "--set", "classes=6"], "error: `--classes` and `--set classes` exclude"),
        (["check", "@volo_d1", "--classes", "10"], "error: `archdsl check` has no option `--classes`\nhelp: write `--set cla"),
        (["diff", "a", "b", "--classes=10"], "error: `archdsl diff` has no option `--classes`\nhelp: write `--set classes=10`"),
        (["show", "a", "--classes"], "error: `archdsl show` has no option `--classes`\nhelp: write `--set classes=N`"),
        (["fmt", "a", "--classes", "3"], "error: `archdsl fmt` has no option `--classes`\nhelp: `archdsl fmt --help` lists"),
        (["build", "@biformer_t", "-o", ""], "error: `--output` is empty"),
        (["diff", "@biformer_t"], "error: there is nothing to compare with"),
        (["help", "chekc"], "error: there is no verb `chekc`\nhelp: did you mean `check`?"),
        (["list", "specs", "--slot", "token"], "error: `--slot` says nothing about specs"),
        (["ch\x1b[2Jeck"], "error: there is no verb `chU+001B[2Jeck`"),
    ],
)
def test_the_call_is_at_fault(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    shown, said = capsys.readouterr()
    assert shown == ""
    assert said.startswith(message)


def test_options_of_every_verb_may_stand_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--color", "never", "-q", "--debug", "list", "components", "--plain"]) == 0
    assert "routing\n" in capsys.readouterr().out


def test_a_spec_at_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, SpecError([Diagnostic("some-slug", "broken")]))
    assert main(["list", "specs"]) == 1
    assert capsys.readouterr() == ("", "error[some-slug]: broken\n\nerror: 1 error\n")
    assert main(["list", "specs", "--json"]) == 1
    shown, said = capsys.readouterr()
    assert '"slug": "some-slug"' in shown
    assert said == ""


def test_codes_for_what_was_found() -> None:
    warning = Diagnostic("s", "m", severity="warning")
    unreadable = Diagnostic("unreadable-file", "m")
    assert exit_code([]) == exit_code([warning]) == 0
    assert exit_code([Diagnostic("s", "m"), warning]) == 1
    assert exit_code([unreadable, warning]) == 2
    assert exit_code([unreadable, Diagnostic("s", "m")]) == 1


def test_an_interruption(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, KeyboardInterrupt())
    assert main(["list", "specs"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug(debug: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    fake(monkeypatch, KeyError("s3"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["list", "specs", *["--debug"] * debug]) == 3
    shown, said = capsys.readouterr()
    assert shown == ""
    assert "error: archdsl failed, and your spec is not to blame: KeyError\n" in said
    assert ("Traceback" in said) == debug
    (report,) = tmp_path.iterdir()
    assert str(report) in said
    text = report.read_text()
    assert "Traceback" in text
    assert "archdsl list specs" in text


def test_a_bug_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake(monkeypatch, ValueError("x"))
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    assert main(["list", "specs"]) == 3
    assert "`--debug` shows where" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough() -> None:
    call = f"'{sys.executable}' -m archdsl explain routing; echo code $? >&2"
    run = subprocess.run(
        ["bash", "-c", f"({call}) | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stderr == "code 0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("show @care_s0 > /dev/full", 2, "error: cannot write: no space left on device\n"),
        ("fmt - < specs/care_s0.arch > /dev/full", 2, "error: cannot write: no space left on device\n"),
        ("check @nothing --json > /dev/full", 2, "error: cannot write: no space left on device\n"),
        ("show @care_s0 >&-", 2, "error: cannot write: the stream is closed\n"),
        ("check @care_s0 >&-", 0, "1 spec checked, no errors\n"),
        ("show @care_s0 > /dev/full 2>&1", 2, ""),
        ("show @nothing 2>&-", 2, ""),
    ],
)
def test_a_stream_that_cannot_be_written(call: str, code: int, said: str) -> None:
    run = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m archdsl {call}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (run.returncode, run.stdout, run.stderr) == (code, "", said)


def test_an_interruption_before_the_command_line_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from archdsl.__main__ import run

    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("archdsl.cli.main.main", interrupted)
    assert run() == 130
    # the import of the command line itself
    monkeypatch.setitem(sys.modules, "archdsl.cli.main", None)
    monkeypatch.setattr("builtins.__import__", lambda *words, **more: interrupted())
    assert run() == 130
    monkeypatch.undo()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "words",
    [["frob", "--json"], ["check", "@volo_d1", "--at", "224", "--json"], ["check", "a", "--format=json", "--at", "x"]],
)
def test_a_program_gets_one_document_also_where_the_call_is_at_fault(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown, said = capsys.readouterr()
    assert said == ""
    (found,) = json.loads(shown)["diagnostics"]
    assert (found["slug"], found["severity"], found["span"]) == ("wrong-call", "error", None)
    assert found["message"]
    assert found["help"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("color", "environ", "terminal", "colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour(color: str, environ: dict[str, str], terminal: bool, colored: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    console = Console(stream, stream, color=color, environ=environ)  # type: ignore[arg-type]
    assert console.colored(stream) is colored


def test_quiet_and_verbose() -> None:
    found = [Diagnostic("a", "first", severity="warning"), Diagnostic("b", "second")]
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err, quiet=True)
    console.say("hello")
    console.reason("why")
    console.diagnostics(found)
    assert err.getvalue() == "error[b]: second\n\nerror: 1 error\n"
    console.diagnostics(found[:1])
    assert err.getvalue().count("\n") == 3
    console = Console(out, err := io.StringIO(), verbose=True)
    console.say("hello")
    console.reason("why")
    assert err.getvalue() == "hello\nwhy\n"
    assert out.getvalue() == ""


def test_progress_waits_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.cli.progress._PATIENCE", 0.01)
    stream = Terminal()
    with Console(stream, stream).progress() as progress:
        progress.step("first\x1b[2J")
        progress._timer.join()  # type: ignore[union-attr]
        progress.step("second")
    assert stream.getvalue() == "\r\x1b[KfirstU+001B[2J\r\x1b[Ksecond\r\x1b[K"


def test_a_short_run_shows_no_progress() -> None:
    stream = Terminal()
    with Console(stream, stream).progress() as progress:
        progress.step("first")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("settings", [{"quiet": True}, {"form": "json"}])
def test_no_progress_where_it_is_not_wanted(settings: dict[str, object]) -> None:
    stream = Terminal()
    assert Console(stream, stream, **settings).progress()._stream is None  # type: ignore[arg-type]


def test_steps_without_a_terminal_are_reasons() -> None:
    stream = io.StringIO()
    with Console(stream, stream, verbose=True).progress() as progress:
        progress.step("counting")
    assert stream.getvalue() == "counting\n"


def test_a_call_error_without_help() -> None:
    assert CallError("x").help == ""
