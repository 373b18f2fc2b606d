"""Write windows of one width as BED or narrowPeak."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from kerasac.cache import whole_file
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly, IntArray

_NARROWPEAK = ".narrowPeak"


def is_narrowpeak(path: Path) -> bool:
    """Tell whether a file is narrowPeak by its name, gzipped or not."""
    return path.name.removesuffix(".gz").endswith(_NARROWPEAK)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise ConfigError when the file is there and may not be replaced, or is a folder."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} already exists; use it as it is, or replace it with --overwrite")


def write_windows(path: Path, assembly: Assembly, starts: IntArray, width_bp: int, *, summits: bool) -> None:
    """Write windows in the order of ``starts``, genome rows (n,); gzipped where the name ends in .gz.

    With ``summits`` ten columns, as chrombpnet's non-peak files: ``.`` in columns 4–9 and the middle, width // 2, as
    the summit. Else three.
    """
    chrom = np.searchsorted(assembly.offsets, starts, side="right") - 1
    first = starts - assembly.offsets[chrom]
    table = pd.DataFrame({"chrom": np.array(assembly.names)[chrom], "start": first, "end": first + width_bp})
    if summits:
        table[["name", "score", "strand", "signal", "p", "q"]] = "."
        table["summit"] = width_bp // 2
    with whole_file(path) as beside, beside.open("wb") as out:
        text = table.to_csv(sep="\t", header=False, index=False).encode()
        # Without the time in the header, equal windows are equal files.
        out.write(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
