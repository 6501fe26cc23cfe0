"""`archdsl bench` as it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from archdsl.bench.ways import Way, compiled
from archdsl.cli.main import main
from tests.bench.test_traffic import SPEC

ROOT = Path(__file__).parents[2]


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "tiny.arch"
    path.write_text(SPEC)
    return str(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["routng_attention"], "there is no operator `routng_attention`\nhelp: did you mean `routing_attention`?"),
        (["routing"], "there is no operator `routing`\nhelp: did you mean `routing_attention`?"),
        (["biformer_t"], "there is no operator `biformer_t`\nhelp: write `@biformer_t` for the packaged spec"),
        (
            ["xyzzy"],
            "there is no operator `xyzzy`\nhelp: operators are aggregated_attention, halo_attention, routing_attention",
        ),
        (["routing_attention", "--at", "64x64"], "`--at` says nothing about an operator"),
        (["routing_attention", "--set", "a=1"], "`--set` says nothing about an operator"),
        (["routing_attention", "--traffic", "--tune"], "`--tune` and `--traffic` exclude each other"),
        (["routing_attention", "--traffic", "--device", "cpu"], "`--device` says nothing with `--traffic`"),
        (["routing_attention", "--traffic", "--rounds", "3"], "`--rounds` says nothing with `--traffic`"),
        (["routing_attention", "--training"], "`--training` goes with `--traffic`"),
        (["routing_attention", "-o", "x.json"], "`--output` goes with `--tune`"),
        (["routing_attention", "--tune", "-o", ""], "`--output` is empty"),
        (["@biformer_t", "--tune"], "`--tune` takes an operator\nhelp: these are aggregated_attention, halo_attention, rou"),
        (["@biformer_t", "--traffic", "--batch", "0"], "`--batch 0` is no whole number from 1"),
        (["routing_attention", "--device", "cpu", "--seconds", "soon"], "`--seconds soon` is no number of seconds"),
        (["routing_attention", "--seconds", "1", "--rounds", "2"], "`--rounds` and `--seconds` exclude each other"),
        (["routing_attention", "--dtype", "bfloat6"], "`bfloat6` is none of float32, bfloat16, float16\nhelp: did you mean"),
        (["@biformer_t", "--traffic", "--shape", "biformer_t s1"], "`--shape` says nothing about a spec"),
        (
            ["halo_attention", "--traffic", "--shape", "xyzzy"],
            "`halo_attention` has no published shape `xyzzy`\nhelp: shapes are halonet_h1 s1, ",
        ),
        (["@mixer_small"], "`mixer_small` is a space, and one arch is measured"),
    ],
)
def test_the_call_is_at_fault(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {said}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("words", [["--tune"], ["--device", "cuda"]])
def test_there_is_no_gpu(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "routing_attention", *words]) == 2
    assert capsys.readouterr().err.startswith("error[missing-device]: ")


def test_a_name_that_is_a_file_is_a_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(spec).rename("routing_attention")
    assert main(["bench", "--tune", "routing_attention"]) == 2
    assert capsys.readouterr().err.startswith("error: `--tune` takes an operator")


def test_traffic_of_a_spec(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--traffic", spec, "--batch", "2", "--at", "64x64"]) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("tiny at 3x64x64, batch 2, bfloat16, forward pass: bytes read and written, computed\n\nMB ")
    assert "whole network" in shown
    assert "lowered as for the CPU" in said
    assert "every component reads its input" in said


def test_shapes_are_chosen_by_name_or_by_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--shape", "biformer_b", "--shape", "biformer_t s1", "--json"]
    assert main(["bench", "--traffic", "routing_attention", *words]) == 0
    named = [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]]
    assert [name for name in named if not name.endswith(", as published")] == ["biformer_b s3", "biformer_t s1"]


def test_traffic_as_a_document(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--traffic", spec, "--batch", "2", "--dtype", "float32", "--json"]) == 0
    shown, said = capsys.readouterr()
    document = json.loads(shown)
    assert said == ""
    assert {key: document[key] for key in ("version", "kind", "target", "batch", "dtype", "training")} == {
        "version": 1,
        "kind": "traffic",
        "target": "tiny",
        "batch": 2,
        "dtype": "float32",
        "training": False,
    }
    assert [row["component"] for row in document["rows"]] == ["routing", "attention"]
    assert document["network"]["reference"] > document["network"]["kernels"] > document["network"]["minimum"]


def test_a_spec_is_measured(spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(name: str, run: Any, mode: Any, *, backend: str) -> Way:
        assert backend == "inductor"
        return compiled(name, run, mode, backend="aot_eager")

    # making code takes minutes
    monkeypatch.setattr("archdsl.bench.model_bench.compiled", traced)
    assert main(["bench", spec, "--device", "cpu", "--batch", "1", "--rounds", "1"]) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("tiny, batch 1, float32\n")
    assert "images/s" in shown
    assert "not measured: kernel: BiLevelRoutingAttention: the kernel is for CUDA" in said


def test_neither_fvcore_nor_optuna_is_needed(spec: str) -> None:
    probe = "import sys; sys.modules.update(dict.fromkeys(['fvcore', 'optuna', 'iopath', 'yacs'])); "
    probe += "from archdsl.cli.main import main; "
    probe += "import archdsl.bench.operator_bench, archdsl.bench.model_bench, archdsl.bench.tune; "
    probe += f"sys.exit(main(['bench', '--traffic', {spec!r}, '--batch', '1', '--json']))"
    run = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["target"] == "tiny"
