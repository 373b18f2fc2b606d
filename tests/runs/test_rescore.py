from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyBigWig
import pytest
from simulated import simulate
from tiny import tiny_experiment

from kerasac.cache import write_whole
from kerasac.errors import KerasacError, RunError, ScoreError
from kerasac.runs.rescore import ScoreRequest, rescore
from kerasac.runs.unit import MARKER
from kerasac.steps.binned_predictions import BinnedPredictions, write_binned_predictions
from kerasac.steps.predictions import Predictions, read_predictions, write_predictions
from kerasac.steps.score import score
from kerasac.steps.score_settings import ScoreSettings
from kerasac.store.labels.read import BinLabels

PLAIN = ScoreRequest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_predictions(tmp_path / "p.h5", simulate())
    return tmp_path / "p.h5"


@pytest.fixture
def run(tiny_folder: Path, tmp_path: Path) -> Path:
    """A run of two finished units and one that is not."""
    folder = tmp_path / "run"
    split = {name: [f"chr{i}"] for i, name in enumerate(("train", "valid", "test"))}
    write_whole(folder / "experiment.yaml", tiny_experiment(tiny_folder).to_yaml())
    for fold, state in enumerate(("done", "done", "started")):
        unit = folder / f"fold-{fold}" / "seed-1"
        write_whole(unit / MARKER, json.dumps({"name": f"fold-{fold}/seed-1", "state": state, "split": split}))
        write_whole(unit / "history.csv", "epoch,loss,val_loss\n0,2.0,2.1\n1,1.0,1.1\n")
        write_predictions(unit / "predictions.h5", simulate(seed=fold))
    return folder


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that figures were drawn for: drawing them takes seconds."""
    folders: list[Path] = []
    monkeypatch.setattr("kerasac.runs.unit_scores.write_plots", lambda folder, *_, **__: folders.append(folder))
    return folders


def written(folder: Path) -> Any:
    return json.loads((folder / "scores.json").read_text())


def test_a_file_is_scored_and_nothing_written_unless_asked(file: Path) -> None:
    (found,) = rescore(file, ScoreRequest(seed=3))
    assert found.scores.to_dict() == score(simulate(), ScoreSettings(seed=3)).to_dict()
    assert (found.name, found.files) == ("p.h5", ())
    assert [path.name for path in file.parent.iterdir()] == ["p.h5"]


def test_kerasacs_prefix_stands_for_its_file(tmp_path: Path) -> None:
    write_predictions(tmp_path / "fold0.predictions", simulate())
    (found,) = rescore(tmp_path / "fold0", PLAIN)
    assert found.scores.to_dict() == score(simulate()).to_dict()


def test_out_keeps_scores_and_those_of_other_tools(file: Path, tmp_path: Path) -> None:
    formats = ("kerasac", "chrombpnet", "bpnet-lite")
    (found,) = rescore(file, ScoreRequest(formats=formats), out=tmp_path / "out")
    assert written(tmp_path / "out") == found.scores.to_dict()
    names = {path.name for path in found.files}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    assert names > {"scores.json", "scores.tsv", "kerasac.1.summary.txt", "chrombpnet.0_metrics.json"}


def test_scores_that_are_there_are_replaced_when_asked_alone(file: Path, tmp_path: Path) -> None:
    rescore(file, PLAIN, out=tmp_path / "out")
    with pytest.raises(ScoreError, match=r"scores.json is there; give --overwrite"):
        rescore(file, ScoreRequest(seed=2), out=tmp_path / "out")
    assert "settings" not in written(tmp_path / "out")
    rescore(file, ScoreRequest(seed=2), out=tmp_path / "out", overwrite=True)
    assert written(tmp_path / "out")["settings"] == {"seed": 2}


def test_every_finished_unit_of_a_run_is_scored_as_its_training_did(run: Path) -> None:
    found = rescore(run, PLAIN)
    assert [item.name for item in found] == ["fold-0/seed-1", "fold-1/seed-1"]
    for fold, item in enumerate(found):
        assert item.scores.to_dict() == score(simulate(seed=fold), ScoreSettings(seed=fold)).to_dict()
    assert not list(run.rglob("scores.json"))


def test_a_run_is_scored_in_place_or_elsewhere(run: Path, tmp_path: Path, drawn: list[Path]) -> None:
    (run / "fold-0/seed-1/scores.json").write_text("old")
    rescore(run, PLAIN, out=tmp_path / "out")
    assert (run / "fold-0/seed-1/scores.json").read_text() == "old"
    kept = written(tmp_path / "out/fold-1/seed-1")
    rescore(run, PLAIN, overwrite=True)
    assert written(run / "fold-1/seed-1") == kept
    assert written(run / "fold-0/seed-1") != "old"
    assert drawn == [at / f"fold-{fold}/seed-1" for at in (tmp_path / "out", run) for fold in (0, 1)]


def test_one_unit_is_written_to_the_folder_itself(run: Path, tmp_path: Path) -> None:
    (found,) = rescore(run / "fold-1/seed-1", PLAIN, out=tmp_path / "out")
    assert written(tmp_path / "out") == found.scores.to_dict()


def test_pseudoreplicates_of_the_experiment_are_scored(run: Path, tiny_folder: Path) -> None:
    halves = [["plus", "minus"], ["control_plus", "control_minus"]]
    experiment = tiny_experiment(tiny_folder, score={"pseudoreplicates": {"attributes": halves}})
    write_whole(run / "experiment.yaml", experiment.to_yaml())
    inside = dataclasses.replace(simulate(), center=np.arange(60) * 100 + 500)
    for fold in (0, 1):
        write_predictions(run / f"fold-{fold}/seed-1/predictions.h5", inside)
    for item in rescore(run, PLAIN):
        assert item.scores.windows["all"]["jsd_distance_mean_pseudoreplicate"] is not None


def write_bigwigs(folder: Path, predictions: Predictions) -> list[Path]:
    """Write the counts of windows that do not overlap, a file a task."""
    order = np.lexsort((predictions.center, predictions.chrom))
    paths = []
    for task, name in enumerate(predictions.tasks):
        paths.append(folder / f"{name}.bw")
        with pyBigWig.open(str(paths[-1]), "w") as file:
            file.addHeader([("chr1", 10_000), ("chr2", 10_000)])
            for row in order:
                start = int(predictions.center[row]) - predictions.n_bases // 2
                values = predictions.label_profile[row, :, task].astype(float).tolist()
                file.addEntries(str(predictions.chrom[row]), start, values=values, span=1, step=1)
    return paths


def test_labels_that_a_file_lacks_are_read_from_bigwigs(tmp_path: Path) -> None:
    made = simulate()
    exact = np.log(made.label_profile.sum(axis=1, dtype=np.float64) + 1).astype(np.float32)
    labelled = dataclasses.replace(made, mean_profile=None, center=made.center + 100, label_logcount=exact)
    tracks = write_bigwigs(tmp_path, labelled)
    write_predictions(tmp_path / "p.h5", labelled)
    with h5py.File(tmp_path / "p.h5", "a") as file:
        del file["lab_0"], file["lab_1"]
    with pytest.raises(ScoreError, match="without labels; give --labels-from BIGWIG"):
        rescore(tmp_path / "p.h5", PLAIN)
    (found,) = rescore(tmp_path / "p.h5", ScoreRequest(labels_from=tuple(tracks)))
    assert found.scores.to_dict() == score(labelled).to_dict()
    with pytest.raises(ScoreError, match=r"labels: 1 tracks for 2 tasks \(plus, minus\)"):
        rescore(tmp_path / "p.h5", ScoreRequest(labels_from=(tracks[0],)))


def test_pairs_of_bigwigs_are_pseudoreplicates(tmp_path: Path) -> None:
    predictions = dataclasses.replace(simulate(), center=simulate().center + 100)
    plus, minus = write_bigwigs(tmp_path, predictions)
    write_predictions(tmp_path / "p.h5", predictions)
    (found,) = rescore(tmp_path / "p.h5", ScoreRequest(pseudoreplicates=((plus, plus), (plus, minus))))
    same, other = (found.scores.tasks[task]["all"] for task in ("plus", "minus"))
    assert same["jsd_distance_mean_pseudoreplicate"] == pytest.approx(0, abs=1e-6)
    assert other["jsd_distance_mean_pseudoreplicate"] > 0.1
    with pytest.raises(ScoreError, match="pairs of pseudoreplicates: 1 tracks for 2 tasks"):
        rescore(tmp_path / "p.h5", ScoreRequest(pseudoreplicates=((plus, minus),)))


def bins(kind: Any) -> BinnedPredictions:
    rng = np.random.default_rng(0)
    labels = BinLabels(
        chroms=("chr1",),
        chrom_index=np.zeros(40, dtype=np.int32),
        start=np.arange(40) * 50,
        end=np.arange(40) * 50 + 200,
        values=rng.integers(0, 2, (40, 2)).astype(np.float32),
        tasks=("a", "b"),
    )
    return BinnedPredictions(labels, rng.random((40, 2)).astype(np.float32), kind)


@pytest.mark.parametrize("given", ["test", "test.predictions.0", "test.labels.0"])
def test_bins_are_found_by_their_prefix_or_a_file(tmp_path: Path, given: str) -> None:
    write_binned_predictions(tmp_path / "test", bins("classification"))
    (found,) = rescore(tmp_path / given, PLAIN, out=tmp_path / "out")
    assert found.scores.windows["all"]["auroc"] is not None
    assert written(tmp_path / "out") == found.scores.to_dict()


def test_every_output_of_bins_is_scored(tmp_path: Path) -> None:
    write_binned_predictions(tmp_path / "test", bins("classification"))
    write_binned_predictions(tmp_path / "test", bins("regression"), output=1)
    found = rescore(tmp_path / "test", PLAIN, out=tmp_path / "out")
    assert [item.name for item in found] == ["test, output 0", "test, output 1"]
    assert "pearson" in written(tmp_path / "out/output-1")["windows"]["all"]


def test_the_kind_of_bins_is_asked_for_where_the_file_is_silent(tmp_path: Path) -> None:
    write_binned_predictions(tmp_path / "test", bins(None))
    with pytest.raises(ScoreError, match="--kind classification"):
        rescore(tmp_path / "test", PLAIN)
    (found,) = rescore(tmp_path / "test", ScoreRequest(kind="regression"))
    assert "spearman" in found.scores.windows["all"]
    write_binned_predictions(tmp_path / "test", bins("classification"))
    with pytest.raises(ScoreError, match="predictions of a classification, not of a regression"):
        rescore(tmp_path / "test", ScoreRequest(kind="regression"))


RANGE = ScoreRequest(ScoreSettings(label_range=(1.0, None)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda folder: rescore(folder / "none.h5", PLAIN), ScoreError, "none.h5 does not exist"),
        (lambda folder: rescore(folder, PLAIN), RunError, "holds no experiment.yaml"),
        (lambda folder: rescore(folder / "p.h5", PLAIN, overwrite=True), ScoreError, "say with --out"),
        (lambda folder: rescore(folder / "p.h5", ScoreRequest(formats=("kerasac",))), ScoreError, "say with --out"),
        (lambda folder: rescore(folder / "test", RANGE), ScoreError, "a range of log counts: these go with profiles"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    file: Path, call: Callable[[Path], Any], error: type[KerasacError], message: str
) -> None:
    write_binned_predictions(file.parent / "test", bins("classification"))
    with pytest.raises(error, match=message):
        call(file.parent)


@pytest.mark.shared
def test_the_reference_file_is_read_as_predictions_not_as_a_prefix(shared_dir: Path) -> None:
    path = shared_dir / "reference" / "scores_in.predictions"
    (found,) = rescore(path, ScoreRequest(ScoreSettings(label_range=(4.0, 5.5))))
    kept = score(read_predictions(path), ScoreSettings(label_range=(4.0, 5.5)))
    assert found.scores.to_dict() == kept.to_dict()
