"""Open collections of known motifs: JASPAR's, which come with pyjaspar, or a MEME file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from kerasac.interpret.motifs.choices import Group
from kerasac.interpret.motifs.extra import need
from kerasac.interpret.motifs.meme import as_probabilities, read_meme
from kerasac.interpret.motifs.patterns import Floats

RELEASE = "JASPAR2024"

# Tables of pyjaspar's SQLite files; its own look-up of every motif by itself takes a hundred times as long.
_NEWEST = """
SELECT m.ID, m.BASE_ID || '.' || m.VERSION, m.NAME FROM MATRIX m JOIN MATRIX_ANNOTATION a ON a.ID = m.ID
WHERE m.COLLECTION = 'CORE' AND a.TAG = 'tax_group' AND (a.VAL = :group OR :group = 'all')
AND m.VERSION = (SELECT MAX(VERSION) FROM MATRIX WHERE BASE_ID = m.BASE_ID AND COLLECTION = 'CORE') ORDER BY 2
"""
_COUNTS = "SELECT ID, row, val FROM MATRIX_DATA ORDER BY ID, row, col"


@dataclass(frozen=True, eq=False)
class Database:
    """Known motifs, probabilities of shape (L, 4), by name (``MA0363.3 REB1``), and where they are from."""

    title: str
    motifs: dict[str, Floats]


@cache
def jaspar(group: Group = Group.ALL) -> Database:
    """Return the newest version of each motif of JASPAR CORE, of one taxonomic group or of all; needs no network."""
    need("pyjaspar")
    from pyjaspar import jaspardb

    with closing(jaspardb(release=RELEASE).conn) as connection:
        names = {key: f"{identifier} {name}" for key, identifier, name in connection.execute(_NEWEST, {"group": group})}
        counts: dict[int, dict[str, list[float]]] = {key: {base: [] for base in "ACGT"} for key in names}
        for key, base, value in connection.execute(_COUNTS):
            if key in counts:
                counts[key][base].append(value)
    motifs = {name: _probabilities(counts[key], name) for key, name in names.items()}
    return Database(f"{RELEASE} CORE, {group.value}", motifs)


def meme_database(path: Path) -> Database:
    """Return the motifs of a MEME file."""
    return Database(path.name, read_meme(path))


def _probabilities(counts: dict[str, list[float]], name: str) -> Floats:
    """Return base frequencies, (L, 4), of counts by base."""
    matrix = np.array([counts[base] for base in "ACGT"], dtype=np.float64).T
    return as_probabilities(matrix / matrix.sum(axis=1, keepdims=True), f"{RELEASE}: {name}")
