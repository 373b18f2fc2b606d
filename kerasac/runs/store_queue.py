"""Send work to a store that may be slow or away: in order, on a thread of its own, tried again after growing pauses."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import NamedTuple

logger = logging.getLogger(__name__)

PAUSES_S = (1.0, 5.0, 20.0, 60.0, 300.0)  # between two tries of a store that is away; the last one again and again
LAST_TRIES = 2  # of a store that is away while the command waits to end
_LAST_PAUSE_S = 1.0


class Job(NamedTuple):
    """Something to send. ``send`` may be called again after it failed: what has arrived is not sent twice."""

    what: str
    send: Callable[[], None]


class StoreQueue:
    """What is to be sent to one store.

    ``put`` returns at once. A job that fails because the store is away (``passes`` says so of its error) stays the
    first in line and is tried again; any other failure drops the job alone. ``problem`` says what is wrong now, and is
    none again once the store answers, unless a job was dropped.
    """

    def __init__(self, store: str, passes: Callable[[Exception], bool], explain: Callable[[Exception], str]) -> None:
        self.store, self.pauses_s = store, PAUSES_S
        self._passes, self._explain = passes, explain
        self._away: str | None = None
        self._dropped: str | None = None
        self._jobs: deque[Job] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._n_sent = self._n_failed = 0
        self._waited_for = False

    @property
    def problem(self) -> str | None:
        """What keeps the store from having all that was put."""
        return self._away or self._dropped

    def put(self, job: Job) -> None:
        """Queue a job behind the others; the thread that sends lives as long as there is something to send."""
        with self._changed:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = Thread(target=self._send_all, name="kerasac-tracking", daemon=True)
                self._thread.start()

    def wait(self, patience_s: float) -> bool:
        """Wait until all is sent; gives up when nothing arrived for ``patience_s``, or when the store is away."""
        with self._changed:
            self._waited_for, self._n_failed = True, 0
            self._changed.notify_all()
            while self._jobs and self._n_failed < LAST_TRIES:
                before = (self._n_sent, self._n_failed)
                if not self._changed.wait_for(lambda: (self._n_sent, self._n_failed) != before, patience_s):  # noqa: B023
                    break
            self._waited_for = False
            return not self._jobs

    def finish(self, patience_s: float) -> None:
        """Wait until all is sent, and forget what cannot be sent now, saying what that is."""
        if self.wait(patience_s):
            return
        with self._changed:
            left = [job.what for job in self._jobs]
            self._jobs.clear()
            self._changed.notify_all()
        if left:
            some = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if left[3:] else "")
            self._dropped = self._dropped or f"not sent yet: {some}"
            logger.warning("MLflow at %s has not got all: %s; the same command sends it", self.store, some)

    def _send_all(self) -> None:
        n_tries = 0
        while (job := self._first()) is not None:
            try:
                job.send()
            except Exception as error:  # whatever goes wrong here must not end a training
                if self._passes(error):
                    self._hold(job, error, n_tries)
                    n_tries += 1
                    continue
                self._drop(job, error)
            else:
                self._answered()
            n_tries = 0
            self._done(job)

    def _first(self) -> Job | None:
        with self._changed:
            if not self._jobs:
                self._thread = None
                return None
            return self._jobs[0]

    def _done(self, job: Job) -> None:
        with self._changed:
            self._n_sent, self._n_failed = self._n_sent + 1, 0
            if self._jobs and self._jobs[0] is job:  # else it was abandoned meanwhile
                self._jobs.popleft()
            self._changed.notify_all()

    def _hold(self, job: Job, error: Exception, n_tries: int) -> None:
        """Say once that the store is away, and pause; who waits for the end cuts the pause short."""
        if self._away is None:
            self._away = self._explain(error)
            logger.warning(
                "MLflow at %s cannot be written (%s); training goes on, and what is missing there is sent later",
                self.store,
                self._away,
            )
        logger.debug("could not send %s: %s", job.what, error)
        pause_s = self.pauses_s[min(n_tries, len(self.pauses_s) - 1)]
        with self._changed:
            self._n_failed += 1
            self._changed.notify_all()
            if self._waited_for:
                self._changed.wait_for(lambda: not self._jobs, min(pause_s, _LAST_PAUSE_S))
            else:
                self._changed.wait_for(lambda: self._waited_for or not self._jobs, pause_s)

    def _answered(self) -> None:
        if self._away is not None:
            logger.warning("MLflow at %s answers again; what was missing is being sent", self.store)
            self._away = None

    def _drop(self, job: Job, error: Exception) -> None:
        if self._dropped is None:
            self._dropped = f"{job.what}: {self._explain(error)}"
            logger.warning("MLflow at %s refused %s; training goes on", self.store, self._dropped)
        logger.debug("%s was refused", job.what, exc_info=error)
