"""The verbs of `archdsl search`, as they are called and as they answer."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import archdsl
from archdsl.cli.console import Console
from archdsl.cli.main import main
from archdsl.cli.searching.count import number, share
from archdsl.cli.searching.run import SAMPLERS
from archdsl.cli.searching.watch import Watch, document, rate
from archdsl.search.events import Finished, Running, Started, Stopped, Stopping, Waiting
from archdsl.search.figures import duration
from archdsl.search.trials import Trial

Captured = pytest.CaptureFixture[str]

TINY = """
arch tiny {{
  input   = 3x16x16
  classes = 4
  stem    = conv(4x4, out = 8, stride = 4)
  layout {{ residual layernorm -> channel }}
  stage s1 {{ dim = 8, depth = 1, channel = mlp(ratio = 2) }}
  head = mean -> linear(classes)
}}

space s over tiny {{
  stage s1 {{ depth = 1..4, channel = mlp(ratio = 1 | 2 | 4) }}
  {lines}
}}
"""


def lay(folder: Path, *lines: str) -> Path:
    """A study of twelve small specs."""
    folder.mkdir(parents=True, exist_ok=True)
    base, _, space = TINY.format(lines="\n  ".join(lines)).partition("\nspace ")
    (folder / "tiny.arch").write_text(base)
    (folder / "space.arch").write_text(f'import "tiny.arch" (tiny)\n\nspace {space}')
    return folder


def trial(index: int, **changes: Any) -> Trial:
    """A trial, done unless it is said otherwise."""
    given: dict[str, Any] = {
        "number": index,
        "state": "done",
        "point": {"s1.depth": "1"},
        "values": {"params": 500.0},
        "params": 500,
        "flops": 1000,
        "hash": f"{index:064x}",
        "seconds": {"build": 0.1},
        "finished": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Trial(index=index, **{**given, **changes})


# --- which study ---


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["count", ""], "error: STUDY is empty\n"),
        (["count", "@mixer_smal"], "error: there is no packaged study `@mixer_smal`\nhelp: did you mean `@mixer_small`?"),
        (
            ["count", "biformer_nas"],
            "error: there is no `biformer_nas`\nhelp: there is a packaged study of that name: `@biformer_nas`",
        ),
        (["count", "nothing"], "error[not-a-study]: `nothing` holds no study"),
        (["show", "empty"], "error[not-a-study]: `empty` holds no study: it has no `space.arch`"),
        (["run", "x", "--trials", "0"], "error: `--trials 0` is no whole number from 1"),
        (["run", "x", "--seed", "x"], "error: `--seed x` is no whole number from 0"),
        (["run", "x", "--workers", "1.5"], "error: `--workers 1.5` is no whole number from 1"),
        (["run", "x", "-o", " "], "error: `--output` is empty\n"),
        (["run", "@mixer_small"], "error: `@mixer_small` is packaged, and a study is written to\nhelp: write `-o DIR`"),
        (["resume", "@mixer_small"], "error: `@mixer_small` is packaged, and a study is written to\nhelp: name the folder"),
        (["export", "x", "--top", "2", "--all"], "error: `--all` and `--top` exclude each other"),
        (["export", "x", "-o", ""], "error: `--output` is empty\n"),
        (["report", "x", "-o", ""], "error: `--output` is empty\n"),
    ],
)
def test_the_call_is_at_fault(
    words: list[str], message: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["search", *words]) == 2
    shown, said = capsys.readouterr()
    assert shown == ""
    assert said.startswith(message)


def test_an_arch_leaves_nothing_to_choose(tmp_path: Path, capsys: Captured) -> None:
    lay(tmp_path)
    assert main(["search", "count", str(tmp_path / "tiny.arch")]) == 2
    assert "error[not-a-study]" in (said := capsys.readouterr().err)
    assert "has no space" in said


def test_samplers_are_those_of_the_settings() -> None:
    from archdsl.search import settings

    assert settings.SAMPLERS == SAMPLERS


# --- count ---


def test_count_says_it_exactly(tmp_path: Path, capsys: Captured) -> None:
    folder = lay(tmp_path, "budget params <= 700")
    space = archdsl.load(folder / "space.arch")
    assert space.space is not None
    points = [
        space.space.point({"s1.depth": depth, "s1.channel.ratio": ratio}) for depth in (1, 2, 3, 4) for ratio in (1, 2, 4)
    ]
    fit = sum(space.keeps_budgets(point) for point in points)
    assert 0 < fit < 12
    assert main(["search", "count", str(folder)]) == 0
    shown = capsys.readouterr().out
    counts = [space.arch(point).params for point in points]
    assert shown == (
        f"points  12, from 2 decisions\nfit     {fit}, exactly: {share(fit, 12)} of the space\n"
        f"reaches params from {min(counts)} to {max(counts):_}\n"
    )
    assert main(["search", "count", str(folder / "space.arch"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["points"], found["fit"]) == (12, {"lower": fit, "upper": fit, "exact": True})
    assert found["budgets"] == [
        {
            "quantity": "params",
            "operator": "<=",
            "limit": 700,
            "at": None,
            "by": "fvcore",
            "least": min(counts),
            "most": max(counts),
        }
    ]


def test_counts_are_read_by_their_size() -> None:
    assert [number(count) for count in (0, 999_999, 10**12 - 1, 10**12, 99_996 * 10**400)] == [
        "0",
        "999_999",
        "999_999_999_999",
        "1.000e12",
        "1.000e405",
    ]
    assert [share(0, 0), share(1, 3), share(10**400, 10**406), share(7, 7)] == ["0 %", "33.3 %", "0.0001 %", "100 %"]


# --- what a running study tells ---


class Clock:
    """A second for each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STARTED = Started("s", 20, 0, (("minimize", "params"),), "tpe", 0, 1, "s/study.db")


def watched(tmp_path: Path, *objectives: str, **console: Any) -> tuple[Watch, io.StringIO, io.StringIO]:
    spec = archdsl.load(lay(tmp_path, "budget params <= 1K", *(objectives or ("minimize params",))) / "space.arch")
    out, err = io.StringIO(), console.pop("stderr", io.StringIO())
    form = console.pop("form", "full")
    return Watch(Console(out, err, form=form, **console), spec, objects=form == "json", clock=Clock()), out, err


def test_a_line_for_each_tenth(tmp_path: Path) -> None:
    watch, out, err = watched(tmp_path)
    with watch:
        watch(STARTED)
        for index in range(20):
            watch(Running(index, "0"))
            watch(Finished(trial(index, values={"params": 900.0 - index % 7}, params=900 - index % 7)))
        watch(Stopped("complete", 20, 20))
    lines = err.getvalue().splitlines()
    assert lines[0] == "s: 0 of 20 trials done, sampler tpe, seed 0, 1 worker, storage s/study.db"
    assert len(lines) == 11
    assert lines[5].startswith("10 of 20 trials, best params 894 in trial 6 (params 89 %), ")
    assert out.getvalue() == ""
    assert (watch.seen, watch.failed, watch.exhausted) == (20, 0, False)


def test_a_front_and_failures(tmp_path: Path) -> None:
    watch, _, err = watched(tmp_path, "minimize params", "maximize zen_score", verbose=True)
    watch(STARTED)
    watch(Finished(trial(0, values={"params": 5.0, "zen_score": 1.0})))
    watch(Finished(trial(1, values={"params": 6.0, "zen_score": 2.0})))
    watch(Finished(trial(2, values={"params": 6.0, "zen_score": 1.0})))
    watch(Finished(trial(3, state="failed", values={}, error="no luck")))
    watch(Stopped("interrupted", 4, 20))
    assert watch.line().startswith("4 of 20 trials, 2 on the front, the newest trial 1 (params 50 %), 1 failed, ")
    assert "trial 3: no luck\n" in err.getvalue()


def test_a_spec_is_on_the_front_once(tmp_path: Path) -> None:
    watch, _, _ = watched(tmp_path, "minimize params", "maximize zen_score")
    watch(STARTED)
    for index, size, score in ((0, 5.0, 1.0), (1, 6.0, 2.0), (2, 5.0, 1.0), (3, 5.0, 1.0)):
        same = None if index < 2 else 0
        found = trial(index, values={"params": size, "zen_score": score}, hash=str(size), same_as=same)
        watch(Finished(found))
    assert "4 of 20 trials, 2 on the front, the newest trial 1 " in watch.line()


def test_earlier_trials_count(tmp_path: Path) -> None:
    watch, _, _ = watched(tmp_path)
    watch.known([trial(0, values={"params": 7.0}), trial(1, state="failed")])
    watch(Started("s", 20, 2, (("minimize", "params"),), "tpe", 0, 1, "s/study.db"))
    watch(Finished(trial(2, values={"params": 9.0})))
    assert watch.line().startswith("3 of 20 trials, best params 7 in trial 0 ")


def test_objects_for_programs(tmp_path: Path) -> None:
    watch, out, err = watched(tmp_path, form="json", quiet=False)
    with watch:
        watch(STARTED)
        watch(Finished(trial(0, values={"params": float("inf")}, same_as=None)))
        watch(Finished(trial(1, state="failed", error="no\nluck")))
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first == {**document(trial(0)), "values": {"params": "inf"}}
    assert (first["version"], first["state"], first["finished"]) == (1, "done", "2026-01-01T00:00:00+00:00")
    assert (second["index"], second["state"], second["error"]) == (1, "failed", "no\nluck")
    assert err.getvalue() == ""


def test_a_line_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.cli.progress._PATIENCE", 0.0)
    watch, _, err = watched(tmp_path, stderr=Terminal())
    with watch:
        watch._progress._timer.join()  # type: ignore[union-attr]
        watch(STARTED)
        watch(Finished(trial(0)))
        watch(Waiting("the storage does not answer"))
        watch(Stopping())
    text = err.getvalue()
    assert "\r\x1b[K1 of 20 trials, best params 500 in trial 0 (params 50 %)" in text
    assert "waiting: the storage does not answer" in text
    # what stays is on lines of its own, and the moving line is gone in the end
    assert "\r\x1b[Ks: 0 of 20 trials done" in text
    assert "\r\x1b[Kfinishing what is running; interrupt once more to stop at once\n" in text
    assert text.endswith("\r\x1b[K")


def test_how_fast_and_how_long() -> None:
    assert [rate(found) for found in (1234.5, 12.3, 1.0, 0.5, 0.01, 0.0001)] == [
        *("1234/s", "12/s", "1.0/s", "30/min", "36/h", "0.4/h"),
    ]
    assert [duration(found) for found in (0.4, 9.96, 99, 100, 1200, 5999, 6000, 172_700, 172_900)] == [
        *("0.4 s", "10 s", "99 s", "1.7 min", "20 min", "100 min", "1.7 h", "48 h", "2.0 days"),
    ]
