"""Turn an experiment into the flat parameters that MLflow shows and compares."""

from __future__ import annotations

from typing import Any

from kerasac.config import Experiment


def flat_parameters(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment's keys as dotted parameters (``model.filters``), paths left as they are."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value:
                walk(f"{prefix}.{inner['name']}", {k: v for k, v in inner.items() if k != "name"})
        else:
            flat[prefix] = value

    walk("", experiment.as_dict())
    return flat
