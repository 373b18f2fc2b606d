from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from cut_sites import simulate_cuts, write_random_fasta
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasac.cache import cache_folder
from kerasac.errors import GenomeError, StoreError
from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.sequence import TokenGenome, token_genome
from kerasac.store.reads import (
    Assay,
    Dedup,
    InsertionCounts,
    ReadsFormat,
    ReadsSpec,
    Shift,
    Strand,
    count_reads,
    parse_shift,
)
from kerasac.store.reads.insertions import counted_ends

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (20, 6, 10))
STRANDS = (Strand.PLUS, Strand.MINUS)


@pytest.fixture
def fragments(tmp_path: Path) -> Path:
    (tmp_path / "f.tsv").write_text("chr1\t2\t12\nchr1\t2\t12\nchr1\t17\t20\nchr2\t0\t3\nchr2\t1\t6\nchr3\t0\t10\n")
    return tmp_path / "f.tsv"


def counts(path: Path, shift: tuple[int, int], **spec: object) -> InsertionCounts:
    return count_reads(path, ASSEMBLY, ReadsSpec(shift=Shift(*shift), **spec))  # type: ignore[arg-type]


def cells(found: InsertionCounts, strand: Strand) -> dict[int, int]:
    """Return the cells above 0 by row."""
    values = found.cells(strand, 0, ASSEMBLY.total_bp)
    return {int(row): int(values[row]) for row in np.flatnonzero(values)}


def test_unshifted_cells_are_starts_and_last_bases(fragments: Path) -> None:
    found = counts(fragments, (0, 0))
    assert cells(found, Strand.PLUS) == {2: 2, 17: 1, 20: 1, 21: 1, 26: 1}
    assert cells(found, Strand.MINUS) == {11: 2, 19: 1, 22: 1, 25: 1, 35: 1}
    assert cells(found, Strand.UNSTRANDED) == {2: 2, 11: 2, 17: 1, 19: 1, 20: 1, 21: 1, 22: 1, 25: 1, 26: 1, 35: 1}
    assert found.n_shifted_off() == 0


def test_shift_of_tn5_counts_start_plus_4_and_end_minus_5(fragments: Path) -> None:
    """chr1:17 + 4 and chr2's ends 3 − 5 lie on no chromosome: they are left out, not counted on the next one."""
    found = counts(fragments, (+4, -4))
    assert cells(found, Strand.PLUS) == {6: 2, 24: 1, 25: 1, 30: 1}
    assert cells(found, Strand.MINUS) == {7: 2, 15: 1, 21: 1, 31: 1}
    rows, values = found.sparse(Strand.PLUS)
    assert (rows.tolist(), values.tolist()) == ([6, 24, 25, 30], [2, 1, 1, 1])
    assert found.n_shifted_off() == 2


def test_shift_of_dnase_counts_start_and_end(fragments: Path) -> None:
    found = counts(fragments, (0, +1))
    assert cells(found, Strand.MINUS) == {12: 2, 23: 1}
    assert found.n_shifted_off() == 3


def test_copies_count_once_when_unique(fragments: Path) -> None:
    found = counts(fragments, (0, 0), dedup=Dedup.UNIQUE)
    assert cells(found, Strand.PLUS)[2] == 1
    assert (found.facts.plus, found.facts.minus, found.facts.n_records) == (5, 5, 6)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int, int]]]:
    """Random fragments on the assembly, as a file and as (chromosome, start, end)."""
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(300):
        chrom = int(rng.integers(3))
        start, end = np.sort(rng.choice(ASSEMBLY.sizes[chrom] + 1, 2, replace=False)).tolist()
        rows.append((chrom, start, end))
    path = tmp_path_factory.mktemp("many") / "f.tsv"
    path.write_text("".join(f"{ASSEMBLY.names[chrom]}\t{start}\t{end}\n" for chrom, start, end in rows))
    return path, rows


@settings(max_examples=60, deadline=None)
@given(
    shift=st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
    bounds=st.tuples(st.integers(0, 36), st.integers(0, 36)).map(sorted),
)
def test_cells_are_those_of_a_naive_count(
    many: tuple[Path, list[tuple[int, int, int]]], shift: tuple[int, int], bounds: list[int]
) -> None:
    path, rows = many
    expected = {strand: np.zeros(ASSEMBLY.total_bp, dtype=int) for strand in STRANDS}
    lost = 0
    for chrom, start, end in rows:
        for strand, position in ((Strand.PLUS, start + shift[0]), (Strand.MINUS, end - 1 + shift[1])):
            if 0 <= position < ASSEMBLY.sizes[chrom]:
                expected[strand][ASSEMBLY.offsets[chrom] + position] += 1
            else:
                lost += 1
    found = counts(path, shift)
    for strand in STRANDS:
        assert found.cells(strand, *bounds).tolist() == expected[strand][slice(*bounds)].tolist()
    assert found.cells(Strand.UNSTRANDED, *bounds).tolist() == sum(expected.values())[slice(*bounds)].tolist()
    assert found.n_shifted_off() == lost


def test_a_file_is_counted_once_whatever_the_shift(fragments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = counts(fragments, (0, 0))
    monkeypatch.setattr("kerasac.store.reads.insertions.write_counts", None)
    assert counts(fragments, (4, -4), assay=Assay.DNASE).ends.state == first.ends.state


def test_changed_file_or_filter_is_counted_anew(fragments: Path) -> None:
    first = counts(fragments, (0, 0))
    assert counts(fragments, (0, 0), min_fragment_bp=5).facts.plus == 4
    fragments.write_text("chr1\t2\t12\n")
    assert counts(fragments, (0, 0)).facts.plus == 1
    assert first.facts.plus == 6


def test_format_that_is_said_shares_the_counts_of_one_that_is_found(fragments: Path, tmp_path: Path) -> None:
    (tmp_path / "reads.bed").write_text("chr1\t2\t12\tN\t0\t+\n")
    said, found = ReadsSpec(format=ReadsFormat.FRAGMENTS), ReadsSpec()
    assert counted_ends(fragments, ASSEMBLY, said).name == counted_ends(fragments, ASSEMBLY, found).name
    reads = tmp_path / "reads.bed"
    assert counted_ends(reads, ASSEMBLY, said).name != counted_ends(reads, ASSEMBLY, found).name


def test_file_that_changes_while_in_use_is_refused(fragments: Path) -> None:
    ends = counted_ends(fragments, ASSEMBLY, ReadsSpec())
    fragments.write_text("chr1\t2\t12\n")
    with pytest.raises(StoreError, match="changed while it was in use"):
        ends.open()


def test_counts_travel_to_workers(fragments: Path) -> None:
    found = counts(fragments, (4, -4))
    sent = pickle.dumps(found)
    assert len(sent) < 4000
    assert cells(pickle.loads(sent), Strand.PLUS) == cells(found, Strand.PLUS)


def test_file_with_nothing_that_counts_is_refused_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "none.tsv").write_text("chr1\t2\t12\n")
    with pytest.raises(StoreError, match="no 5' end that counts; left out: 2 of a fragment below 100 bp"):
        counts(tmp_path / "none.tsv", (0, 0), min_fragment_bp=100)
    assert not list((cache_folder() / "ends").glob("none.tsv-*"))


def test_chip_is_not_shifted(fragments: Path) -> None:
    assert count_reads(fragments, ASSEMBLY, ReadsSpec(assay=Assay.CHIP)).shift == (0, 0)


def test_auto_needs_the_genome(fragments: Path) -> None:
    with pytest.raises(StoreError, match="found by its motif, which needs the FASTA"):
        count_reads(fragments, ASSEMBLY, ReadsSpec())


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> TokenGenome:
    return write_random_fasta(tmp_path_factory.mktemp("genome") / "random.fa")


def test_unclear_shift_is_refused_with_the_way_out(genome: TokenGenome, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(1000, 100_000, 20_000)
    (tmp_path / "f.tsv").write_text("".join(f"chr1\t{start}\t{start + 100 + start % 90}\n" for start in starts))
    with pytest.raises(StoreError, match=r"not clear: hardly any motif.*state the shift: \+4/−4 for atac"):
        count_reads(tmp_path / "f.tsv", genome.assembly, ReadsSpec(), genome=genome)


def test_unusual_shift_is_applied_and_warned_of(
    genome: TokenGenome, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cuts = simulate_cuts(genome, Assay.ATAC, 5000, Shift(+1, -1))
    lines = [f"chr1\t{row}\t{row + 9}\tN\t0\t+\n" for row in cuts.plus.rows[:2000].tolist()]
    lines += [f"chr1\t{row - 8}\t{row + 1}\tN\t0\t-\n" for row in cuts.minus.rows[:2000].tolist()]
    (tmp_path / "x.tagAlign").write_text("".join(lines))
    with caplog.at_level(logging.WARNING):
        found = count_reads(tmp_path / "x.tagAlign", genome.assembly, ReadsSpec(), genome=genome)
    assert found.shift == (+3, -3)
    assert "no known convention (+1/−1)" in caplog.text


def test_genomes_beyond_32_bits_are_refused(fragments: Path) -> None:
    with pytest.raises(GenomeError, match=r"above 4\.29 Gb"):
        counted_ends(fragments, Assembly(("chr1",), (2**32,)), ReadsSpec())


@pytest.mark.parametrize(
    ("text", "shift"),
    [("auto", "auto"), ("+4/-4", (4, -4)), ("0/+1", (0, 1)), ("4,-5", (4, -5)), (" +4/−4 ", (4, -4)), ("AUTO", "auto")],
)
def test_shift_is_read_as_it_is_written(text: str, shift: object) -> None:
    assert parse_shift(text) == shift


@pytest.mark.parametrize("text", ["", "4", "4/x", "4/-4/0", "1.5/2"])
def test_other_shifts_are_refused(text: str) -> None:
    with pytest.raises(StoreError, match="neither 'auto' nor two numbers"):
        parse_shift(text)


@pytest.mark.parametrize(("shift", "text"), [((4, -4), "+4/−4"), ((0, 1), "0/+1"), ((0, 0), "0/0")])
def test_shift_is_written_as_people_do(shift: tuple[int, int], text: str) -> None:
    assert str(Shift(*shift)) == text


@pytest.mark.parametrize(
    "spec", [{"shift": Shift(0, 400)}, {"min_mapq": 300}, {"min_fragment_bp": -1}, {"barcodes": Path("gone")}]
)
def test_spec_that_cannot_be_meant_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        ReadsSpec(**spec)  # type: ignore[arg-type]


@pytest.mark.shared
def test_yeast_fragments_give_the_bigwigs_cell_for_cell(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "yeast-atac"
    assembly = read_chrom_sizes(folder / "sacCer3.chrom.sizes")
    genome = token_genome(folder / "sacCer3.fa.gz", assembly)
    spec = ReadsSpec(dedup=Dedup.UNIQUE, min_fragment_bp=20)
    found = count_reads(folder / "atac.fragments.bed.gz", assembly, spec, genome=genome)
    assert found.shift == (+4, -4)
    for strand in Strand:
        with pyBigWig.open(str(folder / f"atac.{strand}.bw")) as bigwig:
            for name, low, size in zip(assembly.names, assembly.offsets.tolist(), assembly.sizes, strict=True):
                expected = np.nan_to_num(bigwig.values(name, 0, size, numpy=True))
                assert np.array_equal(found.cells(strand, low, low + size), expected), (strand, name)
