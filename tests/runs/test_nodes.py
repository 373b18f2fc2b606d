"""Shards run on the machine that asks, and every machine of a cluster decodes once, in its own cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny_experiment

from kerasac.errors import StoreError
from kerasac.sampling.plan import windows_at
from kerasac.steps.prepare import prepare
from kerasac.store import decode as decode_room

pytestmark = [pytest.mark.ray]


PIECES = [range(low, low + 1) for low in range(10)]


def adding_up() -> Callable[[range], tuple[int, int]]:
    """Return a function that travels by value: workers do not find this file."""

    def add_up(piece: range) -> tuple[int, int]:
        return os.getpid(), sum(piece)

    return add_up


def test_shards_run_in_other_processes_and_all_come_back(ray_cluster: dict[str, float]) -> None:
    from kerasac.runs.nodes import node_shards

    with node_shards(workers=2) as shards:
        found = list(shards(adding_up(), PIECES))
        again = list(shards(adding_up(), PIECES))
    assert {pid for pid, _ in again} <= {pid for pid, _ in found}, "actors serve all work of the context"
    assert sorted(total for _, total in found) == list(range(10))
    assert os.getpid() not in {pid for pid, _ in found}
    assert len({pid for pid, _ in found}) <= 2


def test_error_of_a_shard_is_raised_as_it_was(ray_cluster: dict[str, float]) -> None:
    from kerasac.runs.nodes import node_shards

    def refuse(piece: range) -> None:
        if 3 in piece:
            raise StoreError("the array is not there")

    with node_shards(workers=2) as shards, pytest.raises(StoreError, match=r"^the array is not there$"):
        list(shards(refuse, PIECES))


def test_shards_run_when_every_cpu_is_promised(ray_cluster: dict[str, float]) -> None:
    """A trial holds the CPUs that it was given while it waits for what it asked to decode."""
    import ray

    from kerasac.runs.nodes import node_shards

    add_up = adding_up()

    class Trial:
        def decode(self) -> int:
            with node_shards(workers=2) as shards:
                return len(list(shards(add_up, PIECES)))

    trial = ray.remote(num_cpus=ray_cluster["CPU"])(Trial).remote()
    assert ray.get(trial.decode.remote(), timeout=60) == 10
    ray.kill(trial)


def test_short_work_stays_in_this_process_and_long_work_does_not(
    ray_cluster: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kerasac.runs import nodes

    with nodes.node_shards() as shards:
        assert {pid for pid, _ in shards(adding_up(), PIECES)} == {os.getpid()}
        monkeypatch.setattr(nodes, "MIN_SHARDS", len(PIECES))
        assert os.getpid() not in {pid for pid, _ in shards(adding_up(), PIECES)}
    with nodes.node_shards(workers=1) as shards:
        assert {pid for pid, _ in shards(adding_up(), PIECES)} == {os.getpid()}


def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_room, "SHARD_BP", 7_000)
    monkeypatch.setattr("kerasac.store.scan.SHARD_BP", 7_000)
    monkeypatch.setattr("kerasac.genome.sequence._SHARD_BP", 7_000)


@pytest.mark.parametrize("reader", ["map", "sparse", "spans"])
def test_actors_decode_what_one_process_does(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    from kerasac.runs.nodes import node_shards

    _small_shards(monkeypatch)
    windows = windows_at(np.random.default_rng(0).integers(200, 39_800, 300), is_peak=True)
    found: list[dict[str, Any]] = []
    positions = {"regions": None, "negatives": None, **POSITIONS}
    for name, workers in (("alone", 1), ("actors", 3)):
        monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / name))
        experiment = tiny_experiment(tiny_folder, compute={"reader": reader}, sampling=positions)
        with node_shards(workers) as shards:
            found.append(prepare(experiment, shards).source.read(windows))
    for key, values in found[0].items():
        np.testing.assert_array_equal(found[1][key], values)
    files = [sorted(path.name for path in tmp_path.glob(f"{name}/*/*/*")) for name in ("alone", "actors")]
    assert files[0] == files[1]


POSITIONS = {"peaks": {"attribute": "peak", "ratio": 1.0}, "train_size": 50, "valid_size": 20}

_TWO_MACHINES = """
import os, sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from kerasac.config import load_experiment
from kerasac.runs.nodes import decode_on_other_nodes
from kerasac.steps.prepare import prepare

experiment, here, there = (Path(argument) for argument in sys.argv[1:])
os.environ["KERASAC_CACHE"] = str(here)
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=2, env_vars={"KERASAC_CACHE": str(there)})
ray.init(address=cluster.address, log_to_driver=False)
source = prepare(load_experiment(experiment)).source
decode_on_other_nodes(source)
print("decoded", flush=True)
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
def test_every_machine_decodes_in_its_own_cache(tiny_folder: Path, tmp_path: Path) -> None:
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(tiny_experiment(tiny_folder).to_yaml())
    here, there = tmp_path / "here", tmp_path / "there"
    script = [sys.executable, "-c", _TWO_MACHINES, str(experiment), str(here), str(there)]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(script, capture_output=True, text=True, env=environment, check=False, timeout=240)
    assert "decoded" in done.stdout, done.stderr[-3_000:]
    made = {folder.relative_to(here) for folder in here.glob("tracks/*")} | {
        folder.relative_to(here) for folder in here.glob("tokens/*")
    }
    assert len(made) == 3  # two tracks and the tokens
    for entry in made:
        assert {path.name for path in (there / entry).iterdir()} == {path.name for path in (here / entry).iterdir()}
