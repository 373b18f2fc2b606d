from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from original_commands import given
from scipy.special import logit

from kerasac.cli.original.labels import _output
from kerasac.errors import ConfigError, ScoreError
from kerasac.genome.assembly import Assembly
from kerasac.steps.binned_predictions import BinnedPredictions, labels_path, predictions_path, write_binned_predictions
from kerasac.store.labels.bins import BinGrid
from kerasac.store.labels.outputs import plan_files
from kerasac.store.labels.read import BinLabels
from kerasac.store.labels.spec import BinShape

Run = Callable[..., int]
pytestmark = pytest.mark.filterwarnings("ignore")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def bins(tmp_path: Path) -> Path:
    """Labels and probabilities of 60 bins of two tasks, of which the second has an ambiguous label."""
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 2)) < 0.4).astype(np.float32)
    predicted = np.clip(0.5 + 0.3 * (labels - 0.5) + 0.2 * rng.standard_normal((60, 2)), 0.01, 0.99).astype(np.float32)
    labels[0, 1] = np.nan
    starts = np.arange(60, dtype=np.int64) * 200
    made = BinLabels(("chr1",), np.zeros(60, np.int32), starts, starts + 1000, labels, ("A", "B"))
    write_binned_predictions(tmp_path / "p", BinnedPredictions(made, predicted, None))
    return tmp_path / "p"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("more", "which"), [("", "all"), ("--label_min_to_score 4.0 --label_max_to_score 5.5", "filtered")]
)
def test_summary_of_profiles_is_the_reference(
    shared_dir: Path, tmp_path: Path, command: Run, more: str, which: str
) -> None:
    source, out = shared_dir / "reference" / "scores_in.predictions", tmp_path / "s"
    line = f"--predictions {source} --outf {out} --title golden --num_tasks 2 --losses profile counts {more}"
    assert command("kerasAC_score_bpnet", line) == 0
    expected = json.loads((shared_dir / "reference" / "kerasac_bpnet_scores.json").read_text())
    for task in range(2):
        (found,) = rows(tmp_path / f"s.{task}.summary.txt")
        wanted = expected[f"{which}.{task}"]
        assert list(found) == list(wanted)
        for name, text in wanted.items():
            if text in ("golden", "None"):
                assert found[name] == text
            else:
                assert float(found[name]) == pytest.approx(float(text), abs=1e-6, rel=1e-6)
    first = (tmp_path / "s.0.jsd.txt").read_text().splitlines()
    assert first[0] == "Region\tJSD\tPseudorepJSD\tNLL"
    assert len(first[1].split("\t")) == 5
    names = {f"s.{task}.{ending}" for task in range(2) for ending in ("summary.txt", "jsd.txt", "png", "jsd.png")}
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.shared
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("--num_tasks 3", "--num_tasks is 3, but .* has 2"),
        ("--losses counts profile", "in this order"),
        ("--smooth_preps", "goes with --smooth_observed_profile"),
        ("--pseudoreps a.bw", "two bigWigs with a comma"),
        ("--label_min_to_score 90", "no window of .* is within --label_min_to_score"),
    ],
)
def test_scores_that_cannot_be_are_refused(
    shared_dir: Path, tmp_path: Path, command: Run, more: str, said: str
) -> None:
    source = shared_dir / "reference" / "scores_in.predictions"
    with pytest.raises((ConfigError, ScoreError), match=said):
        command("kerasAC_score_bpnet", f"--predictions {source} --outf {tmp_path / 's'} {more}")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("more", "weight"),
    [
        ("--upsample_thresh 1", "23.1"),
        ("--upsample_thresh 2", "45.9"),
        ("--upsample_thresh 1 --ambig_attribute ambig_peak", "23.2"),
    ],
)
@pytest.mark.parametrize("name", ["kerasAC_loss_weights", "kerasAC_loss_weights_bpnet"])
def test_loss_weight_is_the_reference(
    shared_dir: Path, command: Run, capsys: pytest.CaptureFixture[str], name: str, more: str, weight: str
) -> None:
    line = (
        f"--tdb_array {shared_dir / 'reference' / 'genome' / 'store.tdb'} --chroms chr1 --task_index 0 --flank 100 "
        f"--upsample_attribute overlap_peak --label_attribute count_bigwig_unstranded_5p {more}"
    )
    assert command(name, line) == 0
    assert capsys.readouterr().out == f"counts_loss_weight:{weight}\n"


@pytest.mark.shared
def test_ingest_writes_what_seqdataloader_wrote(
    shared_dir: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiledb

    genome = shared_dir / "reference" / "genome"
    monkeypatch.chdir(genome)
    line = f"--tiledb_metadata metadata.tsv --array_name {tmp_path / 'new.tdb'} --chrom_sizes chrom.sizes --threads 4"
    assert command("db_ingest", f"{line} --attribute_config_file attributes.tsv") == 0
    with tiledb.open(str(tmp_path / "new.tdb")) as new, tiledb.open(str(genome / "store.tdb")) as old:
        ours, theirs = new[:150_000, :2], old[:150_000, :2]
        assert dict(old.meta).items() <= dict(new.meta).items()
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values)


@pytest.mark.shared
def test_labels_are_those_of_the_table_of_tasks(
    shared_dir: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    genome = shared_dir / "reference" / "genome"
    monkeypatch.chdir(genome)
    (tmp_path / "tasks.tsv").write_text("task\tnarrowPeak\nK562\tK562.idr.narrowPeak\n")
    line = (
        f"--task_list {tmp_path / 'tasks.tsv'} --chrom_sizes chrom.sizes --chroms_to_keep chr1 "
        "--labeling_approach peak_summit_in_bin_classification --chrom_threads 10"
    )
    for kind, name in (("hdf5", "l.hdf5"), ("gzip", "l.bed.gz")):
        assert command("genomewide_labels", f"{line} --outf {tmp_path / name} --output_type {kind}") == 0
    text = pd.read_csv(tmp_path / "l.bed.gz", sep="\t", compression="gzip")
    assert list(text.columns) == ["CHR", "START", "END", "K562"]
    assert set(text["END"] - text["START"]) == {1000}
    assert text["K562"].sum() > 0
    with pytest.raises(ConfigError, match="pkl"):
        command("genomewide_labels", f"{line} --outf {tmp_path / 'l.pkl'} --output_type pkl")


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("--outf l.hdf5 --output_type hdf5 --split_output_by_chrom", ["l.hdf5.chr1", "l.hdf5.chr2"]),
        ("--outf l.tsv.gz --output_type gzip --split_output_by_chrom", ["chr1.l.tsv.gz", "chr2.l.tsv.gz"]),
        ("--outf p.tsv.gz --output_type gzip --store_positives_only", ["p.tsv.gz", "p.tsv.gz.universal_negatives"]),
        ("--outf /p.tsv.gz --output_type gzip --store_positives_only", ["p.tsv.gz", "universal_negatives.p.tsv.gz"]),
    ],
)
def test_label_files_have_seqdataloaders_names(flags: str, names: list[str]) -> None:
    output = _output(given("genomewide_labels", flags))
    grid = BinGrid(Assembly(("chr1", "chr2"), (5000, 5000)), BinShape(200, 50, 400, 400))
    assert sorted(file.path.name for file in plan_files(output, grid, ["K562"])) == names


def test_scores_of_bins_have_kerasacs_rows(bins: Path, tmp_path: Path, command: Run) -> None:
    out = tmp_path / "scores"
    tables = f"--labels_hdf5 {labels_path(bins)} --predictions_hdf5 {predictions_path(bins)}"
    assert command("kerasAC_score", f"{tables} --performance_metrics_classification_file {out} --tasks X Y") == 0
    found = pd.read_csv(out, sep="\t", index_col=0)
    assert list(found.columns) == ["X", "Y"]
    assert list(found.index[:4]) == [
        "unbalanced_accuracy",
        "positive_accuracy",
        "negative_accuracy",
        "balanced_accuracy",
    ]
    assert found.loc["num_positives", "Y"] + found.loc["num_negatives", "Y"] == 59
    assert found.loc["auroc", "X"] > 0.6
    assert command("kerasAC_score", f"{tables} --performance_metrics_regression_file {out}") == 0
    again = pd.read_csv(out, sep="\t", index_col=0)
    assert list(again.index) == ["spearmanr", "pearsonr", "spearmanr_nonzerobins", "pearsonr_nonzerobins"]
    with pytest.raises(ConfigError, match="give one of"):
        command("kerasAC_score", tables)


def test_calibrated_classes_are_right_on_average(bins: Path, tmp_path: Path, command: Run) -> None:
    from kerasac.cli.original.calibrate import write_table
    from kerasac.steps.binned_predictions import read_binned_predictions

    read = read_binned_predictions(bins)
    write_table(
        tmp_path / "logits", read.labels, logit(read.predicted).astype(np.float32), "classification", numbered=True
    )
    line = f"--preacts {tmp_path / 'logits'} --labels {labels_path(bins)} --outf {tmp_path / 'out'}"
    assert command("kerasAC_calibrate", f"{line} --calibrate_classification") == 0
    found = pd.read_hdf(tmp_path / "out", "data")
    labels = read.labels.values
    np.testing.assert_allclose(found.to_numpy()[1:].mean(axis=0), np.nanmean(labels[1:], axis=0), atol=0.02)
    assert list(found.columns) == [0, 1]  # kerasAC's, whatever its labels are called
    tables = f"--labels_hdf5 {labels_path(bins)} --predictions_hdf5 {tmp_path / 'out'}"
    assert command("kerasAC_score", f"{tables} --performance_metrics_classification_file {tmp_path / 's'}") == 0
    assert list(pd.read_csv(tmp_path / "s", sep="\t", index_col=0).columns) == ["A", "B"]
    with pytest.raises(ConfigError, match="give one of"):
        command("kerasAC_calibrate", line)


def test_curves_are_drawn(bins: Path, tmp_path: Path, command: Run) -> None:
    line = f"--labels_hdf5 {labels_path(bins)} --predictions_hdf5 {predictions_path(bins)} --outf {tmp_path / 'c.png'}"
    assert command("kerasAC_curves", line) == 0
    assert (tmp_path / "c.png").stat().st_size > 10_000


@pytest.mark.shared
def test_bigwigs_have_kerasacs_names(shared_dir: Path, tmp_path: Path, command: Run) -> None:
    reference = shared_dir / "reference"
    source = tmp_path / "one.predictions"
    with h5py.File(reference / "scores_in.predictions") as old, h5py.File(source, "w") as new:
        new["coords"] = old["coords"][:]
        for name in ("lab_0", "pred_0", "lab_1", "pred_1"):
            new[name] = old[name][..., 0]
    sizes = reference / "genome" / "chrom.sizes"
    line = f"--predictions_hdf {source} --out_prefix {tmp_path / 'x'} --chrom_sizes_file {sizes}"
    assert command("kerasAC_bigwigs_from_io", line) == 0
    spaces = ("counts", "logits", "prob")
    names = [f"{kind}_{space}" for kind in ("labels", "predictions") for space in spaces]
    assert {path.name for path in tmp_path.glob("*.bw")} == {
        f"x.{name}.bw" for name in (*names, "delta_logits", "delta_prob")
    }
    with pyBigWig.open(str(tmp_path / "x.labels_counts.bw")) as track:
        assert track.chroms() == {"chr1": 60_000, "chr2": 50_000, "chr3": 40_000}


def test_summaries_are_put_side_by_side(tmp_path: Path, command: Run) -> None:
    for name, value in (("a", 0.5), ("b", 0.7)):
        (tmp_path / name).write_text(f"Title\tPearson\tMSE\nt\t{value}\t1\n")
    (tmp_path / "list").write_text(f"Model\tFile\tFold\nx\t{tmp_path / 'a'}\t0\ny\t{tmp_path / 'b'}\t1\n")
    line = f"--summary_stats_file {tmp_path / 'list'} --out {tmp_path / 'out'}"
    assert command("kerasAC_aggregate_summaries", f"{line} --performance_fields Pearson MSE") == 0
    assert (tmp_path / "out").read_text() == "Model\tFold\tPearson\tMSE\nx\t0\t0.5\t1\ny\t1\t0.7\t1\n"
    with pytest.raises(ConfigError, match="no column 'Spearman'"):
        command("kerasAC_aggregate_summaries", line.replace("--out", "--performance_fields Spearman --out"))
