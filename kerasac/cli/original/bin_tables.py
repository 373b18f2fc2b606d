"""Read tables of labels and predictions of bins that lie under any names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasac.errors import ConfigError
from kerasac.steps.binned_predictions import (
    BinnedPredictions,
    labels_path,
    predictions_path,
    read_binned_predictions,
)


@contextmanager
def linked(labels: Path, predictions: Path, name: str = "bins") -> Iterator[Path]:
    """Yield a prefix under which both tables lie, as the library names them."""
    for path in (labels, predictions):
        if not path.is_file():
            raise ConfigError(f"{path} does not exist")
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / name
        labels_path(prefix).symlink_to(labels.absolute())
        predictions_path(prefix).symlink_to(predictions.absolute())
        yield prefix


def read_pair(labels: Path, predictions: Path) -> BinnedPredictions:
    """Read two tables of the same bins.

    Raises
    ------
    ScoreError
        When they are not of the same bins and tasks.
    """
    with linked(labels, predictions) as prefix:
        return read_binned_predictions(prefix)
