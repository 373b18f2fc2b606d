from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasac.steps.trainers import Address, EndedError, Group, LostError, open_group


def together(size: int, work: Callable[[Group], Any]) -> list[Any]:
    """Do the work of every rank in a thread of its own; return what each returned or raised."""
    addresses: queue.Queue[Address] = queue.Queue()
    results: list[Any] = [None] * size

    def publish(address: Address | None) -> Address:
        if address is None:
            return addresses.get(timeout=10)
        for _ in range(size - 1):
            addresses.put(address)
        return address

    def run(rank: int) -> None:
        try:
            results[rank] = work(open_group(rank, size, "127.0.0.1", publish))
        except Exception as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    return results


def test_all_trainers_get_the_same_sum() -> None:
    sums = together(3, lambda group: group.sum(np.array([1.0, 10.0**group.rank], dtype=np.float32)))
    for one in sums:
        np.testing.assert_array_equal(one, np.array([3.0, 111.0], dtype=np.float32))


def test_leaders_words_are_heard_in_order_and_signals_answered_between() -> None:
    def work(group: Group) -> list[Any]:
        heard: list[Any] = []
        if group.leads:
            group.tell("a")
            group.signal()
            group.tell({"b": 1})
            return heard
        group.on_signal = lambda: heard.append("signal")
        heard.append(group.hear())
        heard.append(group.hear())
        return heard

    assert together(2, work)[1] == ["a", "signal", {"b": 1}]


def test_signal_during_a_sum_is_answered_after_it() -> None:
    def work(group: Group) -> list[Any]:
        answers: list[Any] = []
        group.on_signal = lambda: answers.append(threading.current_thread().name)
        if group.leads:
            group.signal()
        group.sum(np.zeros(1, dtype=np.float32))
        assert answers == []
        group.answer()
        return answers

    assert [len(answers) for answers in together(2, work)] == [0, 1]


def test_end_is_an_error_with_its_message_in_those_who_wait() -> None:
    def work(group: Group) -> None:
        if group.rank == 1:
            group.end("array a.tdb was written to")
        else:
            group.sum(np.zeros(2, dtype=np.float32))

    leader, helper = together(2, work)
    assert isinstance(leader, EndedError)
    assert str(leader) == "array a.tdb was written to"
    assert helper is None


def test_trainer_that_vanishes_is_lost() -> None:
    def work(group: Group) -> None:
        if group.rank == 1:
            for peer in group._peers:
                peer.close()
        else:
            group.sum(np.zeros(2, dtype=np.float32))

    leader, _ = together(2, work)
    assert isinstance(leader, LostError)


def test_other_models_are_an_error() -> None:
    def work(group: Group) -> None:
        try:
            group.sum(np.zeros(2 + group.rank, dtype=np.float32))
        finally:
            group.end()

    leader, _ = together(2, work)
    assert str(leader) == "trainers sent 3 and 2 values; their models differ"
