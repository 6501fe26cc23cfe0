"""The mixer in torch: the ground truth that the closed forms of `spec` are tested against."""

from __future__ import annotations

from torch import Tensor, nn

from archdsl.schema.units import FeatureMap
from large_kernel_gate.spec import LargeKernelGate as Spec


class LargeKernelGate(nn.Module):
    def __init__(self, spec: Spec, x: FeatureMap) -> None:
        super().__init__()
        dim = x.channels
        height, width = spec.kernel
        self.value = nn.Conv2d(dim, dim, 1)
        self.gate = nn.Conv2d(dim, dim, 1)
        self.around = nn.Conv2d(dim, dim, (height, width), padding=(height // 2, width // 2), groups=dim)
        self.project = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:  # [B, C, H, W]
        gate = self.around(self.gate(x))
        return self.project(self.value(x) * gate)
