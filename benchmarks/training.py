"""Measure what the stream of windows costs a training, against arrays that lie in memory."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sampling import Setting

_BATCH, _STEPS, _ROUNDS = 64, 60, 7


def measure_training(setting: Setting) -> dict[str, float]:
    """Train a small BPNet from the stream and from arrays, in turn; print and return the ratio of wall times."""
    from kerasac.models.backend import prepare_backend

    prepare_backend(threads=2)
    import keras

    from kerasac.config import TrainingSpec
    from kerasac.models.contract import contract_of
    from kerasac.models.feed import FedModel
    from kerasac.models.registry import BPNetParameters, build_model
    from kerasac.sampling.stream import stream_in_process
    from kerasac.steps.train import _training_dataset, compile_model

    source, rng = setting.source("map"), np.random.default_rng(3)
    contract = contract_of(setting.experiment)
    n = _BATCH * _STEPS

    def build(*, fed: bool) -> Any:
        keras.utils.set_random_seed(1)
        model = build_model("bpnet", contract, BPNetParameters(16, 8))
        made = FedModel(model, source.recipe) if fed else model
        compile_model(made, contract, TrainingSpec(), {"profile": 1.0, "logcount": 10.0})
        return made

    from_stream, from_arrays = build(fed=True), build(fed=False)
    windows = [setting.windows("peak", n, rng, reverse=True) for _ in range(_ROUNDS + 1)]
    times: dict[str, list[float]] = {"stream": [], "arrays": []}
    for drawn in windows:
        stream = stream_in_process(source, lambda _, drawn=drawn: drawn, [0], _BATCH)
        dataset = _training_dataset(stream, source.signature())
        started = time.perf_counter()
        from_stream.fit(dataset, steps_per_epoch=_STEPS, verbose=0, shuffle=False)
        times["stream"].append(time.perf_counter() - started)
        batch = source.batch(drawn)
        started = time.perf_counter()
        from_arrays.fit(batch.inputs, batch.outputs, batch_size=_BATCH, verbose=0, shuffle=False)
        times["arrays"].append(time.perf_counter() - started)
    ratios = [a / b for a, b in zip(times["stream"][1:], times["arrays"][1:], strict=True)]
    milliseconds = {name: 1000 * statistics.median(values[1:]) / _STEPS for name, values in times.items()}
    ratio = statistics.median(ratios)
    print(
        f"\ntraining, batches of {_BATCH}: {milliseconds['stream']:.1f} ms a step from the stream, "
        f"{milliseconds['arrays']:.1f} from arrays in memory ({min(ratios):.3f} to {max(ratios):.3f} ×)"
    )
    return {"stream_vs_arrays": ratio}
