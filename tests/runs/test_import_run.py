from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from kerasac.errors import ConfigError, RunError
from kerasac.runs.foreign_run import read_foreign_run
from kerasac.runs.import_run import IMPORTED_TAG, import_run
from kerasac.runs.tracking_store import local_uri

LITE_HEADER = "Epoch\tIteration\tTraining Time\tTraining MNLL\tValidation Count Pearson\tSaved?\n"


@pytest.fixture
def out(empty_store: Path, tmp_path: Path) -> Path:
    """A folder with an empty store."""
    (tmp_path / "store").mkdir()
    shutil.copy(empty_store, tmp_path / "store")
    return tmp_path / "store"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def chrombpnet(folder: Path) -> Path:
    metrics = '{"counts_metrics": {"peaks": {"pearsonr": %s}}, "profile_metrics": {"peaks": {"median_norm_jsd": NaN}}}'
    return write(
        folder,
        {
            "logs/chrombpnet_model_params.tsv": "counts_loss_weight\t12.3\nfilters\t512\n",
            "logs/chrombpnet_data_params.tsv": "trainings_pts_post_thresh\t9000\n",
            "logs/chrombpnet.args.json": '{"epochs": 50, "filters": 1, "trackables": ["loss"], "none": null}',
            "logs/chrombpnet.log": "epoch,loss,val_loss\n0,3.5,4.5\n1,2.5,3.5\n",
            "logs/chrombpnet.log.batch": "0\t9.5\n",
            "evaluation/chrombpnet_metrics.json": metrics % 0.75,
            "evaluation/bias_metrics.json": metrics % 0.125,
            "evaluation/bw_shift_qc.png": "png",
            "models/chrombpnet.h5": "h5",
            "auxiliary/data_unstranded.bw": "large",
        },
    )


def bpnet_lite(folder: Path) -> Path:
    rows = "0\t0\t1.5\t500\t0.25\tTrue\n0\t100\t1.5\t400\tnan\tFalse\n1\t200\t1.5\t300\t0.5\tTrue\n"
    fit = {"n_filters": 64, "training_chroms": ["chr2", "chr3"], "early_stopping": None}
    return write(
        folder, {"example.log": LITE_HEADER + rows, "bpnet_fit.json": json.dumps(fit), "example.torch": "weights"}
    )


def bpnet(folder: Path) -> Path:
    return write(
        folder,
        {
            "config.gin.json": '{"train.batch_size": 128, "seq_model": {"filters": 64}}',
            "hparams.yaml": "model:\n  lr: 0.004\n",
            "evaluation.valid.json": '{"Oct4/profile": {"auPR": 0.5}, "avg": true}',
            "history.csv": "epoch,loss,val_loss\n0,3,4\n",
            "log/stdout.log": "epoch of prose\n",
            "seq_model.pkl": "never opened",
        },
    )


def only_run(out: Path, experiment: str) -> Run:
    client = MlflowClient(local_uri(out))
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return run


def test_parameters_epochs_and_metrics_of_chrombpnet(tmp_path: Path) -> None:
    found = read_foreign_run(chrombpnet(tmp_path))
    assert found.kind == "chrombpnet"
    assert found.parameters["filters"] == "512", "of two files the model's parameters count"
    assert (found.parameters["epochs"], found.parameters["trainings_pts_post_thresh"]) == (50, "9000")
    assert found.epochs == [(1, {"loss": 3.5, "val_loss": 4.5}), (2, {"loss": 2.5, "val_loss": 3.5})]
    assert found.metrics == {
        "bias.counts_metrics.peaks.pearsonr": 0.125,
        "chrombpnet.counts_metrics.peaks.pearsonr": 0.75,
    }
    names = {path.relative_to(tmp_path).as_posix() for path in found.files}
    assert names >= {"models/chrombpnet.h5", "evaluation/bw_shift_qc.png", "logs/chrombpnet.log.batch"}
    assert "auxiliary/data_unstranded.bw" not in names


def test_parameters_of_the_bias_model_are_named_by_their_file(tmp_path: Path) -> None:
    write(chrombpnet(tmp_path), {"logs/bias_model_params.tsv": "filters\t128\ncounts_loss_weight\t12.3\n"})
    found = read_foreign_run(tmp_path).parameters
    assert (found["filters"], found["bias.filters"]) == ("512", "128")
    assert "bias.counts_loss_weight" not in found, "it is the same"


def test_log_of_bpnet_lite_is_by_iteration(tmp_path: Path) -> None:
    found = read_foreign_run(bpnet_lite(tmp_path))
    assert found.kind == "bpnet"
    assert [step for step, _ in found.epochs] == [0, 100, 200]
    assert found.epochs[0][1] == {
        "training_time": 1.5,
        "training_mnll": 500,
        "validation_count_pearson": 0.25,
        "epoch": 1,
    }
    assert "validation_count_pearson" not in found.epochs[1][1], "nan is no value"
    assert found.parameters["n_filters"] == 64


def test_log_with_one_row_an_epoch_is_by_epoch(tmp_path: Path) -> None:
    text = LITE_HEADER + "0\t99\t1\t500\t0.25\tTrue\n1\t199\t1\t400\t0.5\tTrue\n"
    found = read_foreign_run(write(tmp_path, {"a.log": text}))
    assert [step for step, _ in found.epochs] == [1, 2]


def test_several_logs_are_named_apart(tmp_path: Path) -> None:
    write(chrombpnet(tmp_path), {"logs/bias.log": "epoch,loss\n0,7\n"})
    assert (1, {"bias.loss": 7.0}) in read_foreign_run(tmp_path).epochs


def test_configuration_of_bpnet_is_flat(tmp_path: Path) -> None:
    found = read_foreign_run(bpnet(tmp_path))
    assert found.parameters == {"train.batch_size": 128, "seq_model.filters": 64, "model.lr": 0.004}
    assert found.metrics == {"evaluation.valid.Oct4/profile.auPR": 0.5}
    assert found.epochs == [(1, {"loss": 3.0, "val_loss": 4.0})]
    assert "seq_model.pkl" not in {path.name for path in found.files}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"history.csv": "epoch,loss\n0,1\n"},
            r"of no known kind; looked for files of chrombpnet: logs/\*model_params",
        ),
        ({"stdout.log": "no table\n"}, "of no known kind"),
        ({"logs/chrombpnet.args.json": "{"}, r"chrombpnet\.args\.json is not JSON"),
        ({"hparams.yaml": "a: [1"}, r"hparams\.yaml is not YAML"),
        ({"models/chrombpnet.h5": "h5"}, "holds no parameters, epochs or metrics of chrombpnet"),
    ],
)
def test_folder_that_cannot_be_read_says_why(files: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=message):
        read_foreign_run(write(tmp_path, files))


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere is not a folder"):
        read_foreign_run(tmp_path / "nowhere")


def test_same_folder_is_one_run_which_gets_what_is_new(tmp_path: Path, out: Path) -> None:
    folder = chrombpnet(tmp_path / "K562" / "fold_0")
    first = import_run(folder, out=out)
    write(folder, {"logs/chrombpnet.log": "epoch,loss,val_loss\n0,3.5,4.5\n1,2.5,3.5\n2,1.5,3.25\n"})
    again = import_run(folder, out=out)
    assert (first.run_id, first.n_epochs, again.n_epochs) == (again.run_id, 2, 3)
    run = only_run(out, "chrombpnet")
    assert (run.info.run_name, run.info.status) == ("K562/fold_0", "FINISHED")
    assert (run.data.params["filters"], "none" in run.data.params) == ("512", False)
    assert run.data.metrics["chrombpnet.counts_metrics.peaks.pearsonr"] == 0.75
    client = MlflowClient(local_uri(out))
    history = client.get_metric_history(run.info.run_id, "val_loss")
    assert [(one.step, one.value) for one in history] == [(1, 4.5), (2, 3.5), (3, 3.25)]
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"logs", "models", "evaluation"}
    assert str(tmp_path) not in f"{run.data.tags[IMPORTED_TAG]}{run.info.run_name}"
    shutil.copytree(folder, tmp_path / "K562" / "copy")
    assert import_run(tmp_path / "K562" / "copy", out=out).run_id != first.run_id


def test_parameter_that_changed_is_told(tmp_path: Path, out: Path) -> None:
    folder = chrombpnet(tmp_path / "run")
    assert import_run(folder, out=out, experiment="mine").kept_parameters == ()
    write(folder, {"logs/chrombpnet_model_params.tsv": "counts_loss_weight\t99\nfilters\t512\n"})
    assert import_run(folder, out=out, experiment="mine").kept_parameters == ("counts_loss_weight",)
    assert only_run(out, "mine").data.params["counts_loss_weight"] == "12.3"


def test_password_in_the_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--uri holds a user or password"):
        import_run(chrombpnet(tmp_path), uri="http://me:secret@host", out=tmp_path)


def test_server_out_of_reach_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(
        RunError,
        match=r"MLflow at http://127\.0\.0\.1:1 cannot be written \(it cannot be reached: Connection refused\); run",
    ):
        import_run(chrombpnet(tmp_path), uri="http://127.0.0.1:1", out=tmp_path)
