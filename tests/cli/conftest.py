"""Keep what a command does to the process from reaching other tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _own_volume() -> Iterator[None]:
    """Give the loggers back as loud as they were."""
    loggers = [logging.getLogger(name) for name in ("kerasac", "alembic")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
