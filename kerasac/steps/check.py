"""Check an experiment as a whole: what is wrong with it, what it amounts to, and what its labels look like."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasac.cache import ShardMap, in_process, whole_file, write_whole
from kerasac.config import Experiment
from kerasac.errors import KerasacError
from kerasac.genome.leakage import MIN_SHARED, fold_leaks
from kerasac.steps.bias import bias_plan, most_counts
from kerasac.steps.findings import Finding, Findings
from kerasac.steps.label_values import FloatArray, LabelValues, judge_labels, label_values
from kerasac.steps.loss_weights import counts_outputs, unit_weight
from kerasac.steps.plots.labels import label_histograms
from kerasac.steps.plots.style import DPI
from kerasac.steps.prepare import PreparedWindows, prepare, prepare_with
from kerasac.steps.prepared import Prepared

_MAX_LEAKING = 0.01  # of the windows of a split

Facts = Sequence[tuple[str, str]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """What a check found; ``prepared`` is None, and labels and facts are missing, when there are errors."""

    name: str
    findings: tuple[Finding, ...]
    facts: Facts
    labels: tuple[LabelValues, ...]
    prepared: Prepared | None

    @property
    def passed(self) -> bool:
        """Whether there is nothing that keeps the experiment from being run."""
        return all(finding.level != "error" for finding in self.findings)

    def with_more(self, findings: Sequence[Finding], facts: Facts) -> Check:
        """Return this check with what others found."""
        return Check(self.name, (*self.findings, *findings), (*self.facts, *facts), self.labels, self.prepared)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON-able values."""
        return {
            "experiment": self.name,
            "passed": self.passed,
            "findings": [vars(finding) for finding in self.findings],
            "facts": dict(self.facts),
            "labels": [values.as_dict() for values in self.labels],
        }


def check(experiment: Experiment, shards: ShardMap = in_process) -> Check:
    """Check an experiment; what it reads is decoded into the cache when nothing is wrong so far."""
    findings = Findings()
    prepared = prepare_with(findings, experiment, shards)
    if prepared is None:
        return Check(experiment.name, tuple(findings.found), (), (), None)
    facts = prepared.describe()
    labels: list[LabelValues] = []
    if isinstance(prepared, PreparedWindows):
        labels = label_values(prepared)
        findings.found += judge_labels(prepared, labels)
        facts += [*_label_facts(prepared, labels, findings), *_bias_facts(prepared, findings)]
        facts.append(_leakage(prepared, findings))
    return Check(experiment.name, tuple(findings.found), facts, tuple(labels), prepared)


def checked(experiment: Experiment, shards: ShardMap = in_process) -> Prepared:
    """Prepare an experiment, and look at its labels before anything is trained on them; warnings are logged.

    Raises
    ------
    KerasacError
        For all mistakes found.
    """
    prepared = prepare(experiment, shards)
    findings = Findings()
    odd = judge_labels(prepared, label_values(prepared)) if isinstance(prepared, PreparedWindows) else []
    for finding in odd:
        if finding.level == "error":
            findings.attempt(lambda finding=finding: _raise(finding))  # type: ignore[misc]
        else:
            logger.warning("%s", finding)
    if isinstance(prepared, PreparedWindows):
        _bias_facts(prepared, findings)
    findings.raise_errors()
    return prepared


def write_check(result: Check, folder: Path) -> list[Path]:
    """Write check.json and, when labels were read, labels.png."""
    paths = [folder / "check.json"]
    write_whole(paths[0], json.dumps(result.as_dict(), indent=1) + "\n")
    if result.labels:
        paths.append(folder / "labels.png")
        with whole_file(paths[1]) as beside:
            label_histograms(result.labels, title=result.name).savefig(beside, format="png", dpi=DPI)
    return paths


def _raise(finding: Finding) -> None:
    raise KerasacError(str(finding))


def _label_facts(prepared: Prepared, labels: Sequence[LabelValues], findings: Findings) -> list[tuple[str, str]]:
    facts = []
    for values in labels:
        peaks, outside = (_median(part) for part in (values.peaks, values.background))
        kept = f"{values.suggestion()} would keep 99 % of the peaks"
        facts.append((values.name, f"median {peaks} in peaks, {outside} outside; {kept}"))
    for output in counts_outputs(prepared):
        weights = []
        for fold in prepared.folds:
            plan = prepared.plan(fold, prepared.experiment.seeds[0])
            found = findings.attempt(lambda plan=plan, output=output: unit_weight(prepared, plan, output))  # type: ignore[misc]
            weights += [f"{found.weight:.3g}"] if found is not None else []
        facts.append((f"loss weight of {output}", f"{', '.join(weights)} (median counts / 10, by fold)"))
    return facts


def _bias_facts(prepared: PreparedWindows, findings: Findings) -> list[tuple[str, str]]:
    """Say how much background each fold's bias model learns from; too little is an error."""
    spec = prepared.experiment.bias
    if spec is None or spec.model_file is not None:
        return []
    found = []
    for fold in prepared.folds:
        base = prepared.plan(fold, prepared.experiment.seeds[0])
        plan = findings.attempt(lambda base=base: bias_plan(prepared, base), "bias")  # type: ignore[misc]
        if plan is not None:
            found.append(f"{len(plan.train(0)):,} below {most_counts(prepared, base):.3g} counts")
    return [("background of the bias model", f"{', '.join(found)} (by fold)")]


def _leakage(prepared: PreparedWindows, findings: Findings) -> tuple[str, str]:
    """Compare the sequence of held-out peaks with that of training peaks."""
    candidates = prepared.candidates
    regions = candidates.regions.middle if candidates.regions is not None else candidates.test_peaks.middle
    centers = np.unique(np.concatenate([regions, candidates.test_peaks.middle]))
    width_bp = next(port.width_bp for port in prepared.contract.inputs if port.role == "sequence")
    splits = fold_leaks(prepared.source.tokens.open(), centers, prepared.assembly, prepared.folds, width_bp=width_bp)
    shares = [len(split.leaking(MIN_SHARED)) / max(1, len(split.windows)) for split in splits]
    worst = splits[int(np.argmax(shares))]
    said = f"{max(shares):.1%} of the {worst.split} windows of fold {worst.fold}"
    if max(shares) > _MAX_LEAKING:
        message = f"{said} are nearly in train; find and blacklist them with `kerasac-ray folds verify --check-leakage`"
        findings.warn("leakage", message)
    return "nearly in train", f"at most {said}" if max(shares) else "no held-out peak"


def _median(values: FloatArray) -> str:
    return f"{np.median(values):.3g}" if len(values) else "none"
