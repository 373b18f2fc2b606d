"""Say what of a model is explained: one number a window."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from kerasac.errors import ConfigError, suggest
from kerasac.models.contract import Contract, Port, Role


class Head(StrEnum):
    """An output of a model. ``value`` is that of models of bins."""

    COUNTS = "counts"
    PROFILE = "profile"
    VALUE = "value"


class Target(NamedTuple):
    """What is explained: a head, of one task, or with None of all tasks together.

    Counts: a task's log count; of all tasks, the mean of these. Profile: with z the logits less their mean over
    positions, ``sum(softmax(z) * z)`` over positions and tasks, where the softmax is a constant weight. Value: a task's
    value, of classifications the logit before the sigmoid; of all tasks, the mean.
    """

    head: Head
    task: int | None = None


_ROLES: dict[Head, tuple[Role, ...]] = {
    Head.COUNTS: ("counts",),
    Head.PROFILE: ("profile",),
    Head.VALUE: ("classification", "regression"),
}


def heads_of(contract: Contract) -> tuple[Head, ...]:
    """Return the heads that a model has."""
    roles = {port.role for port in contract.outputs}
    return tuple(head for head, known in _ROLES.items() if roles & set(known))


def port_of(contract: Contract, head: Head) -> Port:
    """Return the output that a head is.

    Raises
    ------
    ConfigError
        When the model has none, naming those that it has.
    """
    found = [port for port in contract.outputs if port.role in _ROLES[head]]
    if not found:
        have = ", ".join(heads_of(contract)) or "none that can be explained"
        raise ConfigError(f"the model has no {head} head; it has: {have}")
    return found[0]


def targets_of(contract: Contract, head: Head, tasks: Sequence[str] = (), *, together: bool = False) -> list[Target]:
    """Return what is to be explained of a head.

    Counts and values: each of the named tasks (all, when none is named), or all tasks ``together``. Profile: all tasks
    together, or each of those that are named.

    Raises
    ------
    ConfigError
        When there is no such head or task.
    """
    port = port_of(contract, head)
    for task in tasks:
        if task not in port.tasks:
            raise ConfigError(f"the {head} head has no task {task!r}{suggest(task, port.tasks)}")
    if together and tasks:
        raise ConfigError("tasks are named, or all are explained together; leave out one of the two")
    if not tasks and (together or head is Head.PROFILE):
        return [Target(head, 0 if port.n_tracks == 1 else None)]
    return [Target(head, port.tasks.index(task)) for task in tasks or port.tasks]


def task_names(contract: Contract, target: Target) -> tuple[str, ...]:
    """Return the names of the tasks that a target is of."""
    port = port_of(contract, target.head)
    return port.tasks if target.task is None else (port.tasks[target.task],)
