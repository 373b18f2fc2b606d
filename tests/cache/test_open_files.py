"""A process may open as many files as its tracks take, and is told so when it may not."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kerasac.cache import open_files

SCRIPT = """
import os, resource, sys
from kerasac.cache import entry
from kerasac.errors import CacheError

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
try:
    for i in range(200):
        entry(f"kind/{i}", lambda folder: (folder / "a").touch())
    print("opened all, of", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
except CacheError as error:
    others = [open(os.devnull) for _ in range(32)]
    print(error)
"""


def opened(cache: Path, soft: int, hard: int) -> str:
    """Use 200 entries in a process that may open so many files; return what it says."""
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard)]
    environment = os.environ | {"KERASAC_CACHE": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_limit_is_raised_to_what_the_system_allows(tmp_path: Path) -> None:
    assert opened(tmp_path, 128, 1_000) == "opened all, of 1000"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((1_024, 4_096), (4_096, 4_096)),
        ((1_024, 1 << 30), (1 << 16, 1 << 30)),
        ((256, resource.RLIM_INFINITY), (1 << 16, resource.RLIM_INFINITY)),
        ((1 << 17, 1 << 20), None),
        ((4_096, 4_096), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_limit_is_raised_to_enough_and_never_lowered(
    limits: tuple[int, int], expected: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: asked.append(wanted))
    open_files._raise_limit.__wrapped__()
    assert asked == ([] if expected is None else [expected])


def test_limit_that_cannot_be_raised_is_named_while_others_can_still_open_files(tmp_path: Path) -> None:
    said = opened(tmp_path, 128, 128)
    assert "nearly all of the 128 files open that it may" in said
    assert "ulimit -n" in said
