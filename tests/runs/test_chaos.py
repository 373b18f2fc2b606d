"""Whatever dies in the middle of a study, all of it is trained, with the scores of an undisturbed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tiny import three_folds

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = [pytest.mark.ray, pytest.mark.keras, pytest.mark.slow, pytest.mark.timeout(1800)]

EPOCHS = 6
SPACE = {"parameters": {"model.filters": {"grid": [4, 6]}}, "folds": [0, 1, 2], "default": False}
# What stays as long as the cluster: a cleaner, which Ray Train starts with every run, asks the dashboard whether its
# run has ended, and this cluster has none.
RAYS_OWN = (
    "ray::DashboardAgent",
    "ray::RuntimeEnvAgent",
    "ray::_AutoscalingCoordinatorActor",
    "ray::PlacementGroupCleaner",
)
FINDER = "ray::_Finder"
SAMPLER, TRAINER, TRIAL = "ray::MapWorker", "ray::RayTrainWorker", "ray::ImplicitFunc"

LEFT = """
import json, ray
from ray.util import placement_group_table
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
print(json.dumps([one["state"] for one in placement_group_table().values()]))
"""


class Machines:
    """A cluster of three machines that are one, whose head does no work."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
        self.environment = {**os.environ, "RAY_ADDRESS": cluster.address, "KERASAC_CACHE": str(folder / "cache")}

    def study(self, name: str) -> subprocess.Popen[str]:
        """Start a study of six units."""
        command = ["tune", str(self.folder / "experiment.yaml"), str(self.folder / "space.yaml"), "--quiet"]
        return subprocess.Popen(
            [sys.executable, "-m", "kerasac", *command, "--out", str(self.folder / name)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self, title: str) -> list[int]:
        """Return the cluster's processes that call themselves so."""
        raylets = {raylet_of(node) for node in (self.cluster.head_node, *self.nodes)}
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(title.encode()):
                    found += [int(entry.name)] if parent_of(int(entry.name)) in raylets else []
            except OSError:
                continue  # it has just ended
        return found

    def busy(self) -> list[str]:
        """Return what the processes of the cluster call themselves, but for those that wait or are Ray's own."""
        titles = [title_of(pid) for pid in self.processes("ray::")]
        return [one for one in titles if not one.startswith(("ray::IDLE", *RAYS_OWN))]

    def kill_one(self, title: str, folder: Path, study: subprocess.Popen[str], how: Callable[[int], None]) -> None:
        """Kill a process while units are in training, and wait until they have got on."""
        wait_for(lambda: in_training(folder) and self.processes(title), study)
        before = n_epochs(folder)
        how(self.processes(title)[0])
        wait_for(lambda: n_epochs(folder) > before, study)

    def lose_node_of(self, pid: int) -> None:
        """Take the machine of a process out of the cluster, and put another one in."""
        (lost,) = [node for node in self.nodes if raylet_of(node) == parent_of(pid)]
        self.cluster.remove_node(lost, allow_graceful=False)
        self.nodes.remove(lost)
        self.nodes.append(self.cluster.add_node(num_cpus=2))

    def placement_groups(self) -> list[str]:
        """Return the states of all placement groups there have been."""
        said = subprocess.run(
            [sys.executable, "-c", LEFT], env=self.environment, capture_output=True, text=True, check=True, timeout=120
        )
        states: list[str] = json.loads(said.stdout.splitlines()[-1])
        return states


@contextmanager
def machines(data: Path) -> Iterator[Machines]:
    from ray.cluster_utils import Cluster

    from kerasac.runs.session import QUIET

    with tempfile.TemporaryDirectory(prefix="kr-") as name, pytest.MonkeyPatch.context() as patch:
        for key, value in QUIET.items():
            patch.setenv(key, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_worker_niceness", "0")  # other tests run beside it
        folder = Path(name)
        sampling = {"regions": None, "negatives": None, "peaks": {"attribute": "peak", "ratio": 0.7}}
        changes = {
            "sampling": {**sampling, "train_size": 2_400, "valid_size": 200},
            "compute": {"gpus": 0, "executor": "train", "samplers": 1, "max_parallel": 2},
            "training": {"epochs": EPOCHS, "learning_rate": 0.001, "patience": 50},
        }
        (folder / "experiment.yaml").write_text(three_folds(data, **changes).to_yaml())
        (folder / "space.yaml").write_text(yaml.safe_dump(SPACE))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            yield Machines(cluster, folder)
        finally:
            cluster.shutdown()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def raylet_of(node: Any) -> int:
    (raylet,) = node.all_processes["raylet"]
    return int(raylet.process.pid)


def wait_for(what: Callable[[], Any], study: subprocess.Popen[str], seconds: float = 400) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert study.poll() is None, study.communicate()[0][-3_000:]
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {seconds} s")


def n_epochs(folder: Path) -> int:
    """Return how many epochs of all units have ended."""
    return sum(len(path.read_text().splitlines()) - 1 for path in folder.glob("*/fold-*/seed-*/history.csv"))


def in_training(folder: Path) -> bool:
    """Whether a unit is between its first and its last epoch."""
    histories = [path.read_text().splitlines() for path in folder.glob("*/fold-*/seed-*/history.csv")]
    return any(2 <= len(rows) < EPOCHS for rows in histories)


def scores(folder: Path) -> dict[str, dict[str, float]]:
    found = {}
    for path in folder.glob("*/fold-*/seed-*/valid_scores.json"):
        found[str(path.parent.relative_to(folder))] = json.loads(path.read_text())["windows"]["peaks"]
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_study_outlives_whatever_is_killed(tiny_folder: Path) -> None:
    with machines(tiny_folder) as cluster:
        undisturbed = cluster.study("undisturbed")
        said, _ = undisturbed.communicate(timeout=600)
        assert undisturbed.returncode == 0, said[-3_000:]

        folder = cluster.folder / "study"
        study = cluster.study("study")
        kill(wait_for(lambda: cluster.processes(FINDER), study)[0])
        for title, how in ((SAMPLER, kill), (TRAINER, kill), (TRIAL, kill), (TRAINER, cluster.lose_node_of)):
            cluster.kill_one(title, folder, study, how)
        wait_for(lambda: in_training(folder), study)
        study.kill()
        study.wait(timeout=30)
        again = cluster.study("study")
        said, _ = again.communicate(timeout=600)
        assert again.returncode == 0, said[-3_000:]

        expected, found = scores(cluster.folder / "undisturbed"), scores(folder)
        assert len(found) == len(expected) == 6, said[-6_000:]
        for unit, values in expected.items():
            numbers = {key: value for key, value in values.items() if value is not None}
            assert {key: found[unit][key] for key in numbers} == pytest.approx(numbers, rel=1e-5, abs=1e-5), unit
            epochs = (folder / unit / "history.csv").read_text().splitlines()[1:]
            assert [int(row.split(",")[0]) for row in epochs] == list(range(1, EPOCHS + 1))
        until = time.monotonic() + 60
        while left := cluster.busy():
            assert time.monotonic() < until, left
            time.sleep(0.5)
        assert set(cluster.placement_groups()) <= {"REMOVED"}


def title_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return "ray::IDLE"
