"""Kernels compiled ahead of time, for GPUs that are not there: what their launchers would compile, and what it takes."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archdsl.kernels.interpreter import INTERPRETED

SHARED_MEMORY = {80: 166_912, 86: 101_376, 89: 101_376, 90: 232_448}
"""Bytes of shared memory that one program can have, by compute capability times ten."""
_USAGE = re.compile(r"REG:(?P<registers>\d+) STACK:(?P<stack>\d+) SHARED:(?P<shared>\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Compiled:
    """One specialisation of a kernel, and what it takes of a GPU.

    `types` are those of its arguments, `/16` where the address or number is known to be a multiple of 16; numbers that are
    compiled in are in `constants`. `registers` are those of a thread, `spilled` the bytes of local memory of a thread, `shared`
    the bytes of shared memory of a program.
    """

    kernel: str
    architecture: int
    types: str
    constants: str
    warps: int
    registers: int
    spilled: int
    shared: int


class _Driver:
    """Stands for a GPU of a compute capability that is not there."""

    def __init__(self, architecture: int) -> None:
        from triton.backends.compiler import GPUTarget

        self._target = GPUTarget("cuda", architecture, 32)

    def get_current_target(self) -> Any:
        return self._target

    def get_current_device(self) -> int:
        # Triton keeps what it compiled by device
        return self._target.arch

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")


def compiled(run: Callable[[], object], architecture: int) -> list[Compiled]:
    """What launchers compile for an architecture while `run` calls them with tensors on the CPU. Nothing is computed.

    Raises
    ------
    RuntimeError: Triton interprets in this process.
    """
    if INTERPRETED:
        raise RuntimeError("Triton interprets in this process: compile in another, without TRITON_INTERPRET")
    found: dict[Compiled, None] = {}
    with _recorded(architecture, lambda kernel, function: found.setdefault(_taken(kernel, function, architecture))):
        run()
    return sorted(found)


@contextmanager
def _recorded(architecture: int, take: Callable[[Any, Any], object]) -> Iterator[None]:
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    plain = JITFunction.run
    before = driver._active

    def run(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
        kernel = plain(self, *args, grid=grid, warmup=True, **options)
        take(kernel, self)
        return kernel

    driver.set_active(_Driver(architecture))
    JITFunction.run = run
    try:
        yield
    finally:
        JITFunction.run = plain
        driver._active = before


def _taken(kernel: Any, function: Any, architecture: int) -> Compiled:
    source = kernel.src
    names = function.arg_names
    constants = {names[path[0]]: value for path, value in source.constants.items() if len(path) == 1}
    aligned = {names[path[0]] for path, facts in source.attrs.items() if ["tt.divisibility", 16] in facts}
    types = [
        f"{kind}/16" if name in aligned else kind
        for name, kind in source.signature.items()
        if kind != "constexpr" and name not in constants
    ]
    registers, stack = _usage(kernel.asm["cubin"])
    return Compiled(
        function.__name__,
        architecture,
        " ".join(types),
        " ".join(f"{name}={value}" for name, value in constants.items()),
        kernel.metadata.num_warps,
        registers,
        stack,
        kernel.metadata.shared,
    )


def _usage(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of stack of a thread, by the tool that comes with Triton."""
    import triton

    tool = next((Path(triton.__file__).parent / "backends" / "nvidia" / "bin").glob("cuobjdump*"))
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = _USAGE.search(told)
    if found is None:
        raise RuntimeError(f"cuobjdump tells no usage: {told}")
    return int(found["registers"]), int(found["stack"])
