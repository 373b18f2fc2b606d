"""Ingest tables are seqdataloader's; what is wrong with one is said by name and line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kerasac.errors import StoreError
from kerasac.store.tables import BUILT_IN_ATTRIBUTES, AttributeType, read_attributes, read_metadata


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.bw", "b.bw", "a.bed"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "table.tsv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("header", ["", "attribute\ttype\n", "# name and type\n\n"])
def test_attributes_keep_their_order(tmp_path: Path, header: str) -> None:
    found = read_attributes(write(tmp_path, f"{header}z\tbigwig\na\tbed_no_summit\r\n"))
    assert list(found.items()) == [("z", AttributeType.BIGWIG), ("a", AttributeType.BED_NO_SUMMIT)]


def test_built_in_set_stands_in_place_of_a_path() -> None:
    assert list(read_attributes("generic_bigwig")) == ["bigwig_track", "ambig_peak"]
    assert len(read_attributes("encode_pipeline")) == 8
    assert len(read_attributes(Path("encode_pipeline_with_controls"))) == 11


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tbigwig\nb\tbigwigg\n", "line 2: unknown type 'bigwigg' of b; did you mean 'bigwig'"),
        ("a\tbigwig\na\tbigwig\n", "line 2: attribute a is listed twice"),
        ("a bigwig\n", "line 1: expected 'name<TAB>type', found 'a bigwig'"),
        ("\n", "lists no attribute"),
    ],
)
def test_wrong_attributes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        read_attributes(write(tmp_path, text))


def test_unknown_set_names_those_there_are() -> None:
    with pytest.raises(StoreError, match="encode_pipelin is neither a file nor a built-in set") as caught:
        read_attributes("encode_pipelin")
    assert all(name in str(caught.value) for name in BUILT_IN_ATTRIBUTES)


def test_files_are_relative_to_the_table_and_cells_may_be_empty(folder: Path) -> None:
    path = write(folder, f"dataset\tbw\tbed\nx\ta.bw\t\ny\t{folder}/b.bw\ta.bed\nz\tNA\n")
    found = read_metadata(path, ["bed", "bw"])
    assert [dataset.name for dataset in found] == ["x", "y", "z"]
    assert [dict(dataset.files) for dataset in found] == [
        {"bed": None, "bw": folder / "a.bw"},
        {"bed": folder / "a.bed", "bw": folder / "b.bw"},
        {"bed": None, "bw": None},
    ]


def test_file_in_the_working_directory_is_the_second_choice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = folder / "tables"
    tables.mkdir()
    monkeypatch.chdir(folder)
    (found,) = read_metadata(write(tables, "dataset\tbw\nx\ta.bw\n"), ["bw"])
    assert found.files["bw"] == Path("a.bw")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset\tbw\nx\ta.bw\nx\tb.bw\n", "line 3: dataset x is listed twice"),
        ("dataset\tbw2\nx\ta.bw\n", "has no column 'bw'; did you mean 'bw2'"),
        ("name\tbw\nx\ta.bw\n", "has no column 'dataset'"),
        ("dataset\tbw\n", "lists no dataset"),
        ("dataset\tbw\tbw\nx\ta.bw\tb.bw\n", "two columns named 'bw'"),
        ("dataset\tbw\nx\ta.bw\tb.bw\n", "line 2 has 3 columns, its header 2"),
        ("dataset\tbw\n\ta.bw\n", "line 2 names no dataset"),
    ],
)
def test_wrong_metadata_is_named(folder: Path, text: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        read_metadata(write(folder, text), ["bw"])


def test_all_missing_files_are_listed_at_once(folder: Path) -> None:
    path = write(folder, "dataset\tbw\tbed\nx\tgone.bw\ta.bed\ny\tb.bw\tgone.bed\n")
    with pytest.raises(StoreError, match="names 2 files that do not exist") as caught:
        read_metadata(path, ["bw", "bed"])
    assert f"{folder}/gone.bw (bw of x)" in str(caught.value)
    assert f"{folder}/gone.bed (bed of y)" in str(caught.value)


def test_columns_that_are_no_attribute_are_ignored_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_metadata(write(folder, "dataset\tbw\tnote\nx\ta.bw\tgood\n"), ["bw"])
    assert "no attribute are ignored: note" in caplog.text
