"""Write a training's logs as kerasAC does."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from kerasac.cache import write_whole
from kerasac.errors import ConfigError
from kerasac.steps.history import read_history

_NO_METRICS = ("epoch", "learning_rate", "seconds")


def write_log(history: Path, out: Path) -> None:
    """Write ``.log``: an epoch a row, from 0, then losses by name, with commas between, as Keras's CSVLogger does."""
    rows = read_history(history)
    if not rows:
        raise ConfigError(f"{history} has no epoch; train again")
    names = losses_of(history)
    lines = [",".join(["epoch", *names])]
    lines += [",".join([str(int(row["epoch"]) - 1), *(repr(row[name]) for name in names)]) for row in rows]
    write_whole(out, "\n".join(lines) + "\n")


def losses_of(history: Path) -> list[str]:
    """Return the names of what a history has for each epoch, in order."""
    return sorted(name for row in read_history(history)[:1] for name in row if name not in _NO_METRICS)


def write_batch_log(batches: Path, out: Path, trackables: Sequence[str]) -> None:
    """Write ``.log.batch``: Epoch and Batch, both from 0, and what is tracked, with tabs between.

    What a batch does not have, as validation losses, is None, as in kerasAC.
    """
    lines = ["\t".join(["Epoch", "Batch", *trackables])]
    if batches.exists():
        with batches.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                lines.append("\t".join([row["epoch"], row["batch"], *(row.get(name, "None") for name in trackables)]))
    write_whole(out, "\n".join(lines) + "\n")
