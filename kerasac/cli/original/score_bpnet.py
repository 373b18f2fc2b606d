"""kerasAC_score_bpnet: a summary, a table of windows and figures for each task."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cache import with_ending
from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.telling import tell
from kerasac.cli.original.train import local_prefix
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.steps.predictions import PredictionFile
    from kerasac.steps.pseudoreplicates import TrackPair
    from kerasac.steps.score import Scores

_LOSSES = ("profile", "counts")
_SMOOTHING = "7,81"  # kerasAC's: sigma and width
_DPI = 300  # kerasAC's


def score_bpnet(given: Given, console: Console) -> Done:
    """Score a file of predictions; the summary's numbers are kerasAC's."""
    prefix = local_prefix(given, "outf")
    if given.texts("losses") != _LOSSES:
        raise ConfigError(f"--losses {' '.join(given.texts('losses'))}: files have {' '.join(_LOSSES)}, in this order")
    from kerasac.steps.predictions import open_predictions
    from kerasac.steps.score import score
    from kerasac.steps.score_settings import ScoreSettings
    from kerasac.steps.smoothing import read_smoothing

    observed, predicted = (given.is_on(f"smooth_{what}_profile") for what in ("observed", "predicted"))
    settings = ScoreSettings(
        label_range=(given.number("label_min_to_score"), given.number("label_max_to_score")),
        smooth_observed=read_smoothing(_SMOOTHING) if observed or given.is_on("smooth_preps") else None,
        smooth_predicted=read_smoothing(_SMOOTHING) if predicted else None,
    )
    with open_predictions(given.path("predictions")) as file:
        _check_tasks(given, file)
        pair = _pseudoreplicates(given, file)
        scores = score(file, settings, pseudoreplicates=pair)
        n, n_all = len(scores.observed), file.n_windows
        if not n:
            raise ConfigError(f"no window of {file.path} is within --label_min_to_score and --label_max_to_score")
        if n < n_all:
            tell(console, f"scored {n:,} of {n_all:,} windows, those within --label_min_to_score, --label_max_to_score")
        written = [
            *_write_tables(prefix, file, scores, given.text("title") or ""),
            *_write_figures(prefix, file, scores, given),
        ]
    return Done(_hint(given, prefix), tuple(str(shortest(path)) for path in written))


def _check_tasks(given: Given, file: PredictionFile) -> None:
    n_tasks = given.whole("num_tasks")
    if n_tasks is not None and n_tasks != len(file.tasks):
        raise ConfigError(f"--num_tasks is {n_tasks}, but {file.path} has {len(file.tasks)}")
    if given.is_on("smooth_preps") and not given.is_on("smooth_observed_profile"):
        raise ConfigError(
            "--smooth_preps goes with --smooth_observed_profile: both halves are compared as what was observed"
        )


def _pseudoreplicates(given: Given, file: PredictionFile) -> TrackPair | None:
    from kerasac.steps.pseudoreplicates import check_one_a_task, pseudoreplicates_of_files

    pairs = [tuple(Path(name) for name in words.split(",")) for words in given.texts("pseudoreps")]
    if not pairs:
        return None
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigError("--pseudoreps takes two bigWigs with a comma between, for each task")
    check_one_a_task(len(pairs), file.tasks, "pairs of pseudoreplicates")
    return pseudoreplicates_of_files([(first, second) for first, second in pairs])


def _write_tables(prefix: Path, file: PredictionFile, scores: Scores, title: str) -> list[Path]:
    """Write <prefix>.<task>.summary.txt and .jsd.txt."""
    from kerasac.steps.scores_of_others import write_kerasac

    with tempfile.TemporaryDirectory(dir=prefix.parent, prefix=".") as folder:
        made = write_kerasac(Path(folder), file, scores, title=title)
        return [path.replace(prefix.with_name(path.name.replace("kerasac.", f"{prefix.name}.", 1))) for path in made]


def _write_figures(prefix: Path, file: PredictionFile, scores: Scores, given: Given) -> list[Path]:
    """Draw each task's counts, <prefix>.<task>.png, and distances, <prefix>.<task>.jsd.png."""
    from kerasac.cli.original.figures import task_figures

    written = []
    for task, name in enumerate(file.tasks):
        figures = task_figures(file, scores, task, title=f"{given.text('title') or prefix.name}, {name}")
        for ending, figure in zip(("png", "jsd.png"), figures, strict=True):
            written.append(with_ending(prefix, f"{task}.{ending}"))
            figure.savefig(written[-1], format="png", dpi=_DPI)
    return written


def _hint(given: Given, prefix: Path) -> str:
    return hint(
        "score",
        given.needed("predictions"),
        min_log_counts=given.number("label_min_to_score"),
        max_log_counts=given.number("label_max_to_score"),
        pseudoreplicates=given.texts("pseudoreps"),
        smooth_observed=_SMOOTHING if given.is_on("smooth_observed_profile") else None,
        smooth_predicted=_SMOOTHING if given.is_on("smooth_predicted_profile") else None,
        out=shortest(prefix),
        format="kerasac",
    )
