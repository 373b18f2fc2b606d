from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyBigWig
import pysam
import pytest

from kerasac.errors import ConfigError, GenomeError
from kerasac.genome.simulate import (
    MOTIFS,
    Simulation,
    enzyme_preference,
    footprint,
    genome_files,
    is_simulated,
    read_truth,
    simulate,
)
from kerasac.genome.simulate.chromosome import simulate_chrom
from kerasac.genome.simulate.motifs import ENZYME_BIAS

TINY = Simulation(seed=7, n_chroms=3, chrom_bp=100_000, end_n_bp=500)
PLUS, MINUS = 0, 1


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return simulate(TINY, tmp_path_factory.mktemp("genome"))


@pytest.fixture(scope="module")
def chroms():
    return [simulate_chrom(TINY, i) for i in range(TINY.n_chroms)]


@pytest.fixture(scope="module")
def signal(genome):
    """Counts by chromosome as the bigWigs hold them, shape (2, size)."""
    with pyBigWig.open(str(genome.plus_bw)) as plus, pyBigWig.open(str(genome.minus_bw)) as minus:
        return {
            chrom: np.nan_to_num([track.values(chrom, 0, size, numpy=True) for track in (plus, minus)])
            for chrom, size in TINY.chrom_sizes.items()
        }


@pytest.fixture(scope="module")
def tokens(genome):
    with pysam.FastaFile(str(genome.fasta)) as fasta:
        return {c: np.array(["ACGTN".index(base) for base in fasta.fetch(c)], np.uint8) for c in fasta.references}


def rows(path):
    return [line.split("\t") for line in path.read_text().splitlines()]


def contents(genome):
    return {path.name: path.read_bytes() for path in genome.folder.iterdir()}


def test_same_seed_gives_same_bytes(genome, tmp_path):
    assert contents(simulate(TINY, tmp_path)) == contents(genome)


def test_other_seed_gives_other_data(genome, tmp_path):
    other = contents(simulate(replace(TINY, seed=8), tmp_path))
    for name in ("genome.fa", "signal.plus.bw", "signal.minus.bw", "peaks.narrowPeak", "truth.tsv"):
        assert other[name] != contents(genome)[name]


def test_folder_holds_the_named_files_and_no_partial_ones(genome):
    assert all(path.exists() for path in genome)
    assert len(contents(genome)) == len(genome) - 1 + 2  # without the folder, with the FASTA index and the record


def test_is_simulated_only_by_the_same_simulation(genome, tmp_path):
    assert is_simulated(TINY, genome.folder)
    assert not is_simulated(replace(TINY, noise_sd=0.3), genome.folder)
    assert not is_simulated(TINY, tmp_path)


def test_sequence_has_n_at_ends_only_and_rare_cpg(tokens):
    for chrom, size in TINY.chrom_sizes.items():
        assert len(tokens[chrom]) == size
        inside = tokens[chrom][TINY.end_n_bp : -TINY.end_n_bp]
        assert (inside < 4).all()
        assert np.count_nonzero(tokens[chrom] == 4) == 2 * TINY.end_n_bp
        c, g = inside[:-1] == 1, inside[1:] == 2
        assert (c & g).mean() < 0.6 * c.mean() * g.mean()


def test_bigwigs_hold_the_drawn_counts(signal, chroms):
    for chrom in chroms:
        np.testing.assert_array_equal(signal[chrom.name], chrom.counts)


def test_bigwig_totals_match_a_direct_count(genome, chroms):
    for path, strand in ((genome.plus_bw, PLUS), (genome.minus_bw, MINUS)):
        with pyBigWig.open(str(path)) as track:
            assert track.chroms() == TINY.chrom_sizes
            assert track.header()["sumData"] == sum(chrom.counts[strand].sum() for chrom in chroms)
            assert track.header()["nBasesCovered"] == sum(np.count_nonzero(c.counts[strand]) for c in chroms)


def test_n_is_never_cut(signal, tokens):
    assert all(signal[chrom][:, tokens[chrom] == 4].sum() == 0 for chrom in signal)


def test_truth_sites_are_in_the_fasta(genome, tokens):
    sites = read_truth(genome.truth)
    assert {site.motif for site in sites} == set(MOTIFS)
    for site in sites:
        bases = tokens[site.chrom][site.start : site.end]
        bases = bases if site.strand == "+" else 3 - bases[::-1]
        score = MOTIFS[site.motif].log_odds[np.arange(len(bases)), bases].sum()
        assert score == pytest.approx(site.score, abs=1e-3)


def test_planted_sites_score_above_decoys_and_background(genome):
    planted = [site for site in read_truth(genome.truth) if site.element != "."]
    decoys = [site for site in read_truth(genome.truth) if site.element == "."]
    assert np.mean([site.score for site in planted]) > 8 > 4 > np.mean([site.score for site in decoys])
    assert all(0 <= site.strength <= MOTIFS[site.motif].strength for site in planted)
    assert all(site.strength == 0 for site in decoys)


def test_sites_never_overlap(genome):
    sites = read_truth(genome.truth)
    for before, after in pairwise(sites):
        assert before.chrom != after.chrom or before.end <= after.start


def test_both_strands_carry_motifs(genome):
    forward = np.mean([site.strand == "+" for site in read_truth(genome.truth)])
    assert 0.35 < forward < 0.65


def test_counts_follow_the_sum_of_strengths(genome, signal):
    elements = {}
    for site in read_truth(genome.truth):
        if site.element != ".":
            elements.setdefault(site.element, []).append(site)
    strength = [sum(site.strength for site in sites) for sites in elements.values()]
    counts = [signal[sites[0].chrom][:, sites[0].start - 75 : sites[-1].end + 75].sum() for sites in elements.values()]
    assert np.corrcoef(strength, np.log1p(counts))[0, 1] > 0.8


def test_decoys_are_not_open(genome, signal):
    decoys = [site for site in read_truth(genome.truth) if site.element == "."]
    rates = [signal[site.chrom][:, site.start - 75 : site.end + 75].mean() for site in decoys]
    assert np.mean(rates) < 2 * TINY.background_rate


@pytest.mark.parametrize("name", MOTIFS)
def test_core_is_cut_less_than_its_shoulders(name, genome, signal):
    motif = MOTIFS[name]
    sites = [site for site in read_truth(genome.truth) if site.motif == name and site.element != "."]
    reach = round(motif.shoulder_bp + motif.shoulder_sd_bp)
    around = np.mean([signal[s.chrom][:, s.start - reach : s.end + reach].sum(axis=0) for s in sites], axis=0)
    core, shoulders = around[reach + 2 : -reach - 2], np.r_[around[: reach - 1], around[-reach + 1 :]]
    assert core.mean() < 0.75 * shoulders.mean()


def test_plus_cuts_lean_left_and_minus_cuts_right(genome, signal):
    sites = [site for site in read_truth(genome.truth) if site.element != "."]
    left = sum(signal[site.chrom][:, site.start - 25 : site.start] for site in sites).sum(axis=1)
    right = sum(signal[site.chrom][:, site.end : site.end + 25] for site in sites).sum(axis=1)
    assert left[PLUS] > 1.5 * right[PLUS]
    assert right[MINUS] > 1.5 * left[MINUS]


@pytest.mark.parametrize("name", MOTIFS)
def test_footprint_mirrors_between_strands_but_for_its_skew(name):
    unskewed = footprint(replace(MOTIFS[name], skew=0.0))
    np.testing.assert_allclose(unskewed, unskewed[::-1, ::-1], atol=1e-12)
    assert footprint(MOTIFS[name]).sum() == pytest.approx(1)


def test_enzyme_preference_of_the_reverse_complement_swaps_strands(tokens):
    inside = tokens["chr1"][TINY.end_n_bp : -TINY.end_n_bp]
    np.testing.assert_allclose(enzyme_preference(3 - inside[::-1]), enzyme_preference(inside)[::-1, ::-1])


def test_strength_multiplies_the_logarithm_of_the_preference(tokens):
    inside = tokens["chr1"][TINY.end_n_bp : -TINY.end_n_bp]
    usual, none, twice = (enzyme_preference(inside, strength) for strength in (1, 0, 2))
    np.testing.assert_allclose(none, 1)
    np.testing.assert_allclose(twice, usual**2 / (usual**2).mean())


@pytest.mark.parametrize("strand", [PLUS, MINUS])
def test_cut_base_composition_follows_the_enzyme(strand, signal, tokens):
    cuts, bases = np.zeros(4), np.zeros(4)
    for chrom, counts in signal.items():
        sequence = tokens[chrom] if strand == PLUS else np.where(tokens[chrom] < 4, 3 - tokens[chrom], 4)
        for base in range(4):
            cuts[base] += counts[strand, sequence == base].sum()
            bases[base] += np.count_nonzero(sequence == base)
    enrichment = np.log(cuts / bases)
    assert np.corrcoef(enrichment, ENZYME_BIAS[3])[0, 1] > 0.8
    assert enrichment[0] - enrichment[1] > 0.5


def test_peaks_lie_in_their_chromosomes_sorted_with_a_summit(genome):
    peaks = rows(genome.peaks)
    order = [(list(TINY.chrom_sizes).index(peak[0]), int(peak[1])) for peak in peaks]
    assert order == sorted(order)
    assert len(peaks) > 100
    for peak in peaks:
        start, end, summit = int(peak[1]), int(peak[2]), int(peak[9])
        assert len(peak) == 10
        assert 0 <= start < end <= TINY.chrom_sizes[peak[0]]
        assert 0 <= summit < end - start
        assert 0 <= int(peak[4]) <= 1000
        assert float(peak[6]) > 1


def test_peaks_are_the_elements_above_the_threshold(genome, chroms):
    expected = {e.name for chrom in chroms for e in chrom.elements if e.expected_counts >= TINY.peak_counts}
    assert {peak[3] for peak in rows(genome.peaks)} == expected


def test_ambiguous_never_overlaps_peaks(genome):
    ambiguous = rows(genome.ambiguous)
    assert ambiguous
    taken = {chrom: np.zeros(size, bool) for chrom, size in TINY.chrom_sizes.items()}
    for peak in rows(genome.peaks):
        taken[peak[0]][int(peak[1]) : int(peak[2])] = True
    assert not any(taken[chrom][int(start) : int(end)].any() for chrom, start, end in ambiguous)


def test_ingest_tables_name_existing_files(genome):
    attributes = rows(genome.attributes)
    assert attributes == [
        ["count_plus", "bigwig"],
        ["count_minus", "bigwig"],
        ["peak", "bed_summit_from_last_col"],
        ["ambig", "bed_no_summit"],
    ]
    header, row = rows(genome.metadata)
    assert header == ["dataset", *(name for name, _kind in attributes)]
    assert row[0] == "simulated"
    assert all((genome.folder / name).exists() for name in row[1:])


def test_chrom_sizes_fit_the_fasta(genome):
    assert dict(rows(genome.chrom_sizes)) == {name: str(size) for name, size in TINY.chrom_sizes.items()}


def test_read_truth_names_a_wrong_header(genome):
    with pytest.raises(GenomeError, match="line 1: expected the columns chrom start"):
        read_truth(genome.peaks)


def test_genome_files_are_where_simulate_writes_them(genome):
    assert genome_files(genome.folder) == genome


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_chroms": 0}, "n_chroms is 0; it must be at least 1"),
        ({"element_share": 0.95}, "exceed 1"),
        ({"ambiguous_counts": 500.0}, "exceed peak_counts"),
        ({"chrom_bp": 3000}, "shortest chromosome needs"),
    ],
)
def test_impossible_simulations_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        replace(Simulation(), **wrong)
