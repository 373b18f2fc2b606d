"""Predict and explain both alleles of single variants, for their drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from kerasac.genome.sequence import TokenArray, one_hot
from kerasac.interpret.both_strands import Beside, Outputs
from kerasac.interpret.effects import Effects, ProfileEffects, Target
from kerasac.interpret.explain import Key, explainer
from kerasac.interpret.heads import Head, heads_of
from kerasac.interpret.heads import Target as Explained
from kerasac.interpret.settings import ExplainSettings
from kerasac.interpret.variant_job import VariantJob
from kerasac.interpret.variant_sequences import allele_sequences, first_rows
from kerasac.interpret.variants import Change, GivenVariant
from kerasac.steps.count_space import counts_of
from kerasac.steps.loaded import loaded_models
from kerasac.steps.predict_average import average

Floats = npt.NDArray[np.float64]

N_REFERENCES = 20  # dinucleotide shuffles that each allele is compared with


@dataclass(frozen=True, eq=False)
class DrawnVariant:
    """Both alleles of a variant, reference first, as the mean of some models has them.

    ``profiles`` (2, W, tracks) are predicted counts a base, on the forward strand, None of bins; ``contributions``
    (2, L, 4) those of the bases that are there to the log counts (of bins, the value). The first changed base is in the
    middle of both, W / 2 and L / 2. ``scores`` are of the target, by name.
    """

    variant: GivenVariant
    change: Change
    target: str
    tracks: tuple[str, ...]
    scores: dict[str, float]
    n_models: int
    held_out: bool
    profiles: Floats | None
    contributions: Floats


def drawn(
    job: VariantJob, row: int, places: Sequence[int], *, held_out: bool, scores: dict[str, float], target: Target
) -> DrawnVariant:
    """Predict and explain one of a job's variants with the models at ``places``."""
    variants = job.variants.take(np.array([row]))
    (change,) = variants.changes()
    assembly, genome = job.reading.assembly, job.reading.source.tokens.open()
    sequences = allele_sequences(variants, assembly, genome, job.ends.width_bp // 2)
    centers = first_rows(variants, [change], assembly)
    tokens, beside = sequences.tokens[0], job.ends.beside(job.reading, centers).repeated(2)
    models = loaded_models([job.models[i] for i in places], job.ends.contract, job.parameters)
    outputs = [job.ends.predict(model, tokens, beside) for model in models]
    (variant,) = variants.given(assembly)
    key = variant.chrom, int(centers[0])
    contributions = [_contributions(model, job, target, tokens, beside, key) for model in models]
    return DrawnVariant(
        variant=variant,
        change=change,
        target=target.name,
        tracks=tuple(job.ends.tasks[i] for i in target.tasks),
        scores=scores,
        n_models=len(models),
        held_out=held_out,
        profiles=_profiles(outputs, job.effects, target),
        contributions=np.mean(contributions, axis=0),
    )


def _profiles(outputs: Sequence[Outputs], effects: Effects, target: Target) -> Floats | None:
    """Return predicted counts a base of a target's tracks, by the mean logits and the mean log counts."""
    if not isinstance(effects, ProfileEffects):
        return None
    tasks = list(target.tasks)
    logits = average([one.logits for one in outputs if one.logits is not None])[:, :, tasks]
    counts = counts_of(average([one.values for one in outputs]), effects)[:, tasks]
    return np.asarray(softmax(logits.astype(np.float64), axis=1) * counts[:, None, :])


def _contributions(
    model: keras.Model, job: VariantJob, target: Target, tokens: TokenArray, beside: Beside, key: Key
) -> Floats:
    """Return the contributions of the bases of both alleles, the mean over a target's tracks: (2, L, 4)."""
    contract = job.ends.contract
    head = Head.COUNTS if Head.COUNTS in heads_of(contract) else Head.VALUE
    settings = ExplainSettings(n_references=N_REFERENCES, seed=job.seed)
    asked = [Explained(head, task) for task in target.tasks]
    found = explainer(model, contract, asked, settings).explain(
        {job.ends.sequence: tokens, **beside.forward}, [key] * 2
    )
    return np.asarray(np.mean([one.hypothetical for one in found], axis=0) * one_hot(tokens))
