"""Label all bins of a genome for all tasks of a table."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.cache import ShardMap, in_process, locked, remove, remove_parts
from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly, naming_hint, read_chrom_sizes
from kerasac.genome.intervals import Spans
from kerasac.store.cells import check_file
from kerasac.store.labels.approaches import TaskBins, find_bins
from kerasac.store.labels.bins import BinGrid
from kerasac.store.labels.blocks import Block, label_block
from kerasac.store.labels.files import Labels, count_pieces, write_files
from kerasac.store.labels.matrix import LabelMatrix
from kerasac.store.labels.outputs import OutputSpec, plan_files
from kerasac.store.labels.spec import LabelSpec
from kerasac.store.labels.tasks import LabelTask, check_tasks, read_tasks
from kerasac.store.tables import AttributeType

_BLOCK_BP = 1 << 23  # bases of a block: a fraction of a second of work

logger = logging.getLogger(__name__)


class TaskCounts(NamedTuple):
    """Bins of a task: labelled above 0, and ambiguous (NaN)."""

    task: str
    n_positive: int
    n_ambiguous: int


class LabelReport(NamedTuple):
    """What was labelled, and the files written."""

    files: tuple[Path, ...]
    n_bins: int
    counts: tuple[TaskCounts, ...]


class Shard(NamedTuple):
    """A block of a task, and where in the matrix its labels go."""

    matrix: LabelMatrix
    task: int
    low: int
    block: Block


def write_labels(
    tasks: Path,
    chrom_sizes: Path,
    output: OutputSpec,
    spec: LabelSpec,
    *,
    base: Path | None = None,
    keep: Sequence[str] = (),
    exclude: Sequence[str] = (),
    shards: ShardMap = in_process,
    progress: Callable[[int, int], None] | None = None,
) -> LabelReport:
    """Label the bins of a genome for the tasks of a table, as seqdataloader's ``genomewide_labels`` does.

    Blocks of each task and chromosome are labelled into a matrix on disk, beside the output; then the files are written
    from it, and get their names when all are whole. Two processes with the same output work one after the other.

    Parameters
    ----------
    tasks: table of tasks, see :func:`kerasac.store.labels.tasks.read_tasks`.
    base: folder that relative paths in it are relative to; by default the table's own, else the working directory.
    keep, exclude: chromosomes to label, by default all of ``chrom_sizes``, and not to.
    shards: labels blocks and formats text; by default this process does, one after the other.
    progress: called with (steps done, steps in all).

    Raises
    ------
    StoreError, GenomeError
        When an output exists, or any input is missing or does not fit; no file is written.
    RunError
        When the file system of the output has no locks.
    """
    genome = read_chrom_sizes(chrom_sizes)
    grid = BinGrid(_chosen(genome, keep, exclude, chrom_sizes), spec.bins)
    if grid.too_short:
        logger.warning("%d chromosomes are shorter than a bin with its flanks and skipped", len(grid.too_short))
    table = read_tasks(tasks, base=base)
    names = tuple(task.name for task in table)
    files = plan_files(output, grid, names)
    check_tasks(table, spec)
    for task in table:
        if spec.approach.needs_bigwig and task.bigwig is not None:
            check_file(AttributeType.BIGWIG, task.bigwig, grid.assembly)
    bins = [find_bins(task, spec, grid, genome) for task in table]

    with _scratch_folder(output.path) as scratch:
        plan_files(output, grid, names)  # again: another process may have written them meanwhile
        remove_parts(output.path.parent, {file.path.name for file in files})
        labels = Labels(LabelMatrix(scratch / "matrix", len(table), grid.total), names, grid)
        todo = [shard for i, task in enumerate(table) for shard in _shards(labels, i, task, bins[i], spec)]
        step = _Steps(len(todo) + count_pieces(files), progress)
        counts = _label(labels, todo, shards, step)
        settings = {"labels": asdict(spec), "above": output.above}
        write_files(labels, files, output, settings, scratch=scratch, shards=shards, step=step)
    return LabelReport(tuple(file.path for file in files), grid.total, counts)


def label_shard(shard: Shard) -> tuple[int, int, int]:
    """Label a block and write it into the matrix; return its task, and how many bins are above 0 and ambiguous."""
    labels = label_block(shard.block)
    shard.matrix.write(shard.task, shard.low, labels)
    return shard.task, int((labels > 0).sum()), int(np.isnan(labels).sum())


@contextmanager
def _scratch_folder(out: Path) -> Iterator[Path]:
    """Give one process at a time a folder beside its output, and remove what a killed one left of it."""
    folder = out.with_name(f".{out.name}.scratch")
    with locked(out.with_name(f".{out.name}.lock"), remove_after=True):
        remove(folder)
        folder.mkdir()
        try:
            # Each has its own in there: workers of a killed process may go on for a moment, and write to its files.
            yield Path(tempfile.mkdtemp(dir=folder))
        finally:
            remove(folder)


def _label(labels: Labels, todo: Sequence[Shard], shards: ShardMap, step: Callable[[], None]) -> tuple[TaskCounts, ...]:
    labels.matrix.create()
    logger.info("labelling %d bins for %d tasks in %d blocks", labels.grid.total, len(labels.tasks), len(todo))
    counts = np.zeros((len(labels.tasks), 2), dtype=np.int64)
    for task, n_positive, n_ambiguous in shards(label_shard, todo):
        counts[task] += n_positive, n_ambiguous
        step()
    return tuple(TaskCounts(name, *row) for name, row in zip(labels.tasks, counts.tolist(), strict=True))


def _shards(labels: Labels, number: int, task: LabelTask, bins: TaskBins, spec: LabelSpec) -> Iterator[Shard]:
    """Cut a task's bins into blocks that do not reach over a chromosome's end."""
    grid = labels.grid
    step = max(1, _BLOCK_BP // spec.bins.stride)
    bounds = zip(grid.assembly.names, grid.bounds[:-1].tolist(), grid.bounds[1:].tolist(), strict=True)
    for chrom, first, last in bounds:
        for low in range(first, last, step):
            high = min(low + step, last)
            start = spec.bins.left_flank + (low - first) * spec.bins.stride
            marked, ambiguous = (_part(spans, low, high) for spans in bins)
            block = Block(spec, task.bigwig, chrom, start, high - low, marked, ambiguous)
            yield Shard(labels.matrix, number, low, block)


def _part(spans: Spans, low: int, high: int) -> Spans:
    """Return what of a set lies in ``low … high - 1``, counted from ``low``."""
    first = np.searchsorted(spans.ends, low, side="right")
    last = np.searchsorted(spans.starts, high, side="left")
    return Spans(np.maximum(spans.starts[first:last], low) - low, np.minimum(spans.ends[first:last], high) - low)


def _chosen(genome: Assembly, keep: Sequence[str], exclude: Sequence[str], path: Path) -> Assembly:
    for chrom in (*keep, *exclude):
        if chrom not in genome:
            raise StoreError(f"chromosome {chrom!r} is not in {path}{naming_hint([chrom], genome.names)}")
    sizes = {name: size for name, size in genome.as_dict().items() if name in (keep or genome) and name not in exclude}
    if not sizes:
        raise StoreError("no chromosome is left to label; keep more, or exclude fewer")
    return Assembly(tuple(sizes), tuple(sizes.values()))


class _Steps:
    """Counts steps, and says how many are done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress or (lambda done, total: None)
        self._progress(0, total)

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)
