"""A cached file is built once, whole, whoever asks for it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kerasac.cache import built_once, cache_folder, content_digest, digest, file_facts, remove, whole_file, write_whole


def build_slowly(target: Path) -> None:
    """Leave a line for every build in a log beside."""
    with (target.parent / "log").open("a") as log:
        log.write("built\n")
    time.sleep(0.2)
    target.write_text("whole")


def ask(target: Path) -> None:
    assert built_once(target, build_slowly).read_text() == "whole"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_two_processes_build_once(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from kerasac.cache import built_once

def build(target):
    with (target.parent / "log").open("a") as log:
        log.write("built\\n")
    time.sleep(0.3)
    target.write_text("whole")

assert built_once(Path(sys.argv[1]), build).read_text() == "whole"
"""
    command = [sys.executable, "-c", script, str(tmp_path / "a")]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert (tmp_path / "log").read_text() == "built\n"


def test_two_threads_build_once(tmp_path: Path) -> None:
    threads = [threading.Thread(target=ask, args=(tmp_path / "a",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "log").read_text() == "built\n"


def test_what_is_there_is_not_built_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    assert built_once(tmp_path / "a", pytest.fail).read_text() == "old"


def test_folders_are_built_too(tmp_path: Path) -> None:
    def build(target: Path) -> None:
        target.mkdir()
        (target / "inner").write_text("x")

    assert (built_once(tmp_path / "deep" / "a", build) / "inner").read_text() == "x"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_build_leaves_nothing_and_the_next_succeeds(tmp_path: Path, error: type[BaseException]) -> None:
    def fail(target: Path) -> None:
        target.write_text("half")
        raise error

    with pytest.raises(error):
        built_once(tmp_path / "a", fail)
    assert names(tmp_path) == {"a.lock"}
    assert built_once(tmp_path / "a", lambda target: target.write_text("whole") and None).read_text() == "whole"


def test_killed_build_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "half").write_text("x")
    assert built_once(tmp_path / "a", lambda target: target.write_text("whole") and None).read_text() == "whole"
    assert names(tmp_path) == {"a", "a.lock"}


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


def test_cache_folder_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("KERASAC_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "kerasac-ray"


def test_content_digest_is_that_of_the_bytes_and_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "values"
    file.write_bytes(b"ACGT")
    assert content_digest(file) == hashlib.sha256(b"ACGT").hexdigest()
    assert (tmp_path / "values.sha256").read_text() == content_digest(file)
