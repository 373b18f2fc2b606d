"""Let the processes that train one model together add up arrays and talk, over TCP through the first of them.

A sum is taken in the order of ranks and sent back, so that every process has the same bits. A model of this field has
less than ten million weights: 40 MB a step and process, whatever the device.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import RunError

Vector = npt.NDArray[np.float32]

_END, _SUM, _SAID, _SIGNAL = b"E", b"S", b"T", b"!"


class LostError(Exception):
    """Another process of the group is gone: all of them have to start again."""


class EndedError(RunError):
    """Another process of the group ended it, with this message; an empty one when all is done."""


class Address(NamedTuple):
    """Where the first process listens, and the key that others must know."""

    host: str
    port: int
    key: bytes


class Group:
    """One process's view of its group. ``rank`` 0 leads: it decides, saves and reports; the others help.

    ``on_signal`` is what a helper does at each signal of the leader, which it hears while it waits for a message.
    ``failure`` keeps why the group came to its end, as TensorFlow wraps what is raised inside a step.
    """

    def __init__(self, rank: int, size: int, peers: list[Connection]) -> None:
        self.rank, self.size = rank, size
        self.failure: Exception | None = None
        self.on_signal: Callable[[], None] = lambda: None
        self._signals = 0
        self._peers = peers

    @property
    def leads(self) -> bool:
        """Whether this process is the first."""
        return self.rank == 0

    def sum(self, values: Vector) -> Vector:
        """Add up the arrays of all processes, shape (n,), float32; each must call it as often as the others."""
        values = np.ascontiguousarray(values, dtype=np.float32)
        if not self.leads:
            self._send(_SUM, values.tobytes())
            return self._received(self._peers[0], values)
        total = values.copy()
        for peer in self._peers:
            total += self._received(peer, values)
        self._send(_SUM, total.tobytes())
        return total

    def tell(self, message: Any) -> None:
        """Say something to all helpers; only the leader does."""
        self._send(_SAID, pickle.dumps(message))

    def signal(self) -> None:
        """Make each helper call its ``on_signal``; only the leader does. Nothing happens when the group has ended."""
        if self.failure is None:
            self._send(_SIGNAL, b"")

    def hear(self) -> Any:
        """Wait for what the leader says next."""
        while True:
            self.answer()
            kind, payload = self._receive(self._peers[0])
            if kind == _SAID:
                return pickle.loads(payload)  # the peer proved that it knows the key
            self._signals += 1

    def answer(self) -> None:
        """Answer the signals that came so far: within :meth:`sum`, which runs in TensorFlow's threads, they wait."""
        while self._signals:
            self._signals -= 1
            self.on_signal()

    def same(self, message: Any) -> Any:
        """Return the leader's message in all processes."""
        if not self.leads:
            return self.hear()
        self.tell(message)
        return message

    def end(self, message: str = "") -> None:
        """End the group for all; with a message when something failed here."""
        for peer in self._peers:
            try:
                peer.send_bytes(_END + message.encode())
            except OSError:  # it is gone, or has ended the group itself
                continue
            finally:
                peer.close()
        self._peers = []

    def _send(self, kind: bytes, payload: bytes) -> None:
        try:
            for peer in self._peers:
                peer.send_bytes(kind + payload)
        except OSError as error:
            raise self._failed(LostError(f"a trainer of the group is gone ({error})")) from error

    def _receive(self, peer: Connection) -> tuple[bytes, bytes]:
        try:
            frame = peer.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._failed(LostError(f"a trainer of the group is gone ({error})")) from error
        if frame[:1] == _END:
            raise self._failed(EndedError(frame[1:].decode()))
        return frame[:1], frame[1:]

    def _failed(self, failure: Exception) -> Exception:
        self.failure = failure
        return failure

    def _received(self, peer: Connection, like: Vector) -> Vector:
        kind, payload = self._receive(peer)
        while kind == _SIGNAL:
            self._signals += 1
            kind, payload = self._receive(peer)
        found = np.frombuffer(payload, dtype=np.float32)
        if found.shape != like.shape:
            raise RunError(f"trainers sent {found.shape[0]} and {like.shape[0]} values; their models differ")
        return found


def open_group(rank: int, size: int, host: str, publish: Callable[[Address | None], Address]) -> Group:
    """Connect the processes of a group.

    ``publish`` gives every process what the first one passes; ``host`` is this machine's address for the others.
    """
    if rank == 0:
        key = os.urandom(32)
        with Listener((host, 0), backlog=size, authkey=key) as listener:
            publish(Address(host, listener.address[1], key))
            peers = [_undelayed(listener.accept()) for _ in range(size - 1)]
        by_rank = {peer.recv(): peer for peer in peers}
        return Group(0, size, [by_rank[other] for other in range(1, size)])
    address = publish(None)
    leader = _undelayed(Client((address.host, address.port), authkey=address.key))
    leader.send(rank)
    return Group(rank, size, [leader])


def _undelayed(connection: Connection) -> Connection:
    """Send small messages at once: TCP would hold them back for up to 40 ms."""
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection
