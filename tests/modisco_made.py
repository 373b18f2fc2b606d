"""Make files as modisco-lite writes them, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np


class Made(NamedTuple):
    """A pattern: probabilities (L, 4), and where its seqlets are: row, start, end, whether reversed."""

    probabilities: np.ndarray
    seqlets: list[tuple[int, int, int, bool]]
    sign: int = 1


def write_modisco(path: Path, patterns: Mapping[str, Made], *, window_bp: int | None = 400) -> Path:
    """Write patterns by name, ``pos_patterns/pattern_0``; contributions are the probabilities times the sign."""
    with h5py.File(path, "w") as file:
        if window_bp is not None:
            file.attrs["window_size"] = window_bp
        for name, one in patterns.items():
            group = file.create_group(name)
            group["sequence"] = one.probabilities
            group["contrib_scores"] = group["hypothetical_contribs"] = one.sign * one.probabilities
            seqlets = group.create_group("seqlets")
            seqlets["n_seqlets"] = np.array([len(one.seqlets)])
            columns = zip(*one.seqlets, strict=True) if one.seqlets else ((), (), (), ())
            for key, column in zip(("example_idx", "start", "end", "is_revcomp"), columns, strict=True):
                seqlets[key] = np.array(column, dtype=bool if key == "is_revcomp" else np.int64)
    return path


def padded(matrix: np.ndarray, before: int, after: int) -> np.ndarray:
    """Put positions at which nothing is known around a motif."""
    return np.concatenate([np.full((before, 4), 0.25), matrix, np.full((after, 4), 0.25)])
