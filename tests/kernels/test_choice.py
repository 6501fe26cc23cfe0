"""Which implementation runs: the device, the number format, the GPU, the environment variable and the choice of a module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from archdsl.components.operators import operators
from archdsl.kernels import choice
from archdsl.kernels.choice import Kernelled, Use, gpu_here, why_reference

ROOT = Path(__file__).parents[2]
CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(autouse=True)
def _afresh() -> None:
    torch.compiler.reset()


def _gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "a GPU")


@pytest.mark.parametrize(
    ("capability", "reason"),
    [
        ((7, 5), "the kernel needs compute capability 8.0, this GPU has 7.5"),
        ((8, 0), None),
        ((8, 9), None),
        ((9, 0), None),
        ((12, 0), None),
    ],
)
def test_the_gpu_decides(capability: tuple[int, int], reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, capability)
    assert why_reference(Kernelled(), CUDA, torch.bfloat16) == reason


def test_the_gpu_is_a_constant_of_what_is_compiled() -> None:
    # asked of torch itself, so that a newer one that marks it otherwise is noticed
    assert vars(choice._why_not_here) == vars(torch.compiler.assume_constant_result(lambda: None))


@pytest.mark.parametrize("reason", [None, "the kernel needs another GPU"])
def test_compiled_code_keeps_the_choice_as_a_constant(reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(choice, "_why_not_here", torch.compiler.assume_constant_result(lambda d: asked.append(d) or reason))

    class Shifted(Kernelled):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1 if why_reference(self, CUDA, x.dtype) is None else x - 1

    module = Shifted()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for _ in range(3):
        assert compiled(torch.zeros(1)) == (1 if reason is None else -1)
    assert asked == [CUDA]
    # another choice of the module is noticed
    module.use = Use.REFERENCE
    assert compiled(torch.zeros(1)) == -1


def test_without_triton_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, (9, 0))
    monkeypatch.setattr(choice, "_TRITON", False)
    assert why_reference(Kernelled(), CUDA, torch.float32) == "triton is not installed"


def test_amd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, (9, 4))
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert why_reference(Kernelled(), CUDA, torch.float32) == "the kernel was not checked on AMD"


def test_the_choice_of_the_module_goes_before_its_refusal_and_this_before_the_device() -> None:
    module = Kernelled()
    module.declined = "a head is too wide"
    assert why_reference(module, CUDA, torch.float32) == "a head is too wide"
    module.use = Use.OPERATOR
    assert why_reference(module, CPU, torch.float32) == "a head is too wide"
    module.use = Use.REFERENCE
    assert why_reference(module, CUDA, torch.float32) == "kernels are turned off"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_the_number_format_decides(dtype: torch.dtype) -> None:
    module = Kernelled()
    module.use = Use.OPERATOR
    told = why_reference(module, CPU, dtype)
    if dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert told is None
    else:
        assert told == f"the kernel does not compute in {str(dtype).removeprefix('torch.')}"


def test_an_input_is_computed_in_the_format_of_autocast() -> None:
    module = Kernelled()
    module.use = Use.OPERATOR
    x, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    assert module.runs_operator(x)
    assert not module.runs_operator(double)
    with torch.autocast("cpu", torch.bfloat16):
        assert module.runs_operator(x)
        # autocast leaves double precision alone
        assert not module.runs_operator(double)
    module.use = Use.BY_DEVICE
    assert not module.runs_operator(x)


def test_devices_without_autocast_are_asked_nothing() -> None:
    assert not Kernelled().runs_operator(torch.zeros(1, device="meta"))


@pytest.mark.parametrize(("said", "off"), [("0", True), ("off", True), ("False", True), ("", False), ("1", False)])
def test_the_variable_is_read_once(said: str, off: bool) -> None:
    code = "from archdsl.kernels.choice import OFF; print(repr(OFF))"
    environment = {**os.environ, "ARCHDSL_KERNELS": said, "PYTHONPATH": str(ROOT)}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert told.strip() == repr(said if off else "")


def test_the_variable_keeps_operators_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "OFF", "0")
    module = Kernelled()
    module.use = Use.OPERATOR
    assert why_reference(module, CPU, torch.float32) == "kernels are turned off by ARCHDSL_KERNELS"


def test_the_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _gpu(monkeypatch, (9, 0))
    assert gpu_here() == "a GPU, compute capability 9.0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_here() is None


def test_an_operator_that_no_kernel_can_compute_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # what a program that holds operators meets on an old GPU: nobody asks it which implementation it wants
    operator = next(iter(operators().values()))
    like = SimpleNamespace(device=torch.device("cuda", 0), dtype=torch.float32)
    _gpu(monkeypatch, (7, 5))
    with pytest.raises(RuntimeError, match=r"cannot run here: the kernel needs compute capability 8\.0, this GPU has 7\.5"):
        operator._require_kernel(like)
    like.dtype = torch.float64
    with pytest.raises(RuntimeError, match="does not compute in float64"):
        operator._require_kernel(like)
