"""What is wrong or odd with an experiment of bins is said before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from binned import binned_experiment, make_binned_files, write_labels
from tiny import write_json

from kerasac.config import Experiment
from kerasac.errors import ConfigError
from kerasac.steps.check import check
from kerasac.steps.prepare import prepare
from kerasac.steps.prepare_bins import PreparedBins


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("binned")
    make_binned_files(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def changed(folder: Path, change: Any) -> Path:
    """Write labels of its own into a test's folder."""
    table = pd.read_csv(folder / "labels.tsv", sep="\t")
    (folder / "labels.tsv").unlink()
    return write_labels(folder / "labels.tsv", change(table))


def errors(experiment: Experiment) -> list[str]:
    return [str(finding) for finding in check(experiment).findings if finding.level == "error"]


def test_good_experiment_is_prepared(folder: Path) -> None:
    result = check(binned_experiment(folder))
    assert result.passed, result.findings
    assert isinstance(result.prepared, PreparedBins)
    facts = dict(result.facts)
    table = pd.read_csv(folder / "labels.tsv", sep="\t")
    assert facts["bins"] == f"{len(table):,} of 200 bases, with their flanks"
    positive, ambiguous = int((table.peak == 1).sum()), int(table.peak.isna().sum())
    assert facts["task peak"] == f"{positive:,} bins above 0, {ambiguous:,} ambiguous"
    assert facts["fold 0"].startswith("train 200, ")
    assert "at least 0.5" in facts["training bins of fold 0"]


def test_folds_are_balanced_by_positive_bins(folder: Path) -> None:
    prepared = prepare(binned_experiment(folder))
    assert sorted(chrom for fold in prepared.folds for chrom in fold.test) == ["chr1", "chr2", "chr3", "chr4", "chr5"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": "none.tsv"}, "labels.train: .*none.tsv"),
        ({"labels": {"train": "labels.tsv", "valid": "none.tsv"}}, "labels.valid: .*none.tsv"),
        (
            {"outputs": [{"name": "labels", "source": ["strng"], "kind": "classification"}]},
            "no task 'strng'; did you mean 'strong'",
        ),
        ({"model": {"architecture": "bpnet"}}, "bpnet needs a profile"),
        ({"model": {"architecture": "basset", "pools": [3, 4, 8]}}, "is too short for kernels"),
        ({"folds": {"n": 9}}, "9 folds of whole chromosomes need 9 chromosomes"),
        ({"sampling": {"bins": {"thresholds": [7], "ratios": [0.5]}}}, "only 0 have any"),
        ({"genome": {"fasta": "labels.tsv"}}, "cannot read .*labels.tsv as FASTA|does not contain|no chromosome"),
    ],
)
def test_mistakes_are_named(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=f"(?s){said}"):
        prepare(binned_experiment(folder, **changes))


def test_classes_that_are_none_are_an_error(folder: Path) -> None:
    changed(folder, lambda table: table.assign(peak=table.peak * 0.7))
    (said,) = errors(binned_experiment(folder))
    assert said.startswith("labels · peak: a classification's labels are 0, 1 or NaN")


def test_mostly_ambiguous_task_is_a_warning(folder: Path) -> None:
    rng = np.random.default_rng(0)
    changed(folder, lambda table: table.assign(strong=table.strong.where(rng.random(len(table)) < 0.3)))
    said = [str(finding) for finding in check(binned_experiment(folder)).findings]
    assert any("labels · strong: 7" in line and "of the bins are ambiguous" in line for line in said)


def test_window_of_another_width_than_the_bins_is_a_warning(folder: Path) -> None:
    inputs = [{"name": "sequence", "source": "seq", "flank": 150}]
    said = [str(finding) for finding in check(binned_experiment(folder, inputs=inputs)).findings]
    assert any("the window has 300 bases, the bins of labels.tsv with their flanks 200; flank 100" in s for s in said)


def test_input_that_lacks_bins_is_an_error(folder: Path) -> None:
    gc = pd.read_csv(folder / "gc.tsv", sep="\t")
    (folder / "gc.tsv").unlink()
    write_labels(folder / "gc.tsv", gc[3:])
    inputs = [
        {"name": "sequence", "source": "seq", "flank": 100},
        {"name": "gc", "source": ["gc"], "file": "gc.tsv"},
    ]
    (said,) = errors(binned_experiment(folder, inputs=inputs))
    assert "input gc: " in said
    assert "lacks 3 of the" in said


def test_fingerprint_follows_labels_not_places(folder: Path, made: Path) -> None:
    once = prepare(binned_experiment(made)).fingerprint()
    assert prepare(binned_experiment(folder)).fingerprint() == once
    changed(folder, lambda table: table.assign(peak=table.peak.fillna(0)))
    assert prepare(binned_experiment(folder)).fingerprint() != once


def test_leaking_fold_table_is_an_error(folder: Path) -> None:
    write_json(folder / "f.json", {"train": ["chr1", "chr2"], "valid": ["chr2"], "test": ["chr3"]})
    with pytest.raises(Exception, match="chr2 in both train and valid"):
        prepare(binned_experiment(folder, folds={"files": "f.json"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"store": "signal.tdb"}, "both are given"),
        ({"labels": None}, "neither is given"),
        ({"datasets": "x"}, "'datasets' go with store"),
        ({"sampling": {"regions": {"bed": "peaks.narrowPeak"}}}, "sampling.bins goes with labels"),
        ({"outputs": [{"name": "p", "source": "x", "flank": 3}]}, "p has no file .an input. or kind .an output."),
        ({"outputs": [{"name": "p", "source": "x", "kind": "regression", "flank": 3}]}, "take no flank"),
        ({"outputs": [{"name": "p", "source": "x", "kind": "regression", "max": 3}]}, "take no min and max"),
        ({"inputs": [{"name": "gc", "source": "gc", "valid_file": "x"}]}, "valid_file goes with file"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(folder: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        binned_experiment(folder, **changes)
