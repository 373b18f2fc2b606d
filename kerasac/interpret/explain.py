"""Explain windows with one model: their hypothetical contributions, whatever else they are explained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasac.genome.sequence import one_hot
from kerasac.interpret.explained import Array, Engine, Explained, FloatArray, joined
from kerasac.interpret.heads import Head, Target
from kerasac.interpret.one_hot_model import OneHotModel
from kerasac.interpret.references import references_of, window_rng
from kerasac.interpret.settings import Engine as EngineName
from kerasac.interpret.settings import ExplainSettings, Method
from kerasac.models.contract import Contract

Key = tuple[str, int]


class Explainer:
    """Explains windows for the targets of one head, in memory that does not grow with their number.

    Windows are keyed by chromosome and centre, which their references are drawn by: the same whatever is explained
    beside them.
    """

    def __init__(self, engine: Engine, sequence: str, settings: ExplainSettings) -> None:
        self._engine, self._sequence, self._settings = engine, sequence, settings

    def explain(self, inputs: Mapping[str, Array], keys: Sequence[Key]) -> list[Explained]:
        """Explain windows, a result a target.

        ``inputs`` are what the model takes: tokens (n, L) uint8 of the sequence, further inputs (n, …) float32, which
        are the same for a window and its references.
        """
        step = self._engine.n_windows
        parts = [self._some(inputs, keys, slice(low, low + step)) for low in range(0, len(keys), step)]
        return joined(parts)

    def hypothetical(self, inputs: Mapping[str, Array], keys: Sequence[Key]) -> FloatArray:
        """Return hypothetical contributions to the first target, (n, L, 4) float32."""
        return self.explain(inputs, keys)[0].hypothetical

    def _some(self, inputs: Mapping[str, Array], keys: Sequence[Key], rows: slice) -> list[Explained]:
        tokens = inputs[self._sequence][rows]
        others = {
            name: np.asarray(values[rows], dtype=np.float32)
            for name, values in inputs.items()
            if name != self._sequence
        }
        references = np.stack([self._references(*pair) for pair in zip(tokens, keys[rows], strict=True)])
        return self._engine.explain(one_hot(tokens).astype(np.float32), references, others)

    def _references(self, tokens: Array, key: Key) -> FloatArray:
        n = self._settings.n_references_used
        if not n:
            return np.empty((0, len(tokens), 4), dtype=np.float32)
        return references_of(self._settings.reference, tokens, n, window_rng(self._settings.seed, *key))


def explainer(
    model: keras.Model,
    contract: Contract,
    targets: Sequence[Target],
    settings: ExplainSettings | None = None,
    *,
    compiled: bool = False,
) -> Explainer:
    """Return what explains windows with a model for targets, which are of one head.

    ``compiled``: by XLA, which takes some ten seconds to start, and then half the time; not of shap, nor gradients.

    Raises
    ------
    ConfigError
        When the model has no such head.
    ModelError
        When it has no graph of layers.
    """
    chosen = settings or ExplainSettings()
    (head,) = {target.head for target in targets}
    begun = OneHotModel(model, contract, head)
    return Explainer(_engine(begun, targets, chosen, compiled), begun.sequence, chosen)


def contributions_of(
    model: keras.Model,
    contract: Contract,
    head: Head,
    inputs: Mapping[str, Array],
    *,
    task: int | None = None,
    keys: Sequence[Key],
    n_references: int = 20,
    seed: int = 0,
) -> FloatArray:
    """Return hypothetical DeepSHAP contributions of some windows, (n, L, 4) float32; see :class:`Explainer`.

    ``task`` None: of all tasks together, for counts the mean of their log counts.
    """
    settings = ExplainSettings(n_references=n_references, seed=seed)
    return explainer(model, contract, [Target(head, task)], settings).hypothetical(inputs, keys)


def _engine(model: OneHotModel, targets: Sequence[Target], settings: ExplainSettings, compiled: bool) -> Any:
    """Return the engine; each loads no more than it needs."""
    n_references = settings.n_references_used
    if settings.method is Method.DEEPSHAP and settings.engine is EngineName.SHAP:
        from kerasac.interpret.shap_engine import ShapEngine

        return ShapEngine(model, targets, n_references)
    if settings.method is Method.DEEPSHAP:
        from kerasac.interpret.fast_engine import FastEngine

        return FastEngine(model, targets, n_references, compiled=compiled)
    if settings.method is Method.GRADIENT:
        from kerasac.interpret.gradient_engine import GradientEngine

        return GradientEngine(model, targets)
    from kerasac.interpret.mutation_engine import ScrambleEngine, SubstitutionEngine

    if settings.method is Method.ISM:
        return SubstitutionEngine(model, targets, within_bp=settings.within_bp, compiled=compiled)
    within, region = settings.within_bp, settings.region_bp
    return ScrambleEngine(model, targets, region_bp=region, within_bp=within, compiled=compiled)
