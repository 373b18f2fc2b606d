"""Say which windows a batch has that ended a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerasac.cache import write_whole
from kerasac.sampling.plan import Windows
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.steps.prepared import Prepared

_NAMED = 3


def describe_batch(batch: Windows, prepared: Prepared, path: Path) -> str:
    """Return the first windows and how many hold values that are not finite; ``path`` gets a row a window.

    Its columns: chromosome, centre (0-based), strand, and whether all its values are finite. Labels of bins may be
    NaN, where they are ambiguous, and are not looked at.
    """
    chroms, centers = batch.coordinates(prepared.assembly)
    finite = _finite(batch, prepared)
    strands = np.where(batch.reverse, "-", "+")
    rows = zip(chroms.tolist(), centers.tolist(), strands.tolist(), finite.tolist(), strict=True)
    lines = [f"{chrom}\t{center}\t{strand}\t{str(good).lower()}\n" for chrom, center, strand, good in rows]
    write_whole(path, "chrom\tcenter\tstrand\tfinite\n" + "".join(lines))
    order = np.argsort(finite, kind="stable")[:_NAMED]  # those that are not finite first
    named = ", ".join(f"{chroms[i]}:{centers[i]}" for i in order)
    n_bad = int((~finite).sum())
    data = "its data are finite"
    if n_bad:
        data = f"{n_bad} of its {len(batch)} windows have values that are not finite: mend the track or blacklist them"
    return f" (windows {named}, …; all in {path}; {data})"


def _finite(batch: Windows, prepared: Prepared) -> npt.NDArray[np.bool_]:
    good = np.ones(len(batch), dtype=bool)
    if not isinstance(prepared, PreparedBins):
        for values in prepared.source.read(batch).values():
            if values.dtype.kind == "f":
                good &= np.isfinite(values).reshape(len(batch), -1).all(axis=1)
    return good
