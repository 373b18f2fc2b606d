from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from threading import Event, Lock, current_thread

import pytest

from kerasac.runs.store_queue import Job, StoreQueue


class AwayError(Exception):
    pass


def queue(*pauses_s: float) -> StoreQueue:
    made = StoreQueue("the store", lambda error: isinstance(error, AwayError), str)
    made.pauses_s = pauses_s or (0.01,)
    return made


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.005)


def test_put_returns_at_once_while_the_store_is_slow() -> None:
    slow, sent = Event(), []
    jobs = queue()
    started = time.perf_counter()
    jobs.put(Job("a", lambda: slow.wait(10) and sent.append("a")))
    for name in "bcd":
        jobs.put(Job(name, lambda name=name: sent.append(name)))
    assert time.perf_counter() - started < 0.2
    assert sent == []
    slow.set()
    assert jobs.wait(5)
    assert sent == list("abcd"), "in order"
    assert jobs.problem is None


def test_all_is_sent_by_one_thread_that_is_not_the_callers() -> None:
    threads, all_are_put = [], Event()
    jobs = queue()
    jobs.put(Job("first", lambda: all_are_put.wait(5)))  # the thread ends when it finds nothing more to send
    for _ in range(20):
        jobs.put(Job("a", lambda: threads.append(current_thread())))
    all_are_put.set()
    assert jobs.wait(5)
    assert len(threads) == 20
    assert len(set(threads)) == 1
    assert threads[0] is not current_thread()
    until(lambda: not threads[0].is_alive())


def test_threads_that_follow_each_other_never_send_at_the_same_time() -> None:
    busy, overlaps, sent = Lock(), [], []

    def send(number: int) -> None:
        overlaps.append(not busy.acquire(blocking=False))
        sent.append(number)
        busy.release()

    jobs = queue()
    for number in range(300):  # the thread empties the queue again and again meanwhile
        jobs.put(Job("a", partial(send, number)))
    assert jobs.wait(5)
    assert sent == list(range(300))
    assert not any(overlaps)


def test_store_that_comes_back_gets_all_in_order_and_once(caplog: pytest.LogCaptureFixture) -> None:
    is_away, tries, sent = True, [], []

    def send() -> None:
        tries.append(1)
        if is_away:
            raise AwayError("no route")
        sent.append("a")

    jobs = queue()
    jobs.put(Job("a", send))
    jobs.put(Job("b", lambda: sent.append("b")))
    until(lambda: len(tries) >= 3)
    assert (jobs.problem, sent) == ("no route", [])
    is_away = False
    until(lambda: len(sent) == 2)
    assert sent == ["a", "b"]
    assert jobs.problem is None
    assert sum("cannot be written (no route)" in line for line in caplog.messages) == 1, "said once"


def test_pauses_between_tries_grow() -> None:
    times: list[float] = []

    def fail() -> None:
        times.append(time.monotonic())
        raise AwayError

    jobs = queue(0.02, 0.3, 60)
    jobs.put(Job("a", fail))
    until(lambda: len(times) == 3)
    assert times[1] - times[0] < times[2] - times[1]
    assert times[2] - times[1] >= 0.3
    jobs.finish(0.1)


def test_refused_job_is_dropped_and_named_and_the_others_go_on() -> None:
    sent: list[str] = []

    def refuse() -> None:
        raise ValueError("too long")

    jobs = queue()
    jobs.put(Job("scores of fold-0", refuse))
    jobs.put(Job("b", lambda: sent.append("b")))
    assert jobs.wait(5)
    assert sent == ["b"]
    assert jobs.problem == "scores of fold-0: too long"


def test_finish_does_not_wait_for_a_store_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise AwayError("no route")

    jobs = queue(600)
    for name in "abcde":
        jobs.put(Job(name, fail))
    until(lambda: jobs.problem is not None)
    started = time.perf_counter()
    jobs.finish(30)
    assert time.perf_counter() - started < 5, "tries a last time, without the pause"
    assert "has not got all: a, b, c and 2 more; the same command sends it" in caplog.text


def test_finish_waits_for_a_slow_store_only_while_something_arrives(caplog: pytest.LogCaptureFixture) -> None:
    stuck = Event()
    jobs = queue()
    for name in ("a", "b", "c"):
        jobs.put(Job(name, lambda: time.sleep(0.2)))
    jobs.put(Job("stuck", lambda: stuck.wait(20) and None))
    started = time.perf_counter()
    jobs.finish(0.4)
    assert 0.9 < time.perf_counter() - started < 5
    assert jobs.problem == "not sent yet: stuck"
    stuck.set()


def test_store_that_answers_at_the_last_try_gets_all() -> None:
    answers = iter([AwayError("busy"), None])
    sent = []

    def send() -> None:
        if (error := next(answers)) is not None:
            raise error
        sent.append("a")

    jobs = queue(600)
    jobs.put(Job("a", send))
    until(lambda: jobs.problem == "busy")
    jobs.finish(5)
    assert sent == ["a"]
    assert jobs.problem is None
