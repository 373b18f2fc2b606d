"""Trained models predict windows anywhere, whoever does the shards and however often it is interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tiny import ASSEMBLY

from kerasac.errors import ConfigError, KerasacError, RunError
from kerasac.runs.predict import Places, PredictRequest, predict_to_file
from kerasac.runs.trained import open_trained
from kerasac.steps.prediction_job import PredictionJob
from kerasac.steps.predictions import open_predictions, read_predictions
from kerasac.steps.write_layouts import LayoutName

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation

pytestmark = [pytest.mark.ray, pytest.mark.keras]

SMALL: Any = {"shard_windows": 32}
STEPS = Places(chroms=("chr1", "chr5"), stride_bp=400)


def ask(source: Path | tuple[Path, ...], out: Path, places: Places = STEPS, **options: Any) -> PredictRequest:
    sources = source if isinstance(source, tuple) else (source,)
    return PredictRequest(sources, out, places, **{"workers": 1, **options})


def test_test_predictions_of_all_folds_are_put_together_without_a_model(run: CrossValidation, tmp_path: Path) -> None:
    done = predict_to_file(ask(run.folder, tmp_path / "all.h5", Places()))
    found = read_predictions(tmp_path / "all.h5")
    units = [read_predictions(path) for path in sorted(run.folder.glob("fold-*/seed-*/predictions.h5"))]
    assert done.n_windows == found.n_windows == sum(unit.n_windows for unit in units)
    assert done.n_now == 0
    for name in ("logits", "logcount", "label_profile", "center", "is_peak"):
        assert np.array_equal(getattr(found, name), np.concatenate([getattr(unit, name) for unit in units])), name


def test_windows_get_what_the_fold_that_tests_on_their_chromosome_says(
    run: CrossValidation, tiny_folder: Path, tmp_path: Path
) -> None:
    done = predict_to_file(ask(run.folder, tmp_path / "a.h5", Places(regions=tiny_folder / "peaks.narrowPeak")))
    found = read_predictions(tmp_path / "a.h5")
    assert found.is_peak.all()
    assert done.how == "each chromosome by the folds that test on it"
    at = {(chrom, center): i for i, (chrom, center) in enumerate(zip(found.chrom, found.center, strict=True))}
    n_compared = 0
    for path in run.folder.glob("fold-*/seed-*/predictions.h5"):
        unit = read_predictions(path)
        for row, place in enumerate(zip(unit.chrom, unit.center, strict=True)):
            if place in at:
                np.testing.assert_allclose(found.logits[at[place]], unit.logits[row], atol=1e-5)
                np.testing.assert_allclose(found.logcount[at[place]], unit.logcount[row], atol=1e-5)
                assert np.array_equal(found.label_profile[at[place]], unit.label_profile[row])
                n_compared += 1
    assert n_compared > 50


def test_all_models_together_are_their_mean_as_is_the_exported_ensemble(run: CrossValidation, tmp_path: Path) -> None:
    from kerasac.models.export import ExportFormat
    from kerasac.steps.export import export

    units = sorted(run.folder.glob("fold-*/seed-*"))
    places = Places(chroms=("chr2",), stride_bp=2000)
    single = []
    for i, unit in enumerate(units):
        predict_to_file(ask(unit, tmp_path / f"{i}.h5", places))
        single.append(read_predictions(tmp_path / f"{i}.h5"))
    done = predict_to_file(ask(run.folder, tmp_path / "mean.h5", places, held_out=False))
    assert done.n_models == len(units) == 3
    mean = read_predictions(tmp_path / "mean.h5")
    np.testing.assert_allclose(mean.logits, np.mean([one.logits for one in single], axis=0), atol=1e-5)
    np.testing.assert_allclose(mean.logcount, np.mean([one.logcount for one in single], axis=0), atol=1e-5)

    exported = export(run.folder, tmp_path / "ensemble.keras", ExportFormat.KERAS, ensemble=True, one_hot=True)
    assert exported.card is not None
    assert "ensemble of 3 models" in exported.card.read_text()
    experiment = run.folder / "experiment.yaml"
    predict_to_file(ask(tmp_path / "ensemble.keras", tmp_path / "exported.h5", places, experiment=experiment))
    again = read_predictions(tmp_path / "exported.h5")
    np.testing.assert_allclose(again.logits, mean.logits, atol=1e-4)
    np.testing.assert_allclose(again.logcount, mean.logcount, atol=1e-4)


def test_an_interrupted_prediction_does_no_finished_shard_again(
    run: CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    do = PredictionJob.do

    def counted(job: Any, shard: int) -> int:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(shard)
        return do(job, shard)

    with monkeypatch.context() as patch:
        patch.setattr(PredictionJob, "do", counted)
        with pytest.raises(KeyboardInterrupt):
            predict_to_file(ask(run.folder, tmp_path / "a.h5", **SMALL))
    assert not (tmp_path / "a.h5").exists()
    with pytest.raises(RunError, match="holds parts of another prediction"):
        predict_to_file(ask(run.folder, tmp_path / "a.h5", Places(chroms=("chr1",)), **SMALL))
    rest = predict_to_file(ask(run.folder, tmp_path / "a.h5", **SMALL))
    assert rest.n_now == rest.n_windows - 64
    assert not (tmp_path / "a.h5.parts").exists()
    whole = predict_to_file(ask(run.folder, tmp_path / "b.h5", **SMALL))
    assert whole.n_now == whole.n_windows
    one, other = read_predictions(tmp_path / "a.h5"), read_predictions(tmp_path / "b.h5")
    assert np.array_equal(one.logits, other.logits)
    assert np.array_equal(one.center, other.center)
    assert predict_to_file(ask(run.folder, tmp_path / "a.h5", **SMALL)).n_now == 0
    with pytest.raises(RunError, match="is there already, and not of these models and windows"):
        predict_to_file(ask(run.folder, tmp_path / "a.h5", Places(chroms=("chr1",)), **SMALL))


def test_workers_write_what_one_process_does(run: CrossValidation, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = predict_to_file(
        ask(run.folder, tmp_path / "a.h5", workers=2, **SMALL), lambda n, total: seen.append((n, total))
    )
    predict_to_file(ask(run.folder, tmp_path / "b.h5", **SMALL))
    one, other = read_predictions(tmp_path / "a.h5"), read_predictions(tmp_path / "b.h5")
    np.testing.assert_allclose(one.logits, other.logits, atol=1e-5)
    assert np.array_equal(one.center, other.center)
    assert seen[-1] == (done.n_windows, done.n_windows)


def test_sequence_alone_needs_neither_array_nor_labels(run: CrossValidation, tiny_folder: Path, tmp_path: Path) -> None:
    places = Places(chroms=("chr1",), stride_bp=4000)
    predict_to_file(ask(run.folder, tmp_path / "a.h5", places))
    shutil.copy(tiny_folder / "genome.fa", tmp_path / "other.fa")
    predict_to_file(ask(run.folder, tmp_path / "b.h5", places, labelled=False, fasta=tmp_path / "other.fa"))
    with open_predictions(tmp_path / "a.h5") as ours, open_predictions(tmp_path / "b.h5") as theirs:
        assert ours.labelled
        assert not theirs.labelled
        np.testing.assert_allclose(ours.logits(slice(None)), theirs.logits(slice(None)), atol=1e-5)


def test_another_layout_has_the_same_predictions(run: CrossValidation, tmp_path: Path) -> None:
    places = Places(chroms=("chr1",), stride_bp=4000)
    predict_to_file(ask(run.folder, tmp_path / "a.h5", places))
    predict_to_file(ask(run.folder, tmp_path / "b.h5", places, layout=LayoutName.BPNET))
    with open_predictions(tmp_path / "a.h5") as ours, open_predictions(tmp_path / "b.h5") as theirs:
        assert theirs.tool == "bpnet"
        np.testing.assert_allclose(np.exp(ours.logcount(slice(None))), np.exp(theirs.logcount(slice(None))), rtol=1e-4)
    assert predict_to_file(ask(run.folder, tmp_path / "b.h5", places, layout=LayoutName.BPNET)).n_now == 0


def test_regions_without_a_window_are_listed(run: CrossValidation, tmp_path: Path) -> None:
    (tmp_path / "r.bed").write_text("chr1\t0\t20\nchr1\t5000\t5020\n")
    from kerasac.genome.centering import Center

    done = predict_to_file(ask(run.folder, tmp_path / "a.h5", Places(tmp_path / "r.bed", center=Center.CENTER)))
    assert done.n_windows == 1
    assert done.left_out == {"whose window would leave its chromosome": 1}
    assert done.dropped is not None
    assert done.dropped.read_text() == "chr1\t0\t20\n"


def test_chromosomes_that_no_fold_tests_on_are_left_out_and_counted(run: CrossValidation, tmp_path: Path) -> None:
    unit = sorted(run.folder.glob("fold-*/seed-*"))[0]
    trained = open_trained((unit,), None)
    tested = trained.units[0].fold.test
    done = predict_to_file(ask(unit, tmp_path / "a.h5", Places(genome=True, stride_bp=4000), held_out=True))
    found = read_predictions(tmp_path / "a.h5")
    assert set(found.chrom.tolist()) == set(tested)
    (left_out,) = done.left_out.items()
    assert "that no fold tests on" in left_out[0]
    assert set(ASSEMBLY.names) - set(tested)


def test_regions_in_any_order_are_predicted_by_their_folds_in_a_few_calls(
    run: CrossValidation, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasac.steps import predict

    lines = (tiny_folder / "peaks.narrowPeak").read_text().splitlines(keepends=True)
    order = np.random.default_rng(0).permutation(len(lines))
    (tmp_path / "shuffled.narrowPeak").write_text("".join(lines[i] for i in order))
    calls = []
    blocks = predict.predicted_blocks
    monkeypatch.setattr(predict, "predicted_blocks", lambda *a: calls.append(1) or blocks(*a))
    predict_to_file(ask(run.folder, tmp_path / "a.h5", Places(tiny_folder / "peaks.narrowPeak")))
    predict_to_file(ask(run.folder, tmp_path / "b.h5", Places(tmp_path / "shuffled.narrowPeak")))
    assert len(calls) == 2 * 3
    one, other = read_predictions(tmp_path / "a.h5"), read_predictions(tmp_path / "b.h5")
    assert np.array_equal(one.center[order], other.center)
    assert np.array_equal(one.label_profile[order], other.label_profile)
    np.testing.assert_allclose(one.logits[order], other.logits, atol=1e-5)


def test_a_prediction_that_was_interrupted_while_it_was_joined_goes_on(run: CrossValidation, tmp_path: Path) -> None:
    from kerasac.runs import predict as runs_predict

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs_predict, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            predict_to_file(ask(run.folder, tmp_path / "a.h5"))
    done = predict_to_file(ask(run.folder, tmp_path / "a.h5", workers=None))
    assert (done.n_now, (tmp_path / "a.h5").exists()) == (0, True)


def test_another_layout_in_the_same_place_is_refused(run: CrossValidation, tmp_path: Path) -> None:
    predict_to_file(ask(run.folder, tmp_path / "a.h5"))
    with pytest.raises(RunError, match="is there already"):
        predict_to_file(ask(run.folder, tmp_path / "a.h5", layout=LayoutName.BPNET))


def test_units_that_are_not_finished_are_named(run: CrossValidation, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "fold-1" / "seed-1" / "unit.json").unlink()
    done = predict_to_file(ask(tmp_path / "run", tmp_path / "a.h5", Places()))
    assert done.left_out == {"units of the run, not finished (fold-1/seed-1)": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"places": Places(), "held_out": False}, "all models together have no test windows"),
        ({"corrected": True}, "has no model_corrected.keras: its experiment has no bias section"),
        ({"places": Places(), "labelled": False}, "--no-labels needs windows to predict"),
        ({"calibrated": True}, "--calibrated, but there is no calibration of"),
        ({"layout": LayoutName.CHROMBPNET}, "holds one task, these predictions have 2"),
        ({"fasta": Path("x.fa")}, "x.fa is sequence alone, but labels are read"),
        ({"experiment": Path("x.yaml")}, "is of a run, which keeps its experiment"),
        ({"places": Places(chroms=("chrX",))}, "'chrX' is not in this genome"),
        ({"workers": 99, "shard_windows": 64}, "--workers 3, but Ray has 2 GPUs"),
    ],
)
def test_what_cannot_be_predicted_is_said_before_any_model_is_loaded(
    run: CrossValidation, tmp_path: Path, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PredictionJob, "do", lambda *_: pytest.fail("predicted"))
    with pytest.raises(KerasacError, match=message):
        predict_to_file(ask(run.folder, tmp_path / "a.h5", **{"places": STEPS, **options}))


def test_regions_and_steps_are_not_mixed() -> None:
    with pytest.raises(ConfigError, match="give --regions and --background alone"):
        Places(regions=Path("a.bed"), genome=True)


def test_a_file_of_no_run_needs_an_experiment(run: CrossValidation, tmp_path: Path) -> None:
    model = next(run.folder.glob("fold-*/seed-*/model.keras"))
    shutil.copy(model, tmp_path / "m.keras")
    with pytest.raises(ConfigError, match=r"is of no run.*--experiment FILE"):
        predict_to_file(ask(tmp_path / "m.keras", tmp_path / "a.h5"))
    places = Places(chroms=("chr1",), stride_bp=8000)
    done = predict_to_file(
        ask(tmp_path / "m.keras", tmp_path / "a.h5", places, experiment=run.folder / "experiment.yaml")
    )
    assert done.how == "as it is"


def test_data_that_changed_since_the_training_are_refused_where_they_matter(
    run: CrossValidation, tmp_path: Path
) -> None:
    from kerasac.runs.opened import open_run

    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    opened = open_run(copy)
    assert opened.prepare().fingerprint()
    text = (copy / "experiment.yaml").read_text().replace("reverse_complement: true", "reverse_complement: false")
    (copy / "experiment.yaml").write_text(text)
    with pytest.raises(RunError, match="was not trained on what"):
        open_run(copy).prepare()
    for path in copy.glob("fold-*/seed-*/unit.json"):
        path.unlink()
    with pytest.raises(RunError, match="has no finished unit"):
        open_run(copy)
    with pytest.raises(RunError, match="is no folder of a run"):
        open_run(tmp_path / "none")
