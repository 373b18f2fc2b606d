from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cut_sites import merged, simulate_cuts, write_random_fasta

from kerasac.genome.assembly import Assembly, read_chrom_sizes
from kerasac.genome.sequence import TokenGenome, token_genome
from kerasac.store.reads import (
    Assay,
    EndCounts,
    ReadFacts,
    ReadsSpec,
    Shift,
    SparseCounts,
    counted_ends,
    detect_shift,
)
from kerasac.store.reads.motifs import MOTIFS
from kerasac.store.reads.shift import _sampled

ATAC_SHIFTS = [(0, 0), (4, -5), (4, -4)]
DNASE_SHIFTS = [(0, 0), (0, 1)]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> TokenGenome:
    return write_random_fasta(tmp_path_factory.mktemp("cuts") / "random.fa")


@pytest.fixture(scope="module")
def yeast(shared_dir: Path) -> tuple[EndCounts, TokenGenome]:
    folder = shared_dir / "data" / "yeast-atac"
    assembly = read_chrom_sizes(folder / "sacCer3.chrom.sizes")
    counts = counted_ends(folder / "atac.fragments.bed.gz", assembly, ReadsSpec()).open()
    return counts, token_genome(folder / "sacCer3.fa.gz", assembly)


def moved(counts: EndCounts, shift: tuple[int, int]) -> EndCounts:
    """Return 5' ends as a file has them that was shifted; those near the genome's ends are left out."""
    plus, minus = (
        SparseCounts((rows[100:-100].astype(np.int64) + bases).astype(np.uint32), counts[100:-100])
        for (rows, counts), bases in zip((counts.plus, counts.minus), shift, strict=True)
    )
    return EndCounts(plus, minus, counts.facts)


@pytest.mark.parametrize(
    ("assay", "present"),
    [*((Assay.ATAC, shift) for shift in ATAC_SHIFTS), *((Assay.DNASE, shift) for shift in DNASE_SHIFTS)],
)
@pytest.mark.parametrize("asked", ["its own", None])
def test_simulated_cuts_tell_what_brings_them_to_the_target(
    genome: TokenGenome, assay: Assay, present: tuple[int, int], asked: str | None
) -> None:
    target = {Assay.ATAC: (4, -4), Assay.DNASE: (0, 1)}[assay]
    counts = simulate_cuts(genome, assay, 5000, Shift(*present))
    evidence = detect_shift(counts, genome, assay if asked else None)
    assert evidence.motif.assay == assay
    assert evidence.present == present
    assert evidence.shift == (target[0] - present[0], target[1] - present[1])
    assert evidence.is_usual
    assert evidence.lag == -(present[0] + present[1])  # found without the motif
    assert ("nothing is to be added" in evidence.summary) == (present == target)


@pytest.mark.shared
@pytest.mark.parametrize("present", ATAC_SHIFTS)
@pytest.mark.parametrize("n", [100_000, 10_000, 2_000])
def test_real_fragments_tell_it_from_few_reads(
    yeast: tuple[EndCounts, TokenGenome], present: tuple[int, int], n: int
) -> None:
    counts, genome = yeast
    evidence = detect_shift(moved(counts, present), genome, Assay.ATAC, n_sampled=n)
    assert evidence.present == present
    assert evidence.shift == (4 - present[0], -4 - present[1])


@pytest.mark.shared
def test_real_atac_is_not_taken_for_dnase(yeast: tuple[EndCounts, TokenGenome]) -> None:
    evidence = detect_shift(*yeast, Assay.DNASE)
    assert evidence.shift is None
    assert "the motif is that of Tn5" in evidence.summary
    assert evidence.way_out == "name atac as the assay"


@pytest.mark.shared
@pytest.mark.parametrize("assay", [Assay.ATAC, Assay.DNASE, None])
@pytest.mark.parametrize("n", [50, 1_000, 100_000])
def test_random_positions_of_a_real_genome_are_not_guessed(
    yeast: tuple[EndCounts, TokenGenome], assay: Assay | None, n: int
) -> None:
    evidence = detect_shift(simulate_cuts(yeast[1], None, n), yeast[1], assay)
    assert evidence.shift is None
    assert evidence.summary.startswith("not sure")


@pytest.mark.parametrize("present", [(2, -2), (-3, 0)])
def test_unusual_shift_that_is_clear_is_found_and_said(genome: TokenGenome, present: tuple[int, int]) -> None:
    evidence = detect_shift(simulate_cuts(genome, Assay.ATAC, 5000, Shift(*present)), genome, Assay.ATAC)
    assert evidence.shift == (4 - present[0], -4 - present[1])
    assert not evidence.is_usual
    assert evidence.candidates()[-1].present == present


@pytest.mark.parametrize(
    ("n", "problem"), [(30, "too few 5' ends on the plus strand (30)"), (0, "no 5' ends on the plus strand")]
)
def test_too_few_reads_are_not_guessed(genome: TokenGenome, n: int, problem: str) -> None:
    evidence = detect_shift(simulate_cuts(genome, Assay.ATAC, n), genome, Assay.ATAC)
    assert evidence.shift is None
    assert evidence.problem == problem


def test_mixture_of_shifted_and_unshifted_reads_is_not_guessed(genome: TokenGenome) -> None:
    halves = simulate_cuts(genome, Assay.ATAC, 8000), simulate_cuts(genome, Assay.ATAC, 7999, Shift(4, -4))
    evidence = detect_shift(merged(*halves), genome, Assay.ATAC)
    assert "at two places" in str(evidence.problem)


def test_motif_on_one_strand_only_is_not_believed(genome: TokenGenome) -> None:
    cut, anywhere = simulate_cuts(genome, Assay.ATAC, 5000), simulate_cuts(genome, None, 5000)
    counts = EndCounts(cut.plus, anywhere.minus, cut.facts)
    evidence = detect_shift(counts, genome, Assay.ATAC)
    assert "minus strand" in str(evidence.problem)


def test_motif_where_the_strands_share_nothing_is_not_believed(
    genome: TokenGenome, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = simulate_cuts(genome, Assay.ATAC, 5000)
    monkeypatch.setattr("kerasac.store.reads.shift._lag", lambda plus, minus: 3)
    assert "lies elsewhere than the motif" in str(detect_shift(counts, genome, Assay.ATAC).problem)


def test_same_seed_gives_the_same_evidence(genome: TokenGenome) -> None:
    counts = simulate_cuts(genome, Assay.ATAC, 5000)
    one, same, other = (detect_shift(counts, genome, n_sampled=1000, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.plus.strengths, same.plus.strengths)
    assert not np.array_equal(one.plus.strengths, other.plus.strengths)


def test_logo_counts_the_bases_from_the_recorded_end(tmp_path: Path) -> None:
    """Every window around the one plus end reads the same bases; the minus strand reads the complement."""
    sequence = "ACGTTGCA" * 20
    (tmp_path / "one.fa").write_text(f">c\n{sequence}\n")
    genome = token_genome(tmp_path / "one.fa", Assembly(("c",), (160,)))
    at = np.array([80], np.uint32), np.array([3], np.uint32)
    ends = EndCounts(SparseCounts(*at), SparseCounts(*at), ReadFacts(3, 3, 3, {}))
    evidence = detect_shift(ends, genome)
    plus, minus = (
        "".join("ACGT"[base] for base in fit.frequencies.argmax(axis=1)) for fit in (evidence.plus, evidence.minus)
    )
    assert plus == sequence[40:121]
    assert minus == sequence[40:121].translate(str.maketrans("ACGT", "TGCA"))[::-1]


def test_hot_spot_weighs_no_more_than_ten_times_the_mean() -> None:
    rows = np.arange(1000, dtype=np.uint32)
    counts = np.ones(1000, dtype=np.uint32)
    counts[500] = 1_000_000
    drawn = _sampled(SparseCounts(rows, np.minimum(counts, 1000)), 10_000, np.random.default_rng(0))
    assert len(drawn) == 999 + 10 * 2  # the mean of 999 ones and a thousand, rounded up, is 2
    assert (drawn == 500).sum() == 20


def test_sample_has_each_end_at_most_once() -> None:
    counts = SparseCounts(np.array([3, 9], np.uint32), np.array([2, 5], np.uint32))
    assert _sampled(counts, 100, np.random.default_rng(0)).tolist() == [3, 3, 9, 9, 9, 9, 9]


def test_tn5_motif_is_its_own_reverse_complement() -> None:
    log_odds = MOTIFS[Assay.ATAC].log_odds
    assert np.array_equal(log_odds, log_odds[::-1, ::-1])


@pytest.mark.shared
def test_tn5_motif_is_what_the_yeast_fragments_show(yeast: tuple[EndCounts, TokenGenome]) -> None:
    counts, genome = yeast
    evidence = detect_shift(counts, genome, Assay.ATAC)
    motif = evidence.motif
    rows = slice(40 + motif.first, 40 + motif.first + len(motif.log_odds))
    shown = np.log2(evidence.plus.frequencies[rows] / evidence.plus.background)
    assert np.corrcoef(shown.ravel(), motif.log_odds.ravel())[0, 1] > 0.97


@pytest.mark.shared
def test_shuffled_chromosomes_give_no_shift(yeast: tuple[EndCounts, TokenGenome], tmp_path: Path) -> None:
    counts, genome = yeast
    tokens = np.array(genome.open())
    np.random.default_rng(3).shuffle(tokens)
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[tokens].tobytes().decode()
    spans = zip(genome.assembly.names, genome.assembly.offsets, genome.assembly.sizes, strict=True)
    text = "".join(f">{name}\n{letters[low : low + size]}\n" for name, low, size in spans)
    (tmp_path / "shuffled.fa").write_text(text)
    evidence = detect_shift(counts, token_genome(tmp_path / "shuffled.fa", genome.assembly))
    assert evidence.shift is None
