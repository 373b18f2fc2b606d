from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tiny import tiny_experiment

from kerasac.config import ComputeSpec
from kerasac.errors import RunError
from kerasac.runs.launch import UnitAllotment, launch
from kerasac.runs.trial import run_unit
from kerasac.runs.unit import Event, Share, Unit, read_marker
from kerasac.steps.history import read_history
from kerasac.steps.prepare import prepare


class Recorder:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def started(self, unit: Unit, until: int | None = None) -> None:
        self.events.append({"event": "started"})

    def heard(self, unit: Unit, event: Event) -> None:
        self.events.append(event)

    def died(self, unit: Unit, message: str) -> None:
        self.events.append({"event": "died", "message": message})

    @property
    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events if "event" in event]


def losses(unit: Unit) -> list[float]:
    return [row["val_loss"] for row in read_history(unit.folder / "history.csv")]


def launch_one(
    tiny_folder: Path,
    run_folder: Path,
    cluster: dict[str, float],
    *,
    recorder: Recorder | None = None,
    training: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    **compute: Any,
) -> tuple[Unit, Recorder]:
    prepared = prepare(tiny_experiment(tiny_folder, compute=compute, training=training or {}, sampling=sampling or {}))
    unit = Unit(prepared.folds[0], 1, str(run_folder))
    recorder = recorder or Recorder()
    allotment = UnitAllotment(prepared.experiment.compute, 1, cluster)
    launch(prepared, [unit], allotment, recorder, scratch=run_folder / ".ray")
    return unit, recorder


@pytest.mark.ray
@pytest.mark.keras
def test_train_worker_fed_by_ray_data_gives_the_losses_of_a_process_alone(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    compute = {"gpus": 0, "executor": "train", "samplers": 2, "max_parallel": 4}
    unit, recorder = launch_one(tiny_folder, tmp_path / "ray", ray_cluster, **compute)
    assert recorder.kinds == ["started", "stage", "epoch", "epoch", "stage", "stage", "done"]
    prepared = prepare(tiny_experiment(tiny_folder))
    alone = Unit(prepared.folds[0], 1, str(tmp_path / "alone"))
    threads = UnitAllotment(ComputeSpec(**compute), 1, ray_cluster).share.threads
    run_unit(prepared, alone, Share(threads=threads, samplers=0), lambda event: None)
    assert read_marker(unit.folder)["plan_digest"] == read_marker(alone.folder)["plan_digest"]
    np.testing.assert_allclose(losses(unit), losses(alone), rtol=1e-5)


class Killer(Recorder):
    """A listener that kills the unit's process when its third epoch ends, once."""

    def heard(self, unit: Unit, event: Event) -> None:
        super().heard(unit, event)
        if event.get("event") == "epoch" and self.kinds.count("epoch") == 3:
            os.kill(event["pid"], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.keras
def test_unit_whose_process_is_killed_goes_on_at_its_last_epoch(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    training = {"epochs": 30, "patience": 30}
    killer = Killer()
    killed, _ = launch_one(tiny_folder, tmp_path / "killed", ray_cluster, recorder=killer, training=training, gpus=0)
    calm, _ = launch_one(tiny_folder, tmp_path / "calm", ray_cluster, training=training, gpus=0)
    assert killer.kinds.count("started") == 2
    epochs = [event["epoch"] for event in killer.events if event.get("event") == "epoch"]
    assert epochs[:3] == [1, 2, 3]
    assert epochs[3] > 3, "finished epochs are not trained again"
    assert len(losses(killed)) == 30
    np.testing.assert_allclose(losses(killed), losses(calm), rtol=1e-6)


@pytest.mark.ray
@pytest.mark.keras
@pytest.mark.parametrize("executor", ["direct", "train"])
def test_logical_gpu_is_given_and_missed_by_tensorflow(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path, executor: str
) -> None:
    """Ray places the trainer on one of its two logical GPUs; TensorFlow sees none, which is an error by name."""
    unit, recorder = launch_one(tiny_folder, tmp_path, ray_cluster, gpus=1, executor=executor)
    assert recorder.kinds == ["started", "stage", "failed"]
    assert "TensorFlow does not see one" in recorder.events[-1]["message"]
    assert not (unit.folder / "model.keras").exists()


@pytest.mark.parametrize(
    ("compute", "n_units", "resources", "expected"),
    [
        ({}, 5, {"CPU": 2}, ("direct", 2, 1, 0, 0)),
        ({}, 5, {"CPU": 16}, ("direct", 5, 3, 0, 0)),
        ({}, 1, {"CPU": 2}, ("direct", 1, 2, 0, 0)),
        ({"max_parallel": 1}, 5, {"CPU": 2}, ("direct", 1, 2, 0, 0)),
        ({}, 5, {"CPU": 16, "GPU": 2}, ("train", 2, 8, 0, 1)),
        ({"gpus": 0.5}, 5, {"CPU": 16, "GPU": 2}, ("train", 4, 4, 0, 0.5)),
        ({"samplers": 3}, 5, {"CPU": 16, "GPU": 2}, ("train", 2, 8, 3, 1)),
        ({"gpus": 0}, 5, {"CPU": 4, "GPU": 2}, ("direct", 4, 1, 0, 0)),
        ({"max_parallel": 5}, 5, {"CPU": 16, "GPU": 2}, ("train", 2, 8, 0, 1)),
        ({"samplers": 1}, 5, {"CPU": 2}, ("direct", 2, 1, 1, 0)),
        ({"executor": "train"}, 5, {"CPU": 2}, ("train", 2, 1, 0, 0)),
        ({"trainers": 2}, 5, {"CPU": 2}, ("train", 1, 1, 0, 0)),
        ({"trainers": 2}, 5, {"CPU": 16, "GPU": 4}, ("train", 2, 4, 0, 1)),
        ({"trainers": 4, "gpus": 0.5}, 5, {"CPU": 16, "GPU": 2}, ("train", 1, 4, 0, 0.5)),
        ({"trainers": 3, "max_parallel": 2}, 5, {"CPU": 12}, ("train", 2, 2, 0, 0)),
    ],
)
def test_units_share_the_machine(
    compute: dict[str, Any], n_units: int, resources: dict[str, float], expected: tuple[Any, ...]
) -> None:
    made = UnitAllotment(ComputeSpec(**compute), n_units, resources)
    shared = (made.executor, made.max_parallel, made.share.threads, made.share.samplers, made.share.gpus)
    assert shared == expected


@pytest.mark.parametrize(
    ("resources", "samplers"),
    [({"CPU": 2}, 0), ({"CPU": 20}, 2), ({"CPU": 16, "GPU": 2}, 2), ({"CPU": 4, "GPU": 2}, 0)],
)
def test_only_tracks_that_are_read_from_the_array_get_samplers(resources: dict[str, float], samplers: int) -> None:
    assert UnitAllotment(ComputeSpec(), 5, resources, decoded=False).share.samplers == samplers
    assert UnitAllotment(ComputeSpec(), 5, resources, decoded=True).share.samplers == 0


@pytest.mark.parametrize(
    ("compute", "resources", "message"),
    [
        ({"gpus": 1}, {"CPU": 8}, r"compute\.gpus is 1, but Ray has 0"),
        ({"trainers": 4}, {"CPU": 8, "GPU": 2}, r"compute\.trainers is 4 with 1 GPU each, but Ray has 2 GPUs"),
        ({"trainers": 4}, {"CPU": 2}, r"compute\.trainers is 4, but Ray has 2 CPUs"),
        ({"trainers": 2, "executor": "direct"}, {"CPU": 2}, r"set compute\.executor to auto or train"),
        ({"trainers": 2, "samplers": 3}, {"CPU": 2}, r"a trainer's share of 1 CPUs \(1 at a time\) has room for 1"),
        ({"gpus": 1.5}, {"CPU": 8, "GPU": 4}, r"compute\.gpus is 1\.5; a trainer takes one GPU"),
        ({"samplers": 4}, {"CPU": 1}, r"compute\.samplers is 4, .* share of 1 CPUs \(1 at a time\) has room for 3"),
        ({"samplers": 8}, {"CPU": 2}, r"compute\.samplers is 8, .* share of 1 CPUs \(2 at a time\) has room for 3"),
        ({"samplers": 2, "executor": "train"}, {"CPU": 2}, r"compute\.samplers is 2, .* has room for 1"),
    ],
)
def test_what_ray_could_never_place_is_an_error(
    compute: dict[str, Any], resources: dict[str, float], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        UnitAllotment(ComputeSpec(**compute), 5, resources)


@pytest.mark.ray
@pytest.mark.keras
@pytest.mark.parametrize(("executor", "reader"), [("direct", "map"), ("train", "blocks")])
def test_samplers_of_units_that_fill_the_machine_get_their_cpus(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path, executor: str, reader: str
) -> None:
    """Ray Data starts samplers outside the trial's placement group: what trials reserve, samplers cannot have."""
    compute = {"gpus": 0, "executor": executor, "samplers": 1, "max_parallel": 2, "reader": reader}
    prepared = prepare(tiny_experiment(tiny_folder, compute=compute))
    units = [Unit(fold, 1, str(tmp_path)) for fold in prepared.folds[:2]]
    recorder = Recorder()
    allotment = UnitAllotment(prepared.experiment.compute, len(units), ray_cluster)
    assert allotment.max_parallel * allotment.cpus == ray_cluster["CPU"]
    launch(prepared, units, allotment, recorder, scratch=tmp_path / ".ray")
    assert recorder.kinds.count("done") == len(units)


@pytest.mark.ray
@pytest.mark.keras
def test_two_trainers_give_the_loss_curve_of_one_with_the_whole_batch(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    """An epoch's last batch is a rest of an odd number of windows, whose parts differ in size."""
    same = {"training": {"batch_size": 26, "epochs": 3}, "sampling": {"negatives": {"ratio": 0.99}}, "gpus": 0}
    both, recorder = launch_one(tiny_folder, tmp_path / "two", ray_cluster, trainers=2, **same)
    one, _ = launch_one(tiny_folder, tmp_path / "one", ray_cluster, **same)
    assert recorder.kinds == ["started", "stage", *["epoch"] * 3, "stage", "stage", "done"]
    assert read_marker(both.folder)["windows"]["train"] % 26 % 2 == 1
    rows, alone = (read_history(unit.folder / "history.csv") for unit in (both, one))
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose([row[key] for row in rows], [row[key] for row in alone], rtol=2e-5)


class TrainerKiller(Recorder):
    """A listener that kills one of the unit's two trainers when the third epoch ends, once."""

    def __init__(self, which: int) -> None:
        super().__init__()
        self.which = which

    def heard(self, unit: Unit, event: Event) -> None:
        super().heard(unit, event)
        if event.get("event") == "epoch" and self.kinds.count("epoch") == 3:
            os.kill(sorted(_train_workers())[self.which], signal.SIGKILL)


def _train_workers() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if "RayTrainWorker" in " ".join(child.cmdline())]


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.keras
@pytest.mark.parametrize("which", [0, 1])
def test_trainers_go_on_at_their_last_epoch_when_one_of_them_dies(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path, which: int
) -> None:
    same = {"training": {"epochs": 12, "patience": 12}, "gpus": 0}
    killer = TrainerKiller(which)
    killed, _ = launch_one(tiny_folder, tmp_path / "killed", ray_cluster, recorder=killer, trainers=2, **same)
    calm, _ = launch_one(tiny_folder, tmp_path / "calm", ray_cluster, **same)
    epochs = [event["epoch"] for event in killer.events if event.get("event") == "epoch"]
    assert epochs == sorted(set(epochs)), "finished epochs are not trained again"
    assert killer.kinds.count("stage") == 4, "train was begun twice"
    np.testing.assert_allclose(losses(killed), losses(calm), rtol=1e-4)


@pytest.mark.ray
@pytest.mark.keras
def test_trainers_get_a_logical_gpu_each(ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path) -> None:
    """Ray places both on its two logical GPUs; TensorFlow sees none, which is an error by name."""
    _, recorder = launch_one(tiny_folder, tmp_path, ray_cluster, trainers=2)
    assert recorder.kinds == ["started", "stage", "failed"]
    assert "TensorFlow does not see one" in recorder.events[-1]["message"]
