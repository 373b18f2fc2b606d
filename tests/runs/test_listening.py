from __future__ import annotations

import io
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from kerasac.genome.folds import Fold
from kerasac.runs import listening
from kerasac.runs.listening import Listener
from kerasac.runs.progress import ProgressView
from kerasac.runs.stopping import stopping
from kerasac.runs.unit import Unit

UNIT = Unit(Fold(0, ("chr1",), ("chr2",), ("chr3",)), 1, "/runs/a")


class _Tracker:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda unit, *rest: self.calls.append((name, *rest))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    tracker = _Tracker()
    monkeypatch.setattr(listening, "finish", lambda unit, tracker: tracker.catch_up(unit))
    out = io.StringIO()
    view = ProgressView([UNIT], 4, Console(file=out))
    return SimpleNamespace(listener=Listener(view, lambda unit: tracker), tracker=tracker, out=out, view=view)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("event", "call"),
    [
        ({"event": "epoch", "epoch": 1, "val_loss": 2, "seconds": 1, "pid": 7}, ("epoch",)),
        ({"event": "paused", "epochs": 1, "best_epoch": 1}, ("pause",)),
        ({"event": "stopped", "message": "asked"}, ("interrupt",)),
        ({"event": "done", "epochs": 1, "best_epoch": 1}, ("catch_up",)),
        ({"event": "failed", "message": "diverged"}, ("fail", "diverged")),
    ],
)
def test_events_reach_the_store(heard: SimpleNamespace, event: dict[str, Any], call: tuple[str, ...]) -> None:
    heard.listener.started(UNIT)
    heard.listener.heard(UNIT, event)
    started, ended = heard.tracker.calls
    assert started == ("start",)
    assert ended[: len(call)] == call
    if call == ("epoch",):
        assert ended[1] == {"epoch": 1.0, "val_loss": 2.0, "seconds": 1.0}, "only the row of history.csv"


def test_a_stopped_unit_is_no_failure(heard: SimpleNamespace) -> None:
    heard.listener.heard(UNIT, {"event": "stopped", "message": "asked"})
    assert (heard.listener.stopped, heard.listener.failures) == ({UNIT.title}, {})
    heard.listener.started(UNIT)
    assert heard.listener.stopped == set()


def test_a_unit_that_is_tried_again_is_no_failure_until_it_fails(heard: SimpleNamespace) -> None:
    heard.listener.died(UNIT, "killed")
    assert heard.listener.failures == {UNIT.title: "killed"}
    heard.listener.started(UNIT)
    assert heard.listener.failures == {}


def test_the_signals_are_taken_back_from_tune(heard: SimpleNamespace, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with stopping(tmp_path) as stop:
        ours = signal.getsignal(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, lambda *of: None)  # as Tune does at the start of its run
        Listener(heard.view, lambda unit: heard.tracker, stop=stop).started(UNIT)
        assert signal.getsignal(signal.SIGUSR1) == ours
        signal.raise_signal(signal.SIGUSR1)
        assert stop.reason == "the signal SIGUSR1 of the job scheduler"
    assert signal.getsignal(signal.SIGUSR1) == before


def test_why_units_stop_is_shown_with_the_first_of_them(heard: SimpleNamespace, tmp_path: Path) -> None:
    with stopping(tmp_path) as stop:
        stop.ask("the time limit of 1h")
        Listener(heard.view, lambda unit: heard.tracker, stop=stop).heard(UNIT, {"event": "stopped"})
    assert "asked by the time limit of 1h" in heard.out.getvalue().splitlines()[0]
