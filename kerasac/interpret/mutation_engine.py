"""Explain windows by predicting them with some of their bases changed: in-silico mutagenesis, of any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasac.genome.assembly import IntArray
from kerasac.interpret.explained import Array, Explained, FloatArray
from kerasac.interpret.heads import Head, Target
from kerasac.interpret.local_change import Local, changed, locally
from kerasac.interpret.one_hot_model import OneHotModel, centred, plainly

_BATCH_CPU, _BATCH_GPU = 128, 1024  # changed sequences at a time


class MutationEngine:
    """Predicts changed windows and compares them with the window itself.

    The effect of a change on counts and values is that on the output. That on a profile is the change of
    ``sum(p · z)``, z the logits less their mean over positions and p their softmax in the window as it is. Only what a
    change can reach is computed again, where the model's layers allow it.
    """

    n_windows = 1

    def __init__(
        self, model: OneHotModel, targets: Sequence[Target], *, within_bp: int | None = None, compiled: bool = False
    ) -> None:
        self._model, self._targets, self._within_bp = model, tuple(targets), within_bp
        self._batch = _BATCH_GPU if tf.config.list_physical_devices("GPU") else _BATCH_CPU
        self._call = tf.function(self._effects, jit_compile=compiled, autograph=False)
        self._weigh = tf.function(self._weighed, autograph=False)

    def span(self, width_bp: int) -> range:
        """Return the positions that are changed."""
        n = min(self._within_bp or width_bp, width_bp)
        start = (width_bp - n) // 2
        return range(start, start + n)

    def effects(self, rows: FloatArray, starts: IntArray, bases: FloatArray, others: Mapping[str, Array]) -> Array:
        """Return the effects of changes of one window's rows (L, 4), (changes, targets) float32.

        Change i puts ``bases[i]``, of (changes, w, 4), at positions from ``starts[i]`` on.
        """
        window = tf.constant(rows[None])
        given = {name: tf.constant(values) for name, values in others.items() if name in self._model.other_inputs}
        repeated = {name: tf.repeat(values, self._batch, axis=0) for name, values in given.items()}
        weights, before = self._weigh(window, given)
        found = []
        for low in range(0, len(starts), self._batch):
            some = slice(low, low + self._batch)
            # The last batch is filled up with its last change: all have one shape, for which the graph is made once.
            places = np.minimum(np.arange(low, low + self._batch), len(starts) - 1)
            position, changes = tf.constant(starts[places], tf.int32), tf.constant(bases[places])
            found.append(self._call(window, position, changes, repeated, weights, before).numpy()[: len(starts[some])])
        return np.concatenate(found)

    def _weighed(self, window: Any, others: Mapping[str, Any]) -> tuple[list[Any], Any]:
        """Return, for each target, what the window's output is weighed by, and the sums of that, (targets,)."""
        output = self._model.run({self._model.sequence: window, **others}, plainly)
        weights = [_weights_of(output, target) for target in self._targets]
        return weights, self._summed(output, weights)[0]

    def _effects(
        self, window: Any, position: Any, bases: Any, others: Mapping[str, Any], weights: Sequence[Any], before: Any
    ) -> Any:
        copies = changed(window, position, bases)
        output = self._model.run({self._model.sequence: copies, **others}, locally)
        return self._summed(output.whole() if isinstance(output, Local) else output, weights) - before

    def _summed(self, output: Any, weights: Sequence[Any]) -> Any:
        """Return outputs (n, …), weighed and added up for each target, (n, targets)."""
        values = centred(output) if self._model.head is Head.PROFILE else output
        axes = list(range(1, len(values.shape)))
        return tf.stack([tf.reduce_sum(values * weight, axis=axes) for weight in weights], axis=-1)


class SubstitutionEngine(MutationEngine):
    """Puts every other base at every position.

    Hypothetical contributions are the effects less their mean over the four bases at a position (of the base that is
    there, the effect is 0), as kerasAC's: a base contributes by what replacing it takes away on average. Outside of
    ``within_bp`` they are 0.
    """

    def explain(self, rows: FloatArray, references: FloatArray, others: Mapping[str, Array]) -> list[Explained]:
        """Explain one window; see :class:`kerasac.interpret.explained.Engine`."""
        del references
        (window,) = rows
        span, bases = self.span(len(window)), np.eye(4, dtype=np.float32)
        places, put = np.nonzero(window[span] == 0)
        places = places + span.start
        effects = np.zeros((len(self._targets), *window.shape), dtype=np.float32)
        effects[:, places, put] = self.effects(window, places, bases[put][:, None], others).T
        effects[:, span] -= effects[:, span].mean(axis=-1, keepdims=True)
        return [Explained(one[None], np.zeros(1, dtype=np.float32)) for one in effects]


class ScrambleEngine(MutationEngine):
    """Replaces the region around each base by that of a shuffled window, for each of some.

    As kerasAC's scrambled regions: a base contributes what the prediction loses, on average over the shuffled windows,
    when the ``region_bp`` bases around it are theirs. Other bases at its position have no hypothetical contribution.
    """

    def __init__(
        self,
        model: OneHotModel,
        targets: Sequence[Target],
        *,
        region_bp: int,
        within_bp: int | None = None,
        compiled: bool = False,
    ) -> None:
        super().__init__(model, targets, within_bp=within_bp, compiled=compiled)
        self._region_bp = region_bp

    def explain(self, rows: FloatArray, references: FloatArray, others: Mapping[str, Array]) -> list[Explained]:
        """Explain one window; see :class:`kerasac.interpret.explained.Engine`."""
        (window,), (shuffled,) = rows, references
        span, width = self.span(len(window)), min(self._region_bp, len(window))
        first = np.asarray(span) - self._region_bp // 2
        starts = np.clip(first, 0, len(window) - width)  # at the ends of a window regions are cut, not moved
        places = starts[:, None] + np.arange(width)
        inside = (places >= first[:, None]) & (places < first[:, None] + self._region_bp)
        bases = np.where(inside[..., None], shuffled[:, places], window[places])
        effects = [self.effects(window, starts, some, others) for some in bases]
        found = np.zeros((len(self._targets), *window.shape), dtype=np.float32)
        found[:, span] = -np.mean(effects, axis=0).T[..., None] * window[span]
        return [Explained(one[None], np.zeros(1, dtype=np.float32)) for one in found]


def _weights_of(output: Any, target: Target) -> Any:
    """Return a target's weights of an output of one window, (1, …)."""
    tracks = output.shape[-1]
    share = tf.one_hot(target.task, tracks) if target.task is not None else tf.ones(tracks)
    if target.head is Head.PROFILE:
        return tf.nn.softmax(centred(output), axis=1) * share
    return (share / tf.reduce_sum(share))[None]
