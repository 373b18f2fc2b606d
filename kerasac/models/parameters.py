"""Say what the parameters of any architecture are, and check what several have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

from kerasac.errors import ModelError, suggest
from kerasac.models.contract import Contract, Port

Kind = Literal["profile", "bins", "own"]


class Parameters(ABC):
    """Parameters of an architecture: a frozen dataclass, which knows what it asks of the windows.

    ``family`` is the name that errors give it, ``kind`` what it predicts: profiles and counts, labels of bins, or what
    its author says. None of it loads Keras.
    """

    family: ClassVar[str]
    kind: ClassVar[Kind]

    @property
    @abstractmethod
    def receptive_bp(self) -> int | None:
        """Bases that a base of the profile sees, or a position before the first dense layer; None = the window."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Digests of the files that parameters name, by parameter: a model is the same wherever they lie."""
        return {}

    @abstractmethod
    def check(self, contract: Contract) -> None:
        """Raise ModelError when the architecture cannot be built for these inputs and outputs."""

    @abstractmethod
    def n_weights(self, contract: Contract) -> int | None:
        """Return how many weights the model has, running means of normalisations too; None when only building tells."""


def sequence_of(contract: Contract, family: str) -> Port:
    """Return the input that is the sequence, or raise ModelError."""
    sequence = contract.input_of("sequence")
    if sequence is None:
        raise ModelError(f"{family} needs an input with 'source: seq'")
    return sequence


def check_sizes(name: str, sizes: Sequence[object], *, least: int = 1) -> None:
    """Raise ModelError unless all are whole numbers from ``least`` up."""
    for size in sizes:
        if type(size) is not int or size < least:
            raise ModelError(f"model.{name} has {size!r}; it is a list of whole numbers from {least} up")


def check_lengths(meaning: str, **lists: Sequence[object]) -> None:
    """Raise ModelError unless lists that go together have one length, above 0."""
    lengths = [len(values) for values in lists.values()]
    if len(set(lengths)) > 1 or not lengths[0]:
        (first, n), *rest = ((name, len(values)) for name, values in lists.items())
        said = [f"model.{first} has {n} numbers", *(f"model.{name} {n}" for name, n in rest)]
        raise ModelError(f"{', '.join(said[:-1])} and {said[-1]}; {meaning}")


def check_at_least(least: int, **values: float) -> None:
    """Raise ModelError unless all values are at least ``least``."""
    for name, value in values.items():
        if value < least:
            bound = "must not be negative" if least == 0 else f"must be at least {least}"
            raise ModelError(f"model.{name} is {value}; it {bound}")


def check_odd(**kernels: int) -> None:
    """Raise ModelError unless all kernels are odd, so that both strands are seen alike."""
    for name, value in kernels.items():
        if value % 2 == 0:
            raise ModelError(f"model.{name} is {value}; kernels are odd, so that they have a centre")


def check_share(**values: float) -> None:
    """Raise ModelError unless all values are in 0 … 1, 1 excluded."""
    for name, value in values.items():
        if not isinstance(value, int | float) or not 0 <= value < 1:
            raise ModelError(f"model.{name} is {value!r}; it must be in 0 … 1, 1 excluded")


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise ModelError unless a value is one of the known ones."""
    if value not in (names := list(known)):
        raise ModelError(f"model.{name} is {value!r}{suggest(value, names)}")


def convolution_weights(before: int, filters: int, kernel: int) -> int:
    """Return the weights of a 1-D convolution (or, with a kernel of 1, of a dense layer), its biases too."""
    return kernel * before * filters + filters


def norm_weights(channels: int) -> int:
    """Return the weights of a batch normalisation: scale, shift, running mean and variance."""
    return 4 * channels


def check_type(name: str, value: object, default: object) -> None:
    """Raise ModelError unless a value has the type of its default; a whole number will do for a decimal one."""
    expected = type(default)
    if type(value) is not expected and not (expected is float and type(value) is int):
        raise ModelError(f"model.{name} is {value!r}; it takes {expected.__name__} (default {default})")
