from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kerasac.config import ComputeSpec, TrainingSpec


def test_defaults_are_those_of_kerasac() -> None:
    """kerasAC's train.py: EarlyStopping(patience=3), ReduceLROnPlateau(factor=0.4, patience=2, min_lr=1e-8)."""
    spec = TrainingSpec()
    found = (spec.epochs, spec.patience, spec.lr_patience, spec.lr_factor, spec.min_learning_rate)
    assert found == (40, 3, 2, 0.4, 1e-8)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"momentum": 0.9}, "momentum goes with sgd and rmsprop, not with adam"),
        ({"optimizer": "adan"}, "'adam', 'adamw', 'nadam'"),
        ({"precision": "float16"}, "'float32', 'mixed_bfloat16' or 'mixed_float16'"),
        ({"steps_per_epoch": 0}, "greater than 0"),
        ({"initialize": {"layers": "all"}}, "file"),
        ({"jit_compile": "sometimes"}, "jit_compile"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingSpec(**keys)


def test_a_path_stands_for_all_layers_of_a_file() -> None:
    spec = TrainingSpec(initialize="other.keras").initialize
    assert spec is not None
    assert (spec.file, spec.layers, spec.freeze) == (Path("other.keras"), "all", ())


def test_one_pattern_stands_for_a_list_of_one() -> None:
    spec = TrainingSpec(initialize={"file": "other.keras", "layers": "dilated_*", "freeze": "motifs"}).initialize
    assert spec is not None
    assert (spec.layers, spec.freeze) == (("dilated_*",), ("motifs",))


def test_there_is_at_least_one_trainer() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ComputeSpec(trainers=0)
