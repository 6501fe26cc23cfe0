"""The page of a study: what it says, that nothing in it runs or loads, and how it behaves in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from archdsl.search.folder import StudyFolder
from archdsl.search.lock import Lock
from archdsl.search.published import Published
from archdsl.search.report import data as charts
from archdsl.search.report.data import chart_data, embedded
from archdsl.search.report.importance import FEW, importance
from archdsl.search.report.page import page, write_report
from archdsl.search.standing import standing, verdict
from archdsl.search.trials import History
from archdsl.search.winners import winning
from tests.search import browser
from tests.search.histories import study, trial

EVIL = "</script><script>throw 1</script><img src='http://127.0.0.1:9/x' onerror='throw 2'>\u2028\u202e"
BESIDE = (Published(f"other_t{EVIL}", 900_000, 90_000_000, (f"params = {EVIL}",)),)


@pytest.fixture(scope="module")
def history() -> History:
    """A study of enough trials for every chart, with words from a stranger."""
    found = study("mixer_small", 2 * FEW)
    failed = next(t for t in found.trials if t.state == "failed")
    trials = tuple(replace(t, error=EVIL) if t is failed else t for t in found.trials)
    return replace(found, study=f"s{EVIL}", trials=trials)


@pytest.fixture(scope="module")
def text(history: History) -> str:
    lock = Lock(
        study="s",
        space="mixer_small",
        space_hash="0" * 64,
        seed=0,
        sampler="tpe",
        trials=history.total,
        objectives={},
        directions={},
        storage=None,
        versions={f"x{EVIL}": EVIL},
    )
    return page(history, lock, Path("winners"), beside=BESIDE)


class Read(HTMLParser):
    """The elements of a page with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words += data


def test_the_page_says_what_came_out(history: History, text: str) -> None:
    read = Read(text)
    assert verdict(history) in read.words
    ids = {attrs.get("id") for _, attrs in read.elements}
    for found in winning(history):
        assert f"mixer_small_{found.index:03}" in read.words
        assert f"spec-{found.index}" in ids
    assert "for the front" in read.words
    assert "nsga" not in read.words
    assert "tpe (chosen by auto)" in read.words
    # what leads somewhere leads into the page
    links = [attrs["href"] for tag, attrs in read.elements if tag == "a"]
    assert links
    assert all(link and link[0] == "#" and link[1:] in ids for link in links)


def test_nothing_of_a_stranger_becomes_an_element(text: str) -> None:
    read = Read(text)
    assert len(read.scripts) == 2
    assert {tag for tag, _ in read.elements} & {"img", "iframe", "object", "form", "base"} == set()
    for tag, attrs in read.elements:
        assert not any(name.startswith("on") for name in attrs), tag
        assert "src" not in attrs
    # shown, and as what it is
    assert "<script>throw 1</script>" in read.words
    assert "U+202E" in read.words
    assert "\u202e" not in text


def test_the_policy_lets_one_script_run_and_nothing_load(text: str) -> None:
    read = Read(text)
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(read.scripts[1].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert re.findall(r"https?://[^\s\"'<]+", read.scripts[1]) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"innerHTML|insertAdjacentHTML|eval\(|document\.write", read.scripts[1])


def test_the_data_of_the_charts(history: History, text: str) -> None:
    data = json.loads(Read(text).scripts[0])
    assert [found["index"] for found in data["trials"]] == [t.index for t in history.trials if t.state == "done"]
    kinds = {found["index"]: found["kind"] for found in data["trials"]}
    assert {index for index, kind in kinds.items() if kind == "front"} == {t.index for t in winning(history)}
    assert kinds[0] == "base"
    assert {index for index, _ in data["specs"]} == {t.index for t in winning(history)}
    assert data["published"][0]["name"] == f"@{BESIDE[0].name}"
    assert data["lost"] == [t.index for t in history.trials if t.state != "done"]
    scores = [step[1] for step in data["best"][0]]
    assert scores == sorted(scores)
    assert scores[-1] == max(t.values["zen_score"] for t in history.done)
    for found, made in zip(data["trials"], history.done, strict=True):
        for decision, at in zip(data["decisions"], found["point"], strict=True):
            assert (None if at is None else decision["labels"][at]) == made.point.get(decision["path"])
    assert data["trials"][0]["differs"] == []


def test_data_stands_in_a_page_whatever_it_says() -> None:
    text = embedded({"a": EVIL, "b": ["<!--", "&lt;", math.pi]})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": EVIL, "b": ["<!--", "&lt;", math.pi]}


def test_of_many_trials_the_charts_draw_some(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "DRAWN", 15)
    rows = standing(history, ())
    found = chart_data(history, rows, {})["trials"]
    indices = [entry["index"] for entry in found]
    assert indices == sorted(set(indices))
    assert {row.index for row in rows} <= set(indices)
    assert len(indices) == max(15, len(rows) + 1)
    many = len([trial for trial in history.trials if trial.state == "done"])
    assert f"The charts draw {len(indices)} of {many} trials" in Read(page(history, None, Path("winners"), beside=())).words


def test_a_front_of_more_trials_than_are_drawn(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "DRAWN", 3)
    trials = tuple(
        replace(found, state="done", error=None, values={"zen_score": float(index), "latency": float(index)})
        for index, found in enumerate(history.trials)
    )
    front = replace(history, trials=trials, base=trials[0])
    found = chart_data(front, standing(front, ()), {})["trials"]
    assert [entry["index"] for entry in found] == [trial.index for trial in trials]


def test_what_is_no_finite_number_is_not_drawn(history: History) -> None:
    odd = replace(history.trials[1], state="done", values={"zen_score": math.inf, "latency": 1.0})
    found = chart_data(replace(history, trials=(history.trials[0], odd)), standing(history, ()), {})
    assert found["trials"][1]["values"] == [None, 1.0]
    embedded(found)


def test_importance_is_a_share_of_each_objective_and_of_the_front(history: History) -> None:
    found = importance(history)
    assert [entry.of for entry in found] == ["zen_score", "latency", "the front"]
    for entry in found:
        assert math.isclose(math.fsum(share for _, share in entry.shares), 1.0)
        assert [share for _, share in entry.shares] == sorted((share for _, share in entry.shares), reverse=True)
        assert {path for path, _ in entry.shares} <= {decision.path for decision in history.space.decisions}
    few = replace(history, trials=history.trials[: FEW - 1])
    assert importance(few) == ()
    # a decision that alone moves the value comes first
    moved = tuple(
        replace(t, state="done", values={"zen_score": float(t.point["width"]), "latency": 1.0}) for t in history.trials
    )
    assert importance(replace(history, trials=moved))[0].shares[0][0] == "width"
    same = tuple(replace(t, state="done", values={"zen_score": 1.0, "latency": 1.0}) for t in history.trials)
    assert all(math.isclose(math.fsum(s for _, s in entry.shares), 1.0) for entry in importance(replace(history, trials=same)))


def test_a_study_of_nothing_has_a_page(history: History, tmp_path: Path) -> None:
    empty = replace(history, trials=(), base=None)
    text = page(empty, None, Path("winners"), beside=())
    read = Read(text)
    assert "No trial has ended yet." in read.words
    assert "front-chart" not in {attrs.get("id") for _, attrs in read.elements}
    lost = replace(history, trials=(trial(0, state="failed", error="none", point={}),), base=None)
    assert "No spec was measured" in page(lost, None, Path("winners"), beside=())
    assert write_report(empty, StudyFolder(tmp_path)) == tmp_path / "report.html"
    assert (
        write_report(empty, StudyFolder(tmp_path), tmp_path / "other.html").read_text()
        == (tmp_path / "report.html").read_text()
    )


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Browser]:
    if browser.found() is None:
        pytest.skip("there is no chromium to draw the page")
    with browser.Browser() as opened:
        yield opened


@pytest.fixture
def shown(chromium: browser.Browser, text: str, tmp_path: Path) -> Iterator[browser.Browser]:
    """The page, opened; at the end nothing has gone wrong and nothing was asked for."""
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    chromium.faults.clear()
    chromium.requests.clear()
    chromium.show(path)
    yield chromium
    assert chromium.faults == []
    assert set(chromium.requests) <= {path.as_uri(), "data:,"}


FRONT = "#front-chart .mark[aria-label*=', front:']"


@pytest.mark.slow
def test_the_charts_are_drawn(shown: browser.Browser, history: History) -> None:
    done = len(history.done)
    count = "document.querySelectorAll({!r}).length".format
    assert shown.value(count(FRONT)) == len(winning(history))
    # a published model has no objective here, so it is in none of these
    assert shown.value(count("#front-chart .mark")) == done
    assert shown.value(count("#history-chart .mark")) == done
    assert shown.value(count("#parallel-chart .path")) == done
    assert shown.value(count("#history-chart .step")) == 1
    assert shown.value(
        "document.querySelectorAll('[id]').length === new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size"
    )


@pytest.mark.slow
def test_a_hover_shows_the_spec_and_a_click_keeps_it(shown: browser.Browser, history: History) -> None:
    assert shown.value("document.getElementById('tip').hidden")
    shown.hover(FRONT)
    told = shown.value("document.getElementById('tip').textContent")
    assert "arch mixer_small_" in told
    assert "extends pyramid_small {" in told
    shown.click(FRONT)
    label = shown.value(f"document.querySelector({json.dumps(FRONT)}).getAttribute('aria-label')")
    kept = shown.value("document.querySelector('#chosen pre').textContent")
    assert "extends pyramid_small {" in kept
    assert label.split(",")[0] in kept
    shown.press("Escape")
    assert shown.value("document.getElementById('tip').hidden")
    shown.value("document.getElementById('parallel-chart').scrollIntoView()")
    # on the last of the lines, which lies above all others but that of the base
    x, y = shown.value(
        "(() => { const path = [...document.querySelectorAll('#parallel-chart .path.front')].at(-1);"
        "const at = path.getPointAtLength(path.getTotalLength() * 0.02).matrixTransform(path.getScreenCTM());"
        "return [at.x, at.y]; })()"
    )
    shown.move(x, y)
    assert "extends pyramid_small" in shown.value("document.getElementById('tip').textContent")


@pytest.mark.slow
def test_the_front_is_walked_by_keyboard(shown: browser.Browser, history: History) -> None:
    reached = set()
    for _ in range(60):
        shown.press("Tab")
        place = shown.value(
            "document.activeElement.closest('#front-chart') ? document.activeElement.getAttribute('aria-label') : ''"
        )
        if place:
            break
    assert place
    for _ in range(len(winning(history)) + 3):
        reached.add(shown.value("document.activeElement.getAttribute('aria-label').split(',')[0]"))
        shown.press("ArrowRight")
    assert {f"mixer_small_{t.index:03}" for t in winning(history)} <= reached
    assert "pyramid_small" in reached
    assert not shown.value("document.getElementById('tip').hidden")
    shown.press("Home")
    first = shown.value("document.activeElement.getAttribute('aria-label').split(',')[0]")
    shown.press("Enter")
    assert shown.value("document.querySelector('#chosen h3').textContent") == first


@pytest.mark.slow
def test_other_axes_show_published_models_as_text(shown: browser.Browser) -> None:
    for select, name in (("front-x", "flops"), ("front-y", "params")):
        shown.value(
            f"(() => {{ const s = document.getElementById('{select}');"
            f"s.value = [...s.options].findIndex(o => o.textContent === '{name}'); s.dispatchEvent(new Event('change')); }})()"
        )
    shown.hover("#front-chart rect.mark")
    told = shown.value("document.getElementById('tip').textContent")
    assert "<script>throw 1</script>" in told
    assert "not measured here" in told


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 375, 800])
def test_a_narrow_page_is_as_wide_as_the_screen(shown: browser.Browser, width: int, tmp_path: Path) -> None:
    shown.show(tmp_path / "report.html", width=width, height=700)
    assert shown.value("document.documentElement.scrollWidth") == width
    # charts stay within it, but for the one that scrolls by itself
    edge = shown.value(
        "Math.max(...['front-chart', 'history-chart'].map(id => document.getElementById(id).getBoundingClientRect().right))"
    )
    assert edge <= width


@pytest.mark.slow
def test_light_and_dark(shown: browser.Browser, tmp_path: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    assert shown.value(ground) == "rgb(255, 255, 255)"
    shown.click("#theme")
    dark = shown.value(ground)
    assert dark != "rgb(255, 255, 255)"
    shown.show(tmp_path / "report.html", scheme="dark")
    assert shown.value(ground) == dark
    assert shown.value("document.getElementById('theme').textContent") == "Light"
    picture = tmp_path / "dark.png"
    shown.picture(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
