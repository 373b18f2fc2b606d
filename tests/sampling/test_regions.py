"""Windows may be centred where the rules say, base by base, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import write_tracks

from kerasac.config import Experiment, make_experiment
from kerasac.errors import GenomeError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.sampling.regions import Candidates, Centers, find_candidates
from kerasac.store.schema import read_layout

ASSEMBLY = Assembly(("chr1", "chr2", "short", "chr3"), (1_000, 600, 150, 400))
TOTAL = ASSEMBLY.total_bp
CHR2 = 1_000
FLANK, OUT = 100, 20

PEAK_RUNS = [(300, 340), (500, 520), (995, 1_010), (1_150, 1_200), (1_830, 1_880)]
AMBIGUOUS = [(310, 320), (1_300, 1_310)]

Find = Callable[..., Candidates]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Path:
    folder = tmp_path_factory.mktemp("regions")
    peak, ambig = np.zeros(TOTAL, dtype=np.int64), np.zeros(TOTAL, dtype=np.int64)
    for start, end in PEAK_RUNS:
        peak[start:end] = 1
    peak[330] = peak[510] = 2
    for start, end in AMBIGUOUS:
        ambig[start:end] = 1
    counts = np.zeros(TOTAL, dtype=np.float32)
    columns = {"peak": peak, "ambig": ambig, "plus": counts, "minus": counts}
    shifted = {**columns, "peak": np.roll(peak, 100), "ambig": np.roll(ambig, 100)}
    write_tracks(folder / "signal.tdb", ASSEMBLY, {"A": columns, "B": shifted})
    return folder


@pytest.fixture
def find(folder: Path, tmp_path: Path) -> Find:
    """Find the candidates of an experiment whose sampling section, BED files and other keys are given."""

    def call(sampling: dict[str, Any], files: dict[str, str] | None = None, **changes: Any) -> Candidates:
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text.replace(" ", "\t"))
        experiment = _experiment(sampling, base=tmp_path, store=folder / "signal.tdb", **changes)
        return find_candidates(experiment, read_layout(str(experiment.store)))

    return call


def _experiment(sampling: dict[str, Any], *, base: Path, store: Path, **changes: Any) -> Experiment:
    document = {
        "name": "regions",
        "genome": {"fasta": "genome.fa"},
        "store": str(store),
        "datasets": "A",
        "inputs": [{"name": "sequence", "source": "seq", "flank": FLANK}],
        "outputs": [{"name": "profile", "source": ["plus", "minus"], "flank": OUT}],
        "sampling": sampling,
        **changes,
    }
    return make_experiment(document, base=base, origin="test")


def positions(**changes: Any) -> dict[str, Any]:
    return {"peaks": {"attribute": "peak", "threshold": 1}, "train_size": 1, "valid_size": 1, **changes}


def regions(center: str = "center", jitter: int = 0, **changes: Any) -> dict[str, Any]:
    return {"regions": {"bed": "r.bed", "center": center, "jitter": jitter}, **changes}


def bits(spans: Spans | None) -> np.ndarray:
    assert spans is not None
    found = np.zeros(TOTAL, dtype=bool)
    for start, end in zip(spans.starts, spans.ends, strict=True):
        found[start:end] = True
    return found


def mark(runs: list[tuple[int, int]]) -> np.ndarray:
    found = np.zeros(TOTAL, dtype=bool)
    for start, end in runs:
        found[start:end] = True
    return found


def inner(flank: int = FLANK) -> np.ndarray:
    """Centres whose whole window lies on one chromosome, found window by window."""
    chrom = np.repeat(np.arange(4), ASSEMBLY.sizes)
    found = np.zeros(TOTAL, dtype=bool)
    for center in range(flank, TOTAL - flank + 1):
        if center < TOTAL:
            found[center] = (
                len(set(chrom[center - flank : center + flank])) == 1 and chrom[center - flank] == chrom[center]
            )
    return found


def background_of(touched: np.ndarray) -> np.ndarray:
    """Inner centres whose output window has no touched base, found window by window."""
    clear = np.array([not touched[max(0, c - OUT) : c + OUT].any() for c in range(TOTAL)])
    return inner() & clear


def middles(centers: Centers | None) -> list[int]:
    assert centers is not None
    return centers.middle.tolist()


def test_positions_are_all_inner_peak_bases_that_are_not_ambiguous(find: Find) -> None:
    found = find(positions(ambiguous="ambig"))
    np.testing.assert_array_equal(bits(found.positions), mark(PEAK_RUNS) & inner() & ~mark(AMBIGUOUS))
    assert found.regions is None
    assert found.skipped == {"peak positions": 15 + 20 + 10}


def test_threshold_2_takes_summits_only(find: Find) -> None:
    found = find({**positions(), "peaks": {"attribute": "peak", "threshold": 2}})
    assert np.flatnonzero(bits(found.positions)).tolist() == [330, 510]


def test_positions_of_several_datasets_are_joined(find: Find) -> None:
    found = find(positions(), datasets=["A", "B"])
    both = mark(PEAK_RUNS) | np.roll(mark(PEAK_RUNS), 100)
    np.testing.assert_array_equal(bits(found.positions), both & inner())


def test_blacklist_takes_centres_and_background(find: Find) -> None:
    black = mark([(505, 700)])
    genome = {"fasta": "genome.fa", "blacklist": "black.bed"}
    found = find(positions(), {"black.bed": "chr1 505 700\n"}, genome=genome)
    np.testing.assert_array_equal(bits(found.positions), mark(PEAK_RUNS) & inner() & ~black)
    np.testing.assert_array_equal(bits(found.background), background_of(mark(PEAK_RUNS) | black))


def test_background_windows_touch_no_peak_and_no_ambiguous_base(find: Find) -> None:
    found = find(positions(ambiguous="ambig"))
    np.testing.assert_array_equal(bits(found.background), background_of(mark(PEAK_RUNS) | mark(AMBIGUOUS)))


def test_background_touches_no_scored_peak(find: Find) -> None:
    files = {"r.bed": "chr1 400 420\n", "s.bed": "chr1 600 640 . 0 . 0 0 0 20\n"}
    found = find(regions(), files, score={"peaks": "s.bed"})
    np.testing.assert_array_equal(bits(found.background), background_of(mark([(400, 420), (600, 640)])))
    assert middles(found.test_peaks) == [620]


@pytest.mark.parametrize(
    ("center", "expected"),
    [
        ("center", [(310, 311), (CHR2 + 205, CHR2 + 206)]),
        ("summit", [(305, 306), (CHR2 + 205, CHR2 + 206)]),
        ("random", [(300, 321), (CHR2 + 200, CHR2 + 210)]),
        ("edges", [(300, 301), (320, 321), (CHR2 + 200, CHR2 + 201), (CHR2 + 209, CHR2 + 210)]),
    ],
)
def test_centring_rules(find: Find, center: str, expected: list[tuple[int, int]]) -> None:
    # The second region's summit is -1: none was called, and its middle stands in.
    bed = "chr1 300 321 . 0 . 0 0 0 5\nchr2 200 210 . 0 . 0 0 0 -1\n"
    found = find(regions(center), {"r.bed": bed}).regions
    assert found is not None
    assert list(zip(found.low.tolist(), found.high.tolist(), strict=True)) == expected


def test_regions_keep_the_order_of_the_file(find: Find) -> None:
    found = find(regions(), {"r.bed": "chr2 200 202\nchr1 300 302\nchr2 200 202\n"})
    assert middles(found.regions) == [CHR2 + 201, 301, CHR2 + 201]


@pytest.mark.parametrize(
    ("center_bp", "jitter", "kept"),
    [
        (100, 0, True),
        (99, 0, False),
        (900, 0, True),
        (901, 0, False),
        (110, 10, True),
        (109, 10, False),
        (890, 10, True),
    ],
)
def test_window_may_reach_the_chromosomes_end_but_not_leave_it(
    find: Find, center_bp: int, jitter: int, kept: bool
) -> None:
    found = find(regions(jitter=jitter), {"r.bed": f"chr1 {center_bp} {center_bp + 1}\nchr1 500 501\n"})
    assert (center_bp in middles(found.regions)) == kept
    assert found.skipped == ({} if kept else {"regions too near chromosome ends": 1})


def test_wide_jitter_does_not_jump_to_the_next_chromosome(find: Find) -> None:
    # Moved by 200 either way, this centre stays clear of both ends' flanks, yet lies beside the border.
    found = find(regions(jitter=200), {"r.bed": "chr2 0 1\nchr1 500 501\n"})
    assert middles(found.regions) == [500]


def test_short_chromosomes_have_no_windows(find: Find) -> None:
    found = find(regions(), {"r.bed": "short 75 76\nchr3 200 201\n"})
    assert found.peaks_by_chrom() == {"chr1": 0, "chr2": 0, "short": 0, "chr3": 1}
    assert not (bits(found.background) & mark([(1_600, 1_750)])).any()


def test_regions_on_excluded_bases_are_left_out_and_counted(find: Find) -> None:
    bed = "chr1 300 321\nchr1 500 502\nchr2 300 302\n"
    found = find(regions(ambiguous="ambig"), {"r.bed": bed})
    assert middles(found.regions) == [501]
    assert middles(found.test_peaks) == [501]
    assert found.skipped == {"regions on ambiguous or blacklisted bases": 2}
    np.testing.assert_array_equal(bits(found.excluded), mark(AMBIGUOUS))


def test_summit_beyond_the_chromosome_is_not_read_from_the_next(find: Find) -> None:
    # Clipped at base 1,000, with its summit 150 bases further: base 150 of chr2.
    bed = "chr1 900 1200 . 0 . 0 0 0 250\nchr1 500 600 . 0 . 0 0 0 50\n"
    found = find(regions("summit"), {"r.bed": bed})
    assert middles(found.regions) == [550]
    assert found.skipped == {"regions with a summit outside": 1}


def test_negatives_of_a_file_stand_at_their_middles(find: Find) -> None:
    files = {"r.bed": "chr1 300 302\n", "n.bed": "chr1 600 610 . . . . . . . 5\nchr1 10 20\nchr2 300 310\n"}
    found = find(regions(negatives={"bed": "n.bed"}), files)
    assert middles(found.negatives) == [605, CHR2 + 305]
    assert found.skipped == {"negatives too near chromosome ends": 1}


def test_test_peaks_of_positions_are_the_middles_of_their_runs(find: Find) -> None:
    found = find(positions())
    assert middles(found.test_peaks) == [319, 509, 1_174, 1_864]


def test_regions_of_random_centres_are_scored_at_their_middle(find: Find) -> None:
    assert middles(find(regions("random"), {"r.bed": "chr1 300 321\n"}).test_peaks) == [310]


def test_peaks_are_counted_by_chromosome(find: Find) -> None:
    assert find(positions()).peaks_by_chrom() == {"chr1": 2, "chr2": 1, "short": 0, "chr3": 1}
    by_region = find(regions("edges"), {"r.bed": "chr2 200 300\nchr1 300 302\n"})
    assert by_region.peaks_by_chrom() == {"chr1": 2, "chr2": 2, "short": 0, "chr3": 0}


@pytest.mark.parametrize("sampling", [positions(ambiguous="ambig"), regions()])
def test_chromosomes_divide_the_candidates(find: Find, sampling: dict[str, Any]) -> None:
    found = find(sampling, {"r.bed": "chr2 200 300\nchr1 300 302\nchr3 200 202\n"})
    parts = [found.on([chrom]) for chrom in ASSEMBLY.names]
    assert sum(part.n_peaks for part in parts) == found.n_peaks
    assert sum(part.background.total_bp for part in parts) == found.background.total_bp
    assert sum(len(part.test_peaks) for part in parts) == len(found.test_peaks)
    for part, low, size in zip(parts, ASSEMBLY.offsets, ASSEMBLY.sizes, strict=True):
        assert not bits(part.background)[:low].any()
        assert not bits(part.background)[low + size :].any()


def test_digest_follows_the_files(find: Find) -> None:
    texts = ["chr1 300 302\n", "chr1 300 302\n", "chr1 301 303\n", "chr1 300 302\nchr1 500 502\n"]
    same, again, moved, more = (find(regions(), {"r.bed": text}).digest() for text in texts)
    assert same == again
    assert len({same, moved, more}) == 3


def test_flank_wider_than_every_chromosome_is_refused(find: Find) -> None:
    inputs = [{"name": "sequence", "source": "seq", "flank": 501}]
    with pytest.raises(GenomeError, match="has flank 501: windows of 1,002 bases, but the longest chromosome"):
        find(positions(), inputs=inputs)


@pytest.mark.parametrize(
    ("sampling", "bed", "error", "expected"),
    [
        (regions(), "1 300 302\n", GenomeError, r"'1' of .*r\.bed is not in the genome: it is called 'chr1' there"),
        (regions(), "chr1 5000 5001\n", GenomeError, r"r\.bed: chr1:5000-5001 starts beyond"),
        (regions("summit"), "chr1 300 302\n", GenomeError, r"r\.bed line 1 has 3 columns and no summit"),
        (positions(ambiguous="ambg"), "", StoreError, "no attribute 'ambg'; did you mean 'ambig'"),
    ],
)
def test_bed_that_does_not_fit_is_named(
    find: Find, sampling: dict[str, Any], bed: str, error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        find(sampling, {"r.bed": bed})
