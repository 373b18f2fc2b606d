"""Write labels to files: HDF5 row by row, text in pieces that are formatted side by side."""

from __future__ import annotations

import bz2
import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from kerasac.cache import ShardMap, whole_file
from kerasac.store.labels.bins import BinGrid, Windows
from kerasac.store.labels.matrix import LabelMatrix
from kerasac.store.labels.outputs import LabelFile, OutputSpec, Rows
from kerasac.store.labels.spec import FileType
from kerasac.store.labels.table import INDEX, append_rows, create_table

_PIECE_CELLS = 1 << 20  # labels formatted at a time


class Labels(NamedTuple):
    """Labels of all tasks and bins, in the order of the grid."""

    matrix: LabelMatrix
    tasks: tuple[str, ...]
    grid: BinGrid


class Piece(NamedTuple):
    """Bins ``low … high - 1`` of a file, and where their text goes."""

    labels: Labels
    file: LabelFile
    file_type: FileType
    above: float
    low: int
    high: int
    text: Path


def write_files(
    labels: Labels,
    files: Sequence[LabelFile],
    output: OutputSpec,
    settings: Mapping[str, object],
    *,
    scratch: Path,
    shards: ShardMap,
    step: Callable[[], None],
) -> None:
    """Write all files, and give them their names when the last is whole.

    ``step`` is called after each of :func:`count_pieces`; ``scratch`` is a folder for pieces of text.
    """
    with ExitStack() as stack:
        beside = {file.path: stack.enter_context(whole_file(file.path)) for file in files}
        pieces = {file.path: list(_pieces(labels, file, output, scratch)) for file in files}
        if output.format == FileType.HDF5:
            for file in files:
                _write_table(beside[file.path], pieces[file.path], settings, step)
            return
        for _ in shards(format_piece, [piece for file in files for piece in pieces[file.path]]):
            step()
        for file in files:
            _join_text(beside[file.path], pieces[file.path])


def count_pieces(files: Sequence[LabelFile]) -> int:
    """Return how many steps it takes to write files."""
    return sum(len(range(file.low, file.high, _piece_bins(file))) for file in files)


def format_piece(piece: Piece) -> None:
    """Write the text of a piece, compressed as its file is: members of gzip and bz2 files may follow one another."""
    windows, values = _selected(piece)
    names = piece.labels.grid.assembly.names
    chrom = pd.Categorical.from_codes(windows.chrom_index, dtype=pd.CategoricalDtype(list(names)))
    columns = {"CHR": chrom, "START": windows.start, "END": windows.end}
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(values, columns=list(_task_names(piece)))], axis=1)
    text = frame.to_csv(sep="\t", index=False, header=False, na_rep="NaN")
    piece.text.write_bytes(_compressed(text, piece.file_type))


def _pieces(labels: Labels, file: LabelFile, output: OutputSpec, scratch: Path) -> Iterator[Piece]:
    above = 0.0 if output.above is None else output.above
    step = _piece_bins(file)
    for low in range(file.low, file.high, step):
        text = scratch / f"{file.path.name}.{low}"
        yield Piece(labels, file, output.format, above, low, min(low + step, file.high), text)


def _piece_bins(file: LabelFile) -> int:
    return max(1, _PIECE_CELLS // (len(file.compared) + len(INDEX)))


def _selected(piece: Piece) -> tuple[Windows, npt.NDArray[np.float32]]:
    """Return the windows of a piece's rows, and their labels, (n, n_tasks)."""
    compared = piece.labels.matrix.read(piece.file.compared, piece.low, piece.high)
    windows = piece.labels.grid.windows(piece.low, piece.high)
    values = compared if piece.file.tasks else compared[:, :0]
    if piece.file.rows == Rows.ALL:
        return windows, values
    # NaN is neither above nor not above.
    if piece.file.rows == Rows.ABOVE:
        kept = (compared > piece.above).any(axis=1)
    else:
        kept = (compared <= piece.above).all(axis=1)
    return Windows(*(column[kept] for column in windows)), values[kept]


def _task_names(piece: Piece) -> Iterator[str]:
    return (piece.labels.tasks[i] for i in piece.file.tasks)


def _write_table(path: Path, pieces: Sequence[Piece], settings: Mapping[str, object], step: Callable[[], None]) -> None:
    names = pieces[0].labels.grid.assembly.names
    as_bytes = np.array([name.encode() for name in names])
    with create_table(path, list(_task_names(pieces[0])), names, settings) as table:
        for piece in pieces:
            windows, values = _selected(piece)
            append_rows(table, as_bytes[windows.chrom_index], windows.start, windows.end, values)
            step()


def _join_text(path: Path, pieces: Sequence[Piece]) -> None:
    header = "\t".join([*INDEX, *_task_names(pieces[0])]) + "\n"
    with path.open("wb") as out:
        out.write(_compressed(header, pieces[0].file_type))
        for piece in pieces:
            with piece.text.open("rb") as part:
                shutil.copyfileobj(part, out)
            piece.text.unlink()


def _compressed(text: str, file_type: FileType) -> bytes:
    if file_type == FileType.GZIP:
        return gzip.compress(text.encode(), compresslevel=6, mtime=0)
    if file_type == FileType.BZ2:
        return bz2.compress(text.encode())
    return text.encode()
