"""Serve files over HTTP, and an S3-compatible store, from this machine, for tests of what is remote."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest


@dataclass
class Answer:
    """What the server says to whoever asks for a file."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    head_status: int | None = None  # to HEAD, where it differs
    sent: int | None = None  # bytes that come, where they are fewer than promised


@dataclass
class FileServer:
    """Files by path; ``asked`` counts GET and HEAD requests, as ``GET /a.bed``."""

    url: str
    files: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def put(self, path: str, content: bytes | str, **options: object) -> str:
        """Serve a file, whose ETag is made of its content; return its URL."""
        content = content.encode() if isinstance(content, str) else content
        answer = Answer(content, **options)  # type: ignore[arg-type]
        answer.headers.setdefault("ETag", f'"{hash(content)}"')
        self.files[path] = answer
        return f"{self.url}{path}"

    def put_folder(self, folder: Path) -> None:
        """Serve the files of a folder."""
        for path in (path for path in folder.iterdir() if path.is_file()):
            self.put(f"/{path.name}", path.read_bytes())


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Run a server in a thread."""
    served = FileServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            served.asked[f"{self.command} {path}"] += 1
            answer = served.files.get(path, Answer(b"", status=404))
            is_head = self.command == "HEAD"
            self.send_response(answer.head_status if is_head and answer.head_status else answer.status)
            self.send_header("Content-Length", str(len(answer.content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not is_head:
                self.wfile.write(answer.content[: answer.sent])

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with serving(Handler) as served.url:
        yield served


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer on a free port of this machine with a handler while the block runs; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's S3 server, give its URL, and set the variables that make it the one that AWS's tools talk to."""
    for package in ("moto", "flask", "s3fs"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: pip install 'kerasac-ray[test]'")
    port = free_port()
    # A process of its own: TileDB keeps Python from running while it waits for an answer.
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    try:
        _wait_for(port, process)
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in {**names, "AWS_ENDPOINT_URL": url}.items():
                patch.setenv(name, value)
            _forget_servers()
            yield url
    finally:
        _forget_servers()
        process.terminate()
        process.wait()


def _forget_servers() -> None:
    """Drop what this process keeps of an object store: fsspec would go on asking the last server, at its old port."""
    import s3fs

    from kerasac.cache import remote

    s3fs.S3FileSystem.clear_instance_cache()
    remote._lacks_credentials.cache_clear()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "moto's server ended"
        time.sleep(0.1)
    raise TimeoutError("moto's server does not answer")
