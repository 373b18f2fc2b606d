from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kerasac.genome.folds import Fold
from kerasac.runs.progress import ProgressView
from kerasac.runs.progress_state import Progress
from kerasac.runs.unit import Unit
from kerasac.runs.usage import Gpus, Usage
from kerasac.steps.history import write_history


def unit(fold: int = 0, seed: int = 1, configuration: str = "") -> Unit:
    return Unit(Fold(fold, ("chr1",), ("chr2",), ("chr3",)), seed, "/runs/a", configuration)


def epoch(n: int, *, loss: float = 1.0, seconds: float = 2.0) -> dict[str, Any]:
    return {"event": "epoch", "epoch": n, "val_loss": loss, "seconds": seconds}


def trained_before(one: Unit, epochs: int) -> None:
    one.folder.mkdir(parents=True)
    write_history(one.folder / "history.csv", [{"epoch": n, "val_loss": 1.0} for n in range(1, epochs + 1)])


def train(view: ProgressView | Progress, one: Unit, epochs: int, *, until: int | None = None) -> None:
    view.started(one, until)
    for n in range(1, epochs + 1):
        view.heard(one, epoch(n))


def done(epochs: int) -> dict[str, Any]:
    return {"event": "done", "epochs": epochs, "best_epoch": epochs}


def paused(epochs: int) -> dict[str, Any]:
    return {"event": "paused", "epochs": epochs, "best_epoch": epochs}


def screen(view: ProgressView, *, width: int = 100, height: int = 40) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    view.console = console
    console.print(view.screen())
    return console.export_text().splitlines()


def plain() -> tuple[ProgressView, io.StringIO]:
    out = io.StringIO()
    return ProgressView([], 4, Console(file=out, width=60)), out


def test_a_run_is_a_line_a_unit() -> None:
    view = ProgressView([unit(0), unit(1)], 4, Console(quiet=True), finished=1)
    train(view, unit(0), 3)
    lines = screen(view)
    assert lines[1].split() == ["fold-0/seed-1", "training", "3/4", "1.000", "1.000", "(1)", "2.0"]
    assert lines[2].split() == ["fold-1/seed-1", "waiting"]
    assert lines[3].startswith("1 of 3 units done (1 finished before) · 3 epochs")


def test_a_study_is_a_row_a_configuration_and_a_sign_a_seed() -> None:
    view = ProgressView([], 20, Console(quiet=True))
    for seed in (1, 2):
        train(view, unit(0, seed, "lr=1"), 5)
        view.heard(unit(0, seed, "lr=1"), paused(5) if seed == 1 else done(5))
    train(view, unit(1, 1, "lr=2"), 3, until=5)
    train(view, unit(0, 1, "lr=3"), 7)
    view.died(unit(0, 1, "lr=3"), "no memory")
    lines = screen(view)
    assert lines[0].split("  ")[0] == "configuration"
    assert [line.split() for line in lines[1:4]] == [
        ["lr=2", "·", "·", "▸3", "·"],
        ["lr=1", "‖5", "✓", "·", "·"],
        ["lr=3", "✗", "·", "·", "·"],
    ]
    assert lines[4].endswith("(a sign a seed: 1, 2)")
    assert lines[-1] == "1 failed, the last: lr=3/fold-0/seed-1: no memory"


def test_two_hundred_configurations_fit_a_terminal_with_what_matters_first() -> None:
    view = ProgressView([], 20, Console(quiet=True))
    for n in range(200):
        one = unit(n % 5, 1, f"c{n}")
        train(view, one, 1 + n % 7)
        if n not in (17, 150):
            view.heard(one, paused(1 + n % 7))
    view.best("c99", "jsd 0.41")
    view.usage(Usage(2, 0.5, 1, 8, None), 60)
    lines = screen(view, height=40)
    assert len(lines) <= 40
    assert [line.split()[0] for line in lines[1:4]] == ["c17", "c150", "★"]
    assert "and 170 more" in lines
    assert "best so far: c99, jsd 0.41" in lines


def test_many_units_of_a_run_fit_too_and_running_ones_come_first() -> None:
    units = [unit(fold, seed) for seed in range(10) for fold in range(10)]
    view = ProgressView(units, 4, Console(quiet=True))
    train(view, units[70], 1)
    lines = screen(view, height=30)
    assert len(lines) <= 30
    assert lines[1].startswith("fold-0/seed-7")
    assert "and 80 more" in lines


def test_the_screen_says_the_use_of_the_machine_and_why_it_is_stopping() -> None:
    view = ProgressView([unit()], 4, Console(quiet=True))
    view.usage(Usage(8, 0.93, 3.1, 7.8, Gpus(2, 0.5, 10, 160)), 3600)
    view.stopping("Ctrl-C")
    text = "\n".join(screen(view, width=160))
    assert "CPU 93% of 8 · memory 3.1 of 7.8 GiB · 2 GPUs 50%, 10.0 of 160 GiB" in text
    assert "stops in 1h" in text
    assert "stopping, asked by Ctrl-C" in text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (epoch(2, loss=0.25), "epoch 2/4  validation loss 0.250  about 4s left"),
        ({"event": "bias epoch", "epoch": 2.0, "val_loss": 0.5}, "bias epoch 2/4  validation loss 0.500"),
        ({"event": "bias", "message": "good"}, "bias model: good"),
        (done(4), "done: best epoch 4 of 4"),
        (paused(2), "waits for its rung after epoch 2"),
        ({"event": "stopped"}, "stopped"),
        ({"event": "failed", "message": "diverged"}, "failed: diverged"),
    ],
)
def test_elsewhere_an_event_is_a_line_however_long(event: dict[str, Any], text: str) -> None:
    out = io.StringIO()
    view = ProgressView([unit()], 4, Console(file=out, width=20))
    view.started(unit())
    view.heard(unit(), event)
    assert out.getvalue().splitlines()[1].endswith(f"fold-0/seed-1: {text}")


def test_a_stage_is_no_line() -> None:
    view, out = plain()
    view.heard(unit(), {"event": "stage", "stage": "predict"})
    assert out.getvalue() == ""
    assert view.progress.line(unit()).state == "predicting"


def test_the_best_and_the_reason_to_stop_are_said_once() -> None:
    view, out = plain()
    for _ in range(2):
        view.best("lr=1", "jsd 0.4")
        view.stopping("Ctrl-C")
    assert [line.partition("] ")[2] for line in out.getvalue().splitlines()] == [
        "best so far: lr=1, jsd 0.4",
        "stopping, asked by Ctrl-C: running units end their epoch first",
    ]


def test_a_quiet_console_says_nothing() -> None:
    out = io.StringIO()
    with ProgressView([unit()], 4, Console(file=out, quiet=True)) as view:
        train(view, unit(), 2)
        view.stopping("Ctrl-C")
    assert out.getvalue() == ""


def test_time_left_is_that_of_the_epochs_to_come() -> None:
    progress = Progress([unit(fold) for fold in range(3)], 10)
    assert progress.time_left_s() is None
    progress.started(unit(0), None)
    progress.heard(unit(0), epoch(1, seconds=30))  # makes its graph
    progress.heard(unit(0), epoch(2, seconds=2))
    assert progress.time_left_s() == pytest.approx(2 * (8 + 10 + 10))
    progress.started(unit(1), None)
    assert progress.time_left_s() == pytest.approx(2 * (8 + 10 + 10) / 2), "two at a time"


def test_time_left_knows_that_patience_ends_units_early() -> None:
    progress = Progress([unit(0), unit(1)], 100)
    for n in range(1, 5):
        progress.heard(unit(0), epoch(n))
    progress.heard(unit(0), done(4))
    assert progress.time_left_s() == pytest.approx(2 * 4)


def test_time_left_of_a_search_is_known_when_it_says_what_it_plans() -> None:
    progress = Progress([], 10)
    for n in range(1, 3):
        progress.heard(unit(0, 1, "a"), epoch(n))
    assert progress.time_left_s() is None
    progress.planned_epochs = 12
    assert progress.time_left_s() == pytest.approx(2 * 10)


def test_time_left_of_a_race_that_is_taken_up_again_is_that_of_its_epochs_to_come(tmp_path: Path) -> None:
    """12 units of 20 epochs at most, 130 epochs in all; 3 are done, one has 19 epochs, one is paused after 5."""
    pending = [replace(unit(fold, 1, "a"), run_folder=str(tmp_path)) for fold in range(3, 12)]
    trained_before(pending[0], 19)
    trained_before(pending[1], 5)
    progress = Progress(pending, 20, finished=3)
    progress.planned_epochs = 130
    progress.started(pending[2], 5)
    progress.heard(pending[2], epoch(1))
    assert progress.time_left_s() == pytest.approx(2 * (130 - 3 * 20 - 19 - 5 - 1))
    progress.started(pending[0], None)
    assert progress.time_left_s() == pytest.approx(2 * 45 / 2), "it goes on where it was"
    progress.heard(pending[0], epoch(20))
    assert progress.time_left_s() == pytest.approx(2 * 44 / 2)


def test_a_training_of_a_race_that_ends_early_leaves_no_epochs() -> None:
    progress = Progress([unit(0, 1, "a"), unit(0, 1, "b")], 20)
    progress.planned_epochs = 40
    train(progress, unit(0, 1, "a"), 12)
    progress.heard(unit(0, 1, "a"), done(12))
    assert progress.time_left_s() == pytest.approx(2 * 20)


def test_time_left_of_a_run_counts_what_waiting_units_have_trained(tmp_path: Path) -> None:
    units = [replace(unit(fold), run_folder=str(tmp_path)) for fold in range(2)]
    trained_before(units[1], 7)
    progress = Progress(units, 10)
    progress.started(units[0], None)
    progress.heard(units[0], epoch(1))
    assert progress.time_left_s() == pytest.approx(2 * (9 + 3))


def test_units_join_when_they_are_heard_of() -> None:
    progress = Progress([], 10, finished=2, total=5)
    progress.heard(unit(0, 1, "a"), done(3))
    assert (progress.ended, progress.total, list(progress.lines)) == (3, 5, ["a/fold-0/seed-1"])


def test_a_unit_goes_on_after_its_rung() -> None:
    progress = Progress([], 20)
    train(progress, unit(), 5, until=5)  # type: ignore[arg-type]
    progress.heard(unit(), paused(5))
    line = progress.line(unit())
    assert (line.phase, line.epoch, line.epochs) == ("paused", 5, 5)
    progress.started(unit(), None)
    assert (line.phase, line.epoch, line.epochs) == ("running", 5, 20)
