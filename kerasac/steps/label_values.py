"""Look at the labels that a training would see: their spread in peaks and background, and what is odd about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasac.config import OutputSpec, SamplingSpec
from kerasac.sampling.plan import Windows, windows_at
from kerasac.sampling.regions import Candidates
from kerasac.steps.findings import Finding
from kerasac.steps.prepare import PreparedWindows

FloatArray = npt.NDArray[np.float64]

MAX_WINDOWS = 5_000  # of peaks, and of background
QUANTILES = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
_KEPT = (0.005, 0.995)  # of the peaks, by the suggested min and max
_MANY_EMPTY, _MANY_DROPPED = 0.1, 0.2


@dataclass(frozen=True, eq=False)
class LabelValues:
    """The values of one task of an aggregated output, after its transform: ``peaks`` and ``background``, (n,).

    ``trains_on_background`` says whether training sees background windows, which a min would leave out as well.
    """

    spec: OutputSpec
    task: str
    peaks: FloatArray
    background: FloatArray
    trains_on_background: bool

    @property
    def name(self) -> str:
        """Return output and task."""
        return f"{self.spec.name} · {self.task}"

    @property
    def suggested(self) -> tuple[float | None, float]:
        """Return a min (none where it would leave out background windows) and a max that keep 99 % of the peaks."""
        low, high = np.quantile(self.peaks, _KEPT)
        return None if self.trains_on_background else _rounded(low, np.floor), _rounded(high, np.ceil)

    def suggestion(self) -> str:
        """Return the suggestion in words."""
        low, high = self.suggested
        return f"max {high:g}" if low is None else f"min {low:g}, max {high:g}"

    def as_dict(self) -> dict[str, Any]:
        """Return quantiles of both sets, and the suggestion."""
        return {
            "output": self.spec.name,
            "task": self.task,
            "transform": self.spec.transform,
            "peaks": _quantiles(self.peaks),
            "background": _quantiles(self.background),
            "suggested_min_max": list(self.suggested),
        }


def label_values(prepared: PreparedWindows) -> list[LabelValues]:
    """Read the labels of at most :data:`MAX_WINDOWS` peaks and as many background windows of the whole genome.

    No window is left out for its values, so that min and max can be chosen by them.
    """
    peaks, background = _sample(prepared.candidates)
    found = []
    for port, spec in zip(prepared.contract.outputs, prepared.experiment.outputs, strict=True):
        if port.role != "counts":
            continue
        in_peaks, outside = (_values(prepared, windows, spec) for windows in (peaks, background))
        found += [
            LabelValues(spec, task, in_peaks[:, i], outside[:, i], _trains_on_background(prepared.experiment.sampling))
            for i, task in enumerate(port.tasks)
        ]
    return found


def judge_labels(prepared: PreparedWindows, labels: list[LabelValues]) -> list[Finding]:
    """Return what is odd about labels: peaks without counts, no more in peaks than outside, no counts at all."""
    findings = [finding for values in labels for finding in _judge(values)]
    peaks, _ = _sample(prepared.candidates)
    for port, spec in zip(prepared.contract.outputs, prepared.experiment.outputs, strict=True):
        if port.role == "profile":
            findings += _judge_profile(prepared, peaks, spec)
    return findings


def _judge(values: LabelValues) -> list[Finding]:
    findings = []
    spec, peaks = values.spec, values.peaks
    empty = float((peaks == peaks.min()).mean())
    if len(peaks) > 1 and peaks.min() == peaks.max():
        findings.append(Finding("error", values.name, f"every peak has the value {peaks[0]:g}; check the source"))
    elif empty > _MANY_EMPTY:
        findings.append(
            Finding("warning", values.name, f"{empty:.0%} of the peaks have the least value, {peaks.min():.3g}")
        )
    if len(values.background) and np.median(values.background) >= np.median(peaks):
        findings.append(
            Finding(
                "warning",
                values.name,
                f"the median background window has {np.median(values.background):.3g}, the median peak only "
                f"{np.median(peaks):.3g}; are peaks and track of the same sample?",
            )
        )
    low = -np.inf if spec.min is None else spec.min
    high = np.inf if spec.max is None else spec.max
    dropped = float(((peaks < low) | (peaks > high)).mean())
    if dropped > _MANY_DROPPED:
        message = f"min and max leave out {dropped:.0%} of the peaks; {values.suggestion()} would keep nearly all"
        findings.append(Finding("warning", values.name, message))
    return findings


def _judge_profile(prepared: PreparedWindows, peaks: Windows, spec: OutputSpec) -> list[Finding]:
    """Say whether a profile's labels are counts, as its loss takes them to be."""
    values = prepared.source.batch(peaks.take(slice(0, 1000))).outputs[spec.name]
    if (values < 0).any():
        message = f"{', '.join(spec.source)} holds negative values; the profile loss takes counts"
        return [Finding("error", spec.name, message)]
    if (values != np.round(values)).any():
        message = (
            f"{', '.join(spec.source)} holds fractions; the profile loss takes counts: name tracks of counted reads, "
            "not of fold changes or p-values"
        )
        return [Finding("warning", spec.name, message)]
    return []


def _values(prepared: PreparedWindows, windows: Windows, spec: OutputSpec) -> FloatArray:
    return np.asarray(prepared.source.batch(windows).outputs[spec.name], dtype=np.float64).reshape(len(windows), -1)


def _sample(candidates: Candidates) -> tuple[Windows, Windows]:
    """Spread peaks evenly over the genome, and draw background windows, the same ones every time."""
    if candidates.regions is not None:
        every = candidates.regions.middle
        peaks = every[:: max(1, -(-len(every) // MAX_WINDOWS))]
    else:
        assert candidates.positions is not None, "candidates have one of the two"
        peaks = candidates.positions.rows_at(np.linspace(0, candidates.positions.total_bp - 1, MAX_WINDOWS).astype(int))
    rng = np.random.default_rng(0)
    if candidates.negatives is not None:
        middle = candidates.negatives.middle
        outside = middle[rng.permutation(len(middle))[:MAX_WINDOWS]]
    else:
        total = candidates.background.total_bp
        outside = candidates.background.rows_at(rng.integers(0, total, MAX_WINDOWS if total else 0))
    return windows_at(peaks, is_peak=True), windows_at(np.sort(outside), is_peak=False)


def _trains_on_background(sampling: SamplingSpec) -> bool:
    return sampling.draws_background or (sampling.negatives is not None and sampling.negatives.ratio > 0)


def _rounded(value: float, towards: Callable[[float], float]) -> float:
    return float(towards(value * 100)) / 100


def _quantiles(values: FloatArray) -> dict[str, float]:
    if not len(values):
        return {}
    return dict(zip(map(str, QUANTILES), np.quantile(values, QUANTILES).round(4).tolist(), strict=True))
