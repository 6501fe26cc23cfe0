"""Which implementation of a component runs: its reference, or its operator."""

from __future__ import annotations

import importlib.util
import os
from enum import Enum

import torch
from torch import Tensor, nn

from archdsl.kernels.interpreter import INTERPRETED

VARIABLE = "ARCHDSL_KERNELS"
"""The environment variable that turns all kernels off, when it is `0`, `off`, `false` or `no`."""

_LEAST = (8, 0)
_FORMATS = (torch.float32, torch.bfloat16, torch.float16)
_TRITON = importlib.util.find_spec("triton") is not None
_SAID = os.environ.get(VARIABLE, "")
OFF = _SAID if _SAID.lower() in {"0", "off", "false", "no"} else ""
"""What the environment variable says where it turns kernels off, else nothing."""


class Use(Enum):
    """What a module with a kernel runs."""

    BY_DEVICE = "by device"
    """The kernel on CUDA, the reference elsewhere."""
    REFERENCE = "reference"
    OPERATOR = "operator"
    """The operator everywhere: what an exported program holds."""


class Kernelled(nn.Module):
    """Base of the modules of components that have a kernel.

    `declined` is why the kernel does not take this component, a sentence without its full stop; it is set when the module is
    made, from fields and shapes. Beside it only the device, the number format and the version of Triton decide, so that
    the choice is the same for all batches.
    """

    use: Use = Use.BY_DEVICE
    declined: str | None = None

    def runs_operator(self, x: Tensor) -> bool:
        """Whether the operator computes the core for an input such as x, in place of the reference."""
        return why_reference(self, x.device, _format(x)) is None


def why_reference(module: Kernelled, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the reference runs on a device in a number format; None where the kernel does."""
    if module.use is Use.REFERENCE:
        return "kernels are turned off"
    if module.declined is not None:
        return module.declined
    if OFF:
        return f"kernels are turned off by {VARIABLE}"
    if module.use is Use.OPERATOR and dtype in _FORMATS:
        return None
    return why_no_kernel(device, dtype)


def why_no_kernel(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why no kernel at all runs on a device in a number format; None where kernels do."""
    if dtype not in _FORMATS:
        return f"the kernel does not compute in {str(dtype).removeprefix('torch.')}"
    if device.type == "cpu":
        return None if INTERPRETED else "the kernel is for CUDA"
    if device.type != "cuda":
        return f"the kernel is for CUDA, not {device.type}"
    return _why_not_here(device)


def gpu_here() -> str | None:
    """The name of the GPU that CUDA is on this machine, with its compute capability; None where there is none."""
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability()
    return f"{torch.cuda.get_device_name()}, compute capability {major}.{minor}"


def _why_not_here(device: torch.device) -> str | None:
    """Why no kernel runs on a CUDA device."""
    if not _TRITON:
        return "triton is not installed"
    if torch.version.hip:
        return "the kernel was not checked on AMD"
    if not torch.cuda.is_available():
        # asked for a GPU that is elsewhere
        return None
    found = torch.cuda.get_device_capability(device)
    if found < _LEAST:
        return f"the kernel needs compute capability {_LEAST[0]}.{_LEAST[1]}, this GPU has {found[0]}.{found[1]}"
    return None


# what `torch.compiler.assume_constant_result` does, without the second that the import of the compiler takes
_why_not_here._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _format(x: Tensor) -> torch.dtype:
    """The number format that x is computed in: under autocast, that of autocast."""
    kind = x.device.type
    # torch has no autocast for `meta`, and refuses to say whether it is on. Whether a device has autocast is not asked:
    # torch 2.11 cannot compile that question
    if x.dtype != torch.float64 and kind != "meta" and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype
