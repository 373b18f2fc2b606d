"""Measure what our path costs a prediction of BPNet (64 filters, 8 layers), against bare Keras on arrays in memory.

    python benchmarks/prediction.py

Both predict the same windows in one process, shard by shard in turn: ours reads sequence and labels from the array,
predicts and writes, and at the end joins all shards into one compressed file; the other is a plain ``model.predict``
on arrays that lie in memory and writes nothing. The ratio is what ours takes to what the other takes; on a machine that
others use too, that of CPU-seconds says more.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasac.models.backend import prepare_backend

if TYPE_CHECKING:
    from sampling import Setting

_BATCH = 256


def measure_prediction(setting: Setting, n_windows: int, rounds: int, threads: int, filters: int) -> dict[str, float]:
    """Predict from the array into a file, and from arrays, in turn; print and return the ratio of their times."""
    prepare_backend(threads=threads)
    from kerasac.steps.prediction_job import join

    with tempfile.TemporaryDirectory() as folder:
        job = _job(setting, n_windows, filters, Path(folder))
        model, inputs = _bare(job, setting)

        job.do(0)  # compiles
        model.predict({name: values[:_BATCH] for name, values in inputs.items()}, batch_size=_BATCH, verbose=0)
        totals = []
        for number in range(rounds):
            spent = {"file": np.zeros(2), "arrays": np.zeros(2)}
            for shard in range(job.n_shards):
                given = {name: values[job.rows(shard)] for name, values in inputs.items()}
                works = {
                    "file": partial(job.do, shard),
                    "arrays": partial(model.predict, given, batch_size=_BATCH, verbose=0),
                }
                # Who comes first changes: a machine that slows down or speeds up then favours neither.
                for name in sorted(works, reverse=(number + shard) % 2 == 0):
                    spent[name] += _timed(works[name])
            spent["file"] += _timed(partial(join, job, Path(folder) / "whole.h5", {}))
            totals.append(spent)
    wall, cpus = ([spent["file"][i] / spent["arrays"][i] for spent in totals] for i in (0, 1))
    rate = n_windows / statistics.median(spent["file"][0] for spent in totals)
    print(
        f"predicting {n_windows:,} windows, {filters} filters: {rate:.1f} windows/s from array to file; "
        f"{statistics.median(wall):.3f} of the time of bare Keras ({min(wall):.3f} to {max(wall):.3f}), "
        f"{statistics.median(cpus):.3f} of its CPU-seconds ({min(cpus):.3f} to {max(cpus):.3f})"
    )
    return {"prediction_time": statistics.median(wall), "prediction_cpu": statistics.median(cpus)}


def _timed(work: Callable[[], Any]) -> Any:
    """Return the seconds that work takes, by the clock and of CPUs."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - started, time.process_time() - cpu])


def _job(setting: Setting, n_windows: int, filters: int, folder: Path) -> Any:
    import keras

    from kerasac.models.contract import contract_of
    from kerasac.models.registry import BPNetParameters, build_model
    from kerasac.steps.prediction_data import Reading
    from kerasac.steps.prediction_job import PredictionJob
    from kerasac.steps.prediction_shards import PredictionFacts

    keras.utils.set_random_seed(1)
    contract, parameters = contract_of(setting.experiment), BPNetParameters(filters, 8)
    build_model("bpnet", contract, parameters).save(folder / "model.keras")
    source = setting.source("blocks")
    windows = setting.windows("random", n_windows, np.random.default_rng(5))
    windows = windows.take(np.argsort(windows.center))
    tasks = contract.outputs[0].tasks
    return PredictionJob(
        reading=Reading(source, contract, source.layout.assembly),
        facts=PredictionFacts(tasks, "log", 1.0, source.layout.assembly.as_dict(), {}),
        models=(folder / "model.keras",),
        groups=((0,),),
        windows=windows,
        group_of=np.zeros(n_windows, dtype=np.int64),
        parameters=parameters,
        calibrated=False,
        folder=folder,
    )


def _bare(job: Any, setting: Setting) -> tuple[Any, Any]:
    from kerasac.models.checkpoint import load_model

    return load_model(job.models[0]), setting.source("map").batch(job.windows).inputs


def main() -> None:
    from sampling import Setting

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=4096, help="windows a round")
    parser.add_argument("--rounds", type=int, default=3, help="each predicts the windows in both ways")
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    measure_prediction(Setting(20), arguments.windows, arguments.rounds, arguments.threads, arguments.filters)


if __name__ == "__main__":
    main()
