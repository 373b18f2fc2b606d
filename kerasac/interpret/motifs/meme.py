"""Read and write motifs in MEME's minimal text format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.cache import write_whole
from kerasac.errors import InterpretError
from kerasac.genome.assembly import open_text

Floats = npt.NDArray[np.floating[Any]]

ROW_TOLERANCE = 0.01  # of the sum of a position's probabilities; MEME's own
_HEAD = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25
"""
_MATRIX = "letter-probability matrix"
_WIDTH = re.compile(r"\bw=\s*(\d+)")
_ALPHABET = re.compile(r"ALPHABET\s*=\s*(\S+)")


def read_meme(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Read the motifs of a MEME file, gzipped or not, in its order.

    Returns
    -------
    dict
        Probabilities, shape (L, 4), in A, C, G, T order, each row scaled to sum to 1. A motif's name is its identifier,
        followed by a blank and its other name where it has one: ``MA0363.3 REB1``.

    Raises
    ------
    InterpretError
        For a file of another format or alphabet, a position that is no probability, a name that is there twice.
    """
    motifs: dict[str, npt.NDArray[np.float64]] = {}
    with open_text(path) as text:
        lines = enumerate(text, start=1)
        _check_head(lines, path)
        for name, matrix, number in _motifs(lines, path):
            if name in motifs:
                raise InterpretError(f"{path} line {number}: a second motif {name!r}; give each a name of its own")
            motifs[name] = matrix
    if not motifs:
        raise InterpretError(f"{path} holds no motif: no line begins with MOTIF and is followed by a {_MATRIX}")
    return motifs


def write_meme(path: Path, motifs: Mapping[str, Floats], *, n_sites: Mapping[str, int] | None = None) -> None:
    """Write motifs, probabilities of shape (L, 4) by name, with an even background.

    What follows a name's first blank becomes the motif's other name. ``n_sites`` says of how many sites each was made;
    those that it does not name are written with 20, MEME's default.

    Raises
    ------
    InterpretError
        For a matrix of another shape, or a position whose probabilities do not sum to 1.
    """
    parts = [_HEAD]
    for name, matrix in motifs.items():
        checked = as_probabilities(np.asarray(matrix, dtype=np.float64), f"motif {name!r}")
        sites = (n_sites or {}).get(name, 20)
        rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in checked)
        parts.append(f"MOTIF {name}\n{_MATRIX}: alength= 4 w= {len(checked)} nsites= {sites} E= 0\n{rows}\n")
    write_whole(path, "\n".join(parts))


def as_probabilities(matrix: npt.NDArray[np.float64], what: str) -> npt.NDArray[np.float64]:
    """Return a matrix (L, 4) with rows scaled to sum to 1; ``what`` names it in errors.

    Raises
    ------
    InterpretError
        For another shape, values that are no probabilities, or rows whose sum is off by more than 0.01.
    """
    if matrix.ndim != 2 or matrix.shape[1] != 4 or not len(matrix):
        raise InterpretError(f"{what} has shape {matrix.shape}; expected (positions, 4), in A, C, G, T order")
    totals = matrix.sum(axis=1)
    odd = np.flatnonzero(~(np.isfinite(matrix).all(axis=1) & (matrix >= 0).all(axis=1)))
    odd = odd if len(odd) else np.flatnonzero(np.abs(totals - 1) > ROW_TOLERANCE)
    if len(odd):
        row = [round(value, 6) for value in matrix[odd[0]].tolist()]
        raise InterpretError(f"{what}: position {odd[0] + 1} has {row}; probabilities are at least 0 and sum to 1")
    return np.asarray(matrix / totals[:, None])


class _Motif(NamedTuple):
    name: str
    matrix: npt.NDArray[np.float64]
    line: int


_Lines = Iterator[tuple[int, str]]


def _check_head(lines: _Lines, path: Path) -> None:
    """Read up to the line that says that a file is MEME's."""
    for _, line in lines:
        if line.startswith("MEME version"):
            return
        if line.strip() and not line.startswith(("#", "*")):
            break
    raise InterpretError(f"{path} is not in MEME format: its first line is not 'MEME version 4'")


def _motifs(lines: _Lines, path: Path) -> Iterator[_Motif]:
    name, begun = "", 0
    for number, line in lines:
        if alphabet := _ALPHABET.match(line):
            if alphabet[1].upper() != "ACGT":
                raise InterpretError(f"{path} line {number}: the alphabet is {alphabet[1]}; motifs of DNA have ACGT")
        elif line.startswith("MOTIF"):
            name, begun = _name(line, path, number), number
        elif line.startswith(_MATRIX) and name:
            width = _WIDTH.search(line)
            matrix = _matrix(lines, path, name, int(width[1]) if width else None)
            yield _Motif(name, matrix, begun)
            name = ""


def _name(line: str, path: Path, number: int) -> str:
    words = line.split()[1:]
    if not words:
        raise InterpretError(f"{path} line {number}: a motif without a name")
    return " ".join(words if words[1:] != words[:1] else words[:1])


def _matrix(lines: _Lines, path: Path, name: str, width: int | None) -> npt.NDArray[np.float64]:
    """Read as many rows as the matrix has, or up to the first line that is none where it does not say."""
    rows: list[list[float]] = []
    for number, line in lines:
        fields = line.split()
        if not fields and not rows:
            continue
        try:
            row = [float(field) for field in fields]
        except ValueError:
            row = []
        if len(row) != 4:
            if width is None and rows and not fields:
                break
            found = line.strip()[:60] or "an empty line"
            raise InterpretError(f"{path} line {number}: motif {name!r}: expected four probabilities, found {found!r}")
        rows.append(row)
        if len(rows) == width:
            break
    if width is not None and len(rows) != width:
        raise InterpretError(f"{path} ends within motif {name!r}: {len(rows)} of its {width} positions are there")
    return as_probabilities(_array(rows), f"{path}: motif {name!r}")


def _array(rows: Iterable[list[float]]) -> npt.NDArray[np.float64]:
    return np.array(list(rows), dtype=np.float64).reshape(-1, 4)
