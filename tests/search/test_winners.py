"""Winners: spec files that say what differs from the base, and are the network of their trial."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

import archdsl
from archdsl.lang.fmt import format_file
from archdsl.lang.parse import parse_file
from archdsl.resources import data_path
from archdsl.search.folder import StudyFolder
from archdsl.search.trials import History
from archdsl.search.winners import winner, winning, write_winners
from archdsl.source.diagnostic import Report, SpecError
from archdsl.source.text import Source
from tests.ir.support import TINY
from tests.search.histories import over, study, trial

STUDIES = sorted(path.parent.name for path in data_path("search").glob("*/space.arch"))
BASE = TINY


def copied(name: str, folder: Path) -> Path:
    """The specs of a shipped study in a folder of their own."""
    shutil.copytree(data_path("search") / name, folder, ignore=lambda _, names: [n for n in names if n.endswith(".study")])
    shutil.rmtree(folder / "winners", ignore_errors=True)
    return folder


def laid(folder: Path, **files: str) -> archdsl.Spec:
    """A study of these files; the space."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.arch"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return archdsl.load(f"{folder / 'space.arch'}", name="few")


def won(space: archdsl.Spec, folder: Path, named: dict[str, object] | None = None, index: int = 1) -> tuple[str, archdsl.Spec]:
    """The text of a winner at a point, without its comments, and the spec that is read from its file."""
    point = space.space.point(named or {})
    history = History("s", space, space.space.objectives, None, (), 9, over(space, 1, 0, study="s").settings)
    found = winner(history, trial(index, point=point.named), folder / "winners")
    path = folder / "winners" / f"{found.name}.arch"
    path.parent.mkdir(exist_ok=True)
    path.write_text(found.text, encoding="utf-8")
    spec = archdsl.load(path)
    assert spec.hash == space.arch(point).hash
    assert spec.name == found.name
    assert not spec.diagnostics
    return "".join(line for line in found.text.splitlines(keepends=True) if not line.startswith("#")), spec


@pytest.mark.parametrize("name", STUDIES)
def test_winners_of_the_shipped_studies_are_their_points(name: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path / name)
    space = archdsl.load(folder / "space.arch")
    random = Random(7)
    history = over(space, 1, 0, study=name)
    for index in range(1, 5):
        point = space.draw(random)
        found = winner(history, trial(index, point=point.named), folder / "winners")
        path = folder / "winners" / f"{found.name}.arch"
        path.parent.mkdir(exist_ok=True)
        path.write_text(found.text, encoding="utf-8")
        spec, wanted = archdsl.load(path), space.arch(point)
        assert spec.hash == wanted.hash
        assert spec.network.preprocess == wanted.network.preprocess
        # nothing is said of the file that is not said of the network anyway
        assert {d.slug for d in spec.diagnostics} <= {d.slug for d in wanted.diagnostics}
        assert {e.status for e in spec.expectations} == {"holds"}
        assert all(e.bound.exact for e in spec.expectations)
        assert found.text == canonical(found.text)
        assert f"extends {space.space.base_model.name} " in found.text


def canonical(text: str) -> str:
    file = parse_file(Source("x", text), Report())
    assert file is not None
    return format_file(file)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_winners_of_the_shipped_studies_build_and_verify(name: str, tmp_path: Path) -> None:
    from archdsl.cli.main import main

    folder = copied(name, tmp_path / name)
    space = archdsl.load(folder / "space.arch")
    history = over(space, 2, 1, study=name)
    paths = write_winners(history, StudyFolder(folder), trials=history.trials)
    assert len(paths) == 2
    for path in paths:
        assert main(["check", str(path)]) == 0
        assert main(["fmt", "--check", str(path)]) == 0
        assert main(["build", str(path), "-o", str(tmp_path / "built" / path.stem)]) == 0
    assert main(["verify", *map(str, paths)]) == 0


def test_what_the_base_says_is_left_out(tmp_path: Path) -> None:
    space = laid(
        tmp_path,
        base=BASE,
        space='import "base.arch" (tiny)\n'
        "space few over tiny { stage s1 { depth = 1 | 2 | 3, channel = mlp(ratio = 2 | 4, act = gelu | relu) } }",
    )
    base = dict(space.space.point({}).named)
    text, _ = won(space, tmp_path)
    assert text.count("stage") == 0
    other = next(label for label in ("1", "2", "3") if label != base["s1.depth"])
    text, _ = won(space, tmp_path, {"s1.depth": other})
    assert f"stage s1 {{ depth = {other} }}" in text
    text, _ = won(space, tmp_path, {"s1.channel.act": "relu"})
    assert text.count("relu") == 1
    assert "depth" not in text


def test_lets_and_imports_that_are_needed_come_along(tmp_path: Path) -> None:
    space = laid(
        tmp_path,
        parts__mixers="let inner = 2\nlet far = attention(heads = inner)",
        base=BASE,
        space='import "base.arch" (tiny)\nimport "parts/mixers.arch" (far)\n'
        "let ratio = 2 | 3\nlet wide = mlp(ratio = ratio)\nlet unread = 7\nlet heads = 1\nlet near = attention(heads = heads)\n"
        "space few over tiny { stage s1 { channel = mlp(ratio = 4) | wide, token = mixer | near | far } }",
    )
    base = space.space.point({}).named
    texts = {}
    for label in ("near", "far"):
        texts[label], _ = won(space, tmp_path, {"s1.channel": "wide", "s1.token": label, "ratio": 3})
    assert 'import "../parts/mixers.arch" (far)' in texts["far"]
    assert "let heads = 1" not in texts["far"].replace("  ", " ")
    assert "let ratio = 3" in texts["near"]
    assert "unread" not in texts["near"]
    assert "mixers" not in texts["near"]
    assert "let near" in texts["near"].replace("  ", " ")
    assert base


def test_a_base_in_the_file_of_the_space_is_imported_from_there(tmp_path: Path) -> None:
    space = laid(tmp_path, space=BASE + "\nspace few over tiny { stage s1 { depth = 1..4 } }")
    text, _ = won(space, tmp_path, {"s1.depth": 4})
    assert 'import "../space.arch" (tiny)' in text


def test_a_base_that_is_out_of_reach_is_written_out(tmp_path: Path) -> None:
    space = laid(
        tmp_path / "study",
        base=BASE,
        space='import "base.arch" (tiny)\nlet few_heads = attention(heads = 1)\n'
        "space few over tiny { stage s1 { depth = 1..4, token = mixer | few_heads } }",
    )
    away = tmp_path / "elsewhere"
    away.mkdir()
    text, _ = won(space, away, {"s1.depth": 4})
    assert "import" not in text
    assert "arch tiny {" in text
    assert "arch few_001 extends tiny {" in text


def test_a_study_beside_its_space_and_a_packaged_base(tmp_path: Path) -> None:
    (tmp_path / "few.arch").write_text(BASE + "\nspace few over tiny { stage s1 { depth = 1..4 } }")
    space = archdsl.load(f"{tmp_path / 'few.arch'}:few")
    folder = tmp_path / "few.study"
    folder.mkdir()
    assert 'import "../../few.arch" (tiny)' in won(space, folder, {"s1.depth": 3})[0]
    space = laid(tmp_path, space='import "@biformer_t" (biformer_t)\nspace few over biformer_t { stage s1 { depth = 1..4 } }')
    assert 'import "@biformer_t" (biformer_t)' in won(space, tmp_path, {"s1.depth": 4})[0]


def test_a_space_with_overrides_gives_archs_that_stand_alone(tmp_path: Path) -> None:
    laid(tmp_path, space=BASE + "\nspace few over tiny { stage s1 { depth = 1..4 } }")
    space = archdsl.load(f"{tmp_path / 'space.arch'}:few", set={"classes": 3})
    text, spec = won(space, tmp_path, {"s1.depth": 3})
    assert "extends" not in text
    assert spec.network.classes == 3


def test_counts_are_expected_at_the_sizes_and_by_the_rules_of_the_budgets(tmp_path: Path) -> None:
    space = laid(
        tmp_path,
        space='import "@biformer_t" (biformer_t)\nspace few over biformer_t {\n stage s1 { depth = 1..4 }\n'
        "budget flops <= 99G at 448x448\nbudget flops <= 99G by conv_linear\nbudget params <= 99M at 224x224\n"
        "budget flops >= 1G at 224x224\n}",
    )
    text, spec = won(space, tmp_path, {"s1.depth": 4})
    assert [str(e).split(" = ")[0] for e in spec.expectations] == ["params", "flops", "flops", "flops"]
    assert [(str(e.at), e.rule) for e in spec.expectations] == [
        ("None", "fvcore"),
        ("224x224", "fvcore"),
        ("224x224", "conv_linear"),
        ("448x448", "fvcore"),
    ]
    assert "expect params = 13_" in text


def test_a_space_over_an_earlier_winner_has_winners_of_other_names(tmp_path: Path) -> None:
    space = laid(
        tmp_path,
        base=BASE.replace("tiny", "few_001"),
        space='import "base.arch" (few_001)\nspace few over few_001 { stage s1 { depth = 1..4 } }',
    )
    text, spec = won(space, tmp_path, {"s1.depth": 3})
    assert spec.name == "few_001_again"
    assert "arch few_001_again extends few_001" in text


def test_winners_are_the_front_without_the_base_or_the_best_of_one_objective() -> None:
    history = study("mixer_small", 12)
    assert len(winning(history)) > 1
    assert 0 not in {t.index for t in winning(history)}
    alone = replace(history, objectives=history.objectives[:1])
    found = winning(alone)
    scores = [t.values["zen_score"] for t in found]
    assert scores == sorted(scores, reverse=True)
    assert len(found) <= 3
    assert all(score > history.base.values["zen_score"] for score in scores)
    best = max(history.trials, key=lambda t: t.values.get("zen_score", 0))
    worse = replace(alone, base=best)
    # nothing is better than the base, so nothing won
    assert winning(worse) == ()


def test_winners_of_before_go_and_other_files_stay(tmp_path: Path) -> None:
    folder = copied("mixer_small", tmp_path / "s")
    space = archdsl.load(folder / "space.arch")
    history = over(space, 8, 0, study='s\nimport "x" (y)')
    first = write_winners(history, StudyFolder(folder))
    assert first
    assert all(path.read_text().startswith("# Trial ") for path in first)
    mine = folder / "winners" / "mixer_small_900.arch"
    mine.write_text("arch mine {}")
    old = folder / "winners" / "mixer_small_901.arch"
    old.write_text(first[0].read_text())
    again = write_winners(history, StudyFolder(folder))
    assert sorted((folder / "winners").iterdir()) == sorted([*again, mine])
    write_winners(history, StudyFolder(folder), target=tmp_path / "else", trials=history.trials[:2])
    assert len(list((tmp_path / "else").iterdir())) == 2
    # a name from a stranger ends no comment
    assert not archdsl.check([str(path) for path in again])


def test_a_folder_of_somebody_else_keeps_what_is_in_it(tmp_path: Path) -> None:
    folder = StudyFolder(copied("mixer_small", tmp_path / "s"))
    history = over(archdsl.load(folder.space), 8, 0, study="first")
    shared = tmp_path / "shared"
    every = write_winners(history, folder, target=shared, trials=history.trials)
    few = write_winners(history, folder, target=shared)
    assert set(few) < set(every) == set(shared.iterdir())
    before = {path: path.read_bytes() for path in every}
    # whatever the call calls the study's own folder, it is that
    write_winners(history, folder, trials=history.trials)
    assert write_winners(history, folder, target=folder.path / ".." / "s" / "winners")
    assert len(list(folder.winners.iterdir())) == len(few)

    other = replace(history, study="second")
    with pytest.raises(SpecError, match="is a winner of another study, `first`") as caught:
        write_winners(other, folder, target=shared)
    assert caught.value.diagnostics[0].slug == "folder-taken"
    few[-1].write_text("arch mine {}")
    with pytest.raises(SpecError, match="is no winner of this study"):
        write_winners(history, folder, target=shared)
    # nothing was written before it was refused
    assert {path: path.read_bytes() for path in every} == before | {few[-1]: b"arch mine {}"}
