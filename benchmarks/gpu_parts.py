"""What `benchmarks/gpu.py` does on a GPU, in parts: each gives plain data, and again when it has more."""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import archdsl
from archdsl.bench.operator_bench import bench_operator
from archdsl.bench.settings import Settings
from archdsl.bench.timing import Duration
from archdsl.components.operators import operators
from archdsl.kernels.choice import Use
from archdsl.lowering.dispatch import choose, sites, takes_kernel
from archdsl.lowering.export import images
from archdsl.testing.ahead import Compiled, compiled
from archdsl.testing.branches import open_branches
from archdsl.testing.golden import distance, golden, golden_images, official_state
from archdsl.testing.parity import check_repeatable, errors

Found = dict[str, Any]
Part = Callable[["Run"], Iterator[Found]]
ROOT = Path(__file__).resolve().parents[1]
FORMATS = (torch.float32, torch.bfloat16, torch.float16)
TRAINED = ("biformer_t", "halonet_h1", "transnext_tiny")
# of a loss and of the norm of a gradient, in float32: sums are taken in another order, through all layers
LOSS, GRADIENT = 1e-4, 1e-3
# of the error that the reference makes itself
FACTOR = 4.0
BATCH = 128
_CHECKED = {"ODD": 3, "PUBLISHED": 2, "LARGEST": 1}
"""The samples that are checked, with the images of a batch of them."""
_COMPILED = ((_CHECKED, FORMATS), ({"PUBLISHED": BATCH}, (torch.bfloat16,)))
"""The samples, their batches and number formats that kernels are compiled for beforehand: those checked, those measured."""


class Run:
    """A run of a part: the device, and the seconds that it has."""

    def __init__(self, device: torch.device, seconds: float) -> None:
        self.device = device
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._end - time.monotonic()


def compiling(run: Run) -> Iterator[Found]:
    """The kernels of all samples are compiled side by side, so that the other parts find them on the disk."""
    from archdsl.kernels.configuration import architecture

    here = architecture()
    failed, distinct = [], set()
    started = time.monotonic()
    # this process has CUDA, which cannot be forked
    workers = ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))
    tasks = [
        (name, sample.name, _name(dtype), batch)
        for batches, formats in _COMPILED
        for name, operator in operators().items()
        for of, batch in batches.items()
        for sample in getattr(operator.samples(), of)
        for dtype in formats
    ]
    asked = {workers.submit(kernels_of, *task, here): ", ".join(map(str, task)) for task in tasks}
    try:
        for done in as_completed(list(asked), timeout=run.left):
            told = asked.pop(done)
            if error := done.exception():
                failed.append(f"{told}: {error}")
            else:
                distinct |= set(done.result())
    except TimeoutError:
        # what is left is compiled where it is first used
        pass
    workers.shutdown(wait=False, cancel_futures=True)
    yield {
        "holds": not failed,
        "specialisations": len(distinct),
        "seconds": round(time.monotonic() - started, 1),
        "most_shared": max((each.shared for each in distinct), default=0),
        "spilling": sorted({f"{each.kernel}, {each.constants}: {each.spilled} bytes" for each in distinct if each.spilled}),
        "refused": failed,
        "left_out": list(asked.values()),
    }


def kernels_of(name: str, sample: str, dtype: str, batch: int, architecture: int) -> list[Compiled]:
    """What the kernels of an operator are compiled to for one of its samples. Nothing is run, and no memory is filled."""
    operator = operators()[name]
    samples, kernel = operator.samples(), operator.kernel()
    every = (*samples.ODD, *samples.PUBLISHED, *samples.LARGEST)
    drawn = samples.draw(next(each for each in every if each.name == sample), 1, dtype=getattr(torch, dtype), device="cpu")
    arguments = [
        value.new_empty(batch, *value.shape[1:]) if argument in operator.batched else value
        for argument, value in zip(operator.arguments, drawn, strict=True)
    ]

    def run() -> None:
        outputs = kernel.forward(*arguments)
        kernel.backward(torch.empty_like(outputs[0]), *arguments, *outputs)

    return compiled(run, architecture)


def parity(run: Run) -> Iterator[Found]:
    """Every sample of every operator in three number formats, outputs and gradients against float64.

    An error is at most twice that of the reference in the same format, plus one unit of rounding, in float32 four. What is
    chosen, such as the regions of routing, is an argument, and so the same in all formats.
    """
    found: Found = {"holds": True, "cases": 0, "beyond": [], "left_out": [], "errors": {}}
    for name, operator in operators().items():
        samples = operator.samples()
        for sample, batch in ((sample, batch) for of, batch in _CHECKED.items() for sample in getattr(samples, of)):
            for dtype in FORMATS:
                told = f"{name}, {sample}, {_name(dtype)}"
                if run.left < 0:
                    found["left_out"].append(told)
                    continue
                arguments = samples.draw(sample, batch, dtype=dtype, device=run.device)
                found["cases"] += 1
                try:
                    rows = errors(operator, arguments)
                except AssertionError as error:
                    found["beyond"].append(f"{told}: {error}")
                    continue
                found["errors"][told] = {
                    row.what: {"largest": row.largest, "rms": row.rms, "reference": row.reference} for row in rows
                }
                found["beyond"] += [f"{told}: {row}" for row in rows if not row.holds]
        found["holds"] = not found["beyond"] and not found["left_out"]
        yield found


def determinism(run: Run) -> Iterator[Found]:
    """Two runs of every kernel give the same bits."""
    found: Found = {"holds": True, "cases": 0, "differing": [], "left_out": []}
    for operator in operators().values():
        samples = operator.samples()
        for sample, batch in ((sample, batch) for of, batch in _CHECKED.items() for sample in getattr(samples, of)):
            for dtype in FORMATS:
                told = f"{operator.name}, {sample}, {_name(dtype)}"
                if run.left < 0:
                    found["left_out"].append(told)
                    continue
                arguments = samples.draw(sample, batch, dtype=dtype, device=run.device)
                try:
                    check_repeatable(operator, arguments)
                except AssertionError as error:
                    found["differing"].append(f"{told}: {error}")
                found["cases"] += 1
        found["holds"] = not found["differing"] and not found["left_out"]
        yield found


def goldens(run: Run) -> Iterator[Found]:
    """The logits of published weights in float32, with kernels, where the files of them are there."""
    found: Found = {"holds": True, "models": {}, "left_out": []}
    for path in sorted((ROOT / "tests" / "golden").glob("*.json")):
        published = golden(path.stem, path.parent)
        spec = archdsl.load(ROOT / "specs" / f"{published['spec']}.arch", at=tuple(published["input_shape"][2:]))
        if not takes_kernel(spec.network):
            continue
        if run.left < 0:
            found["left_out"].append(path.stem)
            found["holds"] = False
            continue
        module = archdsl.build(spec, weights=official_state(published)).to(run.device)
        with torch.no_grad():
            far = distance(published, module(golden_images(published).to(run.device)))
        kernels = sum(site.count for site in sites(module, run.device.type) if site.implementation == "kernel")
        found["models"][path.stem] = {"distance": far, "tolerance": published["tolerance"], "kernels": kernels}
        # a NaN is within nothing
        found["holds"] = found["holds"] and far <= published["tolerance"]
        yield found
    yield found


def training(run: Run) -> Iterator[Found]:
    """One step with kernels gives the loss and the gradients of one with references."""
    found: Found = {"holds": True, "specs": {}, "left_out": []}
    for name in TRAINED:
        if run.left < 0:
            found["left_out"].append(name)
            found["holds"] = False
            continue
        row = step_with_both(name, run.device)
        found["specs"][name] = row
        found["holds"] = found["holds"] and row["loss"] <= 1 and row["gradient"] <= 1
        yield found
    yield found


def step_with_both(name: str, device: torch.device, *, batch: int = 4, **loaded: Any) -> Found:
    """The errors in loss and gradients of a step with kernels, against float64, over those that it may have: 1 is the most.

    It may have `FACTOR` times the error of a step with references, plus `LOSS` or `GRADIENT` of what is expected. So rounding
    is held against rounding where nothing else is left: a bias before a normalisation has no gradient. `gradient` is that of
    the weight that is worst.
    """
    module = archdsl.build(archdsl.load(ROOT / "specs" / f"{name}.arch", **loaded)).to(device).train()
    open_branches(module)
    x = images(module, batch)
    labels = torch.arange(batch, device=device) % module.num_classes
    ties = Ties()
    taken = []
    for use, dtype in ((Use.REFERENCE, torch.float32), (Use.BY_DEVICE, torch.float32), (Use.REFERENCE, torch.float64)):
        stepped = copy.deepcopy(module).to(dtype)
        choose(stepped, use)
        # branches are dropped alike
        torch.manual_seed(0)
        with ties:
            y = stepped(x.to(dtype))
        loss = F.cross_entropy(y, labels)
        loss.backward()
        # heads that are not trained have none
        slopes = {key: weight.grad.double() for key, weight in stepped.named_parameters() if weight.grad is not None}
        taken.append((loss.detach().double(), slopes))
    (same, slopes), (found, others), (exact, steep) = taken
    worst, gradient = "", 0.0
    for key, slope in steep.items():
        ratio = _over(others[key], slopes[key], slope, GRADIENT)
        # a NaN is the worst
        if not ratio <= gradient:
            worst, gradient = key, ratio
    return {"loss": _over(found, same, exact, LOSS), "gradient": gradient, "worst": worst}


def _over(found: Tensor, same: Tensor, exact: Tensor, share: float) -> float:
    """An error over what it may be: `FACTOR` times that of the reference, plus a share of what is expected."""
    error, most = (found - exact).norm().item(), FACTOR * (same - exact).norm().item() + share * exact.norm().item()
    return error / most if error else 0.0


class Ties(TorchFunctionMode):
    """What the first run chose by `topk` the second chooses, too: of two that are nearly as large either may be the larger."""

    def __init__(self) -> None:
        super().__init__()
        self._chosen: list[Tensor] = []
        self._next: int | None = None

    def __exit__(self, *error: Any) -> None:
        # from now on the choices are taken from the beginning
        self._next = 0
        super().__exit__(*error)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in (torch.topk, torch.Tensor.topk):
            return result
        if self._next is None:
            self._chosen.append(result.indices)
            return result
        indices = self._chosen[self._next]
        self._next += 1
        return torch.return_types.topk((args[0].gather(-1, indices), indices))


def sanitizer(run: Run) -> Iterator[Found]:
    """The kernels at one odd shape under the checker of memory that comes with CUDA, where it is there."""
    from shutil import which

    tool = which("compute-sanitizer")
    if tool is None:
        yield {"holds": True, "left_out": "compute-sanitizer is not there"}
        return
    call = [tool, "--tool", "memcheck", "--report-api-errors", "no", "--error-exitcode", "9"]
    call += [sys.executable, "-m", "benchmarks.gpu_parts"]
    # the tool sees what CUDA gives out: each tensor has to be asked for alone
    environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    running = subprocess.Popen(
        call, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = running.communicate(timeout=max(1.0, run.left))
    except subprocess.TimeoutExpired:
        # what it runs is a process of its own, and would go on beside the next part
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        yield {"holds": True, "left_out": "it takes more time than there is"}
        return
    if "Device not supported" in said:
        yield {"holds": True, "left_out": "compute-sanitizer does not support this device"}
        return
    yield {"holds": running.returncode == 0, "said": said[-2000:]}


def small(device: torch.device) -> None:
    """The kernels of every operator once, forward and backward, at its last odd sample."""
    for operator in operators().values():
        samples = operator.samples()
        arguments = samples.draw(samples.ODD[-1], 2, dtype=torch.float16, device=device)
        outputs = operator.forward(*arguments)
        operator.backward(torch.ones_like(outputs[0]), *arguments, *outputs)
    torch.cuda.synchronize(device)


def benchmark(run: Run) -> Iterator[Found]:
    """The published shapes at batch 128 in bfloat16: the first of every operator, then the second, as long as there is time.

    References are compiled in the mode `default`: one shape takes minutes in the other, which `archdsl bench` tries.
    """
    found: Found = {"holds": True, "modes": ["default"], "shapes": {}, "left_out": []}
    settings = Settings(run.device, torch.bfloat16, BATCH, Duration(seconds=0.5), modes=("default",))
    # operators with few shapes first: their references compile fastest
    every = sorted(operators().items(), key=lambda item: len(item[1].samples().PUBLISHED))
    published = {name: operator.samples().PUBLISHED for name, operator in every}
    # one shape takes about as long as the one before
    longest = 0.0
    for at in range(max(map(len, published.values()))):
        for name, samples in published.items():
            if at >= len(samples):
                continue
            told = f"{name}, {samples[at]}"
            if run.left < longest:
                found["left_out"].append(told)
                continue
            start = time.monotonic()
            result = bench_operator(operators()[name], settings, samples[at : at + 1])
            longest = max(longest, time.monotonic() - start)
            found["shapes"][told] = result.as_dict()
            found["holds"] = found["holds"] and result.holds
            yield found
    yield found


def rehearsal() -> Found:
    """The code of the benchmark on the CPU at small shapes. What it takes says nothing, and is not given back."""
    device, once = torch.device("cpu"), Duration(rounds=1)
    settings = Settings(device, torch.float32, 1, once, modes=("default",), backend="eager")
    ran = [bench_operator(operator, settings, operator.samples().ODD[:1]) for operator in operators().values()]
    return {
        "operators": [result.target for result in ran],
        "rows": sum(len(case.rows) for result in ran for case in result.cases),
    }


PARTS: dict[str, tuple[Part, int]] = {
    "compiling": (compiling, 60),
    "parity": (parity, 100),
    "determinism": (determinism, 40),
    "goldens": (goldens, 60),
    "training": (training, 60),
    "sanitizer": (sanitizer, 60),
    "benchmark": (benchmark, 150),
}
"""The parts in their order, with the seconds that each has: under ten minutes together, with what lies between them."""


def plain_float32() -> None:
    """Float32 is float32: no product is rounded to tf32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    small(torch.device("cuda"))
