from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.config import OutputSpec, TrackSpec, TrainingSpec
from kerasac.errors import RunError, StoreError
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract, Port
from kerasac.models.registry import BPNetParameters, build_model
from kerasac.sampling.batches import Batch, Recipe, Signature
from kerasac.steps.history import read_history, write_history
from kerasac.steps.schedule import Standing

pytestmark = pytest.mark.keras

CONTRACT = Contract(
    (Port("sequence", "sequence", 40, 4),),
    (Port("profile", "profile", 10, 1, ("cuts",)), Port("logcount", "counts", 10, 1, ("cuts",))),
)
STEPS, EPOCHS = 4, 4


CUTS = {"source": ("cuts",), "flank": 5}
RECIPE = Recipe(
    (TrackSpec(name="sequence", source=("seq",), flank=20),),
    (
        OutputSpec(name="profile", **CUTS),
        OutputSpec(name="logcount", **CUTS, aggregate="sum", transform="log", pseudocount=1),
    ),
    {"profile": "cuts", "logcount": "cuts"},
)
SIGNATURE = {
    "sequence": Signature((40,), np.dtype(np.uint8)),
    "cuts": Signature((1, 10), np.dtype(np.uint16)),
}


def batch(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.0, (16, 1, 10)).astype(np.uint16)
    return {"sequence": rng.integers(0, 4, (16, 40)).astype(np.uint8), "cuts": counts}


left: list[str] = []  # what became of each stream


def stream(epochs: Sequence[int]) -> Generator[dict[str, np.ndarray], None, None]:
    try:
        for epoch in epochs:
            for step in range(STEPS):
                yield batch(100 * epoch + step)
        left.append("read to its end")
    except GeneratorExit:
        left.append("closed")
        raise


class InterruptedHereError(Exception):
    pass


def run(
    folder: Path, *, on_epoch: Callable[[Any], None] = lambda row: None, dropout: float = 0.0, **changes: Any
) -> Any:
    """Train as a fresh process would, going on with what the folder holds."""
    prepare_backend(threads=1)
    import keras

    from kerasac.steps.train import TrainData, compile_model, start_at_mean, train
    from kerasac.steps.trainee import Trainee

    spec = TrainingSpec(**{"epochs": EPOCHS, "patience": EPOCHS, "schedule": "cosine", "warmup_steps": 6, **changes})
    keras.utils.set_random_seed(7)
    model = build_model("bpnet", CONTRACT, replace(BPNetParameters(4, 1, 5, 3, 5), dropout=dropout))
    model_in_training = Trainee(model, RECIPE)
    compile_model(model_in_training, CONTRACT, spec, {"profile": 1.0, "logcount": 2.0})
    first = batch(0)["cuts"].sum(axis=2)
    start_at_mean(model, CONTRACT, Batch({}, {"logcount": np.log1p(first.astype(np.float32))}))
    where = lambda epoch, step: f" (windows of {epoch}, {step})"  # noqa: E731
    data = TrainData(stream, STEPS, SIGNATURE, batch(9999), where)
    result = train(model_in_training, data, spec, folder, on_epoch=on_epoch)
    return result, model_in_training


def _without_seconds(folder: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(folder / "history.csv")]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_resumed_training_equals_an_undisturbed_one(tmp_path: Path, dropout: float) -> None:
    whole, model = run(tmp_path / "whole", dropout=dropout)

    def interrupt(row: Any) -> None:
        if row["epoch"] == 2:
            raise InterruptedHereError

    with pytest.raises(InterruptedHereError):
        run(tmp_path / "parts", on_epoch=interrupt, dropout=dropout)
    resumed, again = run(tmp_path / "parts", dropout=dropout)
    assert resumed == whole
    assert _without_seconds(tmp_path / "parts") == _without_seconds(tmp_path / "whole")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_checkpoint_without_its_row_is_trained_again(tmp_path: Path) -> None:
    """A run killed between the checkpoint and the row has one checkpoint too many."""
    whole, _ = run(tmp_path)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    (tmp_path / "history.csv").write_text("\n".join(lines[:-1]) + "\n")
    again, _ = run(tmp_path)
    assert again == whole


def test_best_checkpoint_outlives_an_epoch_that_was_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between a checkpoint and its row, a training goes on with a history whose best epoch must be there."""
    from kerasac.steps import training_state

    def killed(path: Path, rows: list[Any]) -> None:
        if len(rows) == 4:
            raise InterruptedHereError
        write_history(path, rows)

    monkeypatch.setattr(training_state, "write_history", killed)

    def best_is_1_until_4(state: Any) -> Standing:
        return Standing(4 if len(state.history) == 4 else 1, 0.0, 0.01, False)

    monkeypatch.setattr(training_state.Lead, "standing", property(best_is_1_until_4))
    with pytest.raises(InterruptedHereError):
        run(tmp_path)
    assert {int(path.name[6:10]) for path in (tmp_path / "checkpoints").iterdir()} >= {1, 3}


def test_finished_training_is_not_repeated(tmp_path: Path) -> None:
    whole, _ = run(tmp_path)
    heard: list[Any] = []
    again, _ = run(tmp_path, on_epoch=heard.append)
    assert again == whole
    assert heard == []


def test_keeps_the_last_two_checkpoints_and_the_best(tmp_path: Path) -> None:
    result, _ = run(tmp_path, learning_rate=0.02, schedule="plateau", warmup_steps=0, epochs=8, patience=8)
    assert result.best_epoch < 7, "a case where the best epoch is not among the last two"
    kept = {int(path.name[6:10]) for path in (tmp_path / "checkpoints").iterdir()}
    assert kept == {result.best_epoch, 7, 8}


def test_ends_with_the_best_epochs_weights(tmp_path: Path) -> None:
    import tensorflow as tf

    result, model = run(tmp_path, learning_rate=0.2, warmup_steps=0)
    held_out = tf.data.Dataset.from_tensors(batch(9999))
    loss = model.evaluate(held_out, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(result.best_loss, rel=1e-5)
    assert result.best_loss == min(row["val_loss"] for row in read_history(tmp_path / "history.csv"))


def test_warmup_starts_slow_and_leaves_the_recorded_rate(tmp_path: Path) -> None:
    run(tmp_path / "cold", epochs=1, learning_rate=0.1, warmup_steps=0)
    run(tmp_path / "warm", epochs=1, learning_rate=0.1, warmup_steps=1000)
    cold, warm = (read_history(tmp_path / name / "history.csv")[0] for name in ("cold", "warm"))
    assert cold["learning_rate"] == warm["learning_rate"] == pytest.approx(0.1)
    assert cold["val_loss"] != warm["val_loss"]


def test_loss_that_is_not_finite_ends_training_and_saves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"lower training\.learning_rate"):
        run(tmp_path, learning_rate=1e30, warmup_steps=0)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_first_batch_without_a_finite_loss_is_named_and_ends_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the second epoch's four batches the third is broken, and the fourth is never trained on."""
    given: list[tuple[int, int]] = []

    def broken(epochs: Sequence[int]) -> Generator[dict[str, np.ndarray], None, None]:
        for epoch in epochs:
            for step in range(STEPS):
                given.append((epoch, step))
                raw = batch(100 * epoch + step)
                cuts = np.full(raw["cuts"].shape, np.nan if (epoch, step) == (1, 2) else 1.0, dtype=np.float32)
                yield {**raw, "cuts": cuts}

    monkeypatch.setitem(globals(), "stream", broken)
    monkeypatch.setitem(SIGNATURE, "cuts", Signature((1, 10), np.dtype(np.float32)))
    with pytest.raises(RunError, match=r"not finite in batch 3 of 4 of epoch 2 \(windows of 1, 2\)"):
        run(tmp_path)
    assert len(read_history(tmp_path / "history.csv")) == 1


def test_dropout_masks_differ_between_epochs(tmp_path: Path) -> None:
    """With a rate of 0 and the same batches, an epoch's loss changes with its masks alone."""
    run(tmp_path, dropout=0.5, learning_rate=1e-30, min_learning_rate=0, epochs=2)
    first, second = read_history(tmp_path / "history.csv")
    assert first["val_loss"] == second["val_loss"]
    assert first["loss"] != second["loss"]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "adamax", "rmsprop", "sgd", "lion"])
def test_every_optimizer_trains_and_resumes(tmp_path: Path, optimizer: str) -> None:
    options = {"optimizer": optimizer, "learning_rate": 1e-3, "clip_norm": 1.0, "weight_decay": 1e-3}
    run(tmp_path, epochs=1, **options)
    result, model = run(tmp_path, epochs=2, **options)
    assert type(model.optimizer).__name__.lower() == optimizer
    assert result.epochs == 2


def test_step_compiled_with_xla_gives_the_same_losses(tmp_path: Path) -> None:
    run(tmp_path / "plain", epochs=2)
    run(tmp_path / "compiled", epochs=2, jit_compile=True)
    plain, compiled = (read_history(tmp_path / name / "history.csv") for name in ("plain", "compiled"))
    np.testing.assert_allclose([row["loss"] for row in plain], [row["loss"] for row in compiled], rtol=1e-5)


def test_momentum_reaches_the_optimizer(tmp_path: Path) -> None:
    _, model = run(tmp_path, epochs=1, optimizer="sgd", momentum=0.9)
    assert model.optimizer.momentum == 0.9


def test_tensorboard_logs_lie_in_the_folder_when_they_are_asked_for(tmp_path: Path) -> None:
    run(tmp_path / "with", epochs=1, tensorboard=True)
    run(tmp_path / "without", epochs=1)
    assert list((tmp_path / "with" / "tensorboard").rglob("events.out.*"))
    assert not (tmp_path / "without" / "tensorboard").exists()


def logged_epochs(folder: Path) -> list[int]:
    """Return the epochs of the rows of batches.tsv, in its order and from 1."""
    lines = (folder / "batches.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in lines[1:]] == [str(i % STEPS) for i in range(len(lines) - 1)]
    return [int(line.split("\t")[0]) + 1 for line in lines[1:]]


def drawn_epochs(folder: Path) -> list[int]:
    """Return the epochs that TensorBoard draws: a file hides those of the files before it from its first step on."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    drawn: list[int] = []
    for path in sorted((folder / "tensorboard").iterdir()):
        for event in (Event.FromString(record) for record in records(path)):
            if event.session_log.status == SessionLog.START:
                drawn = [epoch for epoch in drawn if epoch < event.step]
            drawn += [event.step for value in event.summary.value if value.tag == "loss"]
    return drawn


def records(path: Path) -> list[bytes]:
    """Return what a file of TensorFlow's records holds."""
    import tensorflow as tf

    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def test_epoch_that_a_training_was_stopped_after_is_in_its_logs_once(tmp_path: Path) -> None:
    def stop(row: Any) -> None:
        if row["epoch"] == 2:
            assert logged_epochs(tmp_path)[-1] == drawn_epochs(tmp_path)[-1] == 2, "as the mirror saves the folder now"
            raise InterruptedHereError

    with pytest.raises(InterruptedHereError):
        run(tmp_path, on_epoch=stop, batch_log=True, tensorboard=True)
    run(tmp_path, batch_log=True, tensorboard=True)
    assert logged_epochs(tmp_path) == [epoch for epoch in range(1, EPOCHS + 1) for _ in range(STEPS)]
    assert drawn_epochs(tmp_path) == list(range(1, EPOCHS + 1))


def test_epoch_that_was_logged_and_not_saved_is_in_the_logs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasac.steps import training_state

    def killed(path: Path, rows: list[Any]) -> None:
        if len(rows) == 3:
            raise InterruptedHereError
        write_history(path, rows)

    with monkeypatch.context() as patch:
        patch.setattr(training_state, "write_history", killed)
        with pytest.raises(InterruptedHereError):
            run(tmp_path, batch_log=True, tensorboard=True)
    assert drawn_epochs(tmp_path) == [1, 2, 3]
    run(tmp_path, batch_log=True, tensorboard=True)
    assert logged_epochs(tmp_path) == [epoch for epoch in range(1, EPOCHS + 1) for _ in range(STEPS)]
    assert drawn_epochs(tmp_path) == list(range(1, EPOCHS + 1))


def test_stream_that_is_left_early_is_closed(tmp_path: Path) -> None:
    """Else its Ray samplers keep the CPUs that the next unit waits for."""
    left.clear()
    result, _ = run(tmp_path, epochs=40, patience=1, learning_rate=1.0, clip_norm=0.1, schedule="plateau")
    assert result.epochs < 40
    assert left == ["closed"]


def test_stream_is_closed_when_training_fails(tmp_path: Path) -> None:
    def fail(row: Any) -> None:
        raise InterruptedHereError

    left.clear()
    with pytest.raises(InterruptedHereError):
        run(tmp_path, epochs=40, on_epoch=fail)
    assert left == ["closed"]


def test_error_of_the_stream_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tf.data would give an UnknownError of many lines."""

    def changed(epochs: Sequence[int]) -> Generator[dict[str, np.ndarray], None, None]:
        yield batch(0)
        raise StoreError("array a.tdb was written to while it was in use")

    monkeypatch.setitem(globals(), "stream", changed)
    with pytest.raises(StoreError, match=r"^array a.tdb was written to while it was in use$"):
        run(tmp_path)
