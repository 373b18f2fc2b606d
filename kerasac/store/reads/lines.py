"""Read 5' ends from text files: a line is a fragment, or a read."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from kerasac.errors import GenomeError, StoreError
from kerasac.genome.assembly import Assembly, IntArray, open_text
from kerasac.store.reads.ends import UNKNOWN_CHROMOSOME, Chromosomes, Chunk, Sieve
from kerasac.store.reads.spec import ReadsSpec

CHUNK_LINES = 1_000_000
_CHROM, _START, _END, _BARCODE, _STRAND = 0, 1, 2, 3, 5  # columns
_TYPES = {_CHROM: "str", _START: "int64", _END: "int64", _BARCODE: "str", _STRAND: "str"}
_HEADERS = ("#", "track", "browser")
_MAX_INT = np.iinfo(np.int64).max
_HEAD_LINES = 10_000  # a fragment file of many chromosomes names each in its header


def read_fragments(path: Path, assembly: Assembly, spec: ReadsSpec) -> Iterator[Chunk]:
    """Yield the two 5' ends of each line: base ``start`` on the plus strand, ``end − 1`` on the minus strand.

    Columns: chrom, start, end; a barcode, of which only the listed ones count when the spec has a list; what comes
    after is not read: the number of read pairs in 10x files does not count, a fragment is one. The order of the
    lines does not matter.

    Raises
    ------
    StoreError, GenomeError
        When a line is malformed or reversed, the file is cut short, or it is not of this assembly.
    """
    barcodes = None if spec.barcodes is None else _read_barcodes(spec.barcodes)
    columns = (_CHROM, _START, _END) if barcodes is None else (_CHROM, _START, _END, _BARCODE)
    n_listed, example = 0, ""
    for table in _tables(path, assembly, columns):
        sieve = Sieve(len(table.chrom), ends_per_row=2)
        sieve.drop(table.chrom < 0, UNKNOWN_CHROMOSOME)
        if barcodes is not None:
            listed = table.text.isin(barcodes).to_numpy()
            n_listed, example = n_listed + int(listed.sum()), str(table.text.iloc[0])
            sieve.drop(~listed, "with a barcode that is not listed")
        span = table.end - table.start
        sieve.drop(span < spec.min_fragment_bp, f"of a fragment below {spec.min_fragment_bp} bp")
        every = np.ones(len(span), dtype=bool)
        plus = sieve.placed(assembly, table.chrom, table.start, span, every)
        minus = sieve.placed(assembly, table.chrom, table.end - 1, span, every)
        yield Chunk(plus, minus, len(span), sieve.skipped)
    if barcodes is not None and n_listed == 0:
        raise StoreError(
            f"{path} has none of the barcodes of {spec.barcodes}; the list has {min(barcodes)!r}, the file {example!r}"
        )


def read_tagalign(path: Path, assembly: Assembly, spec: ReadsSpec) -> Iterator[Chunk]:
    """Yield the 5' end of each line: base ``start`` of a read on the plus strand, ``end − 1`` on the minus strand.

    Columns: chrom, start, end, two that are not read, strand (+ or −). The order of the lines does not matter.

    Raises
    ------
    StoreError, GenomeError
        When a line is malformed, reversed or without a strand, the file is cut short, or it is not of this assembly.
    """
    for table in _tables(path, assembly, (_CHROM, _START, _END, _STRAND)):
        sieve = Sieve(len(table.chrom), ends_per_row=1)
        sieve.drop(table.chrom < 0, UNKNOWN_CHROMOSOME)
        is_minus = (table.text == "-").to_numpy()
        if not (is_minus | (table.text == "+").to_numpy()).all():
            _refuse_line(path, _has_strand, "has no + or - in column 6; tagAlign is BED6 with strands")
        span = table.end - table.start
        plus = sieve.placed(assembly, table.chrom, table.start, span, ~is_minus)
        minus = sieve.placed(assembly, table.chrom, table.end - 1, span, is_minus)
        yield Chunk(plus, minus, len(span), sieve.skipped)


def first_fields(path: Path) -> list[str]:
    """Return the columns of the first line that is no header.

    Raises
    ------
    StoreError
        When there is none, or the file is not text.
    """
    with open_text(path) as lines:
        for line in islice(lines, _HEAD_LINES):
            if "\0" in line:
                break
            if line.strip() and not line.startswith(_HEADERS):
                return line.rstrip("\n").split("\t")
    raise StoreError(f"{path} holds no line of reads; expected BAM, or tab-separated text, gzipped or not")


class _Table(NamedTuple):
    """Columns of a piece of a file; ``chrom`` is an index of the assembly's, −1 where it lacks it."""

    chrom: IntArray
    start: IntArray
    end: IntArray
    text: pd.Series[str]  # the fourth column that was asked for, if any


def _tables(path: Path, assembly: Assembly, columns: Sequence[int]) -> Iterator[_Table]:
    n_needed = max(columns) + 1
    n_columns = len(first_fields(path))
    if n_columns < n_needed:
        raise StoreError(f"{path} has {n_columns} tab-separated columns; {_WANTED[n_needed]}")
    chromosomes = Chromosomes(path, assembly)
    with _explained(path):
        for frame in _frames(path, columns):
            codes, names = pd.factorize(frame[_CHROM])
            chrom = chromosomes.index(names.tolist())[codes]
            start, end = frame[_START].to_numpy(), frame[_END].to_numpy()
            _check_interval(path, assembly, chrom, start, end)
            yield _Table(chrom, start, end, frame[columns[-1]])
    chromosomes.check_any()


_WANTED = {
    3: "a fragment file has chrom, start, end",
    4: "barcodes are looked for in column 4",
    6: "tagAlign has chrom, start, end, name, score, strand. If its lines are fragments, say --format fragments",
}


def _frames(path: Path, columns: Sequence[int]) -> Iterator[pd.DataFrame]:
    with open_text(path) as lines:
        # Only at the top: pandas would cut every line at a '#', which barcodes may have.
        n_header = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(_HEADERS)), 0)
    with pd.read_csv(
        path,
        sep="\t",
        header=None,
        skiprows=n_header,
        usecols=list(columns),
        dtype={column: _TYPES[column] for column in columns},
        na_filter=False,
        quoting=csv.QUOTE_NONE,
        compression="gzip" if _is_gzip(path) else None,
        chunksize=CHUNK_LINES,
    ) as frames:
        yield from frames


def _check_interval(path: Path, assembly: Assembly, chrom: IntArray, start: IntArray, end: IntArray) -> None:
    if (start < 0).any() or (end <= start).any():
        _refuse_line(path, _is_interval, "is not an interval; it needs 0 <= start < end")
    sizes = np.append(assembly.sizes_bp, np.iinfo(np.int64).max)[chrom]  # the last one is that of unknown chromosomes
    beyond = np.flatnonzero(start >= sizes)
    if len(beyond):
        i = int(beyond[0])
        raise GenomeError(
            f"{path}: {assembly.names[chrom[i]]}:{start[i]}-{end[i]} begins beyond the chromosome's {sizes[i]:,} bases;"
            " the file is of another assembly"
        )


def _refuse_line(path: Path, is_good: Callable[[list[str]], bool], problem: str) -> None:
    """Raise StoreError for the first line that is not good; pandas names none, so the file is read once more."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.rstrip("\n").split("\t")
            if line.strip() and not line.startswith(_HEADERS) and not is_good(fields):
                raise StoreError(f"{path} line {number} {problem}; found {line.strip()[:80]!r}")


def _is_interval(fields: list[str]) -> bool:
    try:
        return 0 <= int(fields[_START]) < int(fields[_END]) <= _MAX_INT
    except (ValueError, IndexError):
        return False


def _has_strand(fields: list[str]) -> bool:
    return len(fields) > _STRAND and fields[_STRAND] in ("+", "-")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say which file a fault is in, and where."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{path} is not a whole gzip file ({error}); make or download it again") from error
    except (ValueError, OverflowError) as error:  # pandas' too
        _refuse_line(path, _is_interval, "is not 'chrom<TAB>start<TAB>end…'")
        raise StoreError(f"{path} cannot be read as tab-separated columns: {error}") from error


def _read_barcodes(path: Path) -> set[str]:
    with open_text(path) as lines:
        barcodes = {line.split()[0].split(",")[0] for line in lines if line.strip()}
    if not barcodes:
        raise StoreError(f"{path} lists no barcode")
    return barcodes


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as head:
        return head.read(2) == b"\x1f\x8b"
