"""DeepSHAP by the shap package, with the rules that its TensorFlow explainer lacks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from shap.explainers._deep import deep_tf
from tensorflow.python.autograph.impl.api import StagingError
from tensorflow.python.eager import execute as tf_execute

from kerasac.errors import ModelError
from kerasac.interpret.explained import Array, Explained, FloatArray
from kerasac.interpret.heads import Head, Target
from kerasac.interpret.one_hot_model import OneHotModel, centred, plainly, scalars

_ROWS = 40  # windows repeated, and references: more gain nothing, and take memory
_ONE_AT_A_TIME = threading.Lock()  # the table of gradients is the process's own

# How shap ends where it lacks a rule; inside a graph TensorFlow makes most errors a StagingError.
_CANNOT_FOLLOW = (AssertionError, AttributeError, LookupError, StagingError, TypeError, ValueError, tf.errors.OpError)

_RULES: dict[str, Any] = {
    "SpaceToBatchND": deep_tf.passthrough,
    "BatchToSpaceND": deep_tf.passthrough,
    "Neg": deep_tf.passthrough,
    "Log": deep_tf.nonlinearity_1d(0),
    "Log1p": deep_tf.nonlinearity_1d(0),
    "LeakyRelu": deep_tf.nonlinearity_1d(0),
    "Erf": deep_tf.nonlinearity_1d(0),
    "Erfc": deep_tf.nonlinearity_1d(0),
    "FusedBatchNormV3": deep_tf.linearity_1d(0),
}


class ShapEngine:
    """Explains windows by ``shap.DeepExplainer``, several windows in one of its calls.

    Raises
    ------
    ModelError
        When shap cannot follow the model.
    """

    def __init__(self, model: OneHotModel, targets: Sequence[Target], n_references: int) -> None:
        self._model, self._targets = model, tuple(targets)
        self.n_windows = max(1, _ROWS // (2 * n_references))
        self._explainers: list[Any] = []
        self._predict = tf.function(lambda inputs: model.run(inputs, plainly), reduce_retracing=True, autograph=False)

    def explain(self, rows: FloatArray, references: FloatArray, others: Mapping[str, Array]) -> list[Explained]:
        """Explain windows; see :class:`kerasac.interpret.explained.Engine`."""
        n_references = references.shape[1]
        given = {self._model.sequence: rows, **{name: others[name] for name in self._model.other_inputs}}
        repeated = [np.repeat(values, n_references, axis=0) for values in given.values()]
        joint = [np.concatenate([repeated[0], references.reshape(-1, *rows.shape[1:])])]
        joint += [np.concatenate([values, values]) for values in repeated[1:]]
        with shap_rules():
            if not self._explainers:
                self._explainers = [_explainer(self._model, given, target) for target in self._targets]
            return [self._explained(i, joint, rows, references) for i in range(len(self._targets))]

    def _explained(self, i: int, joint: list[Array], rows: FloatArray, references: FloatArray) -> Explained:
        try:
            explainer = self._explainers[i]
            found = explainer.run(explainer.phi_symbolic(0), explainer.model_inputs, joint)
        except _CANNOT_FOLLOW as error:
            raise ModelError(
                f"shap cannot follow the {self._targets[i].head} head of this model ({_first_line(error)}); "
                "`interpret gradient` and `interpret ism` explain any model"
            ) from error
        multipliers = found[0][len(joint[0]) // 2 :].reshape(references.shape)
        hypothetical = multipliers - (multipliers * references).sum(axis=-1, keepdims=True)
        ascribed = (multipliers * (rows[:, None] - references)).sum(axis=(2, 3), dtype=np.float64)
        change = self._change(self._targets[i], joint, references.shape[1]).reshape(ascribed.shape)
        return Explained(hypothetical.mean(axis=1), np.abs(ascribed - change).max(axis=1).astype(np.float32))

    def _change(self, target: Target, joint: list[Array], n_references: int) -> Array:
        """Return what multipliers × (window - reference) add up to, (n × r,)."""
        half = len(joint[0]) // 2
        once = np.r_[0:half:n_references, half : 2 * half]  # each window, then all references
        names = (self._model.sequence, *self._model.other_inputs)
        output = self._predict({name: tf.constant(values[once]) for name, values in zip(names, joint, strict=True)})
        if target.head is not Head.PROFILE:
            (value,) = scalars(output, [target])
            window, reference = _sides(value, half, n_references)
            return (window - reference)[:, 0]
        logits = centred(output if target.task is None else output[..., target.task : target.task + 1])
        (window, reference), shares = (_sides(x, half, n_references) for x in (logits, tf.nn.softmax(logits, axis=1)))
        change: Array = ((shares[0] + shares[1]) / 2 * (window - reference)).sum(axis=(1, 2))
        return change


def _sides(values: Any, n_rows: int, n_references: int) -> tuple[Array, Array]:
    """Return values of windows, repeated for their references, and those of the references, (n_rows, …) each."""
    found = np.asarray(values, dtype=np.float64)
    return np.repeat(found[:-n_rows], n_references, axis=0), found[-n_rows:]


def _explainer(model: OneHotModel, given: Mapping[str, Array], target: Target) -> Any:
    """Return shap's explainer of a target; what it is given first says the shapes of the inputs."""
    inputs = [keras.Input(values.shape[1:], dtype="float32", name=name) for name, values in given.items()]
    scalar = Scalar(model, list(given), target)(inputs)
    # A function stands for the references, which are given with the windows: it is never called.
    return deep_tf.TFDeep(keras.Model(inputs, scalar), _no_references)


class Scalar(keras.layers.Layer):  # type: ignore[misc]
    """A model's target, (n, 1), of a list of inputs."""

    def __init__(self, model: OneHotModel, names: Sequence[str], target: Target) -> None:
        super().__init__(dtype="float32")
        self._run, self._names, self._target = model.run, tuple(names), target

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call(self, inputs: Any) -> Any:
        """Run the model."""
        (scalar,) = scalars(self._run(dict(zip(self._names, inputs, strict=True)), plainly), [self._target])
        return scalar


@contextmanager
def shap_rules() -> Iterator[None]:
    """Add our rules to shap's while the block runs, and leave TensorFlow as it was, whatever happens.

    An exception inside shap leaves its own recording of gradients in place, with which no model can be trained.
    """
    with _ONE_AT_A_TIME:
        rules, recorder = dict(deep_tf.op_handlers), tf_execute.record_gradient
        deep_tf.op_handlers.update(_RULES)
        try:
            yield
        finally:
            tf_execute.record_gradient = recorder
            deep_tf.op_handlers.clear()
            deep_tf.op_handlers.update(rules)


def _no_references(_: Any) -> Any:
    """Stand in for what shap draws references with, which it is not asked to."""
    raise AssertionError("every explanation is given its references")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
