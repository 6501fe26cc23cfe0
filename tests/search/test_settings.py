"""Settings of a study: read from `study.yaml`, replaced by a call, refused with the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archdsl.lang.yaml_twin_nodes import compose
from archdsl.search.settings import Settings
from archdsl.search.yaml_values import text_of, value_of
from archdsl.source.diagnostic import Report, SpecError
from archdsl.source.text import Source


def _read(folder: Path, text: str, *objectives: str) -> Settings:
    path = folder / "study.yaml"
    path.write_text(text)
    return Settings.read(path, objectives=objectives)


def test_defaults(tmp_path: Path) -> None:
    assert Settings.read(tmp_path / "study.yaml") == Settings() == _read(tmp_path, "# nothing yet\n")


def test_all(tmp_path: Path) -> None:
    text = (
        "trials: 1_000\nsampler: nsga2\nseed: 7\ndevice: cuda:1\nworkers: 4\ntime_limit: 1.5\nstorage: journal:a.log\n"
        "objectives:\n  zico: {batches: 2, deep: true, share: 1e-3, name: 'yes', other: none}\n"
    )
    found = _read(tmp_path, text, "zico")
    assert found == Settings(
        trials=1000,
        sampler="nsga2",
        seed=7,
        device="cuda:1",
        workers=4,
        time_limit=1.5,
        storage="journal:a.log",
        objectives={"zico": {"batches": 2, "deep": True, "share": 0.001, "name": "yes", "other": None}},
    )


@pytest.mark.parametrize(
    ("text", "slug", "place", "says"),
    [
        ("trails: 3\n", "unknown-setting", (1, 1), "did you mean `trials`?"),
        ("trials: 0\n", "bad-setting", (1, 9), "`trials` is a whole number from 1 to 1_000_000"),
        ("trials: [1]\n", "bad-setting", (1, 9), "`trials` is a whole number"),
        ("seed: true\n", "bad-setting", (1, 7), "`seed` is a whole number"),
        ("sampler: tpee\n", "bad-setting", (1, 10), "did you mean `tpe`?"),
        ("time_limit: -1\n", "bad-setting", (1, 13), "a number of seconds above 0"),
        ("device: ''\n", "bad-setting", (1, 10), "`device` is a text"),
        ("- 1\n", "bad-setting", (1, 1), "settings are a map"),
        ("objectives: {zicco: {}}\n", "unknown-setting", (1, 14), "did you mean `zico`?"),
        ("objectives: {zico: 3}\n", "bad-setting", (1, 20), "an objective has a map of fields"),
        ("trials: 1\ntrials: 2\n", "duplicate-key", (2, 1), "`trials` stands twice"),
        ("trials: &a 1\n", "yaml-feature", (1, 9), "anchors"),
    ],
)
def test_refused(text: str, slug: str, place: tuple[int, int], says: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        _read(tmp_path, text, "zico")
    [found] = caught.value.diagnostics
    assert found.slug == slug
    assert found.span is not None
    assert found.span.source.line_column(found.span.start) == place
    assert says in str(caught.value)


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        _read(tmp_path, "trials: none\nseeds: 1\nworkers: many\n")
    assert [found.slug for found in caught.value.diagnostics] == ["bad-setting", "unknown-setting", "bad-setting"]


def test_a_call_comes_first() -> None:
    found = Settings(trials=5, seed=1).changed(seed=0, workers=2)
    assert (found.trials, found.seed, found.workers) == (5, 0, 2)
    with pytest.raises(ValueError, match="`workers` is a whole number from 1 to 256, not 0"):
        Settings().changed(workers=0)


def test_values_are_read_as_they_are_written() -> None:
    values = {
        "a": 1,
        "b": -2.5,
        "c": 1e-07,
        "d": True,
        "e": None,
        "f": "text",
        "g": "5",
        "h": "true",
        "i": "a: b # c",
        "j": "",
        "k": (1, "x", (2.0,)),
        "l": {"m": {}, "n": {"o": "é\n\t\"'"}},
        "p q": "1e5",
    }
    assert _back(values) == values


def _back(values: dict[str, object]) -> object:
    """What is read of what is written."""
    report = Report()
    node, _ = compose(Source("x", text_of(values)), report)
    assert node is not None
    assert not report.diagnostics
    return value_of(node)


# signs that mean something to YAML, and characters that it has no place for
TEXTS = st.text(
    st.one_of(st.sampled_from("@&*!|>%`'\"{}[](),:#?=~-. \t\n\x00\x7f\x85\u2028\ud800\ufeff\uffff😀a1/_"), st.characters())
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(tuple), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3))
@example({"data": "/data/😀"})
@example({"data": "@x", "@x": {"a": "f(x", "b": "@"}})
@example({"data": "/data/\udc80"})
def test_any_values_are_read_as_they_are_written(values: dict[str, object]) -> None:
    found = _back(values)
    assert found == values
    # 1 is no 1.0, and no truth value
    assert repr(found) == repr(values)


@pytest.mark.parametrize("text", ["1__0", "1_", "9" * 5000, "1_.5"])
def test_what_looks_like_a_number_and_is_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a whole number from"):
        _read(tmp_path, f"trials: {text}\n")


def test_settings_in_a_file_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "study.yml").write_text("trials: 3\n")
    with pytest.raises(SpecError, match=r"study.yml` is not read: settings stand in `study.yaml`"):
        Settings.read(tmp_path / "study.yaml", objectives=())
