"""DeepSHAP by one pass of windows and references side by side: shap's numbers, without its copies of the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasac.interpret.explained import Array, Explained, FloatArray
from kerasac.interpret.heads import Head, Target
from kerasac.interpret.one_hot_model import OneHotModel, centred
from kerasac.interpret.rescale import Pair, by_window, paired, rescaled

_ROWS_CPU, _ROWS_GPU = 20, 640  # references at a time: more gain a CPU nothing, and take memory


class FastEngine:
    """Explains windows by the rescale rule (Shrikumar et al. 2017), averaged over references (Lundberg & Lee 2017).

    The window goes through the model once, each reference once, and gradients flow back through the references alone;
    targets of one head share the way forward. ``compiled``: by XLA, which takes seconds to start and then half the
    time. All calls have one shape, so that it is compiled once: fewer windows are filled up.

    Raises
    ------
    ModelError
        At the first call, for a layer without a rule.
    """

    def __init__(self, model: OneHotModel, targets: Sequence[Target], n_references: int, *, compiled: bool) -> None:
        self._model, self._targets = model, tuple(targets)
        rows = _ROWS_GPU if tf.config.list_physical_devices("GPU") else _ROWS_CPU
        self.n_windows = max(1, rows // n_references)
        self._call = tf.function(self._graph, jit_compile=compiled, autograph=False)

    def explain(self, rows: FloatArray, references: FloatArray, others: Mapping[str, Array]) -> list[Explained]:
        """Explain windows; see :class:`kerasac.interpret.explained.Engine`."""
        n = len(rows)
        given = {name: self._filled(values) for name, values in others.items() if name in self._model.other_inputs}
        found = self._call(self._filled(rows), self._filled(references), given)
        return [Explained(hypothetical.numpy()[:n], error.numpy()[:n]) for hypothetical, error in found]

    def _filled(self, values: Array) -> Any:
        """Repeat the last window until there are as many as all calls have."""
        missing = self.n_windows - len(values)
        return tf.constant(np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values)

    def _graph(self, rows: Any, references: Any, others: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        n_windows, n_references = references.shape[:2]
        flat = tf.reshape(references, (n_windows * n_references, *references.shape[2:]))
        with tf.GradientTape(persistent=len(self._targets) > 1, watch_accessed_variables=False) as tape:
            tape.watch(flat)
            inputs = {name: paired(values, n_references) for name, values in others.items()}
            output = self._model.run({self._model.sequence: Pair(rows, flat), **inputs}, rescaled)
            weighed = [_weighed(output, target) for target in self._targets]
        found = []
        for total, change in weighed:
            multipliers = tf.reshape(tape.gradient(total, flat), references.shape)
            hypothetical = multipliers - tf.reduce_sum(multipliers * references, axis=-1, keepdims=True)
            ascribed = tf.reduce_sum(multipliers * (rows[:, None] - references), axis=(2, 3))
            error = tf.abs(ascribed - tf.reshape(change, (n_windows, n_references)))
            found.append((tf.reduce_mean(hypothetical, axis=1), tf.reduce_max(error, axis=1)))
        return found


def _weighed(output: Pair, target: Target) -> tuple[Any, Any]:
    """Return what the multipliers are the gradient of, and the change from each reference to its window, (n × r,)."""
    window, reference = _chosen(output.window, target), _chosen(output.reference, target)
    if target.head is not Head.PROFILE:
        return tf.reduce_sum(reference), (by_window(window, reference) - reference)[:, 0]
    logits, inside = by_window(centred(window), reference), centred(reference)
    weights = tf.stop_gradient((tf.nn.softmax(logits, axis=1) + tf.nn.softmax(inside, axis=1)) / 2)
    return tf.reduce_sum(weights * inside), tf.reduce_sum(weights * (logits - inside), axis=(1, 2))


def _chosen(output: Any, target: Target) -> Any:
    """Return the tracks of a target, (…, n); of counts and values the mean of several."""
    if target.task is not None:
        return output[..., target.task : target.task + 1]
    return output if target.head is Head.PROFILE else tf.reduce_mean(output, axis=-1, keepdims=True)
