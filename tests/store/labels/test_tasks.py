from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kerasac.errors import StoreError
from kerasac.store.labels.spec import Approach, LabelSpec, Statistic
from kerasac.store.labels.tasks import LabelTask, check_tasks, read_tasks

HEADER = "task\tnarrowPeak\tbigwig\tambig\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("p.bed", "s.bw", "a.bed"):
        (tmp_path / name).touch()
    return tmp_path


def table(folder: Path, text: str) -> Path:
    (folder / "tasks.tsv").write_text(text)
    return folder / "tasks.tsv"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}one\tp.bed\ts.bw\ta.bed\n",
        "task\tambig\tbigwig\tnarrowPeak\none\ta.bed\ts.bw\tp.bed\n",
        "one\tp.bed\ts.bw\ta.bed\n",
        f"{HEADER}one\tp.bed\ts.bw\ta.bed\r\n",
    ],
)
def test_columns_are_found_by_name_or_by_order(folder: Path, text: str) -> None:
    (task,) = read_tasks(table(folder, text))
    assert task == LabelTask("one", folder / "p.bed", folder / "s.bw", folder / "a.bed")


@pytest.mark.parametrize("text", [f"{HEADER}one\tp.bed\t\tNA\n", "task\tnarrowPeak\none\tp.bed\n", "one\tp.bed\n"])
def test_empty_and_absent_cells_are_no_file(folder: Path, text: str) -> None:
    assert read_tasks(table(folder, text)) == (LabelTask("one", folder / "p.bed", None, None),)


def test_paths_are_relative_to_the_data_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (task,) = read_tasks(table(elsewhere, "one\tp.bed\n"), base=folder)
    assert task.peaks == folder / "p.bed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no task; expected a header"),
        (HEADER, "lists no task"),
        ("task\tnarrowpeak\none\tp.bed\n", "has a column 'narrowpeak'; did you mean 'narrowPeak'"),
        ("task\tambig\tambig\n", "two columns named 'ambig'"),
        (f"{HEADER}one\tp.bed\none\tp.bed\n", "line 3: task one is listed twice"),
        (f"{HEADER}\tp.bed\n", "line 2 names no task"),
        (f"{HEADER}START\tp.bed\n", "a task cannot be called START"),
        ("one\tp.bed\ts.bw\ta.bed\tx\n", "line 1 has 5 columns"),
        (f"{HEADER}one\tx.bed\t\ty.bed\n", r"2 files that do not exist(?s:.*)x.bed \(narrowPeak of one\)"),
    ],
)
def test_mistake_in_the_table_is_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read_tasks(table(folder, text))


def test_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"tasks\.tsv does not exist"):
        read_tasks(tmp_path / "tasks.tsv")


@pytest.mark.parametrize(
    ("approach", "column"),
    [
        (Approach.SUMMIT_CLASSIFICATION, "narrowPeak"),
        (Approach.OVERLAP_CLASSIFICATION, "narrowPeak"),
        (Approach.SUMMIT_REGRESSION, "bigwig"),
        (Approach.OVERLAP_REGRESSION, "bigwig"),
        (Approach.ALL_BINS_REGRESSION, "bigwig"),
    ],
)
def test_file_that_an_approach_needs_is_asked_for(approach: Approach, column: str) -> None:
    here = Path()
    task = LabelTask("one", None if column == "narrowPeak" else here, here if column == "narrowPeak" else None, None)
    with pytest.raises(StoreError, match=f"task one has no {column} file, which {approach} needs"):
        check_tasks((task,), LabelSpec(approach))


def test_ambiguous_regions_that_are_not_used_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_tasks((LabelTask("one", Path(), None, Path()),), LabelSpec(Approach.SUMMIT_CLASSIFICATION))
    assert "not used: ambiguous bins were not asked for" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 0}, "the overlap threshold is 0; give a fraction above 0"),
        ({"overlap": 50}, "the overlap threshold is 50"),
        ({"pseudocount": -1}, "the pseudocount is -1"),
        ({"statistic": Statistic.MAX}, "labels bins with their mean; max is for"),
    ],
)
def test_options_that_cannot_be_meant_are_an_error(options: dict[str, float], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        LabelSpec(Approach.ALL_BINS_REGRESSION, **options)  # type: ignore[arg-type]
