"""Compare configurations over the folds that they share, each against a baseline, fold by fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kerasac.errors import ScoreError, suggest
from kerasac.steps.comparable import held_out_ratio, shared_folds, why_refused
from kerasac.steps.configurations import Configuration
from kerasac.steps.metric_summary import MetricSummary, fold_of
from kerasac.steps.paired import PairedTest, holm, paired_test
from kerasac.steps.summary import Better, better_direction, headline_labels

ALPHA = 0.05
ALL_METRICS = "all"


class Metric(NamedTuple):
    """A metric of a window set, what it is called, and which way it is better."""

    windows: str
    name: str
    title: str
    """``Count correlation r, peaks``."""
    better: Better

    @property
    def key(self) -> str:
        """``peaks.counts_pearson``, as ``--metric`` takes it."""
        return f"{self.windows}.{self.name}"


class FoldPair(NamedTuple):
    """Values of two configurations on the same test chromosomes, each a mean over seeds."""

    fold: str
    test: tuple[str, ...]
    baseline: float
    value: float

    @property
    def difference(self) -> float:
        """This run's value minus the baseline's."""
        return self.value - self.baseline


@dataclass(frozen=True)
class Contrast:
    """One configuration against the baseline in one metric."""

    metric: Metric
    run: str
    baseline: str
    pairs: tuple[FoldPair, ...] = ()
    left_out: tuple[str, ...] = ()
    """Folds that are not compared, and why."""
    refused: str = ""
    """Why nothing is compared; else empty."""
    test_to_train: float | None = None
    """n_test/n_train, mean over the folds."""
    test: PairedTest | None = None
    p_holm: float | None = None
    n_tests: int = 0
    """Tests in this metric, which p_holm is corrected for."""

    @property
    def is_different(self) -> bool:
        """Whether the corrected p is below 0.05."""
        return self.p_holm is not None and self.p_holm < ALPHA

    @property
    def gain(self) -> float:
        """The difference, above 0 where this run is better; 0 where nothing is compared."""
        difference = self.test.difference if self.test else 0.0
        return difference if self.metric.better == "higher" else -difference

    @property
    def is_better(self) -> bool:
        """Whether the run is better by a difference that is called one."""
        return self.is_different and self.gain > 0


@dataclass(frozen=True)
class Ranking:
    """Configurations from best to worst in a metric, on the folds that all of them share."""

    metric: Metric
    folds: tuple[str, ...]
    rows: tuple[tuple[str, MetricSummary], ...]


@dataclass(frozen=True)
class Comparison:
    """Configurations side by side, and each against the baseline."""

    configurations: tuple[Configuration, ...]
    metrics: tuple[Metric, ...]
    baseline: str | None
    """None for one configuration: there is nothing to compare."""
    contrasts: tuple[Contrast, ...]
    rankings: tuple[Ranking, ...]
    notes: tuple[str, ...]
    """What is missing from the numbers."""
    about: str = ""
    """What a reader of the page is to know first."""

    def of(self, metric: Metric) -> tuple[Contrast, ...]:
        """The contrasts in one metric."""
        return tuple(contrast for contrast in self.contrasts if contrast.metric == metric)


def compare(
    configurations: Sequence[Configuration], *, baseline: str | None = None, metrics: Sequence[str] = ()
) -> Comparison:
    """Compare every configuration with the baseline (the first, unless named) in each metric.

    Parameters
    ----------
    metrics:
        ``windows.metric``, as ``peaks.counts_pearson``; ``all`` for every metric that can be better or worse. Default:
        the metrics that a run's summary shows first.

    Raises
    ------
    ScoreError
        When profile windows and bins are mixed, or there is no such baseline or metric.
    """
    scored = [configuration for configuration in configurations if configuration.scores]
    _check_kinds(scored)
    base = _find_baseline(configurations, baseline)
    wanted = _metrics(scored, metrics)
    others = [configuration for configuration in scored if configuration is not base]
    contrasts = [c for metric in wanted for c in _corrected([_contrast(base, other, metric) for other in others])]
    return Comparison(
        configurations=tuple(configurations),
        metrics=wanted,
        baseline=base.name if others else None,
        contrasts=tuple(contrasts),
        rankings=tuple(_rankings(scored, wanted, contrasts)) if len(scored) > 2 else (),
        notes=tuple(_notes(configurations)),
    )


def _check_kinds(configurations: Sequence[Configuration]) -> None:
    first = configurations[0]
    for other in configurations[1:]:
        if other.kind != first.kind:
            raise ScoreError(
                f"{first.name} is scored on {first.kind}, {other.name} on {other.kind}; compare runs of one kind"
            )


def _find_baseline(configurations: Sequence[Configuration], name: str | None) -> Configuration:
    by_name = {configuration.name: configuration for configuration in configurations}
    if name is None:
        return next(configuration for configuration in configurations if configuration.scores)
    if name not in by_name:
        raise ScoreError(f"no run {name!r} to be the baseline{suggest(name, by_name)}")
    if not by_name[name].scores:
        raise ScoreError(f"the baseline {name} has no scores yet; name another --baseline, or run it on")
    return by_name[name]


def _metrics(configurations: Sequence[Configuration], wanted: Sequence[str]) -> tuple[Metric, ...]:
    labels = {key: label for one in configurations for key, label in headline_labels(one.summary).items()}
    known = {metric.key: metric for one in configurations for metric in _known_metrics(one, labels)}
    if not wanted:
        return tuple(known[f"{windows}.{name}"] for windows, name in labels if f"{windows}.{name}" in known)
    if ALL_METRICS in wanted:
        return tuple(known.values())
    for key in wanted:
        if key not in known:
            raise ScoreError(f"no metric {key!r} that can be better or worse{suggest(key, known)}")
    return tuple(known[key] for key in dict.fromkeys(wanted))


def _known_metrics(configuration: Configuration, labels: Mapping[tuple[str, str], str]) -> Iterator[Metric]:
    summary = configuration.summary
    for windows, names in summary.metrics.items():
        for name in names:
            better = better_direction(name, summary.definitions.get(name))
            if better:
                place = f"all {'bins' if summary.is_binned else 'windows'}" if windows == "all" else windows
                yield Metric(windows, name, f"{labels.get((windows, name), name)}, {place}", better)


def _contrast(base: Configuration, other: Configuration, metric: Metric) -> Contrast:
    contrast = Contrast(metric, other.name, base.name)
    folds = shared_folds(base, other)
    refused = why_refused(base, other, metric.windows, metric.name, folds)
    if refused:
        return replace(contrast, refused=refused)
    pairs, left_out = _pairs(base, other, metric, folds)
    if not pairs:
        return replace(contrast, left_out=left_out, refused=f"no fold has a value in both: {'; '.join(left_out)}")
    ratio = held_out_ratio(base, [pair.fold for pair in pairs])
    test = paired_test([pair.difference for pair in pairs], test_to_train=ratio)
    return replace(contrast, pairs=pairs, left_out=left_out, test_to_train=ratio, test=test)


def _corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Correct the p values of one metric for their number."""
    p_values = [contrast.test.p if contrast.test else None for contrast in contrasts]
    n_tests = sum(p is not None for p in p_values)
    return [replace(contrast, p_holm=p, n_tests=n_tests) for contrast, p in zip(contrasts, holm(p_values), strict=True)]


def _pairs(
    base: Configuration, other: Configuration, metric: Metric, folds: Mapping[str, str]
) -> tuple[tuple[FoldPair, ...], tuple[str, ...]]:
    """Pairs of fold values, and the folds that are left out."""
    ours, theirs = (_fold_means(one, metric) for one in (base, other))
    pairs, left_out = [], []
    for fold, there in folds.items():
        absent = [one.name for one, means, name in ((base, ours, fold), (other, theirs, there)) if name not in means]
        if absent:
            left_out.append(f"{fold}: not defined in {' and '.join(absent)}")
        else:
            pairs.append(FoldPair(fold, tuple(base.splits[fold]["test"]), ours[fold], theirs[there]))
    for fold in _unpaired(base, folds):
        left_out.append(f"{fold}: {other.name} has no scores on its scored chromosomes")
    for fold in _unpaired(other, folds.values()):
        left_out.append(f"{fold} of {other.name}: {base.name} has no scores on its scored chromosomes")
    return tuple(pairs), tuple(left_out)


def _unpaired(configuration: Configuration, paired: Any) -> list[str]:
    return [fold for fold in dict.fromkeys(map(fold_of, configuration.scores)) if fold not in paired]


def _fold_means(configuration: Configuration, metric: Metric) -> dict[str, float]:
    found = configuration.summary.get(metric.windows, metric.name)
    return found.fold_means if found else {}


def _rankings(
    configurations: Sequence[Configuration], metrics: Sequence[Metric], contrasts: Sequence[Contrast]
) -> Iterator[Ranking]:
    """Rank the baseline and what is compared with it, on the baseline's folds that all of them share."""
    for metric in metrics:
        compared = [c for c in contrasts if c.metric == metric and c.pairs]
        if len(compared) < 2:
            continue
        shared = [
            fold
            for fold in dict.fromkeys(pair.fold for pair in compared[0].pairs)
            if all(fold in {pair.fold for pair in c.pairs} for c in compared)
        ]
        if shared:
            yield _ranking(metric, compared, shared)


def _ranking(metric: Metric, compared: Sequence[Contrast], folds: Sequence[str]) -> Ranking:
    values = {compared[0].baseline: {pair.fold: pair.baseline for pair in compared[0].pairs}}
    values |= {c.run: {pair.fold: pair.value for pair in c.pairs} for c in compared}
    rows = [(name, MetricSummary({fold: by_fold[fold] for fold in folds})) for name, by_fold in values.items()]
    rows.sort(key=lambda row: row[1].mean or 0.0, reverse=metric.better == "higher")
    return Ranking(metric, tuple(folds), tuple(rows))


def _notes(configurations: Sequence[Configuration]) -> Iterator[str]:
    for one in configurations:
        if one.missing:
            n = len(one.missing)
            listed = ", ".join(one.missing[:6]) + (", …" if n > 6 else "")
            yield f"{one.name}: {n} of {n + len(one.scores)} models have no scores and are left out ({listed})"
