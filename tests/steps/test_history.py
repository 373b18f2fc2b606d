"""What is written to history.csv is read back, digit by digit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasac.steps.history import read_history, write_history

rows = st.lists(
    st.fixed_dictionaries({name: st.floats(allow_nan=False) for name in ("epoch", "loss", "val_loss")}), min_size=1
)


@given(rows)
def test_rows_are_read_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, float]]) -> None:
    path = tmp_path_factory.getbasetemp() / "history.csv"
    write_history(path, rows)
    assert read_history(path) == rows


def test_no_file_is_no_epochs(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history.csv") == []


def test_epochs_are_written_as_whole_numbers(tmp_path: Path) -> None:
    write_history(tmp_path / "h.csv", [{"epoch": 1.0, "loss": 0.25}, {"epoch": 2.0, "loss": 1e-9}])
    assert (tmp_path / "h.csv").read_text() == "epoch,loss\n1,0.25\n2,1e-09\n"
    assert pd.read_csv(tmp_path / "h.csv")["epoch"].tolist() == [1, 2]


def test_not_a_number_survives(tmp_path: Path) -> None:
    write_history(tmp_path / "h.csv", [{"epoch": 1.0, "loss": float("nan")}])
    assert str(read_history(tmp_path / "h.csv")) == "[{'epoch': 1.0, 'loss': nan}]"
