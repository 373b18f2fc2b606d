"""Read the patterns that modisco found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from kerasac.errors import InterpretError

Floats = npt.NDArray[np.float64]

GROUPS = ("pos_patterns", "neg_patterns")  # of contributions above and below 0
_OLD = "metacluster_idx_to_submetacluster_results"


class Seqlets(NamedTuple):
    """The pieces of windows that a pattern is made of, (n,) each.

    ``row`` counts windows of the file of contributions; ``start`` and ``end`` are bases of the part of a window that
    modisco read; ``is_reverse`` where the pattern is the reverse complement of what lies in the genome.
    """

    row: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    is_reverse: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Seqlets that look alike, aligned: what they have in common, position by position."""

    name: str
    """as modisco's own reports have it: ``pos_patterns.pattern_0``"""
    probabilities: Floats
    """(L, 4), in A, C, G, T order: how often each base is there"""
    contributions: Floats
    """(L, 4): mean contribution of each base, where it is there"""
    n_seqlets: int
    seqlets: Seqlets | None = None

    @property
    def is_positive(self) -> bool:
        """Whether its bases raise what the model predicts."""
        return self.name.startswith(GROUPS[0])


@dataclass(frozen=True, eq=False)
class Patterns:
    """All patterns of a file, those of positive contributions first; ``window_bp`` is None where it does not say."""

    patterns: tuple[Pattern, ...]
    window_bp: int | None


def read_patterns(path: Path) -> Patterns:
    """Read modisco-lite's HDF5; a file without patterns of one sign, or of both, is no error.

    Raises
    ------
    InterpretError
        For a file that is missing, no HDF5, of the first modisco's layout, or of another kind.
    """
    if not path.is_file():
        raise InterpretError(f"{path} does not exist; give the HDF5 file that 'modisco motifs' wrote")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InterpretError(f"{path} is not a readable HDF5 file ({error})") from None
    with file:
        if _OLD in file:
            raise InterpretError(
                f"{path} is of the first modisco; turn it into the layout of today with "
                f"'modisco convert -i {path.name} -o NEW.h5'"
            )
        if not any(group in file for group in GROUPS) and "window_size" not in file.attrs:
            held = ", ".join(sorted(file)) or "nothing"
            raise InterpretError(f"{path} holds no patterns of modisco (no {' or '.join(GROUPS)}) but {held}")
        window = file.attrs.get("window_size")
        return Patterns(tuple(_patterns(file, path)), None if window is None else int(window))


def _patterns(file: h5py.File, path: Path) -> Iterator[Pattern]:
    for group in GROUPS:
        if group not in file:
            continue
        for name in sorted(file[group], key=_number):
            yield _pattern(file[group][name], f"{group}.{name}", path)


def _number(name: str) -> tuple[int, str]:
    """Put pattern_10 after pattern_9."""
    tail = name.rsplit("_", 1)[-1]
    return (int(tail) if tail.isdigit() else 0, name)


def _pattern(group: Any, name: str, path: Path) -> Pattern:
    missing = [key for key in ("sequence", "contrib_scores", "seqlets") if key not in group]
    if missing:
        raise InterpretError(f"{name} in {path} has no {', '.join(missing)}; run modisco again")
    frequencies = group["sequence"][:].astype(np.float64)
    totals = frequencies.sum(axis=1, keepdims=True)
    # Where all seqlets have N, nothing is known of the base.
    probabilities = np.where(totals > 0, frequencies / np.where(totals > 0, totals, 1), 0.25)
    seqlets = group["seqlets"]
    n = int(np.ravel(seqlets["n_seqlets"][:])[0])
    return Pattern(name, probabilities, group["contrib_scores"][:].astype(np.float64), n, _seqlets(seqlets))


def _seqlets(group: Any) -> Seqlets | None:
    if "example_idx" not in group:
        return None
    row, start, end = (group[key][:].astype(np.int64) for key in ("example_idx", "start", "end"))
    return Seqlets(row, start, end, group["is_revcomp"][:].astype(bool))
