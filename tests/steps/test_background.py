from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
from PIL import Image
from scipy.stats import ks_2samp
from tiny import ASSEMBLY, INPUT_FLANK, tiny_experiment, write_fasta

from kerasac.errors import ConfigError, GenomeError, SamplingError
from kerasac.genome.assembly import read_chrom_sizes
from kerasac.genome.centering import Center
from kerasac.genome.intervals import Spans, read_bed
from kerasac.genome.peak_centers import read_peaks, read_spans
from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.regions import find_candidates
from kerasac.steps.background import BackgroundReport, BackgroundSpec, summary_files, write_background
from kerasac.store.schema import read_layout

NARROW = MatchSpec(width_bp=2 * INPUT_FLANK)
DOTS = "\t.\t0\t.\t0\t0\t0\t"


def tiny_spec(folder: Path, match: MatchSpec = NARROW, **options: object) -> BackgroundSpec:
    return BackgroundSpec(folder / "peaks.narrowPeak", folder / "genome.fa", match, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def written(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> BackgroundReport:
    out = tmp_path_factory.mktemp("written") / "nonpeaks.narrowPeak.gz"
    blacklist = (tiny_folder / "blacklist.bed",)
    return write_background(tiny_spec(tiny_folder, blacklist=blacklist), out)


@pytest.fixture
def small(tmp_path: Path) -> BackgroundSpec:
    """A peak of 10 bases in the middle of 200, all of the same GC content."""
    write_fasta(tmp_path / "genome.fa", {"chr1": "ACGT" * 50})
    (tmp_path / "peaks.narrowPeak").write_text(f"chr1\t100\t110{DOTS}5\n")
    match = MatchSpec(width_bp=20, stride_bp=1, ratio=10)
    return BackgroundSpec(tmp_path / "peaks.narrowPeak", tmp_path / "genome.fa", match)


def test_the_windows_are_nonpeaks_as_an_experiment_reads_them(tiny_folder: Path, written: BackgroundReport) -> None:
    negatives = {"bed": str(written.files[0]), "ratio": 1}
    experiment = tiny_experiment(tiny_folder, sampling={"negatives": negatives})
    candidates = find_candidates(experiment, read_layout(str(tiny_folder / "signal.tdb")))
    assert candidates.negatives is not None
    np.testing.assert_array_equal(candidates.negatives.middle, written.negatives.centers)
    assert not [why for why in candidates.skipped if why.startswith("negatives")]


def test_the_file_holds_what_is_reported(written: BackgroundReport) -> None:
    rows = pd.read_csv(written.files[0], sep="\t", header=None)
    assert len(rows) == len(written.negatives.centers) == written.negatives.n_wanted - written.negatives.n_missing
    assert (rows[2] - rows[1] == NARROW.width_bp).all()
    assert (rows[9] == INPUT_FLANK).all()
    offsets = dict(zip(ASSEMBLY.names, ASSEMBLY.offsets.tolist(), strict=True))
    np.testing.assert_array_equal(rows[0].map(offsets) + rows[1] + rows[9], written.negatives.centers)


def test_the_table_has_a_row_a_chromosome_and_one_of_all(written: BackgroundReport) -> None:
    table = pd.read_csv(written.files[1], sep="\t", index_col="chrom")
    assert list(table.index) == [*ASSEMBLY.names, "all"]
    sums = table.loc[list(ASSEMBLY.names)].sum()
    for name in ("n_peaks", "n_candidates", "n_wanted", "n_found", "n_missing"):
        assert table.loc["all", name] == sums[name]
    assert table.loc["all", "gc_peaks"] == pytest.approx(written.negatives.peak_gc.mean(), abs=1e-4)


def test_the_plot_is_an_image(written: BackgroundReport) -> None:
    with Image.open(written.files[2]) as image:
        assert image.convert("L").getextrema()[0] < 100


def test_the_summary_is_json_with_the_spec(written: BackgroundReport) -> None:
    summary = json.loads(json.dumps(written.summary(), default=str))
    assert summary["peaks"] == {"read": 120, "matched": 120, "skipped": {}}
    assert summary["spec"]["match"]["ratio"] == 1
    assert summary["found"] + summary["missing"] == summary["wanted"] == 120
    expected = ks_2samp(written.negatives.peak_gc, written.negatives.gc).statistic
    assert summary["ks_distance"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("margin", "free"), [(0, {*range(10, 91), *range(120, 191)}), (20, {*range(10, 71), *range(140, 191)})]
)
def test_the_margin_is_kept_around_peaks(small: BackgroundSpec, tmp_path: Path, margin: int, free: set[int]) -> None:
    spec = BackgroundSpec(small.peaks, small.fasta, MatchSpec(width_bp=20, stride_bp=1, ratio=1000), margin_bp=margin)
    found = write_background(spec, tmp_path / "n.narrowPeak").negatives
    assert set(found.centers.tolist()) == free


def test_no_window_touches_what_is_excluded(small: BackgroundSpec, tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("chr1\t0\t60\n")
    (tmp_path / "b.bed").write_text("chr1\t140\t150\n")
    spec = BackgroundSpec(
        small.peaks,
        small.fasta,
        MatchSpec(width_bp=20, stride_bp=1, ratio=1000),
        margin_bp=0,
        exclude=(tmp_path / "a.bed", tmp_path / "b.bed"),
    )
    found = write_background(spec, tmp_path / "n.narrowPeak").negatives
    assert set(found.centers.tolist()) == {*range(70, 91), *range(120, 131), *range(160, 191)}


def test_peaks_centred_on_the_blacklist_are_not_matched_but_kept_clear(tmp_path: Path, small: BackgroundSpec) -> None:
    small.peaks.write_text(f"chr1\t100\t110{DOTS}5\nchr1\t20\t30{DOTS}5\n")
    (tmp_path / "blacklist.bed").write_text("chr1\t25\t26\n")
    spec = BackgroundSpec(small.peaks, small.fasta, small.match, blacklist=(tmp_path / "blacklist.bed",))
    report = write_background(spec, tmp_path / "n.narrowPeak")
    assert report.skipped == {"centred on blacklisted bases": 1}
    assert len(report.negatives.peak_gc) == 1
    assert report.negatives.centers.min() >= 30 + 10 + 10


def test_chromosome_sizes_choose_the_chromosomes(tmp_path: Path, small: BackgroundSpec) -> None:
    write_fasta(tmp_path / "genome.fa", {"chrUn": "ACGT" * 50, "chr1": "ACGT" * 50})
    (tmp_path / "chrom.sizes").write_text("chr1\t200\n")
    match = MatchSpec(width_bp=20, across_chromosomes=True)
    spec = BackgroundSpec(small.peaks, small.fasta, match, chrom_sizes=tmp_path / "chrom.sizes")
    report = write_background(spec, tmp_path / "n.bed")
    assert [row.chrom for row in report.negatives.chroms] == ["chr1"]
    assert "n_missing" not in (tmp_path / "n.gc.tsv").read_text()  # pooled: no chromosome's own


def test_bed_peaks_are_centred_in_the_middle(tmp_path: Path, small: BackgroundSpec) -> None:
    small.peaks.write_text("chr1\t100\t110\n")
    with pytest.raises(GenomeError, match="no summit"):
        write_background(small, tmp_path / "n.bed")
    spec = BackgroundSpec(small.peaks, small.fasta, small.match, center=Center.CENTER)
    assert len(write_background(spec, tmp_path / "n.bed").negatives.peak_gc) == 1


@pytest.mark.parametrize("taken", ["n.narrowPeak", "n.gc.tsv", "n.gc.png"])
def test_files_that_are_there_are_kept(tmp_path: Path, small: BackgroundSpec, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ConfigError, match=f"{taken} already exists"):
        write_background(small, tmp_path / "n.narrowPeak")
    assert (tmp_path / taken).read_text() == "mine"
    write_background(small, tmp_path / "n.narrowPeak", overwrite=True)
    assert (tmp_path / taken).read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("match", "margin", "message"),
    [
        (MatchSpec(width_bp=100), None, "no window of 100 bases is 50 bases clear of the peaks"),
        (MatchSpec(width_bp=20, ratio=0.4), None, "is none; use a larger ratio"),
        (MatchSpec(width_bp=20), -1, "a margin of -1 bases"),
    ],
)
def test_nothing_is_left_behind_by_a_mistake(
    tmp_path: Path, small: BackgroundSpec, match: MatchSpec, margin: int | None, message: str
) -> None:
    before = set(tmp_path.iterdir())
    with pytest.raises(SamplingError, match=message):
        write_background(BackgroundSpec(small.peaks, small.fasta, match, margin_bp=margin), tmp_path / "n.bed")
    assert set(tmp_path.iterdir()) == before


def test_no_match_at_all_is_an_error_that_says_what_to_do(tmp_path: Path, small: BackgroundSpec) -> None:
    write_fasta(tmp_path / "genome.fa", {"chr1": "A" * 90 + "G" * 30 + "A" * 80})
    with pytest.raises(
        SamplingError, match=r"no negative for any of 1 peaks: of 132 candidates none .* use a larger tolerance"
    ):
        write_background(small, tmp_path / "n.bed")
    assert not (tmp_path / "n.bed").exists()


def test_json_has_null_for_the_mean_of_nothing(tmp_path: Path, small: BackgroundSpec) -> None:
    write_fasta(tmp_path / "genome.fa", {"chr1": "ACGT" * 50, "chr2": "A" * 40})
    small.peaks.write_text(f"chr1\t100\t110{DOTS}5\nchr2\t15\t25{DOTS}5\n")
    report = write_background(small, tmp_path / "n.bed")
    text = json.dumps(report.summary(), default=str, allow_nan=False)
    assert [row["gc_negatives"] for row in json.loads(text)["chromosomes"]] == [0.5, None]


@pytest.mark.parametrize(
    ("out", "stem"), [("a.narrowPeak.gz", "a"), ("a.bed", "a"), ("a.b.narrowPeak", "a.b"), ("plain", "plain")]
)
def test_the_summary_lies_beside_the_windows(out: str, stem: str) -> None:
    assert summary_files(Path("folder") / out) == (Path(f"folder/{stem}.gc.tsv"), Path(f"folder/{stem}.gc.png"))


@pytest.mark.shared
def test_real_negatives_are_what_they_claim(shared_dir: Path, tmp_path: Path) -> None:
    data = shared_dir / "data/yeast-atac"
    match = MatchSpec(width_bp=1024)
    spec = BackgroundSpec(
        data / "atac.peaks.narrowPeak.gz", data / "sacCer3.fa.gz", match, blacklist=(data / "blacklist.bed",)
    )
    report = write_background(spec, tmp_path / "nonpeaks.narrowPeak.gz")
    assembly = read_chrom_sizes(data / "sacCer3.chrom.sizes")
    rows = read_bed(tmp_path / "nonpeaks.narrowPeak.gz", summits=True)
    rows.check_within(assembly, tmp_path)
    starts = rows.start + rows.offsets(assembly)
    blocked = read_peaks(spec.peaks, assembly).spans(512).union(read_spans(data / "blacklist.bed", assembly))
    assert not blocked.overlaps(starts, starts + 1024).any()
    with pysam.FastaFile(str(data / "sacCer3.fa.gz")) as fasta:
        letters = [
            fasta.fetch(*where) for where in zip(rows.chrom[:50].tolist(), rows.start[:50], rows.end[:50], strict=True)
        ]
    gc = [(text.count("G") + text.count("C")) / 1024 for text in letters]
    np.testing.assert_allclose(report.negatives.gc[:50], gc)
    assert len(rows) > 0.95 * report.negatives.n_wanted
    assert report.ks_distance < 0.05
    assert Spans.from_bounds(starts, starts + 1024).total_bp > 0.6 * 1024 * len(rows)  # most do not overlap
