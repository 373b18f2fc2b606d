"""How a process comes to Ray: what it is told, and what goes wrong in words."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kerasac.errors import RunError
from kerasac.runs import session

VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `ray.init` would have been asked for, in a home without a token."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in session.QUIET.items():
        monkeypatch.setenv(name, value)
    found: dict[str, Any] = {}
    fake = SimpleNamespace(init=lambda **options: found.update(options), is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(session, "check_address", lambda address: found.update(checked=address))
    return found


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise error

    monkeypatch.setattr(sys.modules["ray"], "init", init)


def test_own_session_has_no_dashboard_and_a_token_that_nobody_else_can_read(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    session.open_ray()
    assert asked["address"] == "local"
    assert asked["include_dashboard"] is False
    assert (tmp_path / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_address_is_checked_before_ray_waits_for_it(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    session.open_ray()
    assert asked["checked"] == asked["address"] == "10.0.0.5:6379"
    assert "num_cpus" not in asked, "those are the cluster's"


def test_cluster_that_is_looked_for_is_not_asked_before(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    session.open_ray()
    assert asked["address"] == "auto"
    assert "checked" not in asked


def test_only_the_cache_of_the_users_variables_goes_to_workers(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KERASAC_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("KERASAC_CACHE", "/scratch/cache")
    session.open_ray()
    variables = asked["runtime_env"]["env_vars"]
    assert variables == session.QUIET | {"KERASAC_CACHE": "/scratch/cache"} | (
        {"KERASAC_CACHE_GB": variables["KERASAC_CACHE_GB"]} if "KERASAC_CACHE_GB" in variables else {}
    )
    assert "secret" not in str(asked)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionError("gone"), "cannot join the Ray cluster at 10.0.0.5:6379"),
        (RuntimeError("No node info found matching attributes: ''"), "this machine is none of the Ray cluster's"),
    ],
)
def test_cluster_that_cannot_be_joined_is_explained(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    fail_with(error, monkeypatch)
    with pytest.raises(RunError, match=said):
        session.open_ray()


def test_error_of_another_kind_stays_what_it_is(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    fail_with(RuntimeError("version mismatch"), monkeypatch)
    with pytest.raises(RuntimeError, match="version mismatch"):
        session.open_ray()
