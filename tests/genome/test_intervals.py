"""Intervals are read as written; sets of positions behave as bitmaps do."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import LAST_COLUMN, Intervals, Spans, read_bed, summit_outside

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (20, 10, 10))
NARROWPEAK = "chr1\t2\t8\tpeak\t0\t.\t1\t2\t3\t{}\n"

bounds = st.lists(st.tuples(st.integers(0, 39), st.integers(0, 40)).map(lambda pair: tuple(sorted(pair))))


def write(folder: Path, text: str, name: str = "a.bed") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def spans(pairs: list[tuple[int, int]]) -> Spans:
    starts, ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Spans.from_bounds(starts, ends)


def bitmap(pairs: list[tuple[int, int]]) -> np.ndarray:
    bits = np.zeros(ASSEMBLY.total_bp, dtype=bool)
    for start, end in pairs:
        bits[start:end] = True
    return bits


def bits_of(found: Spans) -> np.ndarray:
    assert (found.starts < found.ends).all()
    assert (found.starts[1:] > found.ends[:-1]).all(), "spans must be sorted and apart"
    return bitmap(list(zip(found.starts.tolist(), found.ends.tolist(), strict=True)))


def test_rows_keep_the_order_of_the_file(tmp_path: Path) -> None:
    found = read_bed(write(tmp_path, "chr2\t5\t9\tname\nchr1\t0\t3\tother\nchr2\t5\t9\n"))
    assert found.chrom.tolist() == ["chr2", "chr1", "chr2"]
    assert found.start.tolist() == [5, 0, 5]
    assert found.end.tolist() == [9, 3, 9]
    assert found.summit.tolist() == [-1, -1, -1]


def test_headers_blank_lines_and_windows_line_ends_are_skipped(tmp_path: Path) -> None:
    text = "track name=x\nbrowser position\n#chrom\tstart\tend\n\nchr1\t1\t2\r\nchr1 3 4\n"
    (tmp_path / "a.bed").write_bytes(text.encode())
    assert read_bed(tmp_path / "a.bed").end.tolist() == [2, 4]


def test_gzipped_bed_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"chr1\t1\t2\n"))
    assert read_bed(path).start.tolist() == [1]


def test_empty_bed_has_no_rows(tmp_path: Path) -> None:
    found = read_bed(write(tmp_path, "# nothing\n"))
    assert len(found) == 0
    found.check_within(ASSEMBLY, tmp_path / "a.bed")
    assert len(Spans.from_intervals(found, ASSEMBLY)) == 0


@pytest.mark.parametrize(("offset", "summit"), [(0, 2), (3, 5), (-1, 5)])
def test_summit_is_start_plus_column_ten_and_minus_one_means_the_middle(
    tmp_path: Path, offset: int, summit: int
) -> None:
    assert read_bed(write(tmp_path, NARROWPEAK.format(offset)), summits=True).summit.tolist() == [summit]


def test_last_column_may_hold_the_summit(tmp_path: Path) -> None:
    found = read_bed(write(tmp_path, "chr1\t2\t8\t4\n"), summits=True, summit_column=LAST_COLUMN)
    assert found.summit.tolist() == [6]


def test_summit_outside_its_peak_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, NARROWPEAK.format(5) + NARROWPEAK.format(6))
    assert summit_outside(read_bed(path, summits=True)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t1\t5\nchr1\tx\t5\n", "line 2: expected 'chrom<TAB>start<TAB>end', found 'chr1"),
        ("chr1\t1\n", "line 1: expected"),
        ("chr1\t-1\t5\n", "line 1: chr1:-1-5 is not an interval"),
        ("#\nchr1\t7\t5\n", "line 2: chr1:7-5 is not an interval"),
        ("chr1\t5\t5\n", "not an interval"),
        ("chr1\t1\t99999999999999999999\n", "line 1: chr1:1-99999999999999999999 ends beyond any chromosome"),
        ("chr1\t9223372036854775806\t9223372036854775807\n", "line 1: chr1:9.* ends beyond any chromosome"),
        ("", "does not exist"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text) if text else tmp_path / "missing.bed"
    with pytest.raises(GenomeError, match=said):
        read_bed(path)


@pytest.mark.parametrize("column", [9, LAST_COLUMN])
def test_three_columns_where_a_summit_is_needed_name_the_way_out(tmp_path: Path, column: int) -> None:
    with pytest.raises(GenomeError, match=r"a\.bed line 1 has 3 columns and no summit; give a narrowPeak"):
        read_bed(write(tmp_path, "chr1\t1\t5\n"), summits=True, summit_column=column)


@pytest.mark.parametrize("cell", ["+", ".", "-3", "1.5", "", "99999999999999999999"])
def test_summit_that_is_no_offset_is_named(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, f"chr1\t1\t5\tname\t0\t{cell}\n")
    with pytest.raises(GenomeError, match=f"line 1: the summit column holds '{re.escape(cell)}'"):
        read_bed(path, summits=True, summit_column=LAST_COLUMN)


def test_other_naming_is_explained(tmp_path: Path) -> None:
    path = write(tmp_path, "2\t1\t5\n")
    with pytest.raises(GenomeError, match="it is called 'chr2' there"):
        read_bed(path).check_within(ASSEMBLY, path)


def test_interval_beyond_its_chromosome_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "chr1\t1\t20\nchr2\t1\t11\n")
    with pytest.raises(GenomeError, match="chr2:1-11 ends beyond the chromosome's 10 bases"):
        read_bed(path).check_within(ASSEMBLY, path)


def test_intervals_become_genome_rows() -> None:
    found = Spans.from_intervals(_intervals([("chr2", 0, 4), ("chr1", 3, 5), ("chr2", 2, 6)]), ASSEMBLY)
    assert found.starts.tolist() == [3, 20]
    assert found.ends.tolist() == [5, 26]


def test_span_over_a_chromosome_boundary_is_cut_there() -> None:
    found = spans([(15, 40)]).to_intervals(ASSEMBLY)
    assert found.chrom.tolist() == ["chr1", "chr2", "chr3"]
    assert found.start.tolist() == [15, 0, 0]
    assert found.end.tolist() == [20, 10, 10]


def test_chromosomes_are_all_their_rows() -> None:
    assert Spans.of_chromosomes(["chr3", "chr1"], ASSEMBLY).starts.tolist() == [0, 30]


@given(bounds)
def test_union_of_bounds_is_the_bitmap(pairs: list[tuple[int, int]]) -> None:
    found = spans(pairs)
    assert (bits_of(found) == bitmap(pairs)).all()
    assert found.total_bp == bitmap(pairs).sum()
    assert (bits_of(found.complement(ASSEMBLY)) == ~bitmap(pairs)).all()


@given(bounds, bounds)
def test_set_operations_equal_those_of_bitmaps(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> None:
    a, b = bitmap(ours), bitmap(theirs)
    assert (bits_of(spans(ours).union(spans(theirs))) == (a | b)).all()
    assert (bits_of(spans(ours).subtract(spans(theirs))) == (a & ~b)).all()
    assert (bits_of(spans(ours).intersect(spans(theirs))) == (a & b)).all()


@given(bounds, bounds)
def test_overlap_is_a_shared_base(pairs: list[tuple[int, int]], windows: list[tuple[int, int]]) -> None:
    starts, ends = np.array(windows, dtype=np.int64).reshape(-1, 2).T
    bits = bitmap(pairs)
    assert spans(pairs).overlaps(starts, ends).tolist() == [bool(bits[s:e].any()) for s, e in windows]
    assert spans(pairs).contains(np.arange(40)).tolist() == bits.tolist()


@given(bounds)
def test_ranks_count_the_rows_of_the_set_in_order(pairs: list[tuple[int, int]]) -> None:
    found = spans(pairs)
    assert found.rows_at(np.arange(found.total_bp)).tolist() == np.flatnonzero(bitmap(pairs)).tolist()


@given(bounds)
def test_spans_to_intervals_and_back_is_identity(pairs: list[tuple[int, int]]) -> None:
    found = spans(pairs)
    back = found.to_intervals(ASSEMBLY)
    back.check_within(ASSEMBLY, Path("spans"))
    assert (bits_of(Spans.from_intervals(back, ASSEMBLY)) == bits_of(found)).all()


def _intervals(rows: list[tuple[str, int, int]]) -> Intervals:
    chrom, start, end = zip(*rows, strict=True)
    return Intervals(np.array(chrom), np.array(start), np.array(end), np.full(len(rows), -1))


@pytest.mark.parametrize(
    ("lines", "n"),
    [
        ("", 0),
        ("chr1\t1\t9\n", 1),
        ("chr1\t1\t9\nchr1\t1\t9\nchr1\t1\t9\n", 1),
        ("chr1\t1\t9\nchr2\t1\t9\nchr1\t2\t9\nchr1\t1\t8\nchr2\t1\t9\n", 4),
    ],
)
def test_repeated_rows_are_told_from_others(tmp_path: Path, lines: str, n: int) -> None:
    (tmp_path / "a.bed").write_text(lines)
    assert read_bed(tmp_path / "a.bed").distinct() == n
