"""Say how windows are explained, without loading what explains them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kerasac.errors import ConfigError


class Method(StrEnum):
    """How contributions are found."""

    DEEPSHAP = "deepshap"
    GRADIENT = "gradient"
    ISM = "ism"
    SCRAMBLE = "scramble"


class Engine(StrEnum):
    """What computes DeepSHAP: our own pass through the model, or the shap package."""

    FAST = "fast"
    SHAP = "shap"


class ReferenceKind(StrEnum):
    """What a window is compared with.

    ``shuffled``: its own bases in other orders that keep the counts of dinucleotides. ``gc``: at each position the four
    bases in the shares that the window's GC content gives them. ``zero``: no base at all.
    """

    SHUFFLED = "shuffled"
    GC = "gc"
    ZERO = "zero"


@dataclass(frozen=True)
class ExplainSettings:
    """What decides the contributions of a window, beside the model and what is explained.

    ``n_references`` are the shuffled sequences of a window, of DeepSHAP and of scrambled regions; ``seed`` is theirs.
    ``within_bp``: only so many bases in the middle are mutated or scrambled (None = all). ``region_bp`` is the length
    of a scrambled region.
    """

    method: Method = Method.DEEPSHAP
    engine: Engine = Engine.FAST
    reference: ReferenceKind = ReferenceKind.SHUFFLED
    n_references: int = 20
    seed: int = 0
    within_bp: int | None = None
    region_bp: int = 5

    def __post_init__(self) -> None:
        for name in ("n_references", "region_bp"):
            if (value := getattr(self, name)) < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        if self.within_bp is not None and self.within_bp < 1:
            raise ConfigError(f"within_bp is {self.within_bp}; it must be at least 1, or left out")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must not be negative")

    @property
    def n_references_used(self) -> int:
        """References of a window; those of one kind are all the same."""
        if self.method in (Method.GRADIENT, Method.ISM):
            return 0
        shuffled = self.method is Method.SCRAMBLE or self.reference is ReferenceKind.SHUFFLED
        return self.n_references if shuffled else 1
