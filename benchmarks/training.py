"""Measure what our path costs a training of BPNet (64 filters, 8 layers), against bare Keras on arrays in memory.

    python benchmarks/training.py

Both train the same model on the same windows in turn, in one process: ours from the stream of decoded windows, through
the dataset, model and callbacks that a run has, with the checkpoint and history of an epoch (validated on one window);
the other by a plain ``fit`` on arrays that lie in memory. The ratio is windows a second of ours to those of the other;
on a machine that others use too, the one of windows a CPU-second says more.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasac.models.backend import prepare_backend

if TYPE_CHECKING:
    from sampling import Setting

_BATCH = 64
_WEIGHTS = {"profile": 1.0, "logcount": 10.0}


class Size(NamedTuple):
    """The model's filters, steps an epoch, and rounds after the first, which compiles."""

    filters: int = 64
    steps: int = 10
    rounds: int = 4


def measure_training(setting: Setting, size: Size | None = None, threads: int = 2) -> dict[str, float]:
    """Train from the stream and from arrays, in turn; print and return the ratio of windows a second."""
    prepare_backend(threads=threads)
    size = size or Size()
    source, rng = setting.source("map"), np.random.default_rng(3)
    drawn = [setting.windows("peak", _BATCH * size.steps, rng, reverse=True) for _ in range(size.rounds + 1)]
    ours, theirs = _Ours(setting, source, size), _Bare(setting, size)
    times: dict[str, list[float]] = {"stream": [], "arrays": []}
    cpu_times: dict[str, list[float]] = {"stream": [], "arrays": []}
    for number, windows in enumerate(drawn):
        pair = {"stream": ours.epoch(windows), "arrays": theirs.epoch(source.batch(windows))}
        # Who comes first changes with the round: a machine that slows down or speeds up then favours neither.
        for name in sorted(pair, reverse=number % 2 == 0):
            started, cpu = time.perf_counter(), time.process_time()
            pair[name]()
            times[name].append(time.perf_counter() - started)
            cpu_times[name].append(time.process_time() - cpu)
    ratios, cpu_ratios = _ratios(times), _ratios(cpu_times)
    seconds = {name: statistics.median(values[1:]) / size.steps for name, values in times.items()}
    ratio = statistics.median(ratios)
    print(
        f"\ntraining, {size.filters} filters, batches of {_BATCH}: {1000 * seconds['stream']:.1f} ms a step from the "
        f"stream, {1000 * seconds['arrays']:.1f} of bare Keras on arrays in memory; "
        f"{ratio:.3f} of its throughput ({min(ratios):.3f} to {max(ratios):.3f}), "
        f"{statistics.median(cpu_ratios):.3f} a CPU-second ({min(cpu_ratios):.3f} to {max(cpu_ratios):.3f})"
    )
    return {"training_throughput": ratio, "training_throughput_per_cpu_s": statistics.median(cpu_ratios)}


def _ratios(times: dict[str, list[float]]) -> list[float]:
    """Return what ours trains in the time of one of theirs, round by round, without the first."""
    return [bare / fed for fed, bare in zip(times["stream"][1:], times["arrays"][1:], strict=True)]


class _Ours:
    """Our path: each call is a training of one epoch, into a folder of its own, with the weights of the one before."""

    def __init__(self, setting: Setting, source: Any, size: Size) -> None:
        from kerasac.config import TrainingSpec
        from kerasac.models.contract import contract_of
        from kerasac.steps.train import compile_model
        from kerasac.steps.trainee import Trainee

        self.source, self.steps, self.spec = source, size.steps, TrainingSpec(epochs=1, batch_size=_BATCH)
        self.model = Trainee(_bpnet(setting, size), source.recipe)
        compile_model(self.model, contract_of(setting.experiment), self.spec, _WEIGHTS)

    def epoch(self, windows: Any) -> Any:
        from kerasac.sampling.stream import stream_in_process
        from kerasac.steps.train import TrainData, train

        def stream(epochs: Any) -> Any:
            return stream_in_process(self.source, lambda _: windows, epochs, _BATCH)

        data = TrainData(stream, self.steps, self.source.signature(), self.source.read(windows.take(slice(0, 1))))

        def fit() -> None:
            with tempfile.TemporaryDirectory() as folder:
                train(self.model, data, self.spec, Path(folder))

        return fit


class _Bare:
    """What anyone would write with Keras: compile, and fit on arrays."""

    def __init__(self, setting: Setting, size: Size) -> None:
        import keras

        from kerasac.models.contract import contract_of
        from kerasac.models.losses import losses_of

        self.model = _bpnet(setting, size)
        losses = losses_of(contract_of(setting.experiment))
        self.model.compile(keras.optimizers.Adam(1e-3), losses, loss_weights=_WEIGHTS, jit_compile=False)

    def epoch(self, batch: Any) -> Any:
        def fit() -> None:
            self.model.fit(batch.inputs, batch.outputs, batch_size=_BATCH, verbose=0, shuffle=False)

        return fit


def _bpnet(setting: Setting, size: Size) -> Any:
    import keras

    from kerasac.models.contract import contract_of
    from kerasac.models.registry import BPNetParameters, build_model

    keras.utils.set_random_seed(1)
    return build_model("bpnet", contract_of(setting.experiment), BPNetParameters(size.filters, 8))


def main() -> None:
    from sampling import Setting

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10, help="steps an epoch")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    measure_training(Setting(20), Size(arguments.filters, arguments.steps, arguments.rounds), arguments.threads)


if __name__ == "__main__":
    main()
