"""Write contributions: our own HDF5 file of shards, and the files of the tools that others go on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file, with_ending, write_whole
from kerasac.errors import InterpretError
from kerasac.genome.assembly import IntArray
from kerasac.interpret.contributions import FORMAT_VERSION, Contributions, open_contributions
from kerasac.steps.hdf5_rows import join_rows
from kerasac.steps.prediction_shards import write_chrom_sizes

Array = npt.NDArray[Any]

_BLOCK = 256  # windows held at a time
_MOST_HALF = float(np.finfo(np.float16).max)
_KERASAC_BP = 1000  # bases in the middle that kerasAC's arrays have


class ContributionLayout(StrEnum):
    """Whose files contributions are written as."""

    OURS = "ours"
    CHROMBPNET = "chrombpnet"
    BPNET = "bpnet"
    KERASAC = "kerasac"


@dataclass(frozen=True)
class ContributionFacts:
    """What the windows of a file share, beside their contributions.

    ``chrom`` (N,) str, ``start`` and ``center`` (N,) int64 in bases; ``attrs`` are written as attributes.
    """

    chrom: npt.NDArray[np.str_]
    start: IntArray
    center: IntArray
    width_bp: int
    chrom_sizes: Mapping[str, int]
    tasks: tuple[str, ...]
    attrs: Mapping[str, Any]


def join_contributions(
    parts: Sequence[Path], out: Path, names: Mapping[str, str], facts: ContributionFacts, part_windows: int
) -> None:
    """Join shards into one file of contributions, which appears when it is complete.

    ``names`` says what datasets of the shards become: ``hyp_scores`` (N, L, 4) float32, ``input_seqs`` (N, L, 4) int8,
    ``error`` (N,) float32 and, of several models, ``scores_sd`` (N, L) float32. Beside them ``coords_chrom``,
    ``coords_start``, ``coords_end`` and ``center``, as bpnet-refactor's, whose scores are float16.
    """
    with whole_file(out) as beside, h5py.File(beside, "w") as joined:
        join_rows(parts, joined, part_windows, names.get)
        joined.create_dataset("coords_chrom", data=facts.chrom.astype(object), dtype=h5py.string_dtype())
        joined.create_dataset("coords_start", data=facts.start)
        joined.create_dataset("coords_end", data=facts.start + facts.width_bp)
        joined.create_dataset("center", data=facts.center)
        write_chrom_sizes(joined, facts.chrom_sizes)
        for name, value in facts.attrs.items():
            joined.attrs[name] = value if isinstance(value, str | int | float) else json.dumps(value)
        joined.attrs["greatest_error"] = float(joined["error"][:].max())
        joined.attrs["format_version"] = FORMAT_VERSION
        joined.attrs["kerasac_version"] = __version__
        joined.attrs.create("tasks", list(facts.tasks), dtype=h5py.string_dtype())


def output_paths(out: Path, head: str, layout: ContributionLayout) -> list[Path]:
    """Return the files that a layout writes; ``out`` is the prefix of a head."""
    if layout is ContributionLayout.KERASAC:
        kind = {"counts": "count"}.get(head, head)
        names = [f"hyp.{kind}.npy", f"observed.{kind}.npy", "seq.npy"]
        return [with_ending(out, name) for name in names]
    if layout is ContributionLayout.CHROMBPNET:
        return [with_ending(out, f"{head}_scores.h5"), with_ending(out, "interpreted_regions.bed")]
    return [with_ending(out, f"{head}.h5" if layout is ContributionLayout.OURS else f"{head}_scores.h5")]


def regions_text(chrom: npt.NDArray[np.str_], start: IntArray, width_bp: int) -> str:
    """Return windows as lines of narrowPeak, whose summits are their centres, as chrombpnet writes them."""
    rest = "\t.\t.\t.\t.\t.\t.\t" + f"{width_bp // 2}\n"
    rows = zip(chrom.tolist(), start.tolist(), strict=True)
    return "".join(f"{name}\t{low}\t{low + width_bp}{rest}" for name, low in rows)


def write_contribution_layout(source: Path, out: Path, layout: ContributionLayout) -> None:
    """Write our file of contributions as another tool's; ``out`` is the prefix.

    ``chrombpnet``: ``<out>.<head>_scores.h5`` with ``raw/seq`` (N, 4, L) int8, ``shap/seq`` hypothetical and
    ``projected_shap/seq`` actual contributions (N, 4, L) float16, and ``<out>.interpreted_regions.bed``. ``bpnet``:
    ``<out>.<head>_scores.h5`` with ``hyp_scores`` float16 and the rest as ours. ``kerasac``: NumPy arrays
    ``.hyp.<head>``, ``.observed.<head>`` and ``.seq`` (N, 1000, 4), the middle of the windows.
    """
    with open_contributions(source) as file:
        assert file.head is not None, "ours says what was explained"
        paths = output_paths(out, file.head, layout)
        if layout is ContributionLayout.KERASAC:
            _write_arrays(file, paths)
        elif layout is ContributionLayout.CHROMBPNET:
            _write_chrombpnet(file, paths[0])
            write_whole(paths[1], regions_text(file.chrom, file.start, file.width_bp))
        else:
            _write_bpnet(file, paths[0])


def _write_chrombpnet(file: Contributions, path: Path) -> None:
    shape = (len(file), 4, file.width_bp)
    with whole_file(path) as beside, h5py.File(beside, "w") as written:
        scores = written.create_dataset("shap/seq", shape, np.float16, **_chunked(shape))
        projected = written.create_dataset("projected_shap/seq", shape, np.float16, **_chunked(shape))
        sequence = written.create_dataset("raw/seq", shape, np.int8, **_chunked(shape))
        for rows in _blocks(file):
            hypothetical, bases = (np.moveaxis(one, 2, 1) for one in (_halved(file, rows), file.one_hot(rows)))
            scores[rows], projected[rows], sequence[rows] = hypothetical, hypothetical * bases, bases
        _copy_facts(file, written)


def _write_bpnet(file: Contributions, path: Path) -> None:
    shape = (len(file), file.width_bp, 4)
    with whole_file(path) as beside, h5py.File(beside, "w") as written:
        scores = written.create_dataset("hyp_scores", shape, np.float16, **_chunked(shape))
        sequence = written.create_dataset("input_seqs", shape, np.int8, **_chunked(shape))
        for rows in _blocks(file):
            scores[rows], sequence[rows] = _halved(file, rows), file.one_hot(rows)
        written.create_dataset("coords_chrom", data=file.chrom.astype(object), dtype=h5py.string_dtype())
        written.create_dataset("coords_start", data=file.start)
        written.create_dataset("coords_end", data=file.start + file.width_bp)
        _copy_facts(file, written)


def _halved(file: Contributions, rows: slice) -> Array:
    """Read hypothetical contributions as float16.

    NumPy makes them of float32: HDF5 1.14 itself halves some values, those that round up to a power of two.

    Raises
    ------
    InterpretError
        When a contribution is beyond what float16 holds.
    """
    values = file.hypothetical(rows)
    most = np.abs(values).max(initial=0)
    if most > _MOST_HALF:
        raise InterpretError(
            f"contributions reach {most:,.0f}, beyond the {_MOST_HALF:,.0f} of float16, as this layout has; the same "
            "command with --layout ours or kerasac keeps float32, and explains nothing again"
        )
    return values.astype(np.float16)


def _write_arrays(file: Contributions, paths: Sequence[Path]) -> None:
    width = min(_KERASAC_BP, file.width_bp)
    start = (file.width_bp - width) // 2
    with ExitStack() as stack:
        besides = [stack.enter_context(whole_file(path)) for path in paths]
        shape = (len(file), width, 4)
        arrays = [np.lib.format.open_memmap(beside, "w+", np.float32, shape) for beside in besides]
        for rows in _blocks(file):
            hypothetical, bases = (read(rows)[:, start : start + width] for read in (file.hypothetical, file.one_hot))
            for array, values in zip(arrays, (hypothetical, hypothetical * bases, bases), strict=True):
                array[rows] = values
        for array in arrays:
            array.flush()


def _copy_facts(file: Contributions, written: h5py.File) -> None:
    written.attrs.update(file.attrs)
    write_chrom_sizes(written, file.chrom_sizes)


def _blocks(file: Contributions) -> Iterator[slice]:
    return (slice(low, min(low + _BLOCK, len(file))) for low in range(0, len(file), _BLOCK))


def _chunked(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"chunks": (min(shape[0], 16), *shape[1:]), "compression": "gzip", "compression_opts": 1}
