"""Whatever runs shards gives what one process would."""

from __future__ import annotations

import os
import threading
import time

import pytest

from kerasac.cache import in_process, in_threads
from kerasac.cache.shards import ShardMap


@pytest.mark.parametrize("shards", [in_process, in_threads])
def test_every_shard_is_run_once(shards: ShardMap) -> None:
    assert sorted(shards(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    assert list(shards(lambda n: n, [])) == []


def test_threads_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    both = threading.Barrier(2, timeout=20)  # a single thread would wait here until the time is out
    assert len(list(in_threads(lambda n: both.wait(), range(2)))) == 2


def test_error_of_a_shard_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    begun = []

    def work(n: int) -> None:
        begun.append(n)
        time.sleep(0.01)
        if n == 3:
            raise ValueError("shard 3")

    with pytest.raises(ValueError, match="shard 3"):
        list(in_threads(work, range(1000)))
    assert len(begun) < 20
