"""Sum up the scores of variants over models, and write them as tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from kerasac.cache import whole_file
from kerasac.interpret.model_average import Averages, ModelSet
from kerasac.interpret.variant_job import VariantJob
from kerasac.interpret.variant_null import p_values, q_values

Floats = npt.NDArray[np.float32]

TESTED = ("log2fc", "jsd", "log_odds", "difference")
NOT_KNOWN = "NA"
_WHO = ("id", "chrom", "pos", "ref", "alt", "swapped", "task")


def largest(effects: Sequence[Floats], n: int) -> list[tuple[int, int]]:
    """Return the ``n`` variants with the largest effects, largest first, and where each effect was found.

    ``effects`` (variants,) each: of a variant the first one that is known counts.
    """
    found = np.full(len(effects[0]), np.nan)
    chosen = np.zeros(len(found), dtype=np.int64)
    for place, values in enumerate(effects):
        fresh = np.isnan(found) & ~np.isnan(values)
        found[fresh], chosen[fresh] = values[fresh], place
    order = np.argsort(-np.abs(np.nan_to_num(found)), kind="stable")
    return [(int(row), int(chosen[row])) for row in order[:n] if not np.isnan(found[row])]


def read_scores(path: Path, task: str, names: Sequence[str], models: str) -> Floats:
    """Read the scores of a task that a set of models gave, from a table of :func:`write_scores`, (variants, S)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["task"] == task]
    columns = [f"{name}_{models}" for name in names]
    return np.array(
        [[np.nan if row[name] == NOT_KNOWN else float(row[name]) for name in columns] for row in rows], np.float32
    )


def write_scores(path: Path, job: VariantJob, sets: Sequence[tuple[ModelSet, Averages]]) -> None:
    """Write a line a variant and task: scores averaged over each set of models, with p and q where there is a null."""
    header = list(_WHO)
    columns: list[npt.NDArray[np.float64]] = []
    for models, found in sets:
        names, values = _columns(job, models, found)
        header += names
        columns.append(values)
    table = np.concatenate(columns, axis=2)
    with whole_file(path) as beside, beside.open("w", encoding="utf-8") as out:
        _write(out, header)
        for i, who in enumerate(_who(job)):
            for target, values in zip(job.effects.targets, table[i], strict=True):
                _write(out, (*who, target.name, *map(_text, values.tolist())))


def write_folds(path: Path, job: VariantJob, names: Sequence[str], held_out: ModelSet | None) -> None:
    """Write a line a variant, task and model that scored it; ``names`` are the models'."""
    with whole_file(path) as beside, beside.open("w", encoding="utf-8") as out:
        _write(out, (*_WHO, "model", "held_out", *job.effects.names))
        who = _who(job)
        for shard in range(job.n_shards):
            items = np.arange(job.n_items)[job.rows(shard)]
            for i, scores in zip(items[items < len(job.variants)].tolist(), job.scores(shard), strict=False):
                chrom, variant = job.variants.chrom[i], next(who)
                for m, name in enumerate(names):
                    if not job.uses[chrom, m]:
                        continue
                    is_held_out = NOT_KNOWN if held_out is None else int(held_out.used[chrom, m])
                    for target, values in zip(job.effects.targets, scores[m], strict=True):
                        _write(out, (*variant, target.name, name, is_held_out, *map(_text, values.tolist())))


def _columns(job: VariantJob, models: ModelSet, found: Averages) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return names and values (variants, G, columns) of a set's columns."""
    n, names = len(job.variants), job.effects.names
    header = [f"{name}_{models.name}" for name in (*names, f"{names[0]}_sd", "n_models")]
    spread = found.sd[:n, :, :1]
    numbers = np.broadcast_to(found.n[:n, None, None], (n, found.mean.shape[1], 1))
    values: list[npt.NDArray[Any]] = [found.mean[:n].astype(np.float64), spread, numbers]
    if len(job.draws):
        is_indel = job.variants.is_indel
        for s, name in enumerate(names):
            if name not in TESTED:
                continue
            p = [
                p_values(found.mean[:n, g, s], is_indel, found.mean[n:, g, s], is_indel[job.draws.rows])
                for g in range(len(job.effects.targets))
            ]
            header += [f"{name}_p_{models.name}", f"{name}_q_{models.name}"]
            values += [np.stack(p, axis=1)[:, :, None], np.stack([q_values(one) for one in p], axis=1)[:, :, None]]
    return header, np.concatenate(values, axis=2)


def _who(job: VariantJob) -> Iterator[tuple[object, ...]]:
    """Yield the first columns of each variant, but for the task."""
    given = job.variants.given(job.reading.assembly)
    yield from ((*one, int(swapped)) for one, swapped in zip(given, job.variants.swapped.tolist(), strict=True))


def _write(out: TextIO, fields: Iterable[object]) -> None:
    out.write("\t".join(map(str, fields)) + "\n")


def _text(value: float) -> str:
    return NOT_KNOWN if np.isnan(value) else f"{value:.6g}"
