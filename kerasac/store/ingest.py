"""Write bigWig and BED tracks into a signal array, slab by slab, so that an interrupted ingest goes on."""

from __future__ import annotations

import fcntl
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tiledb

from kerasac.cache import (
    ShardMap,
    cache_folder,
    digest,
    file_facts,
    in_process,
    local_copy,
    lock,
    locked,
    nearest_folder,
    remove,
    upload_folder,
    url_of,
    write_whole,
)
from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.sequence import token_genome
from kerasac.store.cells import check_file, read_cells
from kerasac.store.extend import extended
from kerasac.store.reads import InsertionCounts, ReadsSpec, count_reads
from kerasac.store.schema import (
    BED_DTYPE,
    BIGWIG_DTYPE,
    FORMAT_VERSION,
    TILE_BP,
    StoreLayout,
    check_length,
    check_unchanged,
    create_array,
    is_array,
    read_layout,
)
from kerasac.store.slabs import Array, Track
from kerasac.store.stored_runs import Runs, joined, runs_of, write_stored
from kerasac.store.tables import (
    AttributeType,
    CountedReads,
    Dataset,
    StoredTrack,
    TrackSource,
    read_attributes,
    read_metadata,
)

SLAB_BYTES = 128 * 2**20  # cells of a partition before compression; TileDB holds about as much again
# Rows that share a checksum: those of an array's cells do not depend on how it was cut into partitions.
CHECKSUM_BP = 16 * TILE_BP
# TileDB sees no array where there is no schema: what is uploaded last makes the rest visible.
SCHEMA_FOLDER = "__schema"

_DONE = "done.jsonl"

logger = logging.getLogger(__name__)


class Partition(NamedTuple):
    """Rows ``low … high`` of one dataset: what a worker needs to write them, and no more."""

    number: int
    folder: str
    assembly: Assembly
    attributes: Mapping[str, AttributeType]
    dtypes: Mapping[str, np.dtype[Any]]
    dataset: Dataset
    task: int
    low: int
    high: int


@dataclass(frozen=True)
class IngestPlan:
    """All that an ingest will write, divided into partitions that depend on nothing but the plan."""

    out: Path
    assembly: Assembly
    attributes: Mapping[str, AttributeType]
    datasets: tuple[Dataset, ...]
    stored_dtypes: Mapping[str, np.dtype[Any]] = field(default_factory=dict)
    """Cell types of the attributes of an array that is added to, which stay."""

    @property
    def unfinished(self) -> Path:
        """Folder of the unfinished array and the record of what is done."""
        return self.out.with_name(self.out.name + ".partial")

    @property
    def array(self) -> Path:
        """The array while it is written."""
        return _array(self.unfinished)

    @cached_property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """Cell type of each attribute."""
        new = {name: BIGWIG_DTYPE if kind.is_signal else BED_DTYPE for name, kind in self.attributes.items()}
        return new | dict(self.stored_dtypes)

    @cached_property
    def slab_bp(self) -> int:
        """Rows of a partition: whole checksums, and so whole tiles: no tile is written by two partitions."""
        row_bytes = sum(dtype.itemsize for dtype in self.dtypes.values())
        return max(1, SLAB_BYTES // row_bytes // CHECKSUM_BP) * CHECKSUM_BP

    def partitions(self) -> list[Partition]:
        """Return the partitions, datasets one after the other."""
        folder, total_bp = str(self.unfinished), self.assembly.total_bp
        slabs = [
            (task, dataset, low)
            for task, dataset in enumerate(self.datasets)
            for low in range(0, total_bp, self.slab_bp)
        ]
        return [
            Partition(
                number,
                folder,
                self.assembly,
                self.attributes,
                self.dtypes,
                dataset,
                task,
                low,
                min(low + self.slab_bp, total_bp),
            )
            for number, (task, dataset, low) in enumerate(slabs)
        ]

    def fingerprint(self) -> str:
        """Return what changes when the inputs, or the way they are cut, do."""
        files = [(d.name, a, _source_facts(file)) for d in self.datasets for a, file in d.files.items()]
        # Lists, as the order of attributes and chromosomes is part of the array.
        axes = {"attributes": list(self.attributes.items()), "sizes": list(self.assembly.as_dict().items())}
        cut = {"format": FORMAT_VERSION, "tile_bp": TILE_BP, "slab_bp": self.slab_bp, "checksum_bp": CHECKSUM_BP}
        return digest({"files": files, **axes, **cut})


def ingest(
    metadata: Path,
    attributes: Path | str,
    chrom_sizes: Path,
    out: Path,
    *,
    base: Path | None = None,
    overwrite: bool = False,
    add: bool = False,
    reads: ReadsSpec | None = None,
    fasta: Path | None = None,
    shards: ShardMap = in_process,
    progress: Callable[[int, int], None] | None = None,
) -> StoreLayout:
    """Write the tracks of seqdataloader's tables into a new array of its schema.

    An interrupted ingest leaves ``<out>.partial``; the same call goes on from there. While another process writes the
    same array, a call checks its inputs and then waits.

    Cells of a bigWig are its values, 0 where it has none, NaN on chromosomes that it lacks and for datasets without
    one. Cells of a BED are 0 outside, 1 inside an interval, 2 at a summit, also where a second interval overlaps it.

    Any of the paths may be a URL. Files are fetched once; an array for an object store is written in the cache, and
    uploaded when it is whole.

    Parameters
    ----------
    attributes: a file, or the name of a built-in set.
    base: folder that relative paths in the tables are relative to; by default the metadata table's own, else the
        working directory.
    overwrite: replace an array that is there; with ``add``, only the tracks that it has already.
    add: join the tables' tracks with those of the array that is there, in a new array that takes its place.
    reads: which reads of BAM, fragment and tagAlign files count, and their shift; by default that of ATAC-seq is found.
    fasta: the genome, for finding the shift of reads by their motif.
    shards: runs the partitions; by default this process does, one after the other.
    progress: called with (partitions done, partitions in all).

    Raises
    ------
    StoreError, GenomeError
        When the array exists, or any input is missing or does not fit the chromosome sizes; nothing is written.
    """
    out = _real_place(out)
    read = partial(plan_ingest, metadata, attributes, chrom_sizes, out, base=base, add=add, overwrite=overwrite)
    _check_place(out)
    busy = _say_if_busy(out)
    if not busy:
        if _leftovers(out):
            with locked(_lock_of(out), remove_after=True):
                _finish_replacing(out)
        _check_out(out, overwrite=overwrite, add=add)
    plan = read()
    check_inputs(plan)  # mistakes are said before anything is made, or waited for
    if not busy:
        _say_if_busy(out)  # again: the checks take a while
    with locked(_lock_of(out), remove_after=True):
        _finish_replacing(out)
        _check_out(out, overwrite=overwrite, add=add)  # again: another process may have finished it meanwhile
        plan = read() if add else plan  # again: the array may be another one now
        plan = with_counted_reads(plan, reads or ReadsSpec(), fasta)
        staged = plan if url_of(out) is None else _staged(plan)
        if staged is plan or not staged.out.exists():
            _write(staged, shards, progress or (lambda done, total: None))
        if staged is not plan:
            upload_folder(staged.out, str(url_of(out)), last=SCHEMA_FOLDER)
            remove(staged.out.parent)
    return read_layout(str(out))


def plan_ingest(
    metadata: Path,
    attributes: Path | str,
    chrom_sizes: Path,
    out: Path,
    *,
    base: Path | None = None,
    add: bool = False,
    overwrite: bool = False,
) -> IngestPlan:
    """Read the tables, and with ``add`` the array that is there.

    Raises
    ------
    StoreError
        Lists every missing file, or says that the genome is too long for an array.
    """
    assembly = read_chrom_sizes(local_copy(chrom_sizes))
    check_length(assembly)
    kinds = read_attributes(attributes)
    datasets = read_metadata(metadata, kinds, base=base)
    stored: Mapping[str, np.dtype[Any]] = {}
    if add and out.exists():
        layout = read_layout(str(out))
        kinds, datasets = extended(layout, assembly, kinds, datasets, replace_tracks=overwrite)
        stored = layout.attributes
    return IngestPlan(out, assembly, kinds, datasets, stored)


def check_inputs(plan: IngestPlan) -> None:
    """Raise StoreError or GenomeError for the first file that does not fit the genome."""
    for dataset in plan.datasets:
        for attribute, kind in plan.attributes.items():
            file = dataset.files[attribute]
            if file is None:
                cells = "NaN" if kind.is_signal else "0"
                logger.warning("dataset %s has no %s: its cells are %s", dataset.name, attribute, cells)
            elif isinstance(file, Path) and kind.strand is None:
                check_file(kind, file, plan.assembly)


def with_counted_reads(plan: IngestPlan, spec: ReadsSpec, fasta: Path | None) -> IngestPlan:
    """Count the 5' ends of every file of reads, once, and find their shifts; each is said with what was left out.

    Raises
    ------
    StoreError, GenomeError
        When a file cannot be read, or its shift is not clear and was not given.
    """
    genome = None if fasta is None else token_genome(fasta, plan.assembly)
    counted: dict[Path, InsertionCounts] = {}
    datasets = []
    for dataset in plan.datasets:
        files = dict(dataset.files)
        for name, file in dataset.files.items():
            strand = plan.attributes[name].strand
            if strand is None or not isinstance(file, Path):
                continue
            if file not in counted:
                counted[file] = count_reads(file, plan.assembly, spec, genome=genome)
                _say_reads(file, counted[file])
            files[name] = CountedReads(counted[file], strand)
        datasets.append(replace(dataset, files=files))
    return replace(plan, datasets=tuple(datasets))


def _say_reads(file: Path, counts: InsertionCounts) -> None:
    how = "as given" if counts.evidence is None else "found by the motif"
    skipped = [f"{n:,} {reason}" for reason, n in counts.facts.skipped.items() if n]
    off = counts.n_shifted_off()
    left_out = ", ".join([*skipped, *([f"{off:,} shifted off their chromosome"] if off else [])]) or "none"
    n_ends = counts.facts.plus + counts.facts.minus
    logger.warning("%s: %s 5' ends, shift %s (%s); left out: %s", file.name, f"{n_ends:,}", counts.shift, how, left_out)


def init(plan: IngestPlan) -> set[int]:
    """Create the unfinished array, or find the one of an interrupted ingest; return the partitions done."""
    done = _read_done(plan)
    if done is None:
        _remove_unfinished(plan.unfinished)
        plan.unfinished.mkdir(parents=True)
        create_array(str(plan.array), plan.assembly, [dataset.name for dataset in plan.datasets], plan.dtypes)
        done = set()
    else:
        logger.info("going on with %s: %d partitions are done", plan.unfinished, len(done))
    head = json.dumps({"fingerprint": plan.fingerprint()})
    write_whole(_done_file(plan), "".join(f"{line}\n" for line in (head, *sorted(done))))
    return done


def write_partition(partition: Partition) -> int:
    """Write one partition, all its attributes at once, and what is known of its cells beside; return its number.

    Writing it twice gives the same array. TileDB commits a write whole or not at all.
    """
    rows = (partition.assembly, partition.low, partition.high)
    cells = {
        name: read_cells(kind, partition.dataset.files[name], *rows).astype(partition.dtypes[name], copy=False)
        for name, kind in partition.attributes.items()
    }
    with tiledb.open(str(_array(partition.folder)), "w", ctx=_context()) as array:
        array[partition.low : partition.high, partition.task] = cells
    _keep_facts(partition, cells)
    return partition.number


def finalise(plan: IngestPlan) -> None:
    """Move the whole array to its place; raises StoreError when partitions are missing."""
    done = _read_done(plan) or set()
    missing = [part.number for part in plan.partitions() if part.number not in done]
    if missing:
        raise StoreError(f"{plan.unfinished} lacks partitions {missing[:10]} ({len(missing)} in all); ingest again")
    _drop_uncommitted(plan.array)
    _consolidate(plan.array)
    _write_facts(plan)
    for layout in _read_arrays(plan):
        check_unchanged(layout)
    if plan.out.exists():
        plan.out.rename(_replaced(plan.out))
    plan.array.rename(plan.out)
    _finish_replacing(plan.out)


def _write(plan: IngestPlan, shards: ShardMap, progress: Callable[[int, int], None]) -> None:
    partitions = plan.partitions()
    done = init(plan)
    todo = [partition for partition in partitions if partition.number not in done]
    logger.info(
        "ingesting %d datasets × %d attributes × %s bases in %d partitions",
        len(plan.datasets),
        len(plan.attributes),
        f"{plan.assembly.total_bp:,}",
        len(todo),
    )
    progress(len(done), len(partitions))
    with _done_file(plan).open("a") as record:
        for number in shards(write_partition, todo):
            record.write(f"{number}\n")
            record.flush()
            done.add(number)
            progress(len(done), len(partitions))
    finalise(plan)


def _real_place(out: Path) -> Path:
    """Return where a local array lies itself: what takes its place is written and renamed there, not beside a link."""
    return out.resolve() if url_of(out) is None and out.is_symlink() else out


def _replaced(out: Path) -> Path:
    """Return where an array lies while another takes its place."""
    return out.with_name(out.name + ".replaced")


def _leftovers(out: Path) -> list[Path]:
    """Return what an interrupted ingest left beside an array."""
    if url_of(out) is not None:
        return []
    return [path for path in (_replaced(out), out.with_name(out.name + ".partial")) if path.exists()]


def _finish_replacing(out: Path) -> None:
    """Bring to an end what finalise may have been killed in: one array is there, and it is whole."""
    if url_of(out) is not None:
        return
    replaced, unfinished = _replaced(out), out.with_name(out.name + ".partial")
    if replaced.exists() and not out.exists():
        replaced.rename(out)
    remove(replaced)
    if unfinished.exists() and not _array(unfinished).exists():
        _remove_unfinished(unfinished)


def _remove_unfinished(folder: Path) -> None:
    """Remove an unfinished array; its record goes first, or it would claim partitions that are gone."""
    (folder / _DONE).unlink(missing_ok=True)
    remove(folder)


def _lock_of(out: Path) -> Path:
    url = url_of(out)
    if url is not None:
        return cache_folder() / "uploads" / f"{digest({'url': url})}.lock"
    return out.with_name(out.name + ".partial.lock")


def _say_if_busy(out: Path) -> bool:
    """Say when another process is writing this array now; return whether one is."""
    try:
        with _lock_of(out).open() as handle:
            lock(handle, out.parent, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        logger.warning("another ingest of %s is going on; this one waits for its end once its inputs are checked", out)
        return True
    return False


def _read_arrays(plan: IngestPlan) -> list[StoreLayout]:
    """Return the arrays that tracks are copied from."""
    sources = [file for dataset in plan.datasets for file in dataset.files.values()]
    return list({s.layout.path: s.layout for s in sources if isinstance(s, StoredTrack)}.values())


def _staged(plan: IngestPlan) -> IngestPlan:
    """Return the plan with an array in the cache, which stays there until it is uploaded whole."""
    facts = digest({"url": url_of(plan.out), "inputs": plan.fingerprint()})
    return replace(plan, out=cache_folder() / "uploads" / facts / plan.out.name)


def _check_place(out: Path) -> None:
    """Raise StoreError when there can be no array at this path."""
    if url_of(out) is None and not (folder := nearest_folder(out.absolute().parent)).is_dir():
        raise StoreError(f"{folder} is a file, so there is no place for {out}; choose another --out")


def _check_out(out: Path, *, overwrite: bool, add: bool) -> None:
    url = url_of(out)
    if url is not None:
        if overwrite or add:
            raise StoreError(f"{url}: arrays of an object store are not replaced or added to; write a new one beside")
        if is_array(url):
            raise StoreError(f"array {url} already exists; use it as it is, or write another one beside")
        return
    if not out.exists():
        if add:
            raise StoreError(f"there is no array {out} to add to; leave --add out to make one")
        return
    if not is_array(str(out)):
        raise StoreError(f"{out} exists and is not a TileDB array; choose another --out")
    if not (overwrite or add):
        raise StoreError(
            f"array {out} already exists; use it as it is, replace it with --overwrite, or add tracks to it with --add"
        )


def _source_facts(source: TrackSource) -> object:
    """Return what tells one state of a track's source from another."""
    if isinstance(source, CountedReads):
        return [source.counts.ends.state, list(source.counts.shift), source.strand]
    if isinstance(source, StoredTrack):
        return [source.layout.state, source.dataset, source.attribute]
    return source and file_facts(source)


def _array(unfinished: Path | str) -> Path:
    return Path(unfinished) / "array"


def _keep_facts(partition: Partition, cells: Mapping[str, Array]) -> None:
    """Keep checksums of a partition's signals, and the runs of its peak attributes, until all are gathered."""
    columns: dict[str, Array] = {}
    for i, (name, kind) in enumerate(partition.attributes.items()):
        if kind.is_signal:
            pieces = [cells[name][low : low + CHECKSUM_BP] for low in range(0, len(cells[name]), CHECKSUM_BP)]
            columns[f"{i}.checksums"] = np.array([zlib.crc32(piece.data) for piece in pieces])
        else:
            columns |= {f"{i}.{field}": c for field, c in runs_of(cells[name], partition.low)._asdict().items()}
    with _facts_file(partition.folder, partition.number).open("wb") as out:
        np.savez(out, **columns)  # type: ignore[arg-type]


def _write_facts(plan: IngestPlan) -> None:
    """Gather what the partitions kept, into the array's folder, a dataset at a time."""
    runs: dict[Track, Path] = {}
    content: dict[Track, str] = {}
    for task, partitions in groupby(plan.partitions(), key=attrgetter("task")):
        parts = [_read_facts(partition) for partition in partitions]
        for i, (name, kind) in enumerate(plan.attributes.items()):
            track = Track(plan.datasets[task].name, name)
            if kind.is_signal:
                facts: object = [row for part in parts for row in part[f"{i}.checksums"].tolist()]
            else:
                found = joined(Runs(*(part[f"{i}.{field}"] for field in Runs._fields)) for part in parts)
                facts = [zlib.crc32(np.ascontiguousarray(column).data) for column in found]
                runs[track] = plan.unfinished / f"runs-{len(runs)}.npz"
                np.savez(runs[track], **found._asdict())
            content[track] = digest({"cells": facts})
    write_stored(read_layout(str(plan.array)), _RunsOnDisk(runs), content)


class _RunsOnDisk(Mapping[Track, Runs]):
    """Runs of tracks, each in a file until it is asked for: those of hundreds of datasets take gigabytes."""

    def __init__(self, files: Mapping[Track, Path]) -> None:
        self._files = files

    def __getitem__(self, track: Track) -> Runs:
        with np.load(self._files[track]) as columns:
            return Runs(*(columns[field] for field in Runs._fields))

    def __iter__(self) -> Iterator[Track]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _read_facts(partition: Partition) -> dict[str, Array]:
    with np.load(_facts_file(partition.folder, partition.number)) as columns:
        return dict(columns)


def _facts_file(unfinished: Path | str, number: int) -> Path:
    return Path(unfinished) / f"facts-{number}.npz"


def _done_file(plan: IngestPlan) -> Path:
    return plan.unfinished / _DONE


def _read_done(plan: IngestPlan) -> set[int] | None:
    """Return the partitions that an ingest of the same inputs has written, None when there was none."""
    if not _done_file(plan).exists() or not plan.array.exists():
        return None
    head, *lines = _done_file(plan).read_text().split("\n")
    try:
        same = json.loads(head)["fingerprint"] == plan.fingerprint()
    except (ValueError, KeyError):
        return None
    # The last line has no end when the writer died in it, and is left out: that partition is written again.
    return {int(line) for line in lines[:-1] if line.isdigit()} if same else None


@cache
def _context() -> tiledb.Ctx:
    # One thread: two gained nothing in one process, and with a process a core they contend.
    return tiledb.Ctx({"sm.compute_concurrency_level": 1, "sm.io_concurrency_level": 1})


def _drop_uncommitted(array: Path) -> None:
    """Remove the fragments of writes that were interrupted: TileDB ignores them, but they take space."""
    committed = {Path(uri).name for uri in tiledb.array_fragments(str(array)).uri}
    for fragment in (array / "__fragments").iterdir():
        if fragment.name not in committed:
            remove(fragment)


def _consolidate(array: Path) -> None:
    """Gather what TileDB reads when it opens the array into few files."""
    for mode in ("fragment_meta", "commits", "array_meta"):
        config = tiledb.Config({"sm.consolidation.mode": mode, "sm.vacuum.mode": mode})
        tiledb.consolidate(str(array), config=config)
        tiledb.vacuum(str(array), config=config)
