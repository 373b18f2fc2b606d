"""Find what ranks windows or bins in a run, a unit or a predictions file: predictions, and which are positive."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import ScoreError
from kerasac.steps.binned_predictions import predictions_path, read_binned_predictions
from kerasac.steps.predictions import open_predictions
from kerasac.steps.summary import unit_order

Positives = Literal["peaks", "positive bins"]

_PROFILE, _BINNED = "predictions.h5", "test"  # a unit's predictions of its test windows
_OUTPUT = re.compile(r"\.(?:predictions|labels)\.(\d+)$")


class Ranked(NamedTuple):
    """One task's windows: what is predicted of them, and which are positive; both (n,)."""

    predicted: npt.NDArray[np.float32]
    positive: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """A configuration: where the predictions of its units lie, by unit name."""

    name: str
    units: Mapping[str, Path]

    def read(self, unit: str) -> tuple[Positives, dict[str, Ranked]]:
        """Read a unit's test windows, by task."""
        return read_ranked(self.units[unit])


def find_sources(paths: Sequence[Path], names: Sequence[str] = ()) -> tuple[Source, ...]:
    """Find the predictions of run folders, unit folders, prefixes of two tables of bins, and predictions files.

    Without ``names`` a source has its folder's or file's name, with as much of its path as tells it from the others.

    Raises
    ------
    ScoreError
        When one of them is none of these, or names are too few or not distinct.
    """
    if names and (len(names) != len(paths) or len(set(names)) != len(names)):
        raise ScoreError(f"{len(names)} names ({', '.join(names)}) for {len(paths)} sources; give each its own name")
    resolved = [path.resolve() for path in paths]
    twice = {str(path) for path in paths if resolved.count(path.resolve()) > 1}
    if twice:
        raise ScoreError(f"{', '.join(sorted(twice))} is given more than once; name each source once")
    return tuple(Source(name, _units(path)) for name, path in zip(names or _distinct(resolved), paths, strict=True))


def read_ranked(path: Path) -> tuple[Positives, dict[str, Ranked]]:
    """Read what a file of predictions says of its windows, by task; ``path`` of bins is that of their predictions.

    Bins are ranked by probability, ambiguous ones left out; windows with a profile by log count, positive is a peak.

    Raises
    ------
    ScoreError
        When nothing in it is positive or negative: regressions of bins, and windows that are all peaks.
    """
    found = _OUTPUT.search(path.name)
    if found is None:
        return "peaks", _ranked_windows(path)
    prefix = path.with_name(path.name[: found.start()])
    return "positive bins", _ranked_bins(prefix, int(found.group(1)))


def _ranked_bins(prefix: Path, output: int) -> dict[str, Ranked]:
    bins = read_binned_predictions(prefix, output=output)
    labels = bins.labels.values
    if bins.kind == "regression" or not np.isin(labels[~np.isnan(labels)], (0, 1)).all():
        raise ScoreError(
            f"the labels of {prefix} are values, not classes 0 and 1, so there is nothing to find; "
            "curves are of classifications, and of peaks against background"
        )
    labelled = ~np.isnan(labels)
    return {
        task: Ranked(bins.predicted[labelled[:, i], i], labels[labelled[:, i], i] == 1)
        for i, task in enumerate(bins.labels.tasks)
    }


def _ranked_windows(path: Path) -> dict[str, Ranked]:
    with open_predictions(path) as file:
        if file.is_peak.all() or not file.is_peak.any():
            which = "peaks" if file.is_peak.any() else "background"
            raise ScoreError(
                f"all {file.n_windows:,} windows of {path} are {which}; curves of peaks against background need both"
            )
        counts = file.logcount(slice(None))
        return {task: Ranked(counts[:, i], file.is_peak) for i, task in enumerate(file.tasks)}


def _units(path: Path) -> dict[str, Path]:
    """Return the file of each unit's predictions, by the unit's name."""
    if path.is_dir():
        units = dict(_units_of(path))
        if not units:
            raise ScoreError(
                f"{path} is no run with predicted units: neither it nor a fold-*/seed-* in it has {_PROFILE} or "
                f"{_BINNED}.predictions.0; run 'kerasac-ray cv' until one is done"
            )
        return units
    if predictions_path(path).is_file():
        return {path.name: predictions_path(path)}
    if path.is_file():
        return {path.name: path}
    raise ScoreError(
        f"{path} is neither a run's folder, a unit's, a file of predictions, nor a prefix with .predictions.0 beside it"
    )


def _units_of(folder: Path) -> Iterator[tuple[str, Path]]:
    own = _predictions_in(folder)
    if own is not None:
        yield f"{folder.resolve().parent.name}/{folder.resolve().name}", own
        return
    names = (str(unit.relative_to(folder)) for unit in folder.glob("fold-*/seed-*"))
    for name in sorted(names, key=unit_order):
        found = _predictions_in(folder / name)
        if found is not None:
            yield name, found


def _predictions_in(unit: Path) -> Path | None:
    candidates = (unit / _PROFILE, predictions_path(unit / _BINNED))
    return next((path for path in candidates if path.is_file()), None)


def _distinct(paths: Sequence[Path]) -> list[str]:
    """Return the ends of paths, as short as they all differ; a unit's has its run in it."""
    depths = [3 if _predictions_in(path) is not None else 1 for path in paths]
    while True:
        names = ["/".join(path.parts[-depth:]) for path, depth in zip(paths, depths, strict=True)]
        if len(set(names)) == len(names):
            return names
        depths = [depth + (names.count(name) > 1) for depth, name in zip(depths, names, strict=True)]
