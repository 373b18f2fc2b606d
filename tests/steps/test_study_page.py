import base64
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread
from pages import page_text
from scored import write_run
from studies_made import OBJECTIVE, raced, study, tried

from kerasac.steps.comparison import compare
from kerasac.steps.configurations import read_configurations
from kerasac.steps.study_page import study_rows, write_study_page
from kerasac.steps.study_results import StudyResult, UnitResult
from kerasac.steps.study_words import duration_text

FIGURES = ["curves.png", "importance.png", "parallel.png", "race.png"]


def made() -> StudyResult:
    """A best, a near one, a far one that is the default, and one dropped."""
    far = [[0.61, 0.63], [0.6505, 0.6705], [0.71, 0.7311]]
    return study(
        tried("filters=64", [[0.50, 0.52], [0.54, 0.56], [0.60, 0.62]], values={"model.filters": 64}),
        tried("filters=32", [[0.51, 0.53], [0.56, 0.58], [0.59, 0.61]], rank=2, values={"model.filters": 32}),
        tried("default", far, rank=3, is_default=True),
        tried("filters=1", [[0.8]], rank=None, epochs=4, state="dropped", level="1 fold, 4 epochs"),
        epochs_of_grid=240,
        scored_to_train=0.25,
        phases={"training": 90.0, "verdict": 10.0},
        notes=("a <b> was retried",),
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study_page(made(), tmp_path_factory.mktemp("study"), None)


def test_the_table_holds_what_a_hand_computes() -> None:
    best, near, default, dropped = study_rows(made())
    assert best.mean == "0.557 ± 0.029"  # fold means 0.51, 0.55, 0.61
    assert (best.rank, best.values, best.mark, best.n_units, best.epochs) == ("1", ["64"], "best", 6, 60)
    assert near.to_best.text == "+0.007"  # 0.01, 0.02, -0.01
    # 4.303 × √((1/3 + 1/4) × 0.01528²) = 0.050
    assert near.to_best.interval == "−0.044 to 0.057"
    assert near.to_best.is_equal
    assert near.mark == "equal"
    assert not default.to_best.is_equal
    assert default.mark == ""
    assert default.values == ["not set"]
    assert best.to_default.text.startswith("−0.11")
    assert (dropped.rank, dropped.state) == ("–", "dropped after 1 fold, 4 epochs")
    assert dropped.to_best[:2] == ("–", "not compared")


def test_the_page_says_it_in_words(page: Path) -> None:
    text = page_text(page)
    assert "filters=64 is best: Profile distance, peaks 0.557 ± 0.029 (mean ± standard error over 3 folds" in text
    assert "1 of the 2 other configurations trained to the end is not distinguishable from it." in text
    assert "The default (rank 3) is worse than the best by 0.11" in text
    assert "No model has been scored on the test chromosomes" in text
    assert "4 configurations tried, 1 dropped on the way. 184 epochs trained, 77 % of the 240 that every" in text
    assert "a <b> was retried" in text
    assert "training 1 min 30 s 90 %" in text


def test_the_page_needs_nothing_else(page: Path) -> None:
    html = page.read_text()
    assert not re.findall(r"<script|<link[^>]+href=\"(?!data:)|src=\"(?!data:)|url\(|https?://", html)
    figures = re.findall(r"<img src=\"data:image/svg\+xml;base64,([^\"]+)\" alt=\"([^\"]+)\"", html)
    assert len(figures) == 4
    assert all(b"<svg" in base64.b64decode(figure) for figure, _ in figures)
    assert all(len(alt) > 20 for _, alt in figures)


def test_the_figures_lie_beside_the_page(page: Path) -> None:
    assert sorted(path.name for path in (page.parent / "plots").iterdir()) == FIGURES
    for name in FIGURES:
        assert imread(page.parent / "plots" / name)[..., :3].std() > 0.02


def test_the_winner_on_test_is_shown_with_its_day(tmp_path: Path) -> None:
    result = replace(made(), test={OBJECTIVE: {"fold-0/seed-1": 0.4, "fold-1/seed-1": 0.6}}, tested_on="2026-11-27")
    text = page_text(write_study_page(result, tmp_path, None))
    assert "scored on the test chromosomes of its folds, once, after it was chosen on 2026-11-27" in text
    assert f"{OBJECTIVE} 0.5000 ± 0.1000" in text
    text = page_text(write_study_page(replace(result, also_tested=("filters=64",)), tmp_path, None))
    assert "filters=64 was scored on the test chromosomes before more was tried. The winner was, too." in text


def test_other_scores_come_from_the_comparison_with_its_fold_table(tmp_path: Path) -> None:
    values = {(fold, 1): 0.5 + 0.1 * fold for fold in range(3)}
    runs = [write_run(tmp_path / name, values) for name in ("default", "filters=64")]
    comparison = compare(read_configurations(runs))
    result = replace(made(), scored_to_train=None)
    text = page_text(write_study_page(result, tmp_path / "out", comparison))
    assert "Count correlation r, peaks higher 0.600 ± 0.058 0.600 ± 0.058" in text
    assert "is not known and taken for 0" not in text
    # Folds of 1 scored and 3 training chromosomes: 1/3 in place of the 1/4 that the study was given.
    half = 4.302653 * math.sqrt((1 / 3 + 1 / 3) * (0.01**2 + 0.02**2 + 0.01**2 - 0.02**2 / 3) / 2)
    assert study_rows(result, comparison)[1].to_best.interval == f"−{half - 0.02 / 3:.3f} to {half + 0.02 / 3:.3f}"


def test_many_rows_are_folded_away_but_not_the_default(tmp_path: Path) -> None:
    rows = [tried(f"c{i}", [[0.4 + i / 100]], rank=i + 1, is_default=i == 39) for i in range(40)]
    html = write_study_page(study(*rows, better="higher"), tmp_path, None).read_text()
    shown, _, folded = html.partition("9 more configurations")
    assert "c39</td>" in shown
    assert "c38</td>" in folded


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (study(), "No configuration is finished and scored"),
        (study(tried("only", [[0.5]], is_default=True)), "No other configuration was trained to the end"),
        (study(tried("only", [[None]], rank=None, state="failed")), "No configuration is finished and scored"),
        (study(tried("a", [[float("nan")], [0.5]]), tried("b", [[0.6], [0.7]], rank=2)), "Whether others differ"),
        (study(tried("a", [], rank=None, state="unfinished")), "No configuration is finished and scored"),
        (study(tried("a", [[0.5]]), keys=()), "The experiment as it is was not among the configurations."),
        (raced(1), "trial-000 is best"),
    ],
)
def test_odd_studies_have_a_page(tmp_path: Path, result: StudyResult, said: str) -> None:
    assert said in page_text(write_study_page(result, tmp_path, None))


def test_failed_units_leave_the_others_of_their_configuration(tmp_path: Path) -> None:
    broken = tried("b", [[0.6], [0.7]], rank=None, state="failed", level="1 of 2 folds")
    broken = replace(broken, units={**broken.units, "fold-1/seed-1": UnitResult(None, 3)})
    (_, row) = study_rows(study(tried("a", [[0.5], [0.6]]), broken))
    assert (row.n_units, row.mean, row.state) == (1, "0.600", "failed after 1 of 2 folds")
    assert row.to_best[:2] == ("+0.100", "1 fold, no interval, after 10 epochs")


def test_many_notes_are_cut(tmp_path: Path) -> None:
    notes = tuple(f"note {i} of many" for i in range(40))
    text = page_text(write_study_page(study(tried("a", [[0.5]]), notes=notes), tmp_path, None))
    assert "note 11 of many" in text
    assert "note 12 of many" not in text
    assert "and 28 more notes" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (4.23, "4.2 s"), (60, "1 min"), (3661, "1 h 1 min"), (90000, "1 d 1 h")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
