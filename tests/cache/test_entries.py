"""An entry of the cache is built once, whole, whoever asks for it, and dropped only when nobody uses it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from kerasac.cache import cache_folder, entries, entry, make_room, shrink
from kerasac.cache.manifest import size_bytes
from kerasac.errors import CacheError, RunError

TEXT = "whole " * 1_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERASAC_CACHE_GB", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def forgotten(cache: Path) -> Iterator[Callable[[], None]]:
    """Call it to let go of every entry, as the end of a process does."""

    def forget() -> None:
        for path in [path for path in entries._held if path.is_relative_to(cache)]:
            entries._held.pop(path).close()

    yield forget
    forget()


def build(folder: Path) -> None:
    """Leave a line for every build in a log beside the cache."""
    with (cache_folder().parent / "log").open("a") as log:
        log.write(f"{folder.name}\n")
    (folder / "a.txt").write_text(TEXT)


def build_slowly(folder: Path) -> None:
    time.sleep(0.2)
    build(folder)


def builds(cache: Path) -> int:
    log = cache.parent / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


SCRIPT = """
import sys, time
from pathlib import Path
from kerasac.cache import cache_folder, entry

def build(folder):
    with (cache_folder().parent / "log").open("a") as log:
        log.write("built\\n")
    time.sleep(0.3)
    (folder / "a.txt").write_text("whole")

assert (entry("kind/a", build) / "a.txt").read_text() == "whole"
"""


def test_processes_that_ask_at_once_build_once(cache: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", SCRIPT]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert builds(cache) == 1


def test_threads_that_ask_at_once_build_once(cache: Path) -> None:
    threads = [threading.Thread(target=entry, args=("kind/a", build_slowly)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builds(cache) == 1
    assert (cache / "kind" / "a" / "a.txt").read_text() == TEXT


def test_builder_that_is_killed_leaves_its_work_to_the_next(cache: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.replace("time.sleep(0.3)", "print(flush=True); time.sleep(60)")],
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    assert names(cache / "kind") == {"a.partial"}
    assert (entry("kind/a", build) / "a.txt").read_text() == TEXT
    assert names(cache / "kind") == {"a"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_build_leaves_nothing_and_the_next_succeeds(cache: Path, error: type[BaseException]) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(error):
        entry("kind/a", fail)
    assert names(cache / "kind") == set()
    assert (entry("kind/a", build) / "a.txt").read_text() == TEXT


def damage_truncated(folder: Path) -> None:
    with (folder / "a.txt").open("r+b") as file:
        file.truncate(100)


def damage_missing(folder: Path) -> None:
    (folder / "a.txt").unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"files": {"a.')


def damage_bit(folder: Path) -> None:
    content = bytearray((folder / "a.txt").read_bytes())
    content[500] ^= 1
    (folder / "a.txt").write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [damage_truncated, damage_missing, damage_manifest])
def test_damaged_entry_is_said_and_built_again(
    cache: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(entry("kind/a", build))
    assert (entry("kind/a", build) / "a.txt").read_text() == TEXT
    assert builds(cache) == 2
    assert "kind/a is damaged" in caplog.text


def test_changed_byte_is_found_when_entries_are_verified(cache: Path) -> None:
    damage_bit(entry("kind/a", build))
    entry("kind/a", build)
    assert builds(cache) == 1, "a look at the sizes cannot show it"
    assert (entry("kind/a", build, verify=True) / "a.txt").read_text() == TEXT
    entry("kind/a", build, verify=True)
    assert builds(cache) == 2


def test_files_in_folders_of_an_entry_count(cache: Path) -> None:
    def build_deep(folder: Path) -> None:
        (folder / "deep").mkdir()
        build(folder / "deep")

    damage_truncated(entry("kind/a", build_deep) / "deep")
    entry("kind/a", build_deep)
    assert builds(cache) == 2


def test_cleared_cache_is_filled_again_by_a_process_that_used_it(cache: Path) -> None:
    entry("kind/a", build)
    shutil.rmtree(cache)
    assert (entry("kind/a", build) / "a.txt").read_text() == TEXT
    assert builds(cache) == 2


def test_entry_without_locks_can_be_dropped(cache: Path, forgotten: Callable[[], None]) -> None:
    entry("kind/a", build)
    forgotten()
    shutil.rmtree(cache / "locks")
    assert shrink(0) == ["kind/a"]


def use(name: str, seconds: int) -> None:
    """Make an entry that was used last so many seconds after the epoch."""
    entry(name, build)
    (lock,) = (cache_folder() / "locks").glob(f"{name.replace('/', '.')}.use")
    os.utime(lock, (seconds, seconds))


def test_oldest_entries_go_first_until_the_rest_fits(cache: Path, forgotten: Callable[[], None]) -> None:
    for name, seconds in (("kind/b", 2), ("other/a", 1), ("kind/c", 3)):
        use(name, seconds)
    forgotten()
    size = size_bytes(cache / "kind" / "b")
    assert shrink(2 * size) == ["other/a"]
    assert shrink(size) == ["kind/b"]
    assert names(cache / "kind") == {"c"}
    assert shrink(size) == []


def test_what_a_process_uses_is_kept(cache: Path, forgotten: Callable[[], None]) -> None:
    use("kind/a", 1)
    forgotten()
    holder = subprocess.Popen(
        [sys.executable, "-c", "from kerasac.cache import entry; entry('kind/a', None); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    assert shrink(0) == []
    holder.communicate(b"\n")
    assert shrink(0) == ["kind/a"]


def test_building_keeps_the_limit(cache: Path, forgotten: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    use("kind/old", 1)
    forgotten()
    monkeypatch.setenv("KERASAC_CACHE_GB", "0.00001")
    entry("kind/new", build)
    assert names(cache / "kind") == {"new"}


def test_entries_that_surely_fit_are_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes long where there are many, and one after each of 1,200 took 100 s."""
    looks: list[None] = []
    look_through = entries._entries
    monkeypatch.setattr(entries, "_entries", lambda: looks.append(None) or look_through())
    for name in "abc":
        entry(f"kind/{name}", build)
    assert len(looks) == 1


def test_each_process_looks_through_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry("kind/a", build)
    (cache / "kind" / "left.partial").mkdir()
    monkeypatch.setattr(entries, "_looked_through", set())  # as in another process
    entry("kind/b", build)
    assert names(cache / "kind") == {"a", "b"}


def test_what_other_processes_build_counts(
    cache: Path, forgotten: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use("kind/old", 1)
    forgotten()
    monkeypatch.setenv("KERASAC_CACHE_GB", f"{2.5 * size_bytes(cache / 'kind' / 'old') / 1e9:.9f}")
    subprocess.run([sys.executable, "-c", SCRIPT.replace('"whole"', '"whole " * 1_000')], check=True)
    assert names(cache / "kind") == {"old", "a"}
    entry("kind/new", build)
    assert names(cache / "kind") == {"a", "new"}


@pytest.mark.parametrize("clear", [lambda count: count.write_text("1 2"), Path.unlink])
def test_lost_count_is_made_again(
    cache: Path, forgotten: Callable[[], None], monkeypatch: pytest.MonkeyPatch, clear: Callable[[Path], object]
) -> None:
    use("kind/old", 1)
    forgotten()
    monkeypatch.setenv("KERASAC_CACHE_GB", f"{1.5 * size_bytes(cache / 'kind' / 'old') / 1e9:.9f}")
    clear(cache / "locks" / "bytes")
    entry("kind/new", build)
    assert names(cache / "kind") == {"new"}


def test_size_of_an_entry_is_that_of_its_files(cache: Path) -> None:
    folder = entry("kind/a", build)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size_bytes(folder) == size
    damage_manifest(folder)
    assert size_bytes(folder) == sum(path.stat().st_size for path in folder.iterdir())


def test_limit_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASAC_CACHE_GB", "many")
    with pytest.raises(CacheError, match="KERASAC_CACHE_GB is 'many'; it takes a number of gigabytes"):
        entry("kind/a", build)


def test_full_disk_is_one_clear_error_and_leaves_no_half_entry(tmp_path: Path) -> None:
    """A file that may not grow stands for a disk without room: the system says no in the same way."""
    script = """
import resource
from kerasac.cache import entry
from kerasac.errors import CacheError

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    entry("kind/a", lambda folder: (folder / "a").write_bytes(bytes(200_000)))
except CacheError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "no room in the cache" in done.stdout
    assert "set KERASAC_CACHE to a folder on another disk" in done.stdout
    assert names(tmp_path / "cache" / "kind") == set()


def test_room_is_asked_for_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        CacheError, match=r"needs 1000000000\.00 GB more, and its disk lacks .*compute\.reader to blocks"
    ):
        make_room(10**18)


def test_room_is_made_by_dropping_old_entries(
    cache: Path, forgotten: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use("kind/a", 1)
    use("kind/b", 2)
    forgotten()

    def usage(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=0 if (cache / "kind" / "a").exists() else 1_000)

    monkeypatch.setattr("shutil.disk_usage", usage)
    make_room(1_000)
    assert names(cache / "kind") == {"b"}


def test_room_is_made_of_what_killed_builders_left_before_entries_are_dropped(
    cache: Path, forgotten: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use("kind/a", 1)
    forgotten()
    left = cache / "kind" / "left.partial"
    left.mkdir()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0 if left.exists() else 1_000))
    make_room(1_000)
    assert names(cache / "kind") == {"a"}


def test_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    with pytest.raises(CacheError, match=r"cannot write the cache .*set KERASAC_CACHE"):
        entry("kind/a", refused)


def test_builder_that_opens_too_many_files_is_told_so() -> None:
    def refused(folder: Path) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(CacheError, match="files open that it may"):
        entry("kind/a", refused)


def test_entry_that_cannot_be_opened_for_want_of_handles_is_not_made_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    entry("kind/a", build)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refused)
        with pytest.raises(CacheError, match="files open that it may"):
            entry("kind/a", build)
    assert builds(cache) == 1


def test_other_errors_are_not_explained_away(cache: Path) -> None:
    def fail(folder: Path) -> None:
        raise RunError("the builder's own")

    with pytest.raises(RunError, match="the builder's own"):
        entry("kind/a", fail)
    with pytest.raises(FileNotFoundError):
        entry("kind/a", lambda folder: (folder / "missing").read_text() and None)


def test_manifest_lists_every_file(cache: Path) -> None:
    manifest = json.loads((entry("kind/a", build) / "manifest.json").read_text())
    assert list(manifest["files"]) == ["a.txt"]
    assert manifest["files"]["a.txt"][0] == len(TEXT)


def test_cache_folder_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("KERASAC_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "kerasac-ray"


def test_what_a_killed_builder_left_is_removed_with_the_next_entry(cache: Path) -> None:
    for name in ("left", "building"):
        (cache / "kind" / f"{name}.partial").mkdir(parents=True)
        (cache / "kind" / f"{name}.partial" / "half").write_bytes(b"x" * 1000)
    (cache / "locks").mkdir(exist_ok=True)
    with (cache / "locks" / "kind.building.build").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as whoever builds holds it
        entry("kind/other", lambda folder: (folder / "file").touch())
        assert sorted(path.name for path in (cache / "kind").iterdir()) == ["building.partial", "other"]
