"""Measure what a study costs beside its trainings, and whether it spreads over nodes.

    python benchmarks/studies.py overhead
    python benchmarks/studies.py scaling

``overhead`` runs ``kerasac-ray tune`` over 12 trivial trainings, one at a time, and over a single one, whose time less
its training is one start-up. The ratio is the time of the twelve to their trainings and one start-up. ``scaling``
gives 16 units that only sleep to simulated clusters of 1, 2 and 4 nodes with a logical CPU each; units a second are
compared with those of one node, from the beginning of the first unit on and with the start of the nodes' processes,
which all share this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

N_TRIALS = 12


def measure_overhead(epochs: int) -> float:
    """Print and return the time of a study of 12 trainings to the sum of these and one start-up."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from tiny import three_folds

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = {"training": {"epochs": epochs}, "compute": {"gpus": 0, "max_parallel": 1}}
        (folder / "experiment.yaml").write_text(three_folds(folder / "data", **changes).to_yaml())
        environment = {**os.environ, "KERASAC_CACHE": str(folder / "cache")}
        _study(folder, "first", [1], environment)  # decodes, and fills the file system's cache
        alone, one = _study(folder, "one", [1], environment)
        taken, many = _study(folder, "many", list(range(1, N_TRIALS + 1)), environment)
    start_up = alone - sum(one)
    ratio = taken / (sum(many) + start_up)
    print(
        f"{len(many)} trainings {sum(many):.1f} s, a start-up {start_up:.1f} s; the study {taken:.1f} s, "
        f"{ratio:.2f} of both"
    )
    return ratio


def _study(folder: Path, name: str, seeds: list[int], environment: dict[str, str]) -> tuple[float, list[float]]:
    """Run a study of a fold and some seeds; returns its seconds, and those of each training."""
    space = folder / f"{name}.yaml"
    space.write_text(yaml.safe_dump({"seeds": seeds, "folds": [0]}))
    command = ["tune", str(folder / "experiment.yaml"), str(space), "--out", str(folder / name), "--quiet"]
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "kerasac", *command], env=environment, check=True)
    taken = time.perf_counter() - started
    markers = sorted((folder / name).glob("*/fold-*/seed-*/unit.json"))
    return taken, [sum(json.loads(path.read_text())["seconds"].values()) for path in markers]


class _Sleeping:
    """Stands in for a prepared experiment: planning a unit sleeps, after which the unit is done."""

    experiment = None

    def __init__(self, seconds: float, folder: Path) -> None:
        self.seconds, self.folder = seconds, folder

    def plan(self, fold: Any, seed: int) -> None:
        import ray

        began = time.time()
        time.sleep(self.seconds)
        unit = self.folder / f"fold-{fold.index}" / f"seed-{seed}"
        unit.mkdir(parents=True, exist_ok=True)
        node = ray.get_runtime_context().get_node_id()
        (unit / "unit.json").write_text(json.dumps({"state": "done", "node": node, "began": began}))


def measure_scaling(n_units: int, seconds: float) -> dict[int, float]:
    """Print and return, for each number of nodes, its units a second to those of one node times their number."""
    taken: dict[int, float] = {}
    with_start: dict[int, float] = {}
    for n_nodes in (1, 2, 4):
        with_start[n_nodes], taken[n_nodes], nodes = _sleep_on(n_nodes, n_units, seconds)
        shares = [100 * times[1] / times[n_nodes] / n_nodes for times in (taken, with_start)]
        spread = ", ".join(str(n) for n in sorted(nodes.values(), reverse=True))
        print(
            f"{n_nodes} nodes: {taken[n_nodes]:.1f} s, {shares[0]:.0f} % of linear; with the start of processes "
            f"{with_start[n_nodes]:.1f} s, {shares[1]:.0f} %; units a node: {spread}",
            flush=True,
        )
    return {n: taken[1] / one / n for n, one in taken.items()}


def _sleep_on(n_nodes: int, n_units: int, seconds: float) -> tuple[float, float, dict[str, int]]:
    """Return seconds from the launch and from the first unit's beginning to the end, and the units of each node."""
    import ray
    from ray.cluster_utils import Cluster

    from kerasac.genome.folds import Fold
    from kerasac.runs.launch import launch_tasks
    from kerasac.runs.session import QUIET
    from kerasac.runs.tasks import Listed, Task
    from kerasac.runs.unit import Share, Unit

    os.environ.update(QUIET)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(n_nodes):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            units = [Unit(Fold(i, ("I",), ("II",), ("III",)), 1, str(folder)) for i in range(n_units)]
            prepared: Any = _Sleeping(seconds, folder)
            allotment: Any = SimpleNamespace(
                executor="direct",
                share=Share(1, 0),
                trainers=1,
                max_parallel=n_nodes,
                trial_resources={"CPU": 1.0},
            )
            started = time.time()
            launch_tasks(Listed([Task(unit, prepared) for unit in units]), allotment, _Deaf(), scratch=folder / ".ray")
            ended = time.time()
            done = [json.loads((unit.folder / "unit.json").read_text()) for unit in units]
    finally:
        ray.shutdown()
        cluster.shutdown()
    first = min(one["began"] for one in done)
    return ended - started, ended - first, Counter(one["node"] for one in done)


class _Deaf:
    """Listens to nothing."""

    def started(self, unit: Any, until: int | None = None) -> None: ...

    def heard(self, unit: Any, event: Any) -> None: ...

    def died(self, unit: Any, message: str) -> None:
        raise RuntimeError(f"{unit.title}: {message}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "scaling"])
    parser.add_argument("--epochs", type=int, default=10, help="of a trivial training")
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=15.0, help="that a unit sleeps")
    arguments = parser.parse_args()
    if arguments.what == "overhead":
        measure_overhead(arguments.epochs)
    else:
        measure_scaling(arguments.units, arguments.seconds)


if __name__ == "__main__":
    main()
