"""Fixtures that every test room shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import make_tiny_files

LONG = ("test_launch.py", "test_mirror.py", "test_study.py")  # minutes each
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist give out files in our order; its own begins with those that have the most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest file first, beside those that leave the cores to it; no worker ends alone with a long one."""
    heavy = {item.path for item in items if item.get_closest_marker("ray") or item.get_closest_marker("keras")}

    def place(item: pytest.Item) -> int:
        if item.path.name == "test_chaos.py":
            return 0
        return (2 if item.path.name in LONG else 3) if item.path in heavy else 1

    items.sort(key=place)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: gzip writes the second of its making into them, and workers collect at two."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The team's folder of real data and reference numbers, beside the checkout."""
    if not (SHARED / "reference").is_dir():
        pytest.skip("needs the shared data folder beside the checkout")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests decode out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASAC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Path:
    """The files of :mod:`tiny`, made once; what a test changes it copies first."""
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_files(folder)
    return folder
