"""Ask the head of a Ray cluster whether it is there and takes this client's token, before Ray waits for it."""

from __future__ import annotations

import os
import re
import time
from enum import Enum

from kerasac.errors import RunError
from kerasac.runs.cluster_token import MODE, TOKEN_FILE, sent_token, token_environment

_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:]+\]|[^:/\s]+):(?P<port>\d{1,5})")
# Any call would do: what counts is whether the head refuses it. It takes no argument.
_QUESTION = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_PATIENCE_S = 5.0


class Answer(Enum):
    """What the head of a cluster says."""

    YES = "answers"
    REFUSED = "refuses the token"
    NONE = "does not answer"


def check_address(address: str, *, wait_s: float = 0.0) -> None:
    """Raise unless a Ray cluster answers at HOST:PORT, and takes this process's token.

    ``ray.init`` would retry for 20 seconds with a wrong token, and for more than a minute where nobody answers.

    Raises
    ------
    RunError
        When it does not within ``wait_s``; says what to do.
    """
    if _HOST_PORT.fullmatch(address) is None:
        raise RunError(
            f"the address {address!r} is not of the form HOST:PORT (of the head, e.g. 10.0.0.5:6379); for http:// use "
            "`kerasac-ray launch job`"
        )
    until = time.monotonic() + wait_s
    while (answer := ask(address)) is Answer.NONE and time.monotonic() < until:
        time.sleep(0.5)
    if answer is Answer.NONE:
        raise RunError(f"no Ray cluster answers at {address}; start one with `ray start --head`, or unset RAY_ADDRESS")
    if answer is Answer.REFUSED:
        raise RunError(f"the Ray cluster at {address} refuses this client: {_why_refused()}")


def ask(address: str) -> Answer:
    """Ask once, with this process's token if its authentication is on."""
    import grpc  # type: ignore[import-untyped]  # a quarter of a second, only for who names an address

    token = sent_token()
    if token is None and os.environ.get(MODE, "").lower() == "token":
        token_environment()  # says that there is none
    sent = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(_QUESTION)(b"", metadata=sent, timeout=_PATIENCE_S)
        except grpc.RpcError as error:
            found = error.code()
            if found is grpc.StatusCode.UNAUTHENTICATED:
                return Answer.REFUSED
            if found in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return Answer.NONE
    return Answer.YES  # also when this Ray knows no such call: then ray.init finds out the rest


def _why_refused() -> str:
    if sent_token() is None:
        return (
            f"it wants a token. Set {MODE}=token, and {TOKEN_FILE} to a file with the cluster's token, or use "
            "`kerasac-ray launch address`"
        )
    return f"its token is another one. Copy the head's to a file (chmod 600), and set {TOKEN_FILE} to that"
