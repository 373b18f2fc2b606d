"""Look up in files what a command line of kerasAC leaves to them; a translation needs no more than this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.cli.original.architectures import read_parameters
from kerasac.errors import ConfigError

_ROWS = 1 << 20  # of a text file at a time


class LabelFile(NamedTuple):
    """Tasks of a file of labelled bins, and the width of its bins with their flanks."""

    tasks: tuple[str, ...]
    width_bp: int


class Lookups:
    """The files as they are; tests put others in their place."""

    def datasets(self, store: Path) -> tuple[str, ...]:
        """Return the datasets of an array, in the order of its task axis."""
        from kerasac.store.schema import read_layout

        return read_layout(str(store)).datasets

    def chromosomes(self, store: Path | None, fasta: Path) -> tuple[str, ...]:
        """Return the chromosomes of an array, or of a FASTA."""
        if store is None:
            from kerasac.genome.sequence import fasta_assembly

            return fasta_assembly(fasta).names
        from kerasac.store.schema import read_layout

        return read_layout(str(store)).assembly.names

    def labels(self, path: Path) -> LabelFile:
        """Return what a file of labelled bins holds."""
        from kerasac.store.labels.table import open_table

        if not path.is_file():
            raise ConfigError(f"label file {path} does not exist")
        if path.suffix not in (".hdf5", ".h5"):
            return _of_text(path)
        with open_table(path) as table:
            records = table.dataset[:1]
            if not len(records):
                raise ConfigError(f"{path} has no bins")
            start, end = (int(table.column(records, name)[0]) for name in ("START", "END"))
            return LabelFile(table.tasks, end - start)

    def are_classes(self, path: Path, tasks: Sequence[str]) -> bool:
        """Whether the labels of these tasks are 0, 1 and what is ambiguous alone: NaN, or −1 as in old files."""
        blocks = _label_blocks(path, tasks)
        return all(bool((np.isnan(values) | np.isin(values, (-1, 0, 1))).all()) for values in blocks)

    def parameters(self, path: Path) -> Mapping[str, str]:
        """Return the names and values of a table of model parameters."""
        return read_parameters(path)


def _label_blocks(path: Path, tasks: Sequence[str]) -> Iterator[npt.NDArray[np.floating[Any]]]:
    """Yield the labels of some tasks, (bins, tasks) at a time."""
    from kerasac.store.labels.table import open_table

    if path.suffix in (".hdf5", ".h5"):
        with open_table(path) as table:
            for records in table.records():
                yield np.stack([table.column(records, task) for task in tasks], axis=1)
        return
    import pandas as pd

    for rows in pd.read_csv(path, sep="\t", usecols=list(tasks), chunksize=_ROWS):
        yield rows[list(tasks)].to_numpy(dtype=float)


def _of_text(path: Path) -> LabelFile:
    import pandas as pd

    first = pd.read_csv(path, sep="\t", nrows=1)
    chrom, start, end, *tasks = first.columns
    del chrom
    if not len(first):
        raise ConfigError(f"{path} has no bins")
    return LabelFile(tuple(tasks), int(first[end].iloc[0]) - int(first[start].iloc[0]))
