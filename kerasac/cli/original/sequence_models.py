"""Describe models of the sequence alone by their files, as experiments do, when nothing else says what they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kerasac.config import Experiment, make_experiment
from kerasac.errors import ConfigError

_UNUSED = "not-read"  # stands where an experiment names data; explanations of the sequence read none


def sequence_experiment(model: Path, fasta: Path, *, flank: int, origin: str) -> Experiment:
    """Return an experiment whose input and outputs are a model's: the sequence, and profile with counts, or values.

    Raises
    ------
    ConfigError
        When the model takes more than the sequence, another length than ± flank, or gives something else.
    """
    from kerasac.models.quiet_start import load_keras_quietly

    load_keras_quietly(gpus=True)
    from kerasac.models.checkpoint import load_model

    loaded = load_model(model)
    inputs, outputs = ([tuple(tensor.shape[1:]) for tensor in end] for end in (loaded.inputs, loaded.outputs))
    if len(inputs) != 1:
        raise ConfigError(f"{origin} explains models of the sequence alone; this one has {len(inputs)} inputs")
    if inputs[0] not in ((2 * flank,), (2 * flank, 4)):
        raise ConfigError(f"the model takes {inputs[0][0]:,} bases; give half of them as the flank, not {flank}")
    document: dict[str, Any] = {
        "name": "model",
        "genome": {"fasta": str(fasta)},
        "inputs": [{"name": "sequence", "source": "seq", "flank": flank}],
        **_given(outputs),
    }
    return make_experiment(document, base=Path.cwd(), origin=origin)


def _given(outputs: list[tuple[int, ...]]) -> dict[str, Any]:
    if len(outputs) == 1 and len(outputs[0]) == 1:
        tasks = [f"task_{i}" for i in range(outputs[0][0])]
        output = {"name": "labels", "source": tasks, "kind": "classification"}
        return {"labels": _UNUSED, "outputs": [output], "sampling": {"bins": {}}}
    if len(outputs) != 2 or len(outputs[0]) not in (1, 2) or len(outputs[1]) != 1:
        raise ConfigError(f"the model gives {outputs}; a profile and counts, or values of bins, can be explained")
    tracks = {"source": [f"task_{i}" for i in range(outputs[1][0])], "flank": outputs[0][0] // 2}
    return {
        "store": _UNUSED,
        "datasets": [_UNUSED],
        "outputs": [
            {"name": "profile_predictions", **tracks},
            {"name": "logcount_predictions", **tracks, "aggregate": "sum", "transform": "log", "pseudocount": 0.001},
        ],
        "sampling": {"peaks": {"attribute": _UNUSED}, "train_size": 1, "valid_size": 1},
    }
