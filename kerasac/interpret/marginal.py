"""Sum up what motifs do in backgrounds, and write it as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file, write_whole
from kerasac.interpret.effects import Effects
from kerasac.interpret.marginal_design import FORWARD, REVERSE, SCRAMBLED, Design
from kerasac.interpret.marginal_job import MarginalJob, MarginalPart

Floats = npt.NDArray[np.float64]

FORMAT_VERSION = 1
BOTH = "both"

DEFINITIONS: Mapping[str, str] = {
    "effect": "The mean over backgrounds of the score of a background with the motif's site in its middle against the "
    "background alone, each the mean over models; _se is the standard deviation over backgrounds / √backgrounds, "
    "_models_sd that over models of their means. Orientation both: the mean of the two of each background.",
    "floor": "The same with the site's bases in another order, drawn anew for each background.",
    "above_floor": "Mean over backgrounds of the motif's score less its scrambled site's, and its standard error.",
    "synergy": "log2fc of both sites less the sum of each alone, in the same place of the same background.",
}


@dataclass(frozen=True, eq=False)
class Marginal:
    """Effects of a design in all backgrounds.

    ``effects`` (backgrounds, models, conditions, G, S) are against the background alone; ``footprints`` (conditions
    without pairs, W, T) mean predicted counts a base.
    """

    design: Design
    scores: Effects
    tasks: tuple[str, ...]
    effects: npt.NDArray[np.float32]
    footprints: Floats

    @property
    def n_backgrounds(self) -> int:
        """Number of backgrounds."""
        return len(self.effects)

    def of(self, motif: int, orientation: str) -> Floats:
        """Return the effects of a motif, (backgrounds, models, G, S)."""
        if orientation == BOTH:
            return (self.of(motif, FORWARD) + self.of(motif, REVERSE)) / 2
        return self.effects[:, :, self.design.condition_of(motif, orientation)].astype(np.float64)

    def mean(self, motif: int, target: int = 0, score: int = 0) -> Estimate:
        """Return the mean effect of a motif over backgrounds and orientations."""
        return estimate(self.of(motif, BOTH)[:, :, target, score].mean(axis=1))

    def floor(self, motif: int, target: int = 0, score: int = 0) -> Estimate:
        """Return the mean effect of its scrambled sites."""
        return estimate(self.of(motif, SCRAMBLED)[:, :, target, score].mean(axis=1))


@dataclass(frozen=True)
class Estimate:
    """A mean over backgrounds, and its standard error; NaN of one background."""

    mean: float
    se: float


def estimate(values: Floats) -> Estimate:
    """Return mean and standard error of values (n,)."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"))


def summarised(job: MarginalJob) -> Marginal:
    """Read the finished shards of a job."""
    part: MarginalPart = job.result()
    return Marginal(job.design, job.effects, job.ends.tasks, part.effects, part.footprints)


def write_marginal(path: Path, marginal: Marginal) -> None:
    """Write a line a motif, orientation and task."""
    names = [name for name in marginal.scores.names if not name.startswith(("ref_", "alt_"))]
    first = names[0]
    header = ["motif", "sequence", "orientation", "task", "n_backgrounds", "n_models"]
    header += [first, f"{first}_se", f"{first}_models_sd", f"{first}_floor", f"{first}_floor_se"]
    header += [f"{first}_above_floor", f"{first}_above_floor_se"]
    header += [column for name in names[1:] for column in (name, f"{name}_se", f"{name}_floor")]
    _write(path, header, _motif_lines(marginal, names))


def write_pairs(path: Path, marginal: Marginal) -> None:
    """Write a line a pair of motifs, orientation of the second, spacing and task."""
    first = marginal.scores.names[0]
    header = ["first", "second", "second_orientation", "spacing_bp", "task", "n_backgrounds", "n_models"]
    for name in (f"{first}_first", f"{first}_second", f"{first}_both", "synergy"):
        header += [name, f"{name}_se"]
    _write(path, header, _pair_lines(marginal))


def write_footprints(path: Path, marginal: Marginal, facts: Mapping[str, Any]) -> None:
    """Write mean predicted counts a base, HDF5: ``counts`` (conditions, W, T) and the names of its axes."""
    design, text = marginal.design, h5py.string_dtype()
    names = ["background"] + [motif.name for motif in design.motifs for _ in (FORWARD, REVERSE, SCRAMBLED)]
    ways = ["."] + [way for _ in design.motifs for way in (FORWARD, REVERSE, SCRAMBLED)]
    width = marginal.footprints.shape[1]
    with whole_file(path) as beside, h5py.File(beside, "w") as file:
        file.create_dataset("counts", data=marginal.footprints.astype(np.float32))
        file.create_dataset("motif", data=names, dtype=text)
        file.create_dataset("orientation", data=ways, dtype=text)
        file.create_dataset("position", data=np.arange(width) - width // 2)
        file.attrs.create("tasks", list(marginal.tasks), dtype=text)
        file.attrs["n_backgrounds"] = marginal.n_backgrounds
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["kerasac_version"] = __version__
        for name, value in facts.items():
            file.attrs[name] = value if isinstance(value, str | int | float) else json.dumps(value)


def _motif_lines(marginal: Marginal, names: Sequence[str]) -> Iterator[list[object]]:
    places = [marginal.scores.names.index(name) for name in names]
    n_models = marginal.effects.shape[1]
    for i, motif in enumerate(marginal.design.motifs):
        floor = marginal.of(i, SCRAMBLED)
        for orientation in (BOTH, FORWARD, REVERSE):
            effects = marginal.of(i, orientation)
            for g, target in enumerate(marginal.scores.targets):
                line: list[object] = [motif.name, motif.letters, orientation, target.name, len(effects), n_models]
                for rank, s in enumerate(places):
                    values, below = effects[:, :, g, s], floor[:, :, g, s]
                    found, lowest = estimate(values.mean(axis=1)), estimate(below.mean(axis=1))
                    line += [found.mean, found.se]
                    if rank:
                        line.append(lowest.mean)
                        continue
                    above = estimate((values - below).mean(axis=1))
                    spread = float(values.mean(axis=0).std(ddof=1)) if n_models > 1 else float("nan")
                    line += [spread, lowest.mean, lowest.se, above.mean, above.se]
                yield line


def _pair_lines(marginal: Marginal) -> Iterator[list[object]]:
    motifs, n_models = marginal.design.motifs, marginal.effects.shape[1]
    for p, pair in enumerate(marginal.design.pairs):
        at = marginal.design.condition_of_pair(p)
        effects = marginal.effects[:, :, at : at + 3, :, 0].astype(np.float64).mean(axis=1)
        for g, target in enumerate(marginal.scores.targets):
            first, second, both = effects[:, :, g].T
            line: list[object] = [motifs[pair.first].name, motifs[pair.second].name, pair.way, pair.spacing_bp]
            line += [target.name, len(effects), n_models]
            for values in (first, second, both, both - first - second):
                found = estimate(values)
                line += [found.mean, found.se]
            yield line


def _write(path: Path, header: Sequence[str], lines: Iterator[list[object]]) -> None:
    rows = ["\t".join(header), *("\t".join(map(_text, line)) for line in lines)]
    write_whole(path, "\n".join(rows) + "\n")


def _text(value: object) -> str:
    if isinstance(value, float):
        return "NA" if np.isnan(value) else f"{value:.6g}"
    return str(value)
