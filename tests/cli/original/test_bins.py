from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from binned import make_binned_files

pytestmark = [pytest.mark.keras, pytest.mark.slow]
Run = Callable[..., int]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of labelled bins of the tiny genome."""
    folder = tmp_path_factory.mktemp("bins")
    make_binned_files(folder)
    return folder


def files(data: Path) -> str:
    return (
        f"--ref_fasta {data / 'genome.fa'} --input_data_path seq {data / 'gc.tsv'} --output_data_path "
        f"{data / 'labels.tsv'} --num_inputs 2 --num_outputs 1"
    )


TRAIN = (
    "--num_train 64 --num_valid 64 --batch_size 16 --epochs 1 --upsample_thresh_list_train 0 0.5 "
    "--upsample_ratio_list_train 0.6 --upsample_thresh_list_eval 0 0.5 --upsample_ratio_list_eval 0.9 "
    "--num_tasks 2 --architecture_spec functional_basset_classification_gc_corrected --expand_dims"
)


def test_bins_are_trained_predicted_and_scored(data: Path, tmp_path: Path, command: Run) -> None:
    prefix = tmp_path / "b"
    assert command("kerasAC_train", f"{files(data)} {TRAIN} --fold 1 --genome hg38 --model_prefix {prefix}") == 0
    line = f"{files(data)} --predict_chroms chr2 --predictions_and_labels_hdf5 {prefix}"
    for model in (f"--load_model_hdf5 {prefix}.hdf5", f"--json {prefix}.arch --weights {prefix}.weights"):
        assert command("kerasAC_predict_hdf5", f"{line} {model}") == 0
    labels, predicted = (pd.read_hdf(f"{prefix}.{kind}.0", "data") for kind in ("labels", "predictions"))
    table = pd.read_csv(data / "labels.tsv", sep="\t").set_index(["CHR", "START", "END"]).loc[["chr2"]]
    assert labels.index.equals(predicted.index)
    assert list(labels.columns) == list(predicted.columns) == [0, 1]  # kerasAC's, without --tasks
    np.testing.assert_array_equal(labels.to_numpy(), table.to_numpy(dtype=np.float32))
    assert ((predicted > 0) & (predicted < 1)).all(axis=None)
    logits = f"{line} --load_model_hdf5 {prefix}.hdf5 --calibrate_classification --tasks strong peak"
    assert command("kerasAC_predict_hdf5", logits) == 0
    found = pd.read_hdf(f"{prefix}.predictions.logits.0", "data")
    assert list(found.columns) == ["strong", "peak"]
    np.testing.assert_allclose(1 / (1 + np.exp(-found.to_numpy())), predicted.to_numpy(), atol=1e-5)


@pytest.mark.ray
def test_folds_leave_what_each_of_them_would(data: Path, tmp_path: Path, command: Run) -> None:
    prefix, scores = tmp_path / "b", tmp_path / "scores"
    line = (
        f"{files(data)} {TRAIN} --assembly hg38 --splits 1 2 --num_gpus 0 --model_prefix {prefix} "
        f"--predictions_and_labels_hdf5 {tmp_path / 'p'} --performance_metrics_classification_file {scores}"
    )
    assert command("kerasAC_cross_validate", line) == 0
    for fold in (1, 2):
        for path in (f"{prefix}.{fold}.hdf5", f"{prefix}.{fold}.log", f"{tmp_path}/p.{fold}.labels.0"):
            assert Path(path).exists(), path
        table = pd.read_csv(f"{scores}.{fold}", sep="\t", index_col=0)
        assert list(table.columns) == ["strong", "peak"]
        predicted = pd.read_hdf(f"{tmp_path}/p.{fold}.predictions.0", "data")
        assert set(predicted.index.get_level_values("CHR")) == {f"chr{fold + 1}"}
        assert list(predicted.columns) == [0, 1]
    assert (tmp_path / "b.kerasac-ray" / "report.html").exists()


OWN = """
def getModelGivenModelOptionsAndWeightInits(args):
    import keras

    sequence, gc = keras.Input((WIDTH, 4)), keras.Input((1,))
    seen = keras.layers.GlobalAveragePooling1D()(keras.layers.Conv1D(4, 9, activation="relu")(sequence))
    return keras.Model([sequence, gc], keras.layers.Dense(args.num_tasks)(keras.layers.Concatenate()([seen, gc])))
"""


def test_own_architecture_of_values_is_trained_as_a_regression(data: Path, tmp_path: Path, command: Run) -> None:
    table = pd.read_csv(data / "labels.tsv", sep="\t")
    width = int(table.END[0] - table.START[0])
    table["strong"] = np.random.default_rng(0).gamma(1, 1, len(table)).astype(np.float32)
    table.to_csv(tmp_path / "values.tsv", sep="\t", index=False)
    (tmp_path / "own.py").write_text(OWN.replace("WIDTH", str(width)))
    prefix = tmp_path / "r"
    data_flags = (
        f"--ref_fasta {data / 'genome.fa'} --input_data_path seq {data / 'gc.tsv'} --output_data_path "
        f"{tmp_path / 'values.tsv'} --tasks strong --num_inputs 2"
    )
    line = (
        f"{data_flags} --num_tasks 1 --num_train 64 --num_valid 64 "
        f"--batch_size 16 --epochs 1 --architecture_from_file {tmp_path / 'own.py'} --fold 1 --genome hg38 "
        f"--model_prefix {prefix}"
    )
    assert command("kerasAC_train", line) == 0
    described = yaml.safe_load((tmp_path / "r.kerasac-ray" / "experiment.yaml").read_text())
    assert described["outputs"][0]["kind"] == "regression"
    predicting = f"--predict_chroms chr2 --load_model_hdf5 {prefix}.hdf5 --predictions_and_labels_hdf5 {prefix}"
    assert command("kerasAC_predict_hdf5", f"{data_flags} {predicting}") == 0
    tables = f"--labels_hdf5 {prefix}.labels.0 --predictions_hdf5 {prefix}.predictions.0"
    assert command("kerasAC_score", f"{tables} --performance_metrics_regression_file {tmp_path / 'scores'}") == 0
    assert "pearsonr" in (tmp_path / "scores").read_text()
