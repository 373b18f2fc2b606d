"""A fold table is the same after it was written in any format and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import write_json

from kerasac.errors import FoldError
from kerasac.genome.fold_files import (
    FoldFormat,
    FoldLists,
    open_fold_table,
    read_fold_lists,
    read_folds,
    write_fold_table,
)
from kerasac.genome.folds import BUILT_IN, Fold, built_in_folds, rotated_folds

TABLE = (Fold(0, ("c",), ("b",), ("a",)), Fold(1, ("a",), ("c",), ("b",)), Fold(2, ("b",), ("a",), ("c",)))


def checked(table: tuple[FoldLists, ...]) -> tuple[Fold, ...]:
    return tuple(lists.checked() for lists in table)


@pytest.mark.parametrize("form", FoldFormat)
@pytest.mark.parametrize("table", [TABLE, built_in_folds("kerasac-10")], ids=["three", "ten"])
def test_written_table_is_read_back(tmp_path: Path, form: FoldFormat, table: tuple[Fold, ...]) -> None:
    written = write_fold_table(table, tmp_path / "table", form)
    assert checked(open_fold_table([str(tmp_path / "table")])) == table
    assert read_folds(written) == table


def test_chrombpnet_format_is_one_file_a_fold(tmp_path: Path) -> None:
    written = write_fold_table(TABLE, tmp_path / "splits", FoldFormat.CHROMBPNET)
    assert written == [tmp_path / "splits" / f"fold_{k}.json" for k in range(3)]
    assert json.loads(written[1].read_text()) == {"train": ["a"], "valid": ["c"], "test": ["b"]}


def test_bpnet_format_has_string_keys_and_val(tmp_path: Path) -> None:
    (written,) = write_fold_table(TABLE[:2], tmp_path / "splits.json", FoldFormat.BPNET)
    assert json.loads(written.read_text()) == {
        "0": {"test": ["a"], "val": ["b"], "train": ["c"]},
        "1": {"test": ["b"], "val": ["c"], "train": ["a"]},
    }


def test_our_format_has_string_keys_and_valid(tmp_path: Path) -> None:
    (written,) = write_fold_table(TABLE[:1], tmp_path / "folds.json")
    assert json.loads(written.read_text()) == {"0": {"train": ["c"], "valid": ["b"], "test": ["a"]}}


def test_files_of_a_folder_are_ordered_by_number(tmp_path: Path) -> None:
    for k in (10, 2, 0):
        write_json(tmp_path / f"fold_{k}.json", TABLE[0].as_dict())
    write_json(tmp_path / "fold_x.json", {})
    assert [lists.index for lists in open_fold_table([str(tmp_path)])] == [0, 2, 10]


@pytest.mark.parametrize("scheme", BUILT_IN)
def test_built_in_table_goes_by_its_name(scheme: str) -> None:
    assert checked(open_fold_table([scheme])) == built_in_folds(scheme)


@pytest.mark.parametrize(
    ("form", "name"), [(FoldFormat.CHROMBPNET, "splits"), (FoldFormat.BPNET, "f"), (FoldFormat.KERASAC_RAY, "f")]
)
def test_table_that_is_there_is_replaced_only_when_asked(tmp_path: Path, form: FoldFormat, name: str) -> None:
    write_fold_table(TABLE, tmp_path / name, form)
    with pytest.raises(FoldError, match="already; name another"):
        write_fold_table(TABLE[:2], tmp_path / name, form)
    assert checked(open_fold_table([str(tmp_path / name)])) == TABLE
    write_fold_table(TABLE[:2], tmp_path / name, form, overwrite=True)
    assert checked(open_fold_table([str(tmp_path / name)])) == TABLE[:2]


def test_other_files_of_a_folder_stay(tmp_path: Path) -> None:
    write_json(tmp_path / "fold_notes.json", {})
    write_fold_table(TABLE, tmp_path, FoldFormat.CHROMBPNET)
    write_fold_table(TABLE[:1], tmp_path, FoldFormat.CHROMBPNET, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold_0.json", "fold_notes.json"]


@pytest.mark.parametrize(
    ("form", "name", "message"),
    [
        (FoldFormat.CHROMBPNET, "folds.json", "is a file's name; the chrombpnet format is a folder"),
        (FoldFormat.CHROMBPNET, "file", "is a file's name; the chrombpnet format is a folder"),
        (FoldFormat.BPNET, "folder", "is a folder; the bpnet format is one file"),
        (FoldFormat.KERASAC_RAY, "folder", "is a folder; the kerasac-ray format is one file"),
    ],
)
def test_file_and_folder_are_not_mixed_up(tmp_path: Path, form: FoldFormat, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(FoldError, match=message):
        write_fold_table(TABLE, tmp_path / name, form, overwrite=True)


def test_lists_are_read_as_they_are_even_when_wrong(tmp_path: Path) -> None:
    path = write_json(tmp_path / "f.json", {"0": {"train": ["a", "b"], "val": [], "test": ["b", "b"]}})
    assert read_fold_lists([path]) == (FoldLists(str(path), 0, ("a", "b"), (), ("b", "b")),)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"0": {"train": ["a"], "val": ["b"], "test": ["b"]}}, r"f\.json: b in both valid and test of fold 0"),
        ({"train": ["a"], "valid": ["a"], "test": ["b"]}, r"f\.json: a in both train and valid of fold 0"),
        ({"folds": [["a"], ["b"], ["a"]]}, r"f\.json: a in both"),
        ({"0": {"train": ["a"], "val": [], "test": ["b"]}}, r"f\.json: fold 0 has no valid chromosome"),
    ],
)
def test_fold_that_leaks_is_named_with_its_file(tmp_path: Path, document: Any, expected: str) -> None:
    with pytest.raises(FoldError, match=expected):
        read_folds([write_json(tmp_path / "f.json", document)])


def test_groups_take_turns_even_when_they_share_chromosomes(tmp_path: Path) -> None:
    groups = [["a"], ["b"], ["c"]]
    path = write_json(tmp_path / "f.json", {"folds": groups})
    assert read_folds([path]) == rotated_folds(groups)
    (first, *_) = read_fold_lists([write_json(path, {"folds": [["a"], ["b"], ["c", "a"]]})])
    assert (first.test, first.valid, first.train) == (("a",), ("b",), ("c", "a"))


def test_several_files_are_folds_in_their_order(tmp_path: Path) -> None:
    paths = [write_json(tmp_path / f"{name}.json", fold.as_dict()) for name, fold in zip("zyx", TABLE, strict=True)]
    assert read_folds(paths) == TABLE
    assert read_folds(paths[:1]) == TABLE[:1]


def test_folds_of_a_file_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    one = TABLE[0].as_dict()
    folds = read_folds([write_json(tmp_path / "f.json", {"10": one, "2": one, "0": one})])
    assert [fold.index for fold in folds] == [0, 2, 10]


@pytest.mark.shared
def test_the_teams_table_is_read(shared_dir: Path) -> None:
    folds = read_folds([shared_dir / "data" / "yeast-atac" / "folds.json"])
    assert [len(fold.test) for fold in folds] == [3, 3, 3, 3, 4]
    assert folds[0].valid == folds[1].test


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"folds": [["a"], ["b"]]}, r"f\.json: the number of folds is 2"),
        ({"folds": ["a", "b", "c"]}, r"f\.json: item 0 of folds is 'a'; expected a list"),
        ({"0": {"train": "a", "val": ["b"], "test": ["c"]}}, r"f\.json: train of fold 0 is 'a'; expected a list"),
        ({"0": {"train": [1], "val": ["b"], "test": ["c"]}}, r"f\.json: train of fold 0 is \[1\]; expected a list"),
        ({"0": ["a"]}, r"fold 0 of .*f\.json is \['a'\]; expected lists named train"),
        (
            {"0": {"train": ["a"], "test": ["b"]}},
            r"f\.json needs train, valid and test; it has train, test",
        ),
        ({"fold0": {}}, r"f\.json has neither"),
        ([["a"]], r"f\.json holds a list"),
    ],
)
def test_malformed_table_is_named(tmp_path: Path, document: Any, expected: str) -> None:
    with pytest.raises(FoldError, match=expected):
        open_fold_table([str(write_json(tmp_path / "f.json", document))])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none.json", "no fold table 'none.json': not a file"),
        ("hg38_5", "no fold table 'hg38_5': not a file, nor built in; did you mean 'hg38-5'"),
        ("broken.json", "broken.json is not JSON"),
        ("bytes.json", "bytes.json is not JSON"),
        ("empty", "empty has no fold_0.json"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("bytes.json").write_bytes(b"\xff\xfe{}")
    Path("empty").mkdir()
    with pytest.raises(FoldError, match=expected):
        open_fold_table([name])


def test_built_in_table_stands_alone() -> None:
    with pytest.raises(FoldError, match="hg38-5 is a table of its own; name it alone"):
        open_fold_table(["hg38-5", "kerasac-10"])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FoldError, match=r"none\.json does not exist"):
        read_folds([tmp_path / "none.json"])
