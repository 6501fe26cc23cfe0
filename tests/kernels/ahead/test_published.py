"""What the published shapes lead to compiles without a GPU, without spills and within shared memory; the largest shapes fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
import triton

from archdsl.components.operators import operators
from archdsl.kernels.operator import Operator
from archdsl.kernels.sample import Sample
from archdsl.report.table import Table
from archdsl.testing.ahead import SHARED_MEMORY, Compiled, compiled

pytestmark = pytest.mark.ahead

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "kernels"
FORMATS = (torch.bfloat16, torch.float16, torch.float32)
# a multiple of 16, as the batches of training are
BATCH = 16
# with Triton 3.6, on compute capability 8.0
SPILLS = {("_query_gradients", "float32"): 8}
"""Kernels that may keep some bytes of a thread in local memory, by kernel and number format, with the most of them."""


def _run(operator: Operator, dtype: torch.dtype, samples: Iterable[Sample]) -> None:
    kernel, draw = operator.kernel(), operator.samples().draw
    for sample in samples:
        arguments = draw(sample, BATCH, dtype=dtype, device="cpu")
        outputs = kernel.forward(*arguments)
        kernel.backward(torch.empty_like(outputs[0]), *arguments, *outputs)


def _found(operator: Operator, architecture: int, samples: Iterable[Sample]) -> Iterator[tuple[str, Compiled]]:
    for dtype in FORMATS:
        name = str(dtype).removeprefix("torch.")
        for each in compiled(lambda dtype=dtype: _run(operator, dtype, samples), architecture):
            yield name, each


def _text(found: list[tuple[str, Compiled]]) -> str:
    header = ("kernel", "format", "warps", "registers", "spilled", "shared", "constants", "types")
    rows = [
        (
            each.kernel,
            name,
            str(each.warps),
            str(each.registers),
            str(each.spilled),
            str(each.shared),
            each.constants,
            each.types,
        )
        for name, each in found
    ]
    return "\n".join(line.rstrip() for line in Table(header, tuple(rows), frozenset({2, 3, 4, 5})).text().splitlines()) + "\n"


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("name", operators())
def test_published_shapes_compile(
    name: str, architecture: int, request: pytest.FixtureRequest, record_property: pytest.RecordProperty
) -> None:
    found = list(_found(operators()[name], architecture, operators()[name].samples().PUBLISHED))
    assert found
    record_property("specialisations", len(found))
    for dtype, each in found:
        assert each.shared <= SHARED_MEMORY[architecture], f"{each.kernel} in {dtype}: {each.shared} bytes of shared memory"
        allowed = SPILLS.get((each.kernel, dtype), 0)
        assert each.spilled <= allowed, f"{each.kernel} in {dtype}, {each.constants}: {each.spilled} bytes spilled"
    # another compiler assigns other registers
    path, first = GOLDEN / f"{name}.sm_{architecture}.txt", f"triton {triton.__version__}\n\n"
    text = first + _text(found)
    if request.config.getoption("--golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8")
    if not kept.startswith(first):
        pytest.skip(
            f"the snapshot is of {kept.splitlines()[0]}, this is {first.strip()}; what was compiled is within its limits"
        )
    assert text == kept, "what is compiled has changed: read the difference after `make golden`"


@pytest.mark.parametrize("name", operators())
def test_the_largest_shapes_fit_the_smallest_gpu(name: str) -> None:
    smallest = min(SHARED_MEMORY, key=lambda each: (SHARED_MEMORY[each], each))
    found = list(_found(operators()[name], smallest, operators()[name].samples().LARGEST))
    assert found
    for dtype, each in found:
        assert each.shared <= SHARED_MEMORY[smallest], f"{each.kernel} in {dtype}: {each.shared} bytes of shared memory"
