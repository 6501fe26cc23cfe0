"""What the search improves: the contract of an objective, and the candidate that it measures.

An objective of another package derives from `Objective` and is named by an entry point of the group `archdsl.objectives`.
Importing this takes no torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from archdsl.schema.units import FeatureMap

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from archdsl.api import Spec
    from archdsl.lowering.module import Backbone

# told a value on the way and its number, such as an epoch; it may raise to stop a poor trial
Step = Callable[[int, float], None]


class Unmeasured(Exception):
    """An objective has no number for a candidate; the text says why. The trial fails, the study goes on."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spec to be measured. All that is drawn for it comes from `seed`, on the CPU, so that every device sees the same."""

    spec: Spec
    seed: int
    device: torch.device

    @property
    def image(self) -> FeatureMap:
        """One image as the spec takes it."""
        return self.spec.network.image

    def model(self) -> Backbone:
        """A module of its own at each call: initial weights of the seed, float32, in evaluation mode, on the device."""
        from archdsl.lowering.build import build_module

        return build_module(self.spec.network, seed=self.seed).to(self.device)

    def generator(self, use: str) -> torch.Generator:
        """A generator on the CPU, a function of the seed and of what it is used for."""
        import torch

        digest = hashlib.blake2b(f"{self.seed}\0{use}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)

    def images(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal images [batch, C, H, W] on the device; the same at each call without a generator."""
        import torch

        generator = generator or self.generator("images")
        drawn = torch.randn((batch, *self.image.shape), generator=generator, dtype=torch.float32, device="cpu")
        return drawn.to(self.device)


class Objective(ABC):
    """Something measured of a candidate. Derived classes are frozen dataclasses whose fields are the settings.

    `name` is the word in spaces. `direction` is which values are good, `unit` what they count, `source` where the definition
    stands, `cost` what one measurement takes. `stepwise`: it tells values on the way, and may be stopped for them.
    `repeatable`: it gives the same value for the same spec and seed, on the same machine.
    """

    name: ClassVar[str]
    direction: ClassVar[Literal["maximize", "minimize"]]
    unit: ClassVar[str]
    source: ClassVar[str]
    cost: ClassVar[str]
    stepwise: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True

    def check(self, spec: Spec) -> None:  # noqa: B027 - most objectives need nothing
        """Look, before the first trial, at what every measurement needs, such as data. `spec` is the space.

        Raises
        ------
        SpecError: it is missing, or does not fit: every trial would fail.
        """

    def seen_from(self, folder: Path) -> Objective:
        """The same objective, with the relative paths among its settings seen from a folder, the study's, and in full."""
        return self

    def fingerprints(self) -> Mapping[str, str]:
        """A text for each setting that names something outside of the study, such as images: another one for other images.

        A study keeps them, and goes on while they are the same; the setting itself may then change, as a path does when the
        images are moved. They are asked for before the first trial, after `seen_from`.

        Raises
        ------
        SpecError: there is nothing of that name.
        """
        return {}

    @abstractmethod
    def measure(self, candidate: Candidate, step: Step) -> float:
        """The value of a candidate. `step(number, value)` is told how it goes on the way, if `stepwise`.

        Raises
        ------
        Unmeasured: the candidate has no value.
        """


def setting(
    default: Any,
    *,
    doc: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declare a setting of an objective: a field of its dataclass.

    Parameters
    ----------
    default: its value where a study says nothing.
    doc: one line, shown by `archdsl explain`.
    ge, gt, le, lt: bounds of a number.
    choices: the texts that a `str` may be.
    """
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt, "choices": choices}
    return dataclasses.field(default=default, metadata={"doc": doc, **bounds})
