"""The table of a study, its words, and RESULTS.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import archdsl
from archdsl.ir import rules
from archdsl.resources import data_path
from archdsl.search.folder import StudyFolder
from archdsl.search.lock import CONVENTION, Lock
from archdsl.search.published import Published, published
from archdsl.search.results import budgets, failures, progress, results, write_results
from archdsl.search.standing import standing, table, verdict
from archdsl.search.trials import History, Trial
from archdsl.search.winners import winning
from tests.ir.support import TINY
from tests.search.histories import study, trial


@pytest.fixture(scope="module")
def history() -> History:
    return study("mixer_small", 16)


def with_values(history: History, *rows: tuple[float, ...]) -> History:
    """The same study with done trials of these values alone; the first is the base."""
    trials: list[Trial] = []
    for index, row in enumerate(rows):
        values = {o.name: value for o, value in zip(history.objectives, row, strict=False)}
        trials.append(replace(history.trials[index], state="done", error=None, values=values))
    return replace(history, base=trials[0], trials=tuple(trials), total=len(trials))


def test_the_table_has_the_front_the_base_and_published_models(history: History) -> None:
    other = Published("other_t", 5, 7, ("params = 5",))
    rows = standing(history, [other])
    assert [row.kind for row in rows].count("base") == 1
    front = [row for row in rows if row.kind == "front"]
    assert {row.index for row in front} == {t.index for t in winning(history)}
    assert sum(row.knee for row in rows) <= 1
    assert rows[-1].values == {}
    lines = table(history, rows).text().splitlines()
    assert lines[0].split() == ["spec", "trial", "zen_score", "(max)", "latency", "(min,", "ms)", "params", "flops"]
    # nothing that nobody measured
    assert lines[-1].split() == ["@other_t", "published", "5", "7"]


def test_counted_objectives_are_known_of_published_models(history: History) -> None:
    counted = replace(history, objectives=(history.objectives[0], type(history.objectives[0])("minimize", "params")))
    trials = tuple(replace(t, values={**t.values, "params": float(t.params)}) for t in history.trials)
    counted = replace(counted, trials=trials, base=trials[0])
    rows = standing(counted, [Published("other_t", 5, 7, ())])
    assert rows[-1].values == {"params": 5}
    shown = table(counted, rows)
    assert shown.header == ("spec", "", "trial", "zen_score (max)", "params (min)", "flops")
    assert shown.rows[-1] == ("@other_t", "published", "", "", "5", "7")


def test_published_models_are_of_the_family_or_in_the_band() -> None:
    space = archdsl.load(data_path("search") / "biformer_nas" / "space.arch")
    found = {entry.name: entry for entry in published(space)}
    assert {"biformer_s", "biformer_b", "biformer_stl"} <= set(found)
    # the base has a row of its own
    assert "biformer_t" not in found
    spec = archdsl.load("@biformer_s")
    assert (found["biformer_s"].params, found["biformer_s"].flops) == (spec.params, spec.flops)
    assert "params = 25.5M" in found["biformer_s"].expected
    for name in set(found) - {"biformer_s", "biformer_b", "biformer_stl"}:
        assert space.space.within_budget(archdsl.load(f"@{name}").network)
    wide = archdsl.loads(
        'import "@biformer_t" (biformer_t)\nspace few over biformer_t { stage s1 { depth = 1..4 }\n'
        "budget params <= 40M\nbudget flops >= 4G at 224x224\nbudget flops <= 5G\n}"
    )
    names = {entry.name for entry in published(wide)}
    assert "davit_tiny" in names
    assert not any(entry.params < 20_000_000 for entry in published(wide) if not entry.name.startswith("biformer"))


def test_nothing_is_published_of_another_size() -> None:
    assert published(archdsl.load(data_path("search") / "mixer_small" / "space.arch")) == ()


def test_words_for_one_objective(history: History) -> None:
    alone = replace(history, objectives=history.objectives[:1])
    assert verdict(with_values(alone, (2.0,), (3.0,))) == (
        "mixer_small_001 is better than the base: zen_score 3 against 2, +50.0 %."
    )
    assert verdict(with_values(alone, (2.0,), (2.0,))) == "No spec better than the base was found: its zen_score is 2."
    assert verdict(with_values(alone, (2.0,), (1.0,))) == "No spec better than the base was found: its zen_score is 2."
    assert "%" not in verdict(with_values(alone, (0.0,), (1.0,)))
    # the best is shown all the same, and is none of the winners
    worse = with_values(alone, (2.0,), (1.0,), (1.5,))
    assert winning(worse) == ()
    assert [row.kind for row in standing(worse, [])] == ["base"]


def test_words_for_several_objectives(history: History) -> None:
    assert verdict(with_values(history, (2.0, 5.0), (3.0, 4.0))).startswith(
        "1 of the 1 specs of the front is better than the base, in every objective."
    )
    assert "2 of the 2 specs of the front are better than the base, none of them in every objective" in verdict(
        with_values(history, (2.0, 5.0), (3.0, 5.0), (2.0, 4.0))
    )
    assert verdict(with_values(history, (2.0, 5.0), (3.0, 6.0))) == (
        "No spec better than the base was found: it is on the front, and 1 other on it is better in one objective and worse "
        "in another."
    )
    assert verdict(with_values(history, (2.0, 5.0), (1.0, 6.0))).endswith("it is the whole front.")


def test_words_without_a_base_and_without_results(history: History) -> None:
    told = verdict(replace(history, base=None))
    assert told.endswith(". The base was not measured.")
    assert told.count(" than the base") == 1
    failed = replace(history.trials[0], state="failed", values={})
    assert "The base was not measured" in verdict(replace(history, base=failed, trials=(failed, *history.trials[1:])))
    assert verdict(replace(history, trials=())) == "No trial has ended yet."
    assert verdict(replace(history, trials=(failed,))) == "No spec was measured: 1 trial, none done."
    outside = study("biformer_nas", 2)
    assert outside.base is None
    assert "The base is not within the budgets, and was not measured." in verdict(outside)


def test_counts_beside_a_base_that_was_not_measured() -> None:
    history = study("biformer_nas", 2)
    params, flops = history.space.params, history.space.flops
    assert (params, flops) == (13_142_760, 2_228_044_160)
    found = tuple(
        replace(history.trials[index], values={"zen_score": score, "params": float(of)}, params=of, flops=operations)
        for index, (score, of, operations) in enumerate([(3.0, 10_404_456, 1_997_947_584), (2.0, params, flops + 10**6)])
    )
    assert verdict(replace(history, trials=found)) == (
        "Best zen_score 3 (biformer_nas_000), with 20.8 % fewer params and 10.3 % fewer flops than the base; "
        "best params 10_404_456 (biformer_nas_000). The base is not within the budgets, and was not measured."
    )
    second = replace(found[1], values={"zen_score": 2.0, "params": 1.0})
    assert "best params 1 (biformer_nas_001), with 0.0 % fewer params and 0.04 % more flops. The base" in verdict(
        replace(history, trials=(found[0], second))
    )


def test_failures_are_counted_by_reason() -> None:
    history = study("mixer_small", 1)
    errors = ["accuracy: loss is nan at step 3", "accuracy: loss is nan at step 41", None, "a | b\n<c>"]
    more = tuple(trial(index, state="failed", error=error, point={}) for index, error in enumerate(errors, start=1))
    found = failures(replace(history, trials=(*history.trials, *more)))
    assert found.rows == (
        ("2", "accuracy: loss is nan at step 3", "1"),
        ("1", "no reason was kept", "3"),
        ("1", "a | b <c>", "4"),
    )
    assert failures(history).rows == ()
    assert progress(replace(history, trials=(*history.trials, *more), total=9)) == "5 of 9 trials have ended: 1 done, 4 failed."


def test_budgets_are_counted_by_their_rule_and_size(tmp_path: Path) -> None:
    (tmp_path / "space.arch").write_text(
        TINY + "\nspace few over tiny { stage s1 { depth = 1..4 }\nbudget params <= 1M\n"
        "budget flops <= 1G at 128x128 by conv_linear\nminimize params }"
    )
    space = archdsl.load(f"{tmp_path / 'space.arch'}:few")
    trials = []
    for index, depth in enumerate((2, 4)):
        spec = space.arch(space.space.point({"s1.depth": depth}))
        trials.append(
            trial(index, {"params": spec.params}, point={"s1.depth": str(depth)}, params=spec.params, flops=spec.flops)
        )
    history = replace(
        study("mixer_small", 1), space=space, objectives=space.space.objectives, base=trials[0], trials=tuple(trials)
    )
    shown = budgets(history)
    assert [row[0] for row in shown.rows] == ["params <= 1_000_000", "flops <= 1_000_000_000 at 128x128 by conv_linear"]
    assert shown.rows[0][1:] == (f"{trials[0].params:_}", f"{trials[0].params:_}", f"{trials[1].params:_}")
    large = archdsl.load(f"{tmp_path / 'space.arch'}:tiny", at=128)
    counted = rules.counted(large.network, [("flops", "conv_linear")])["flops", "conv_linear"]
    assert shown.rows[1][1] == f"{counted:_}"


def test_the_page_says_what_came_out_and_how(history: History, tmp_path: Path) -> None:
    lock = Lock(
        study="mixer_small-00",
        space="mixer_small",
        space_hash="ab" * 32,
        seed=0,
        sampler="nsga2",
        trials=16,
        objectives={},
        directions={"zen_score": "maximize", "latency": "minimize"},
        storage="postgresql://user@host/db",
        versions={"optuna": "5.0.0"},
    )
    text = results(history, lock, beside=())
    for line in (
        "# Results of mixer_small",
        f"16 of 16 trials have ended: {progress(history).partition(': ')[2]}",
        verdict(history),
        "## Front",
        "| sampler | nsga2 (chosen by auto) |",
        "| optuna | 5.0.0 |",
        f"| counting | {CONVENTION} |",
        "archdsl search run . -o ../again --trials 16 --sampler auto --seed 0",
        "within the budgets; fvcore counted each on its reference graph",
        "zen_score is nan after 5 steps",
        "`latency` depends on the machine, so another run may go another way.",
        "`zen_score` scores networks before they are trained",
    ):
        assert line in text
    assert "postgresql" not in text
    for found in winning(history):
        assert f"(winners/mixer_small_{found.index:03}.arch)" in text
    folder = StudyFolder(tmp_path)
    assert write_results(history, folder) == tmp_path / "RESULTS.md"
    assert "## Front" in folder.results.read_text()


def test_a_page_of_nothing_says_so(history: History) -> None:
    empty = replace(history, trials=(), base=None)
    text = results(empty, None, beside=())
    assert "0 of 16 trials have ended." in text
    assert "No trial has ended yet." in text
    assert "No spec was measured." in text
