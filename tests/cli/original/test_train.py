from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from original_commands import TRACKABLES, changed, given
from rich.console import Console

from kerasac.cli.original.experiment import training_translation
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.migration import migrate
from kerasac.cli.original.train import prepare_experiment
from kerasac.config import make_experiment
from kerasac.errors import ConfigError, RunError
from kerasac.genome.fold_files import write_folds
from kerasac.genome.folds import built_in_folds

pytestmark = pytest.mark.keras
SEED = 7
OWN = """
def getModelGivenModelOptionsAndWeightInits(args):
    import keras

    width, out = 2 * args.tdb_input_flank[0], 2 * int(args.tdb_output_flank[0].split(",")[0])
    sequence = keras.Input((width, 4), name="seq")
    profile_in, counts_in = keras.Input((out, args.num_tasks)), keras.Input((args.num_tasks,))
    seen = keras.layers.Conv1D(4, width - out + 1, activation="relu")(sequence)
    profile = keras.layers.Conv1D(args.num_tasks, 1)(keras.layers.Concatenate()([seen, profile_in]))
    pooled = keras.layers.GlobalAveragePooling1D()(seen)
    counts = keras.layers.Dense(args.num_tasks)(keras.layers.Concatenate()([pooled, counts_in]))
    model = keras.Model([sequence, profile_in, counts_in], [profile, counts])
    model.compile("adam", ["mse", "mse"])
    return model
"""


def windows_of(model: Any, n: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    bases = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (n, 200))]
    return [bases, rng.random((n, 60, 2)).astype(np.float32), rng.random((n, 2)).astype(np.float32)]


def test_all_files_of_kerasac_are_there(trained: Any) -> None:
    for ending in ("hdf5", "arch", "weights", "log", "log.batch", "kerasac-ray"):
        assert trained.file(ending).exists(), ending


def test_model_files_hold_the_model_as_keras_2_has_it(trained: Any) -> None:
    from kerasac.models.checkpoint import load_model
    from kerasac.models.legacy import load_legacy

    whole, apart = load_legacy(trained.file("hdf5")), load_legacy(trained.file("arch"))
    ours = load_model(trained.file("kerasac-ray") / "fold-1" / f"seed-{SEED}" / "model.keras")
    windows = windows_of(whole)
    assert [tensor.name for tensor in whole.inputs] == ["sequence", "control_profile", "control_logcount"]
    named = dict(zip(("sequence", "control_profile", "control_logcount"), windows, strict=True))
    expected = ours.predict({**named, "sequence": windows[0].argmax(-1).astype(np.uint8)}, verbose=0)
    for model in (whole, apart):
        profile, counts = model.predict(windows, verbose=0)
        np.testing.assert_allclose(profile, expected["profile_predictions"], atol=1e-6)
        np.testing.assert_allclose(counts, expected["logcount_predictions"], atol=1e-6)


def test_weights_are_by_layer_in_the_layers_order(trained: Any) -> None:
    described = json.loads(trained.file("arch").read_text())
    names = [layer["name"] for layer in described["config"]["layers"]]
    with h5py.File(trained.file("weights")) as file:
        assert [name.decode() for name in file.attrs["layer_names"]] == names
        assert [name.decode() for name in file["motifs"].attrs["weight_names"]] == ["motifs/kernel:0", "motifs/bias:0"]
        assert file["motifs/motifs/kernel:0"].shape == (9, 4, 4)


def test_logs_have_kerasacs_columns(trained: Any) -> None:
    header, *rows = trained.file("log").read_text().splitlines()
    assert header.split(",") == ["epoch", *TRACKABLES]
    assert [row.partition(",")[0] for row in rows] == ["0", "1"]
    header, *rows = trained.file("log.batch").read_text().splitlines()
    assert header.split("\t") == ["Epoch", "Batch", *TRACKABLES]
    assert [row.split("\t")[:2] for row in rows] == [
        [str(epoch), str(batch)] for epoch in range(2) for batch in range(4)
    ]
    assert rows[0].split("\t")[5:] == ["None"] * 3
    assert float(rows[0].split("\t")[3]) > 0


def test_the_same_command_again_trains_nothing_and_writes_the_files_anew(
    trained: Any, command: Callable[..., int]
) -> None:
    history = trained.file("kerasac-ray") / "fold-1" / f"seed-{SEED}" / "history.csv"
    before = history.stat().st_mtime_ns
    kept = trained.file("log").read_text()
    trained.file("log").unlink()
    assert command("kerasAC_train", trained.line) == 0
    assert trained.file("log").read_text() == kept
    assert history.stat().st_mtime_ns == before


def test_another_experiment_with_the_same_prefix_is_refused(trained: Any, command: Callable[..., int]) -> None:
    with pytest.raises(RunError, match=r"made by another experiment .*training.batch_size: 16 → 8"):
        command("kerasAC_train", changed(trained.line, batch_size="8"))


def test_flags_without_meaning_and_the_hint_are_said(trained: Any, command: Callable[..., int], tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("w") as file:
        command("kerasAC_train", trained.line, Console(file=file, width=1000))
    text = said.read_text()
    assert "--max_queue_size: no meaning here" in text
    assert f"With kerasac-ray: kerasac-ray cv {trained.file('kerasac-ray')}/experiment.yaml" in text


def test_migrated_experiment_has_the_plan_of_the_command(trained: Any, tmp_path: Path) -> None:
    from kerasac.steps.prepare import prepare

    script = tmp_path / "train.sh"
    script.write_text(f"for fold in 0 1 2 3 4\ndo\nkerasAC_train {changed(trained.line, fold='$fold')}\ndone\n")
    document = migrate(script).document
    assert document["folds"] == {"scheme": "kerasac-10", "n": 5}
    # The tiny genome has chromosomes for a few of the table's folds only.
    write_folds(tmp_path / "folds.json", [built_in_folds("kerasac-10")[1]])
    one = {**document, "folds": {"files": [str(tmp_path / "folds.json")]}}
    prepared = prepare(make_experiment(one, base=tmp_path, origin="test"))
    marker = json.loads((trained.file("kerasac-ray") / "fold-1" / f"seed-{SEED}" / "unit.json").read_text())
    plan = prepared.plan(prepared.folds[0], document["seeds"][0])
    assert plan.digest(document["training"]["epochs"]) == marker["plan_digest"]
    assert marker["state"] == "tuned", "the test chromosomes are left alone"


@pytest.mark.slow
def test_own_architecture_of_kerasacs_kind_is_trained(
    trained: Any, command: Callable[..., int], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    prefix = tmp_path / "own"
    line = changed(
        trained.line, architecture_spec=None, architecture_from_file=str(tmp_path / "own.py"), model_prefix=str(prefix)
    )
    assert command("kerasAC_train", line) == 0
    assert not [one for one in recwarn if "optimizer" in str(one.message)], "the file's own optimizer is not saved"
    out = f"--predictions_and_labels_hdf5 {prefix} --load_model_hdf5 {prefix}.hdf5 --fold 1 --genome hg38"
    peaks = "--tdb_partition_attribute_for_upsample peak --tdb_partition_thresh_for_upsample 2"
    assert command("kerasAC_predict_tdb", f"{trained.tracks} {peaks} --upsample_ratio_list_predict 1 {out}") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "own.kerasac-ray").rglob("*") if path.is_file()}
    (tmp_path / "own.py").write_text(OWN.replace("Conv1D(4,", "Conv1D(5,"))
    with pytest.raises(RunError, match="made by another experiment"):
        command("kerasAC_train", line)
    assert {path: path.read_bytes() for path in before} == before


def test_own_file_without_the_function_is_refused(trained: Any, command: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def build(args):\n    return None\n")
    line = changed(
        trained.line,
        architecture_spec=None,
        architecture_from_file=str(tmp_path / "own.py"),
        model_prefix=str(tmp_path / "m"),
    )
    with pytest.raises(ConfigError, match="has no function getModelGivenModelOptionsAndWeightInits"):
        command("kerasAC_train", line)


def test_files_that_an_experiment_names_are_not_replaced_by_another(trained: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    line = changed(trained.line, architecture_spec=None, architecture_from_file=str(tmp_path / "own.py"))
    bias = {"model_file": str(trained.file("hdf5")), "form": "mixed"}
    seen: list[dict[Path, bytes]] = []
    for text in (OWN, OWN + "\n# another", OWN):
        (tmp_path / "own.py").write_text(text)
        read = given("kerasAC_train", line)
        made = training_translation(read, Lookups())
        made = replace(made, document={**made.document, "bias": bias})
        folds = [replace(made.chosen.fold, train=made.chosen.fold.train[len(seen) % 2 :])]
        experiment = prepare_experiment(read, made, folder, folds)
        seen.append({path: path.read_bytes() for path in folder.iterdir()})
        assert experiment.folds.files[0] in seen[-1]
        assert experiment.bias is not None
        assert experiment.bias.model_file in seen[-1]
        assert text in Path(experiment.model.architecture.partition(":")[0]).read_text()
    assert [len(files) for files in seen] == [3, 5, 5]
    assert seen[0].items() <= seen[1].items()
    assert seen[1] == seen[2]


def test_a_message_of_a_key_names_its_flag(trained: Any, command: Callable[..., int], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.epochs.* \(set by --epochs\)$"):
        command("kerasAC_train", changed(trained.line, epochs="0", model_prefix=str(tmp_path / "m")))


def test_another_fold_or_seed_of_the_same_prefix_is_refused(trained: Any, command: Callable[..., int]) -> None:
    folds = trained.file("kerasac-ray") / "folds.json"
    before = folds.read_text()
    for flags in ({"fold": "2"}, {"seed": "8"}):
        with pytest.raises(ConfigError, match="was trained with this --model_prefix"):
            command("kerasAC_train", changed(trained.line, **flags))
    named = changed(trained.line, fold=None, genome=None, train_chroms="chr2", validation_chroms="chr1")
    with pytest.raises(ConfigError, match="was trained with this --model_prefix"):
        command("kerasAC_train", named)
    assert folds.read_text() == before


def test_a_trackable_that_there_is_not_is_said(trained: Any, command: Callable[..., int], tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("w") as file:
        command("kerasAC_train", changed(trained.line, trackables="loss los"), Console(file=file, width=1000))
    command("kerasAC_train", trained.line)
    assert "--trackables los: None in .log.batch; there are logcount_predictions_loss, loss," in said.read_text()


def test_a_file_that_is_missing_is_named_by_its_flag(trained: Any, command: Callable[..., int]) -> None:
    with pytest.raises(ConfigError, match=r"--ref_fasta nowhere\.fa does not exist"):
        command("kerasAC_train", changed(trained.line, ref_fasta="nowhere.fa"))
