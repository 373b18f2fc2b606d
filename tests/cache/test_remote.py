"""A remote file is fetched once, whole, and anew when it changed; no message or name holds a password."""

from __future__ import annotations

import errno
import gzip
import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fsspec.registry import _registry as loaded_filesystems
from servers import FileServer, file_server, free_port

from kerasac.cache import file_facts, local_copy, location, remote, shown, url_of
from kerasac.errors import CacheError, RemoteError

BED = "chr1\t10\t20\n"
SIGNED = "X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=f00d"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache"
    forget()


@pytest.fixture(scope="module")
def _server() -> Iterator[FileServer]:
    with file_server() as served:
        yield served


@pytest.fixture
def server(_server: FileServer) -> FileServer:
    _server.files.clear()
    _server.asked.clear()
    return _server


def forget() -> None:
    """Ask the server again, as another process would."""
    remote._entry_name.cache_clear()


def copies(cache: Path) -> list[str]:
    return [path.name for path in cache.glob("remote/*/*") if path.name != "manifest.json"]


@pytest.mark.parametrize(
    "text",
    ["s3://bucket/a/b.bw", "https://host:8080/a.bed.gz?file=x&b=1", "gs://b/x", "S3://B/x", "http://h/@@download/a"],
)
def test_path_keeps_a_url(text: str) -> None:
    scheme, _, rest = text.partition("://")
    assert url_of(location(text)) == f"{scheme.lower()}://{rest}"


@pytest.mark.parametrize("text", ["a/b.bed", "/a/b.bed", "./s3/b", "C:/a", "a:b", "chr1:10-20", "s3:", ""])
def test_other_paths_are_no_urls(text: str) -> None:
    assert url_of(text) is None
    assert location(text) == Path(text)


def test_file_url_is_a_path_of_this_machine() -> None:
    assert location("file:///data/my%20peaks.bed") == Path("/data/my peaks.bed")


@pytest.mark.parametrize("text", ["s3://b/a//c", "s3://b/./c", "https://h/b?q=//x", "https://h/b?q=/", "s3://b/a//"])
def test_url_that_a_path_does_not_keep_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="between two slashes"):
        location(text)


def test_last_slash_of_a_url_does_not_matter() -> None:
    assert location("s3://b/array.tdb/") == location("s3://b/array.tdb")


def test_folder_of_a_url_is_a_url() -> None:
    assert url_of(location("s3://b/tables/metadata.tsv").parent / "a.bw") == "s3://b/tables/a.bw"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pw@host/a.bed", "https://host/a.bed"),
        (f"https://host/a.bed?{SIGNED}&file=a%2Fb", "https://host/a.bed?file=a/b"),
        ("https://host/a.bed?AWSAccessKeyId=A&Signature=b&Expires=1", "https://host/a.bed"),
        ("https://host/a?key=x/y.bed", "https://host/a?key=x/y.bed"),
        ("https://host/a?file=x&access_token=t", "https://host/a?file=x"),
        ("https://acc.blob.core.windows.net/c/a.bed?sp=r&sig=abc", "https://acc.blob.core.windows.net/c/a.bed?sp=r"),
        ("s3://bucket/a.bed", "s3://bucket/a.bed"),
        ("/data/a.bed", "/data/a.bed"),
    ],
)
def test_shown_without_what_lets_one_in(url: str, expected: str) -> None:
    assert shown(url) == expected
    assert remote.has_secrets(url) == (url != expected)


def test_path_of_this_machine_stays_as_it_is(tmp_path: Path) -> None:
    assert local_copy(tmp_path / "not there.bed") == tmp_path / "not there.bed"


def test_remote_file_is_fetched_once_and_keeps_its_name(server: FileServer) -> None:
    url = server.put("/dir/peaks.bed.gz", gzip.compress(BED.encode()))
    copy = local_copy(location(url))
    forget()
    assert local_copy(url) == copy
    assert copy.name == "peaks.bed.gz"
    assert gzip.decompress(copy.read_bytes()) == BED.encode()
    assert server.asked["GET /dir/peaks.bed.gz"] == 1


def test_server_is_asked_once_a_process(server: FileServer) -> None:
    url = server.put("/a.bed", BED)
    local_copy(url)
    before = sum(server.asked.values())
    local_copy(url)
    file_facts(location(url))
    assert sum(server.asked.values()) == before


def test_changed_file_is_fetched_anew(server: FileServer) -> None:
    url = server.put("/a.bed", BED)
    old, old_facts = local_copy(url), file_facts(location(url))
    server.put("/a.bed", "chr2\t10\t20\n")
    forget()
    new = local_copy(url)
    assert (old.read_text(), new.read_text()) == (BED, "chr2\t10\t20\n")
    assert file_facts(location(url)) != old_facts


def test_time_of_change_tells_where_there_is_no_etag(server: FileServer) -> None:
    url = server.put("/a.bed", BED)
    for day, content in ((1, BED), (2, BED.replace("1", "3"))):
        server.put("/a.bed", content)
        server.files["/a.bed"].headers = {"Last-Modified": f"Thu, 0{day} Jan 2026 00:00:00 GMT"}
        forget()
        assert local_copy(url).read_text() == content


def test_server_that_tells_no_state_is_said(server: FileServer, caplog: pytest.LogCaptureFixture) -> None:
    url = server.put("/a.bed", BED)
    server.files["/a.bed"].headers = {}
    assert local_copy(url).read_text() == BED
    assert "the server does not say when" in caplog.text


def test_copy_that_was_damaged_is_fetched_anew(server: FileServer) -> None:
    url = server.put("/a.bed", BED)
    local_copy(url).write_text("")
    assert local_copy(url).read_text() == BED


def test_threads_fetch_a_file_once(server: FileServer) -> None:
    url = server.put("/a.bed", BED * 10_000)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(local_copy, [url] * 8))
    assert len(found) == 1
    assert server.asked["GET /a.bed"] == 1


def test_file_is_kept_as_the_server_stores_it(server: FileServer) -> None:
    stored = gzip.compress(BED.encode())
    url = server.put("/a.bed.gz", stored, headers={"Content-Encoding": "gzip"})
    assert local_copy(url).read_bytes() == stored


def test_server_that_forbids_head_is_asked_by_get(server: FileServer) -> None:
    url = server.put("/a.bed", BED, head_status=403)  # as signed addresses do
    assert local_copy(url).read_text() == BED


def test_signature_is_used_but_another_one_is_the_same_file(server: FileServer, cache: Path) -> None:
    url = server.put("/a.bed", BED)
    first = local_copy(f"{url}?{SIGNED}")
    forget()
    assert local_copy(f"{url}?{SIGNED[:-1]}e") == first
    assert "f00d" not in str(first) + str(file_facts(location(f"{url}?{SIGNED}")))


def test_file_named_like_the_caches_own_is_kept(server: FileServer) -> None:
    url = server.put("/manifest.json", '{"0": {}}')
    assert local_copy(url).read_text() == '{"0": {}}'


def test_copy_serves_when_the_server_is_out_of_reach(server: FileServer, caplog: pytest.LogCaptureFixture) -> None:
    url = server.put("/a.bed", BED)
    copy = local_copy(url)
    server.put("/a.bed", "", status=503)
    forget()
    assert local_copy(url) == copy
    assert "the server answers 503" in caplog.text
    assert "its copy in the cache is used" in caplog.text


@pytest.mark.parametrize(("status", "said"), [(404, "does not exist"), (401, "refused (401)"), (403, "refused (403)")])
def test_copy_does_not_serve_when_the_file_is_gone_or_closed(server: FileServer, status: int, said: str) -> None:
    url = server.put("/a.bed", BED)
    local_copy(url)
    server.put("/a.bed", "", status=status)
    forget()
    with pytest.raises(RemoteError) as caught:
        local_copy(url)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "does not exist; correct the URL"),
        (403, "refused (403); fetch it yourself"),
        (500, "cannot be reached (the server answers 500); try again"),
    ],
)
def test_refusal_is_named_without_the_signature(server: FileServer, cache: Path, status: int, said: str) -> None:
    url = server.put("/a.bed", "", status=status)
    with pytest.raises(RemoteError) as caught:
        local_copy(f"{url.replace('//', '//me:pw@')}?{SIGNED}&part=1")
    assert f"{url}?part=1" in str(caught.value)
    assert said in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("pw@", "f00d", "AKIA"))
    assert caught.value.__suppress_context__
    assert copies(cache) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://127.0.0.1:{port}/a.bed",
            "cannot be reached (ConnectionRefusedError); try again, check network",
        ),
        ("https://no.such.host.invalid/a.bed", "cannot be reached (gaierror)"),
        ("htps://host/a.bed", "nothing reads htps://; use https://, s3:// or a path of this machine"),
    ],
)
def test_what_cannot_be_reached_is_named(url: str, said: str) -> None:
    url = url.format(port=free_port())
    with pytest.raises(RemoteError) as caught:
        local_copy(url)
    assert str(caught.value).startswith(url)
    assert said in str(caught.value)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(loaded_filesystems, "s3", raising=False)
    for name in ("s3fs", "botocore", "botocore.session"):
        monkeypatch.setitem(sys.modules, name, None)
    remote._lacks_credentials.cache_clear()
    with pytest.raises(RemoteError, match=r"s3://bucket/a\.bed needs a package .*pip install 'kerasac-ray\[s3\]'"):
        local_copy("s3://bucket/a.bed")


def test_file_that_breaks_off_leaves_nothing(server: FileServer, cache: Path) -> None:
    url = server.put("/a.bed", BED * 1_000, sent=100)
    with pytest.raises(RemoteError, match=r"cannot be reached|broke off"):
        local_copy(url)
    assert copies(cache) == []


def test_file_that_changes_while_it_is_fetched_is_not_kept(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("/a.bed", BED)
    states = iter([{"ETag": "1"}, {"ETag": "1"}, {"ETag": "2"}])
    monkeypatch.setattr(remote, "_state", lambda url: next(states))
    with pytest.raises(RemoteError, match="changed while it was fetched; run the command again"):
        local_copy(url)
    assert copies(cache) == []


def test_full_disk_is_said_as_of_any_entry(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.put("/a.bed", BED)

    def fail(n_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(remote, "make_room", fail)
    with pytest.raises(CacheError, match="no room in the cache"):
        local_copy(url)


def test_fetching_is_logged_without_the_password(server: FileServer, caplog: pytest.LogCaptureFixture) -> None:
    url = server.put("/a.bed", BED)
    with caplog.at_level(logging.DEBUG, "kerasac"):
        local_copy(f"{url.replace('//', '//me:pw@')}?{SIGNED}")
    assert f"fetching {url} (0.0 MB), once" in caplog.text
    assert not any(secret in caplog.text for secret in ("pw@", "f00d"))
