"""Make files of contributions whose bases with a contribution are known, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from kerasac.genome.sequence import encode, one_hot

SIZES = {"chr1": 10_000, "chr2": 5_000}


def write_contributions(
    path: Path,
    sequences: np.ndarray,
    hypothetical: np.ndarray,
    *,
    chrom: str | list[str] = "chr1",
    start: np.ndarray | None = None,
    head: str = "counts",
    sizes: Mapping[str, int] = SIZES,
) -> Path:
    """Write our layout, of tokens (n, L) and hypothetical contributions (n, L, 4); by default windows touch."""
    n, width = sequences.shape
    start = np.arange(n) * width if start is None else np.asarray(start)
    with h5py.File(path, "w") as file:
        file["hyp_scores"] = hypothetical.astype(np.float32)
        file["input_seqs"] = one_hot(sequences).astype(np.int8)
        names = [chrom] * n if isinstance(chrom, str) else chrom
        file.create_dataset("coords_chrom", data=names, dtype=h5py.string_dtype())
        file["coords_start"], file["coords_end"] = start, start + width
        file["center"] = start + width // 2
        file.create_dataset("chroms", data=list(sizes), dtype=h5py.string_dtype())
        file["chrom_sizes"] = np.array(list(sizes.values()))
        file.attrs.update({"head": head, "tasks": ["plus"], "format_version": 1})
    return path


def with_motif(
    n: int, width: int, motif: str, *, height: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random windows (n, width), contributions that are ``height`` on a motif's letters, and its first bases.

    The motif lies once in each window, in every second one as its reverse complement. Elsewhere contributions are
    noise of a hundredth of the height, and every other base's are a third of the negative of those of the motif.
    """
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, 4, (n, width)).astype(np.uint8)
    hypothetical = rng.normal(0, height / 100, (n, width, 4))
    starts = rng.integers(width // 4, 3 * width // 4 - len(motif), n)
    forward = encode(motif)
    for i, at in enumerate(starts.tolist()):
        letters = forward if i % 2 == 0 else 3 - forward[::-1]
        tokens[i, at : at + len(motif)] = letters
        hypothetical[i, at : at + len(motif)] += height * np.where(one_hot(letters) > 0, 1, -1 / 3)
    return tokens, hypothetical, starts
