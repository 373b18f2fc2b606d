"""Find or make the token that a Ray cluster shares with its clients, and keep it from other eyes."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from pathlib import Path

from kerasac.errors import RunError

MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"
TOKEN_FILE = "RAY_AUTH_TOKEN_PATH"

logger = logging.getLogger(__name__)


def token_environment(*, create: bool = False) -> dict[str, str]:
    """Return the variables by which a process uses the token: never the token itself, only where it is.

    Ray looks for it in ``RAY_AUTH_TOKEN``, in the file that ``RAY_AUTH_TOKEN_PATH`` names, and in
    ``~/.ray/auth_token``. With ``create`` a file that is missing is made. Where ``RAY_AUTH_MODE=disabled`` says so,
    there is no token: {}.

    Raises
    ------
    RunError
        When there is none, or its file cannot be read or made.
    """
    if token_is_off():
        return {}
    if os.environ.get(TOKEN):  # what KubeRay gives its containers
        return {MODE: "token"}
    path = _token_file()
    if create and not path.exists():
        make_token_file(path)
    if not _read(path):
        raise RunError(
            f"no token for Ray in {path}; copy the cluster's there (chmod 600), set {TOKEN_FILE} to the file that has "
            "it, or make one with `ray get-auth-token --generate` and give it to every machine"
        )
    _keep_private(path)
    return {MODE: "token", TOKEN_FILE: str(path)}


def token_is_off() -> bool:
    """Whether the user has switched Ray's authentication off."""
    return os.environ.get(MODE, "token").lower() != "token"


def sent_token() -> str | None:
    """Return the token that a client of this environment sends; None unless its authentication is on."""
    if os.environ.get(MODE, "").lower() != "token":
        return None
    return os.environ.get(TOKEN) or _read(_token_file()) or None


def make_token_file(path: Path) -> None:
    """Make a file with a new token that its owner alone can read; one that is there stays as it is."""
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            # Whole, and once: of two commands that make it, both use the first one's.
            with contextlib.suppress(FileExistsError):
                os.link(beside, path)
        finally:
            beside.unlink()
    except OSError as error:
        raise RunError(
            f"cannot make the token for Ray {path} ({error.strerror}); set {TOKEN_FILE} to a file in another folder"
        ) from error


def _token_file() -> Path:
    named = os.environ.get(TOKEN_FILE)
    return Path(named).expanduser() if named else Path.home() / ".ray" / "auth_token"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunError(f"cannot read the token for Ray {path} ({error.strerror}); see who owns it") from error


def _keep_private(path: Path) -> None:
    """Take other users' rights to the file away: Ray makes it readable for all."""
    if path.stat().st_mode & 0o077:
        try:
            path.chmod(0o600)
        except OSError:  # a mounted secret, whose rights are the system's
            logger.warning("others can read the token for Ray, %s; whoever has it can run code on the cluster", path)
