"""Draw how well labels of bins are predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import precision_recall_curve, roc_curve

from kerasac.steps.binned_predictions import BinnedPredictions
from kerasac.steps.binned_scores import WINDOWS, BinnedScores
from kerasac.steps.plots.dots import density_dots, limits
from kerasac.steps.plots.style import BLUE, MAX_TASKS, PALE, Floats, caption, headline, number, panels, styled
from kerasac.steps.score import Metrics


def bin_figures(predictions: BinnedPredictions, scores: BinnedScores, *, title: str = "") -> Mapping[str, Figure]:
    """Return the figures of a classification, ``classes``, or of a regression, ``values``."""
    if predictions.kind == "classification":
        return {"classes": class_curves(predictions, scores, title=title)}
    return {"values": values_scatter(predictions, scores, title=title)}


@styled
def class_curves(predictions: BinnedPredictions, scores: BinnedScores, *, title: str = "") -> Figure:
    """Precision by recall, and the receiver operating characteristic: a row a task, each beside chance."""
    tasks = predictions.labels.tasks[:MAX_TASKS]
    figure, axes = panels(len(tasks), 2, panel=(3.3, 3.0))
    for row, task in enumerate(tasks):
        labels, predicted = _labelled(predictions, row)
        metrics = scores.tasks[task][WINDOWS]
        if metrics["auroc"] is None:
            for ax in axes[row]:
                ax.text(0.5, 0.5, "bins of one class only", ha="center", transform=ax.transAxes)
            continue
        _precision_recall(axes[row, 0], labels, predicted, metrics)
        _operating(axes[row, 1], labels, predicted, metrics)
        if len(predictions.labels.tasks) > 1:
            axes[row, 0].set_title(f"{task} · precision and recall", fontweight="bold")
    headline(figure, _title(title, "Positive bins found", predictions))
    caption(figure, "Grey dashes: chance. Dots: recall at a false discovery rate of 50, 20 and 10 %.")
    return figure


@styled
def values_scatter(predictions: BinnedPredictions, scores: BinnedScores, *, title: str = "") -> Figure:
    """Predicted against observed values: a panel a task."""
    tasks = predictions.labels.tasks[:MAX_TASKS]
    figure, axes = panels(1, len(tasks), panel=(3.5, 3.3))
    for column, task in enumerate(tasks):
        ax = axes[0, column]
        observed, predicted = _labelled(predictions, column)
        bounds = limits(observed, predicted)
        ax.axline((0, 0), slope=1, color=PALE, linewidth=0.8, zorder=0)
        density_dots(ax, observed, predicted, BLUE)
        metrics = scores.tasks[task][WINDOWS]
        ax.set_title(f"{task}  (n = {len(observed):,})", fontweight="bold")
        said = f"r = {number(metrics['pearson'])}\nρ = {number(metrics['spearman'])}"
        ax.text(0.04, 0.96, said, transform=ax.transAxes, va="top", linespacing=1.35)
        ax.set(xlim=bounds, ylim=bounds, aspect="equal", xlabel="observed label")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5))
    axes[0, 0].set_ylabel("predicted label")
    headline(figure, _title(title, "Values of bins", predictions))
    caption(figure, "Grey line: prediction = observation. Darker: more bins.")
    return figure


def _labelled(predictions: BinnedPredictions, task: int) -> tuple[Floats, Floats]:
    """Return labels and predictions of a task's bins that are not ambiguous."""
    labels = predictions.labels.values[:, task].astype(np.float64)
    labelled = ~np.isnan(labels)
    return labels[labelled], predictions.predicted[labelled, task].astype(np.float64)


def _precision_recall(ax: Axes, labels: Floats, predicted: Floats, metrics: Metrics) -> None:
    precision, recall, _ = precision_recall_curve(labels, predicted, drop_intermediate=True)
    ax.plot(recall, precision, color=BLUE, linewidth=1.4, drawstyle="steps-post")
    ax.axhline(labels.mean(), color=PALE, linestyle="--", linewidth=0.9)
    for fdr in (50, 20, 10):
        found = metrics[f"recall_at_fdr_{fdr}"]
        if found:
            ax.plot(found, 1 - fdr / 100, "o", color=BLUE, markersize=4)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    ax.set_title("Precision and recall", fontweight="bold")
    said = f"AUPRC = {number(metrics['auprc'])}\nchance = {labels.mean():.3f}"
    ax.text(0.96, 0.96, said, transform=ax.transAxes, va="top", ha="right", linespacing=1.35)


def _operating(ax: Axes, labels: Floats, predicted: Floats, metrics: Metrics) -> None:
    false_positive, true_positive, _ = roc_curve(labels, predicted, drop_intermediate=True)
    ax.plot(false_positive, true_positive, color=BLUE, linewidth=1.4)
    ax.axline((0, 0), slope=1, color=PALE, linestyle="--", linewidth=0.9)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate")
    ax.set_title("Receiver operating characteristic", fontweight="bold")
    ax.text(0.96, 0.06, f"AUROC = {number(metrics['auroc'])}", transform=ax.transAxes, ha="right")


def _title(title: str, what: str, predictions: BinnedPredictions) -> str:
    text = f"{title} · {what}" if title else what
    n = len(predictions.labels.tasks)
    return f"{text} (first {MAX_TASKS} of {n} tasks)" if n > MAX_TASKS else text
