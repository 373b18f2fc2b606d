"""Look at BED files of peaks: what their rows have, and where the peaks lie."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cache import local_copy
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, open_text
from kerasac.genome.intervals import NARROWPEAK_SUMMIT, Spans

_LOOKED_AT = 100  # lines
_HEADERS = ("#", "track", "browser")


class BedShape(NamedTuple):
    """Columns of a BED file, and whether the tenth is a summit, as in narrowPeak."""

    n_columns: int
    has_summits: bool


def bed_shape(path: Path) -> BedShape | None:
    """Return the shape of a BED file by its first lines; None when it is none, or empty."""
    rows = list(islice(_rows(path), _LOOKED_AT))
    if not rows or not all(_is_interval(row) for row in rows):
        return None
    n_columns = min(map(len, rows))
    summits = n_columns == NARROWPEAK_SUMMIT + 1 and all(_is_summit(row[NARROWPEAK_SUMMIT]) for row in rows)
    return BedShape(n_columns, summits)


def region_shape(path: Path) -> BedShape:
    """Return the shape of a file that is said to hold peaks; raises ConfigError when it is no BED file."""
    shape = bed_shape(local_copy(path))
    if shape is None:
        raise ConfigError(f"{path} holds no peaks: no lines of 'chrom<TAB>start<TAB>end'")
    return shape


def n_chroms_of(spans: Spans, assembly: Assembly) -> int:
    """Count the chromosomes on which spans begin."""
    return len(np.unique(np.searchsorted(assembly.offsets, spans.starts, side="right")))


def _rows(path: Path) -> Iterator[list[str]]:
    with open_text(path) as lines:
        for line in lines:
            if line.strip() and not line.startswith(_HEADERS):
                fields = line.rstrip("\n").split("\t")
                yield fields if len(fields) >= 3 else line.split()


def _is_interval(row: list[str]) -> bool:
    return len(row) >= 3 and row[1].isdigit() and row[2].strip().isdigit()


def _is_summit(field: str) -> bool:
    return field.strip().removeprefix("-").isdigit()
