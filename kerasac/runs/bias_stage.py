"""Make a unit's bias model: train it on background or take a trained one, scale it, and judge it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasac.cache import write_whole
from kerasac.errors import RunError
from kerasac.models.bias_contract import bias_contract
from kerasac.models.contract import Contract
from kerasac.models.registry import build_model, read_parameters
from kerasac.sampling.plan import SamplingPlan, Windows, concatenate
from kerasac.steps.bias import BiasCheck, bias_plan, judge, most_counts, offsets
from kerasac.steps.loss_weights import counts_outputs
from kerasac.steps.prepare import PreparedWindows
from kerasac.steps.prepared import Prepared

if TYPE_CHECKING:
    import keras

    from kerasac.sampling.background_plan import BackgroundPlan

BIAS_FOLDER, BIAS_CHECK = "bias", "bias.json"
CORRECTED, CORRECTED_PREDICTIONS = "model_corrected.keras", "predictions_corrected.h5"
_SCALED_ON = 4096  # background windows

logger = logging.getLogger(__name__)

# Trains a model of a contract on the windows of a plan, into a folder.
Fit = Callable[["keras.Model", "BackgroundPlan", Contract, Path], None]


def make_bias_model(prepared: PreparedWindows, plan: SamplingPlan, folder: Path, fit: Fit) -> BiasCheck:
    """Leave ``bias/model.keras`` and, unless it is judged to fail, ``bias.json`` in a unit's folder; Keras is loaded.

    A bias model that is there already is not trained again.

    Raises
    ------
    ModelError
        When ``bias.model_file`` is not a bias model of this experiment.
    RunError
        When the bias model fails; it is kept.
    """
    from kerasac.models.checkpoint import load_model, save_model

    path = folder / BIAS_FOLDER / "model.keras"
    path.parent.mkdir(exist_ok=True)
    contract = bias_contract(prepared.contract)
    if not path.exists():
        save_model(_scaled(_unscaled(prepared, plan, contract, path.parent, fit), prepared, plan), path)
    check = _judged(load_model(path), prepared, plan)
    _refuse(check, prepared)
    facts = check.as_dict() | {"most_counts": most_counts(prepared, plan)}
    write_whole(folder / BIAS_CHECK, json.dumps(facts, indent=1) + "\n")
    return check


def with_bias(corrected: keras.Model, prepared: Prepared, folder: Path) -> keras.Model:
    """Return the model of what is observed, of a model to be trained and the unit's frozen bias model."""
    from kerasac.models.bias_factorised import factorised
    from kerasac.models.checkpoint import load_model

    assert prepared.experiment.bias is not None
    bias = load_model(folder / BIAS_FOLDER / "model.keras")
    return factorised(corrected, bias, prepared.contract, prepared.experiment.bias.form)


def _unscaled(prepared: PreparedWindows, plan: SamplingPlan, contract: Contract, folder: Path, fit: Fit) -> keras.Model:
    from kerasac.models.checkpoint import load_model
    from kerasac.models.fitted import fitted

    spec = prepared.experiment.bias
    assert spec is not None
    if spec.model_file is not None:
        return fitted(load_model(spec.model_file), contract, f"bias.model_file: {spec.model_file}")
    parameters = read_parameters(spec.model.architecture, spec.model.parameters)
    model = build_model(spec.model.architecture, contract, parameters)
    fit(model, bias_plan(prepared, plan), contract, folder)
    return model


def _scaled(model: keras.Model, prepared: PreparedWindows, plan: SamplingPlan) -> keras.Model:
    """Fit the log counts of any background, of which the model was trained on the weakest: chrombpnet's scaling."""
    from kerasac.models.bias_factorised import scaled

    rng = np.random.default_rng(plan.fold.index)
    windows = plan.background("train", rng, _SCALED_ON, prepared.source.accepts)
    return scaled(model, counts_outputs(prepared)[0], offsets(*_log_counts(model, prepared, windows)))


def _judged(model: keras.Model, prepared: PreparedWindows, plan: SamplingPlan) -> BiasCheck:
    """Judge on the validation chromosomes, which the bias model has not learned from."""
    spec, (output,) = prepared.experiment.bias, counts_outputs(prepared)
    assert spec is not None
    peaks = plan.valid()
    peaks = peaks.take(peaks.is_peak)
    rng = np.random.default_rng(plan.fold.index)
    background = plan.background("valid", rng, len(peaks), prepared.source.accepts)
    windows = concatenate([peaks, background])
    tasks = next(port.tasks for port in prepared.contract.outputs if port.name == output)
    check = judge(spec, tasks, *_log_counts(model, prepared, windows), windows.is_peak)
    logger.log(logging.WARNING if check.verdict != "pass" else logging.INFO, "bias model: %s", check)
    return check


def _log_counts(model: keras.Model, prepared: PreparedWindows, windows: Windows) -> tuple[Any, Any]:
    """Return observed and predicted log counts, (n, n_tasks) each."""
    (output,) = counts_outputs(prepared)
    batch = prepared.source.batch(windows)
    inputs = {name: batch.inputs[name] for name in model.input}
    return batch.outputs[output], np.asarray(model.predict(inputs, batch_size=256, verbose=0)[output])


def _refuse(check: BiasCheck, prepared: PreparedWindows) -> None:
    spec = prepared.experiment.bias
    assert spec is not None
    if check.verdict == "fail":
        raise RunError(
            f"the bias model's log counts have {check}, below bias.fail_below ({spec.fail_below:g}): it learned more "
            f"than the enzyme's preference. Raise bias.threshold (now {spec.threshold:g}), name "
            "another bias.model_file, or set bias.fail_below to null to go on with this one, which is kept"
        )
