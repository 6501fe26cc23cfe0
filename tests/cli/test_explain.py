"""What `archdsl explain PATH SPEC` says of fields, blocks and decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdsl.cli.main import main

SPACE = str(Path(__file__).parents[2] / "search" / "biformer_nas" / "space.arch")


@pytest.mark.parametrize(
    ("path", "spec", "said"),
    [
        ("s3.token.topk", "@biformer_t", "s3.token.topk is 16, written in s3"),
        ("routed.head_dim", "@biformer_t", "routed.head_dim is 32, written in biformer_t"),
        ("routed.pad", "@biformer_t", "routed.pad is false, by default"),
        ("s4.token.head_dim", "@biformer_t", "s4.token.head_dim is none, the default of `attention`"),
        ("s1.first.stride", "@biformer_t", "s1.first.stride is 1, as nothing else is written"),
        ("head", "@biformer_t", "head is a part, written in biformer_t"),
        ("s1.layout", "@biformer_t", "s1.layout is the layout written in biformer_t"),
        ("s1.drop_path", "@biformer_t", "s1.drop_path is 0, 0.007692, block by block, by `ramp(0.1)`"),
        (
            "s1.token",
            "@davit_tiny",
            "s1.token is the component `window_attention`, then the component `channel_attention`, block by block in turn, "
            "written in default",
        ),
        ("s1.token.window", "@davit_tiny", "s1.token.window is 7x7, written in default"),
        ("s3.depth", SPACE, "s3.depth is a decision between 2, 3, 4, 5, 6, 7, 8"),
        ("s1.dim", SPACE, "s1.dim is `width`, written in s1"),
        ("s4.depth", SPACE, "s4.depth is "),
    ],
)
def test_a_path(path: str, spec: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", path, spec]) == 0
    assert capsys.readouterr().out.startswith(f"note: {said}")


def test_a_value_tells_the_decisions_it_depends_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "s1.dim", SPACE]) == 0
    assert "note: it depends on the decision `width`: 32, 64, 96, 128, 160\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("s3.nope", "`s3` has `channel`, `depth`, `dim`, `down`, `drop_path`, `layout`, `stride`, `token`"),
        ("s3.dpeth", "did you mean `depth`? `s3` has"),
        ("s3", "`s3` has `channel`"),
        ("s3.token.nope", "`routing` has `head_dim`, `lepe`, `pad`, `regions`, `topk`"),
        ("nope", "`biformer_t` has `classes`, `drop_path`, `full`, `head`"),
        ("s3.dim.nope", "`s3` has `channel`"),
    ],
)
def test_an_unknown_path_tells_what_there_is(path: str, help: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", path, "@biformer_t"]) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert f"`biformer_t` has no value `{path}`" in shown
    assert f"help: {help}" in shown


def test_every_decision_is_found_by_its_path() -> None:
    import archdsl

    space = archdsl.load(SPACE)
    for decision in space.decisions:
        assert space.explain(decision.path)[0][1] == decision.span
