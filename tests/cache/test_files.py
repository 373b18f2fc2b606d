"""A file is written whole or not at all, and its state is told without reading it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasac.cache import digest, file_facts, remove, remove_parts, reserve, whole_file, write_whole


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_write_whole_replaces_and_makes_folders(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "a.txt", "one")
    write_whole(tmp_path / "deep" / "a.txt", "zwei – drei")
    assert (tmp_path / "deep" / "a.txt").read_text(encoding="utf-8") == "zwei – drei"
    assert names(tmp_path / "deep") == {"a.txt"}


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def fail_halfway() -> None:
        with whole_file(tmp_path / "a") as beside:
            beside.write_text("half")
            raise ValueError("halfway")

    (tmp_path / "a").write_text("old")
    with pytest.raises(ValueError, match="halfway"):
        fail_halfway()
    assert names(tmp_path) == {"a"}
    assert (tmp_path / "a").read_text() == "old"


def test_remove_takes_files_folders_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "nothing"):
        remove(tmp_path / name)
    assert not names(tmp_path)


def test_remove_takes_a_link_and_leaves_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").touch()
    (tmp_path / "link").symlink_to("folder")
    remove(tmp_path / "link")
    assert names(tmp_path) == {"folder"}
    assert names(tmp_path / "folder") == {"inner"}


def test_parts_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = {f".a.{os.getppid()}.part", f".b.{dead.pid}.part", ".a.part", "a"}
    for name in (*kept, f".a.{dead.pid}.part", f".a.tsv.{dead.pid}.part"):
        (tmp_path / name).touch()
    remove_parts(tmp_path, {"a", "a.tsv"})
    assert names(tmp_path) == kept


def test_digest_follows_every_fact_but_not_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    assert len({digest(facts) for facts in ({}, {"a": 1}, {"a": "1"}, {"b": 1}, {"a": None})}) == 5


def test_file_facts_change_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    before = file_facts(path)
    path.write_text("12")
    assert file_facts(path) != before


def test_reserved_file_has_its_length_and_its_room(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as out:
        out.write(b"head")
        out.flush()
        reserve(out, 10_000)
    assert (tmp_path / "a").read_bytes() == b"head".ljust(10_000, b"\0")
    assert (tmp_path / "a").stat().st_blocks * 512 >= 10_000
