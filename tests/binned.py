"""Make label files of the tiny genome, and an experiment of their bins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tiny import ASSEMBLY, make_tiny_files

from kerasac.config import Experiment, make_experiment

BIN_BP, STRIDE = 200, 100
TASKS = ("strong", "peak")
SMALL = {"filters": [16, 16], "kernels": [9, 5], "pools": [4, 4], "dense": [16], "dropout": 0.0}


def bins() -> pd.DataFrame:
    """Return all bins of the tiny genome, with the number of each as its only column."""
    rows = [
        (chrom, start, start + BIN_BP)
        for chrom, size in ASSEMBLY.as_dict().items()
        for start in range(0, size - BIN_BP + 1, STRIDE)
    ]
    table = pd.DataFrame(rows, columns=["CHR", "START", "END"])
    return table.assign(number=np.arange(len(table), dtype=np.float32))


def write_labels(path: Path, table: pd.DataFrame) -> Path:
    """Write a label file as tab-separated text."""
    table.to_csv(path, sep="\t", index=False, na_rep="NaN")
    return path


def make_binned_files(folder: Path) -> None:
    """Write the tiny genome, and labels.tsv: 1 where a peak's summit is in the middle half of the bin.

    ``strong`` are the peaks with motifs, ``peak`` all of them; bins beside a peak's are ambiguous.
    """
    make_tiny_files(folder)
    table = bins().drop(columns="number")
    peaks = pd.read_csv(folder / "peaks.narrowPeak", sep="\t", header=None)
    for task, chosen in (("strong", peaks.groupby(0).nth(list(range(0, 48, 2)))), ("peak", peaks)):
        table[task] = np.float32(0)
        for chrom, start, offset in zip(chosen[0], chosen[1], chosen[9], strict=True):
            away = (table.START + BIN_BP // 2 - (start + offset)).abs()
            here = chrom == table.CHR
            table.loc[here & (away <= 60), task] = 1
            table.loc[here & (away > 60) & (away < 160) & (table[task] == 0), task] = np.nan
    write_labels(folder / "labels.tsv", table)
    gc = bins().rename(columns={"number": "gc"})
    gc["gc"] = np.random.default_rng(0).random(len(gc)).astype(np.float32)
    write_labels(folder / "gc.tsv", gc)


def binned_experiment(folder: Path, **changes: Any) -> Experiment:
    """Return an experiment on the files of :func:`make_binned_files`; ``changes`` replace top-level keys."""
    document: dict[str, Any] = {
        "name": "binned",
        "genome": {"fasta": "genome.fa"},
        "labels": "labels.tsv",
        "inputs": [{"name": "sequence", "source": "seq", "flank": BIN_BP // 2}],
        "outputs": [{"name": "labels", "source": list(TASKS), "kind": "classification"}],
        "sampling": {"bins": {"thresholds": [0.5], "ratios": [0.4]}, "train_size": 200},
        "model": {"architecture": "basset", **SMALL},
        "folds": {"n": 3},
        "seeds": [1],
        "compute": {"gpus": 0},
        "training": {"epochs": 2, "batch_size": 32, "learning_rate": 0.01},
    }
    return make_experiment(document | changes, base=folder, origin="binned experiment")
