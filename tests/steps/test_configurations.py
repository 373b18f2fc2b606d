import json
from pathlib import Path
from typing import Any

import pytest
from scored import fold_table, one_seed, write_run

from kerasac.errors import ScoreError
from kerasac.steps.configurations import Configuration, differing_keys, differing_versions, read_configurations

KERASAC = {
    "Title": "golden",
    "Pearson": "0.479",
    "Spearman": "0.409",
    "MSE": "0.165",
    "PseudorepPearson": "None",
    "PseudorepSpearman": "None",
    "MeanJSD": "0.361",
    "StdJSD": "0.052",
    "MeanPseudorepJSD": "None",
    "StdPseudorepJSD": "None",
    "MeanMNNLL": "253.8",
    "StdMNNLL": "50.8",
}
CHROMBPNET = {
    "counts_metrics": {
        "peaks": {"spearmanr": 0.61, "pearsonr": 0.62, "mse": 0.3},
        "nonpeaks": {"spearmanr": 0.31, "pearsonr": 0.32, "mse": 0.5},
        "peaks_and_nonpeaks": {"spearmanr": 0.71, "pearsonr": float("nan"), "mse": 0.4},
    },
    "profile_metrics": {"peaks": {"median_jsd": 0.52, "median_norm_jsd": 0.25}},
}


def read(*paths: Path) -> tuple[Configuration, ...]:
    return read_configurations(paths)


def kerasac(path: Path, **values: str) -> Path:
    """Write a summary as kerasAC's bpnet_performance_metrics does."""
    row = KERASAC | values
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    return path


def chrombpnet(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(CHROMBPNET))
    return path


def value(configuration: Configuration, windows: str, metric: str) -> Any:
    found = configuration.summary.get(windows, metric)
    return found and dict(found.values)


def test_a_run_is_a_configuration_of_its_folders_name(tmp_path: Path) -> None:
    (run,) = read(write_run(tmp_path / "deep", one_seed({0: 0.1, 1: 0.2}), folds=fold_table(3)))
    assert (run.name, run.kind, list(run.scores)) == ("deep", "profile windows", ["fold-0/seed-1", "fold-1/seed-1"])
    assert run.missing == ("fold-2/seed-1",)
    assert run.splits["fold-1"]["test"] == ["chr1"]


def test_units_of_one_run_are_one_configuration(tmp_path: Path) -> None:
    run = write_run(tmp_path / "deep", one_seed({0: 0.1, 1: 0.2, 2: 0.3}))
    (found,) = read(run / "fold-2/seed-1", run / "fold-0/seed-1/scores.json")
    assert value(found, "peaks", "counts_pearson") == {"fold-0/seed-1": 0.1, "fold-2/seed-1": 0.3}
    assert (found.name, found.missing) == ("deep", ())
    assert set(found.splits) >= {"fold-0", "fold-2"}


def test_scores_outside_a_run_are_a_configuration_of_their_folders_name(tmp_path: Path) -> None:
    run = write_run(tmp_path / "deep", one_seed({0: 0.1}))
    (tmp_path / "scored").mkdir()
    (run / "fold-0/seed-1/scores.json").rename(tmp_path / "scored/scores.json")
    (found,) = read(tmp_path / "scored")
    assert (found.name, value(found, "peaks", "counts_pearson")) == ("scored", {"scored": 0.1})


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, one_seed({0: 0.1})) for name in ("x/runs/a", "y/runs/a", "y/runs/b")]
    assert [one.name for one in read(*runs)] == ["x/runs/a", "y/runs/a", "b"]


@pytest.mark.parametrize("again", ["deep", "deep/fold-0/seed-1", "deep/../deep"])
def test_a_run_given_twice_is_refused(tmp_path: Path, again: str) -> None:
    run = write_run(tmp_path / "deep", one_seed({0: 0.1}))
    with pytest.raises(ScoreError, match=r"of .*deep is given twice; name each run once"):
        read(run, tmp_path / again)


def test_keys_that_differ_are_found_and_those_of_the_machine_are_not(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, one_seed({0: 0.1}), experiment=experiment)
        for name, experiment in (
            ("a", {"model": {"filters": [32, 64]}, "outputs": [{"name": "p"}], "compute": {"gpus": 1}, "x": None}),
            ("b", {"model": {"filters": [32, 32]}, "outputs": [{"name": "q"}], "compute": {"gpus": 2}, "y": 1}),
        )
    ]
    assert differing_keys(read(*runs)) == {
        "model.filters": ["32, 64", "32, 32"],
        "outputs.0.name": ["p", "q"],
        "y": ["–", "1"],
    }


def test_versions_that_differ_are_found(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, one_seed({0: 0.1})) for name in "ab"]
    for run, keras in zip(runs, ("3.1", "3.2"), strict=True):
        (run / "provenance.json").write_text(json.dumps({"versions": {"keras": keras, "numpy": "2"}}))
    assert differing_versions(read(*runs)) == {"keras": ["3.1", "3.2"]}


def test_kerasac_summaries_are_read_with_the_fold_in_their_names(tmp_path: Path) -> None:
    paths = [kerasac(tmp_path / f"out.fold{k}.0.summary.txt", Pearson=f"0.{k}") for k in (3, 4)]
    (found,) = read(*paths)
    assert value(found, "all", "counts_pearson") == {"fold-3": 0.3, "fold-4": 0.4}
    assert value(found, "all", "counts_pearson_pseudoreplicate") == {"fold-3": None, "fold-4": None}
    assert (found.name, found.kind) == ("out.fold.0", "profile windows")
    assert "from kerasAC's summary: MeanJSD" in found.summary.definitions["jsd_distance_mean"]


def test_kerasac_summaries_of_other_tasks_are_other_configurations(tmp_path: Path) -> None:
    paths = [kerasac(tmp_path / f"out.{task}.summary.txt") for task in (0, 1)]
    assert [one.name for one in read(*paths)] == ["out.0", "out.1"]


@pytest.mark.shared
def test_the_reference_summary_of_kerasac_is_read_in_full(tmp_path: Path, shared_dir: Path) -> None:
    reference = json.loads((shared_dir / "reference/kerasac_bpnet_scores.json").read_text())["all.0"]
    (found,) = read(kerasac(tmp_path / "all.0.summary.txt", **reference))
    names = {"Pearson": "counts_pearson", "MeanJSD": "jsd_distance_mean", "StdMNNLL": "mnll_sd"}
    for theirs, ours in names.items():
        assert value(found, "all", ours) == {"all.0.summary.txt": float(reference[theirs])}


def test_chrombpnet_metrics_are_read_by_window_set(tmp_path: Path) -> None:
    paths = [chrombpnet(tmp_path / f"fold_{k}/evaluation/chrombpnet_metrics.json") for k in (0, 1)]
    (found,) = read(*paths)
    assert value(found, "peaks", "counts_pearson") == {"fold-0": 0.62, "fold-1": 0.62}
    assert value(found, "background", "counts_mse") == {"fold-0": 0.5, "fold-1": 0.5}
    assert value(found, "peaks", "jsd_norm_median") == {"fold-0": 0.25, "fold-1": 0.25}
    assert value(found, "all", "counts_pearson") == {"fold-0": None, "fold-1": None}


@pytest.mark.parametrize("above", ["kfold5/atac", "runs.fold-5/atac", "scaffold1", "10fold2"])
def test_the_last_fold_of_a_path_is_the_models(tmp_path: Path, above: str) -> None:
    paths = [chrombpnet(tmp_path / above / f"fold_{k}/evaluation/fold_{k}.chrombpnet_metrics.json") for k in (0, 1)]
    (found,) = read(*paths)
    assert list(found.scores) == ["fold-0", "fold-1"]
    assert found.path == tmp_path / above / "fold/evaluation/fold.chrombpnet"


def test_words_that_hold_fold_are_no_fold(tmp_path: Path) -> None:
    paths = [chrombpnet(tmp_path / f"scaffold{k}/model_metrics.json") for k in (1, 2)]
    assert [one.name for one in read(*paths)] == ["scaffold1/model", "scaffold2/model"]


def test_a_table_of_files_names_configurations_by_its_columns(tmp_path: Path) -> None:
    """Source of the table: kerasAC, helpers/aggregate_summaries.py, ``--summary_stats_file``."""
    for name in ("a", "b", "c"):
        kerasac(tmp_path / f"s/{name}.summary.txt", Pearson=f"0.{ord(name) - 96}")
    rows = [("CellLine", "Fold", "File"), ("K562", "0", "s/a.summary.txt"), ("K562", "1", "s/b.summary.txt")]
    rows.append(("HepG2", "0", "s/c.summary.txt"))
    (tmp_path / "files.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    k562, hepg2 = read(tmp_path / "files.tsv")
    assert (k562.name, value(k562, "all", "counts_pearson")) == ("K562", {"fold-0": 0.1, "fold-1": 0.2})
    assert (hepg2.name, value(hepg2, "all", "counts_pearson")) == ("HepG2", {"fold-0": 0.3})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("File\nabsent.summary.txt\n", r"lists .*absent.summary.txt, which is no file"),
        ("A\tFile\nx\t\n", "has a row without a File"),
        ("a\tb\n1\t2\n", "is neither scores.json, nor kerasAC's summary.txt"),
        ("{", "is not JSON"),
        ('{"a": 1}', "has neither windows"),
        ("", "is neither scores.json"),
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.txt").write_text(text)
    with pytest.raises(ScoreError, match=message):
        read(tmp_path / "f.txt")


def test_folders_of_no_run_and_runs_without_scores_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="does not exist"):
        read(tmp_path / "absent")
    with pytest.raises(ScoreError, match="is no run folder"):
        read(tmp_path)
    run = write_run(tmp_path / "deep", one_seed({0: 0.1}))
    (run / "fold-0/seed-1/scores.json").unlink()
    with pytest.raises(ScoreError, match=r"deep: no fold-\*/seed-\*/scores.json yet"):
        read(run)


def test_a_fold_table_without_splits_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "deep", one_seed({0: 0.1}), folds={"0": {"test": ["chr1"]}})
    with pytest.raises(ScoreError, match=r"folds.json has a fold without train or test chromosomes"):
        read(run)


def test_a_damaged_experiment_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "deep", one_seed({0: 0.1}))
    (run / "folds.json").write_text("{")
    with pytest.raises(ScoreError, match=r"folds.json is damaged"):
        read(run)
