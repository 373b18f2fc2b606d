"""Collect what is wrong with an experiment, so that all of it is said at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from kerasac.errors import ConfigError, KerasacError

Level = Literal["error", "warning"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that will hurt: an error ends every command, a warning is worth a look."""

    level: Level
    about: str
    message: str

    def __str__(self) -> str:
        return f"{self.about}: {self.message}" if self.about else self.message


@dataclass
class Findings:
    """What the checks found, in the order they were made."""

    found: list[Finding] = field(default_factory=list)
    _raised: list[KerasacError] = field(default_factory=list)

    def attempt(self, check: Callable[[], T], about: str = "") -> T | None:
        """Run a check and return what it gives; its error becomes a finding, once, and None is returned."""
        try:
            return check()
        except KerasacError as error:
            if str(error) not in (finding.message for finding in self.errors):
                self._raised.append(type(error)(f"{about}: {error}") if about else error)
                self.found.append(Finding("error", about, str(error)))
            return None

    def add(self, other: Findings) -> None:
        """Add what other checks found."""
        self.found += other.found
        self._raised += other._raised

    def warn(self, about: str, message: str) -> None:
        """Add a warning."""
        self.found.append(Finding("warning", about, message))

    @property
    def errors(self) -> list[Finding]:
        """The errors."""
        return [finding for finding in self.found if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """The warnings."""
        return [finding for finding in self.found if finding.level == "warning"]

    def raise_errors(self) -> None:
        """Raise the one error that was found, or one that lists all of them."""
        if len(self._raised) == 1:
            raise self._raised[0]
        if self._raised:
            lines = [f"  {number}. {error}" for number, error in enumerate(self._raised, start=1)]
            raise ConfigError("\n".join([f"{len(lines)} mistakes:", *lines]))
