"""Say in words what came of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kerasac.steps.comparison import Contrast
from kerasac.steps.page import plural
from kerasac.steps.study_results import StudyResult, Tried
from kerasac.steps.study_values import values_text
from kerasac.steps.verdicts import digits, value_text, verdict

BEST, DEFAULT = "the best", "the default"
_UNITS_S = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def headline_sentences(result: StudyResult, to_best: Mapping[str, Contrast]) -> Iterator[str]:
    """What a reader is to know first: the best, what cannot be told from it, and how the default fares."""
    best = result.winner
    if best is None:
        yield "No configuration is finished and scored, so there is no best one yet."
        return
    n_folds = len(best.summary.fold_means)
    over = f"mean ± standard error over {plural(n_folds, 'fold')}" if n_folds > 1 else "1 fold, so without an error"
    # A name such as filters=64,depth=4 says the values already.
    values = "" if "=" in best.name else f", with {values_text(best.values, result.keys)}"
    yield (
        f"{best.name} is best{values}: {result.objective_title} "
        f"{value_text(best.summary, value_places(result))} ({over}; {result.better} is better)."
    )
    yield _rivals(result, best, to_best)
    yield _default(result, best, to_best)


def value_places(result: StudyResult) -> int:
    """Digits after the point that show the standard error of every complete configuration, at most 6."""
    errors = [se for one in result.of("complete") if (se := one.summary.se)]
    return digits(min(errors)) if errors else 4


def is_equal(contrast: Contrast) -> bool:
    """Whether a configuration was compared over folds and is not distinguishable from the other."""
    return contrast.test is not None and contrast.test.interval is not None and not contrast.is_different


def state_text(one: Tried) -> str:
    """``complete``, or ``dropped after 1 fold, 4 epochs``."""
    return one.state if one.state == "complete" or not one.level else f"{one.state} after {one.level}"


def test_sentence(result: StudyResult) -> str:
    """Say what the scores are of, and whether the winner was scored on test."""
    if result.also_tested:
        others = " and ".join(result.also_tested)
        said = (
            "The winner has not been; to score it too is to look at the test chromosomes twice"
            if result.test is None
            else "The winner was, too. So the test chromosomes were looked at more than once"
        )
        was = "was" if len(result.also_tested) == 1 else "were"
        return (
            f"{others} {was} scored on the test chromosomes before more was tried. {said}: say so where you report it."
        )
    if result.test is None:
        return "No model has been scored on the test chromosomes of its fold: score the winner there once, at the end."
    when = f" on {result.tested_on}" if result.tested_on else ""
    return (
        f"The winner alone was scored on the test chromosomes of its folds, once, after it was chosen{when}. As a "
        "chromosome validates one fold and tests another, these scores are slightly optimistic."
    )


def effort_sentence(result: StudyResult) -> str:
    """Say how many epochs were trained, and how many the whole grid would have taken."""
    text = f"{plural(result.epochs_trained, 'epoch')} trained"
    if result.epochs_of_grid:
        share = 100 * result.epochs_trained / result.epochs_of_grid
        text = (
            f"{text}, {share:.0f} % of the {result.epochs_of_grid:,} that every configuration on every unit would take"
        )
    dropped = len(result.of("dropped"))
    n = plural(len(result.tried), "configuration")
    return f"{n} tried, {dropped} dropped on the way. {text}." if dropped else f"{n} tried. {text}."


def duration_text(seconds: float) -> str:
    """``1 h 12 min``, ``4.2 s``: the two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for size, name in _UNITS_S:
        if left >= size or parts:
            parts.append((left // size, name))
            left %= size
    return " ".join(f"{n} {name}" for n, name in parts[:2] if n)


def _rivals(result: StudyResult, best: Tried, to_best: Mapping[str, Contrast]) -> str:
    others = [to_best[one.name] for one in result.of("complete") if one is not best]
    if not others:
        return "No other configuration was trained to the end: there is nothing to tell it from."
    tested = [one for one in others if one.test is not None and one.test.interval is not None]
    if not tested:
        return "Whether others differ from it is not known: that takes 2 folds with scores that differ."
    equal, n = sum(map(is_equal, tested)), len(tested)
    of = "the one other configuration" if n == 1 else f"the {n} other configurations"
    if equal == 0:
        return f"It can be told from {of} that {'was' if n == 1 else 'were'} trained to the end."
    who = f"{of[0].upper()}{of[1:]}" if equal == n else f"{equal} of {of}"
    return f"{who} trained to the end {'is' if equal == 1 else 'are'} not distinguishable from it."


def _default(result: StudyResult, best: Tried, to_best: Mapping[str, Contrast]) -> str:
    default = result.default
    if default is None:
        return "The experiment as it is was not among the configurations."
    if default is best:
        return "The best is the default, the experiment as it is."
    rank = f" (rank {default.rank})" if default.rank is not None else ""
    said = verdict(to_best[default.name]).removesuffix(".")
    return f"The default{rank} is {said}."
