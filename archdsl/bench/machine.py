"""What a measurement was taken on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from archdsl import __version__
from archdsl.source.diagnostic import Diagnostic, SpecError

_PATIENCE = 10


@dataclass(frozen=True, slots=True)
class Machine:
    """Device and versions. `threads` are those of torch on the CPU; `commit` is None where archdsl is no checkout."""

    device: str
    driver: str | None
    torch: str
    cuda: str | None
    triton: str | None
    python: str
    system: str
    threads: int
    archdsl: str
    commit: str | None

    def __str__(self) -> str:
        told = [self.device]
        told += [f"driver {self.driver}"] if self.driver else []
        told += [f"torch {self.torch}", f"triton {self.triton or 'is not there'}", f"Python {self.python}"]
        told += [f"threads {self.threads}", f"archdsl {self.archdsl}"]
        told += [f"commit {self.commit}"] if self.commit else []
        return ", ".join(told)


def machine(device: torch.device) -> Machine:
    """The machine as it is now."""
    return Machine(
        _device_name(device),
        _asked(device, "driver_version"),
        torch.__version__,
        torch.version.cuda if device.type == "cuda" else None,
        _version("triton"),
        platform.python_version(),
        platform.platform(terse=True),
        torch.get_num_threads(),
        __version__,
        _commit(),
    )


def clocks(device: torch.device) -> str | None:
    """The clocks of a GPU now, of its multiprocessors and of its memory; None where they cannot be read."""
    return _asked(device, "clocks.sm,clocks.mem")


def chosen_device(name: str | None) -> torch.device:
    """The device of a name; a GPU where there is one and no name is given.

    Raises
    ------
    SpecError: `missing-device`, when it is not there.
    """
    there = torch.cuda.is_available()
    if name is None:
        return torch.device("cuda" if there else "cpu")
    if name == "cuda" and not there:
        raise missing_gpu("nothing can be measured on `cuda` here", "write `--device cpu`, or leave `--device` out")
    return torch.device(name)


def missing_gpu(message: str, help: str) -> SpecError:
    """The error of work that needs a GPU where there is none."""
    return SpecError([Diagnostic("missing-device", f"{message}: torch finds no GPU", help=help)])


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _asked(device: torch.device, query: str) -> str | None:
    """What `nvidia-smi` says of the GPU that torch calls by this name."""
    if device.type != "cuda":
        return None
    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader", "-i", name]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return told.strip() or None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that is checked out, with a mark where files differ from it."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    # an optional lock would be left behind by a run that is stopped
    settings = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE, env=settings).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return told.strip() or None
