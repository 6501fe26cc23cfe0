"""Whether specs can be evaluated on a device, looked at before a study begins."""

from __future__ import annotations

from archdsl.source.diagnostic import Diagnostic, SpecError


def check_device(name: str) -> None:
    """Raise `SpecError` `missing-device` where torch cannot compute on a device of this name here."""
    reason = _missing(name)
    if reason:
        help = "write `--device cpu`, or `device: cpu` in `study.yaml`; `cuda` and `cuda:1` are GPUs"
        raise SpecError([Diagnostic("missing-device", f"nothing can be evaluated on `{name}` here: {reason}", help=help)])


def _missing(name: str) -> str:
    if name == "cpu":
        # torch takes seconds to load, and the process that evaluates has it
        return ""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        return "torch knows no device of this name"
    if device.type == "cuda":
        # asked without a context, which would take memory of the device for as long as this process lives
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            return "torch finds no GPU"
        return f"there are {count}, counted from 0" if (device.index or 0) >= count else ""
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).partition("\n")[0].partition(". ")[0]
    return ""
