"""The kernels on a GPU, as far as pytest does it; `make gpu` does all of it, and measures. And `make gpu` without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archdsl.kernels.choice import Kernelled, Use, gpu_here
from archdsl.kernels.sample import Sample
from archdsl.testing.parity import check_parity, check_repeatable
from benchmarks import gpu_parts
from tests.kernels.support import IDS, ODD, OPERATORS

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.py"
NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(gpu_here() is None, reason="torch finds no GPU here")]
FORMATS = pytest.mark.parametrize("dtype", gpu_parts.FORMATS, ids=str)
EACH = pytest.mark.parametrize(("name", "sample"), [pytest.param(*each, marks=NEEDS_GPU) for each in ODD], ids=IDS)
TRAINED = pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS_GPU) for name in gpu_parts.TRAINED])


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """The GPU, where float32 is float32."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return torch.device("cuda")


@EACH
@FORMATS
def test_a_kernel_computes_what_its_reference_computes(
    name: str, sample: Sample, dtype: torch.dtype, gpu: torch.device
) -> None:
    arguments = OPERATORS[name].samples().draw(sample, 3, dtype=dtype, device=gpu)
    check_parity(OPERATORS[name], arguments)
    check_repeatable(OPERATORS[name], arguments)


@TRAINED
def test_a_step_with_kernels_is_a_step_with_references(name: str, gpu: torch.device) -> None:
    found = gpu_parts.step_with_both(name, gpu)
    assert found["loss"] <= 1
    assert found["gradient"] <= 1, found["worst"]


def test_the_parts_have_less_than_ten_minutes() -> None:
    assert sum(seconds for _, seconds in gpu_parts.PARTS.values()) <= 540
    assert (next(iter(gpu_parts.PARTS)), list(gpu_parts.PARTS)[-1]) == ("compiling", "benchmark")


def test_a_step_is_compared_with_itself_where_there_is_no_kernel() -> None:
    found = gpu_parts.step_with_both("biformer_t", torch.device("cpu"), batch=2, set={"s3.depth": 1, "classes": 5})
    assert 0 < found["loss"] <= 1 / gpu_parts.FACTOR
    assert 0 < found["gradient"] <= 1 / gpu_parts.FACTOR


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "holds"), [(3e-7, True), (1e-3, False)])
@pytest.mark.parametrize("name", gpu_parts.TRAINED)
def test_a_step_may_differ_by_roundings_and_by_no_more(
    name: str, noise: float, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)

    def chosen(module: nn.Module, use: Use) -> None:
        for part in module.modules():
            if isinstance(part, Kernelled) and use is Use.BY_DEVICE:
                part.register_forward_hook(lambda _, __, y: y * (1 + noise * torch.randn(y.shape, generator=generator)))

    monkeypatch.setattr(gpu_parts, "choose", chosen)
    small = {"biformer_t": {"s3.depth": 2}, "halonet_h1": {"s3.depth": 2}, "transnext_tiny": {"s3.depth": 2}}[name]
    found = gpu_parts.step_with_both(name, torch.device("cpu"), batch=4, set=small)
    assert (found["loss"] <= 1 and found["gradient"] <= 1) is holds, found


def test_the_second_run_chooses_what_the_first_chose() -> None:
    ties = gpu_parts.Ties()
    with ties:
        assert torch.tensor([1.0, 3.0, 2.0]).topk(1, -1).indices.tolist() == [1]
    with ties:
        values, indices = torch.tensor([1.0, 2.0, 3.0]).topk(1, -1)
    assert (values.tolist(), indices.tolist()) == ([2.0], [1])


@pytest.mark.slow
def test_kernels_are_compiled_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.kernels import configuration

    monkeypatch.setattr(configuration, "architecture", lambda: 90)
    monkeypatch.setattr(gpu_parts, "operators", lambda: {"routing_attention": OPERATORS["routing_attention"]})
    monkeypatch.setattr(gpu_parts, "_COMPILED", (({"ODD": 3}, (torch.float16,)),))
    monkeypatch.setattr(gpu_parts.os, "cpu_count", lambda: 2)
    (found,) = gpu_parts.compiling(gpu_parts.Run(torch.device("cpu"), 300))
    assert found["holds"] and not found["left_out"]
    assert found["specialisations"] >= 3 * len(OPERATORS["routing_attention"].samples().ODD)
    # without time nothing is waited for
    (found,) = gpu_parts.compiling(gpu_parts.Run(torch.device("cpu"), 0))
    assert found["holds"] and len(found["left_out"]) == len(OPERATORS["routing_attention"].samples().ODD)


def test_what_is_not_compiled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.kernels import configuration

    class Workers:
        """Runs what it is given at once."""

        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def submit(self, run: Any, *arguments: Any) -> Future[Any]:
            done: Future[Any] = Future()
            try:
                done.set_result(run(*arguments))
            except Exception as error:
                done.set_exception(error)
            return done

        def shutdown(self, **_: Any) -> None:
            pass

    def compiled(run: Any, architecture: int) -> list[Any]:
        assert architecture == 86
        raise RuntimeError("out of resources")

    monkeypatch.setattr(configuration, "architecture", lambda: 86)
    monkeypatch.setattr(gpu_parts, "ProcessPoolExecutor", Workers)
    monkeypatch.setattr(gpu_parts, "compiled", compiled)
    monkeypatch.setattr(gpu_parts, "_COMPILED", (({"ODD": 3}, (torch.float16,)),))
    (found,) = gpu_parts.compiling(gpu_parts.Run(torch.device("cpu"), 60))
    assert not found["holds"]
    assert len(found["refused"]) == len(ODD)
    assert all(told.endswith(", float16, 3: out of resources") for told in found["refused"])


# stands for packages that are not there
_BLOCKED = """
import importlib.machinery, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in {"fvcore", "iopath", "yacs", "optuna", "timm", "hypothesis"}:
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        raise ImportError(f"{spec.name} is not there")

sys.meta_path.insert(0, Refuse())
"""


def _run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED + code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_neither_fvcore_nor_optuna_is_needed() -> None:
    told = _run("""
import torch
from benchmarks import gpu, gpu_parts
found = gpu_parts.step_with_both("biformer_t", torch.device("cpu"), batch=1, set={"s3.depth": 1, "classes": 5})
assert found["loss"] <= 1
run = gpu_parts.Run(torch.device("cpu"), 0.0)
for name in ("parity", "goldens", "training", "benchmark"):
    part, _ = gpu_parts.PARTS[name]
    print(name, sum(1 for _ in part(run)) < 9)
""")
    assert told.split() == ["parity", "True", "goldens", "True", "training", "True", "benchmark", "True"]


@pytest.mark.slow
def test_the_benchmark_is_rehearsed_on_the_cpu() -> None:
    told = _run("import json; from benchmarks.gpu_parts import rehearsal; print(json.dumps(rehearsal()))")
    found = json.loads(told.splitlines()[-1])
    assert found["operators"] == list(OPERATORS)
    assert found["rows"] > 0


def test_without_a_gpu_nothing_is_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import gpu

    calls: list[list[str]] = []

    def run(call: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(call)
        return subprocess.CompletedProcess(call, 0)

    before = sorted((ROOT / "benchmarks").rglob("*.json"))
    monkeypatch.setattr(gpu.subprocess, "run", run)
    monkeypatch.setattr(gpu_parts, "rehearsal", lambda: {"operators": ["one"], "rows": 1})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert gpu.main() == 0
    assert capsys.readouterr().out.endswith("nothing was measured on a GPU: no result is written\n")
    assert [call[-1] for call in calls] == ["tests/kernels/test_gpu.py", "tests/kernels/ahead"]
    assert sorted((ROOT / "benchmarks").rglob("*.json")) == before


def test_a_part_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import gpu

    monkeypatch.setattr(sys, "argv", ["gpu.py", "--part", "speed"])
    assert gpu.main() == 2
    assert "there is no part speed" in capsys.readouterr().err


def test_parts_write_as_they_finish_and_one_that_fails_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from archdsl.bench import machine as machines
    from benchmarks import gpu

    here = machines.machine(torch.device("cpu"))
    seen: list[list[str]] = []
    path = tmp_path / "results" / "gpu.json"

    def run(call: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        name, draft = call[3], Path(call[5])
        given.append(float(call[7]))
        seen.append(list(json.loads(path.read_text())["parts"]) if path.exists() else [])
        if name == "determinism":
            return subprocess.CompletedProcess(call, 1, "", "a kernel\nfailed")
        draft.write_text(json.dumps({"holds": True, "cases": 3}))
        if name == "goldens":
            raise subprocess.TimeoutExpired(call, 1)
        return subprocess.CompletedProcess(call, 0, "", "")

    monkeypatch.setattr(gpu.subprocess, "run", run)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(machines, "machine", lambda device: here)
    monkeypatch.setattr(machines, "clocks", lambda device: None)
    names = ["parity", "determinism", "goldens", "training"]
    given: list[float] = []
    monkeypatch.setattr(sys, "argv", ["gpu.py", *(word for name in names for word in ("--part", name)), "--output", str(path)])
    assert gpu.main() == 1
    assert seen == [names[:at] for at in range(4)]
    # the last has what the others left
    assert given[:3] == [gpu_parts.PARTS[name][1] for name in names[:3]]
    assert given[3] == pytest.approx(sum(gpu_parts.PARTS[name][1] for name in names), abs=10)
    parts = json.loads(path.read_text())["parts"]
    assert [part["holds"] for part in parts.values()] == [True, False, False, True]
    assert parts["determinism"]["failed"] == "a kernel\nfailed"
    assert parts["goldens"]["cases"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["gpu.json"]
    assert "parity: holds (3 cases)" in capsys.readouterr().out
