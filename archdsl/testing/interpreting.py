"""Triton's interpreter, taught what it does not do: products of bfloat16."""

from __future__ import annotations

from typing import Any

from archdsl.kernels.interpreter import INTERPRETED


def teach_bfloat16() -> None:
    """Let `tl.dot` of the interpreter multiply bfloat16, which it holds as the bits of the numbers. Harmless when repeated."""
    if not INTERPRETED:
        raise RuntimeError("Triton does not interpret here: set TRITON_INTERPRET=1 before it is imported")
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle, _convert_float

    plain = InterpreterBuilder.create_dot
    if getattr(plain, "taught", False):
        return

    def widened(handle: Any) -> Any:
        if handle.dtype.scalar != tl.bfloat16:
            return handle
        return TensorHandle(_convert_float(handle.data, tl.bfloat16, tl.float32, None).view("float32"), tl.float32)

    def create_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        return plain(self, widened(a), widened(b), *rest)

    create_dot.taught = True  # type: ignore[attr-defined]
    InterpreterBuilder.create_dot = create_dot
