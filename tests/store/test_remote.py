"""Files and arrays of an object store are those of a folder; half an upload is no array. The store is moto's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import file_server, free_port, s3_server

from kerasac.cache import location, remote, upload, upload_folder
from kerasac.errors import RemoteError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store import ingest as ingest_room
from kerasac.store.context import s3_settings
from kerasac.store.ingest import ingest
from kerasac.store.scan import scan_spans
from kerasac.store.schema import StoreLayout, create_array, is_array, read_layout
from kerasac.store.slabs import Track, read_slabs
from kerasac.store.stored_runs import stored_runs, track_content
from kerasac.store.tables import read_attributes, read_metadata

SIZES = {"chr1": 3_000, "chr2": 500}
TOTAL = sum(SIZES.values())
BUCKET = "s3://lab"


@pytest.fixture(scope="module")
def files() -> Any:
    """The bucket, as fsspec's file system."""
    with s3_server():
        import s3fs

        filesystem = s3fs.S3FileSystem(skip_instance_cache=True)
        filesystem.mkdir("lab")
        yield filesystem


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    remote._entry_name.cache_clear()
    yield tmp_path / "cache"
    remote._entry_name.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables whose cells are relative to their folder, and the BED files that they name."""
    (tmp_path / "peaks.bed").write_text("chr1\t10\t20\t.\t9\nchr1\t15\t30\t.\t0\nchr2\t490\t500\t.\t9\n")
    (tmp_path / "ambig.bed").write_text("chr1\t5\t8\nchr2\t0\t1\n")
    (tmp_path / "chrom.sizes").write_text("".join(f"{name}\t{size}\n" for name, size in SIZES.items()))
    (tmp_path / "attributes.tsv").write_text("peak\tbed_summit_from_last_col\nambig\tbed_no_summit\n")
    (tmp_path / "metadata.tsv").write_text("dataset\tpeak\tambig\nA\tpeaks.bed\tambig.bed\nB\tpeaks.bed\t\n")
    return tmp_path


@pytest.fixture
def tables(files: Any, folder: Path, tmp_path: Path) -> str:
    """The URL of the same files in the bucket: of a place of this test's own."""
    place = f"lab/{tmp_path.name}"
    for path in folder.iterdir():
        if path.is_file():
            files.put_file(str(path), f"{place}/{path.name}")
    return f"s3://{place}"


def run(place: str | Path, out: str | Path, **options: Any) -> StoreLayout:
    names = ("metadata.tsv", "attributes.tsv", "chrom.sizes")
    metadata, attributes, sizes = (location(f"{place}/{name}") for name in names)
    return ingest(metadata, attributes, sizes, location(str(out)), **options)


def cells(layout: StoreLayout, track: Track) -> list[int]:
    slabs = read_slabs(layout, track, Spans(np.array([0]), np.array([TOTAL])))
    return [int(cell) for slab in slabs for cell in slab.cells]


def replace_put_file(patch: pytest.MonkeyPatch, put_file: Callable[[str, str], None]) -> None:
    """Let uploads call this instead."""
    open_url = upload.open_url

    def opened(url: str) -> tuple[Any, str]:
        filesystem, place = open_url(url)
        patch.setattr(filesystem, "put_file", put_file)
        return filesystem, place

    patch.setattr(upload, "open_url", opened)


def test_array_of_remote_files_in_a_bucket_is_the_local_one(folder: Path, tables: str) -> None:
    there, here = run(tables, f"{tables}/out.tdb"), run(folder, folder / "out.tdb")
    assert there.path == f"{tables}/out.tdb"
    for track in (Track("A", "peak"), Track("A", "ambig"), Track("B", "ambig")):
        assert cells(there, track) == cells(here, track)
        assert track_content(there, track) == track_content(here, track)
    assert np.flatnonzero(np.array(cells(there, Track("A", "peak"))) == 2).tolist() == [15, 19, 3_499]


def test_runs_that_are_kept_with_an_array_are_read_from_the_bucket(tables: str) -> None:
    layout = run(tables, f"{tables}/out.tdb")
    found = stored_runs(layout, Track("A", "ambig"))
    assert found is not None
    assert (found.start.tolist(), found.end.tolist()) == ([5, 3_000], [8, 3_001])
    assert scan_spans(layout, "ambig", ["A"], 1).starts.tolist() == [5, 3_000]


def test_array_without_kept_runs_is_scanned_in_the_bucket(files: Any, folder: Path, tables: str) -> None:
    layout = run(tables, f"{tables}/out.tdb")
    files.rm(f"{tables}/out.tdb/kerasac", recursive=True)
    assert stored_runs(layout, Track("A", "ambig")) is None
    assert scan_spans(layout, "ambig", ["A"], 1).starts.tolist() == [5, 3_000]
    assert track_content(layout, Track("A", "ambig")) == layout.state


def test_layout_does_not_depend_on_where_the_array_lies(files: Any, tables: str, folder: Path) -> None:
    here = run(folder, folder / "out.tdb")
    files.put(str(folder / "out.tdb"), f"{tables}/copy.tdb", recursive=True)
    there = read_layout(str(location(f"{tables}/copy.tdb/")))
    assert (there.state, there.datasets, there.assembly) == (here.state, here.datasets, here.assembly)


def test_upload_that_broke_off_is_no_array_and_goes_on(
    tables: str, cache: Path, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = ingest_room._write

    def fail_at_the_end(path: str, place: str) -> None:
        if "__schema" in place:
            raise PermissionError("closed")
        files.put_file(path, place)

    monkeypatch.setattr(ingest_room, "_write", lambda *args: (written.append("once"), write(*args)))
    with monkeypatch.context() as patch:
        replace_put_file(patch, fail_at_the_end)
        with pytest.raises(RemoteError, match=r"access to \S+/out\.tdb is refused"):
            run(tables, f"{tables}/out.tdb")
    assert files.find(f"{tables}/out.tdb")
    assert not is_array(f"{tables}/out.tdb")
    assert run(tables, f"{tables}/out.tdb").datasets == ("A", "B")
    assert written == ["once"]
    assert list((cache / "uploads").iterdir()) == []


def test_upload_sends_what_is_missing(files: Any, folder: Path, tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("last/a", "b", "c"):
        (folder / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "up" / name).write_text(name)
    files.put_file(str(folder / "up/b"), f"{tables}/up/b")
    sent: list[str] = []
    replace_put_file(monkeypatch, lambda path, place: sent.append(Path(path).name))
    upload_folder(folder / "up", f"{tables}/up", last="last")
    assert sent == ["c", "a"]


def test_upload_does_not_mix_with_other_files(files: Any, folder: Path, tables: str) -> None:
    files.pipe(f"{tables}/out.tdb/notes.txt", b"mine")
    with pytest.raises(RemoteError, match=r"out\.tdb holds 1 other files \(notes\.txt …\)"):
        run(tables, f"{tables}/out.tdb")
    assert not is_array(f"{tables}/out.tdb")


@pytest.mark.parametrize("options", [{"overwrite": True}, {"add": True}])
def test_arrays_of_a_bucket_are_not_replaced(tables: str, options: dict[str, bool]) -> None:
    with pytest.raises(StoreError, match="not replaced or added to; write a new one beside"):
        run(tables, f"{tables}/out.tdb", **options)


def test_array_of_a_bucket_that_exists_is_refused_before_anything_is_fetched(tables: str, cache: Path) -> None:
    run(tables, f"{tables}/out.tdb")
    before = sorted(cache.rglob("*"))
    with pytest.raises(StoreError, match=r"array s3://\S+/out\.tdb already exists"):
        run("s3://lab/nowhere", f"{tables}/out.tdb")
    assert sorted(cache.rglob("*")) == before


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{BUCKET}/nowhere.tdb", "is not a TileDB array; make one with `kerasac-ray ingest`"),
        ("s3://no-such-bucket/a.tdb", "there is no such bucket (404 NoSuchBucket); correct the URL"),
        ("https://host/a.tdb", "arrays are read from s3:// or a folder; download this one"),
    ],
)
def test_array_that_cannot_be_read_is_named(files: Any, url: str, said: str) -> None:
    with pytest.raises(StoreError) as caught:
        read_layout(str(location(url)))
    assert url in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_store_that_does_not_answer_is_named(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match=r"array s3://lab/a\.tdb cannot be read: the server .*Could not connect"):
        read_layout("s3://lab/a.tdb")


def test_closed_store_is_named(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with file_server() as closed:
        closed.put("/lab", "", status=403)
        monkeypatch.setenv("AWS_ENDPOINT_URL", closed.url)
        process = "from kerasac.store.schema import read_layout; read_layout('s3://lab/a.tdb')"
        said = _in_another_process(process)
    assert "array s3://lab/a.tdb cannot be read: no permission (403); set AWS_ACCESS_KEY_ID" in said


def _in_another_process(code: str) -> str:
    """Return what a process prints: TileDB keeps Python, and so a server in a thread of it, from running."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {}),
        ({"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}, {"region": "b"}),
        (
            {"AWS_ENDPOINT_URL": "http://minio:9000/", "AWS_DEFAULT_REGION": "a"},
            {"endpoint_override": "minio:9000", "scheme": "http", "use_virtual_addressing": "false", "region": "a"},
        ),
        (
            {"AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_S3": "https://s3.lab.org"},
            {"endpoint_override": "s3.lab.org", "scheme": "https", "use_virtual_addressing": "false"},
        ),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, {}),  # which TileDB reads itself
    ],
)
def test_settings_follow_the_variables_of_aws(environment: dict[str, str], expected: dict[str, str]) -> None:
    assert s3_settings(environment) == {f"vfs.s3.{key}": value for key, value in expected.items()}


def test_cells_may_be_urls_and_are_relative_to_a_remote_table(folder: Path) -> None:
    with file_server() as server:
        server.put_folder(folder)
        elsewhere = server.put("/elsewhere/other.bed", "chr1\t1\t2\n")
        metadata = server.put("/metadata.tsv", f"dataset\tpeak\tambig\nA\tpeaks.bed\t{elsewhere}\nB\t\tambig.bed\n")
        (folder / "table.tsv").write_text(f"dataset\tpeak\nA\t{server.url}/peaks.bed\nB\tpeaks.bed\n")
        kinds = read_attributes(f"{server.url}/attributes.tsv")
        found, local = read_metadata(location(metadata), kinds), read_metadata(folder / "table.tsv", ["peak"])
    names = [[path and Path(str(path)).name for path in dataset.files.values()] for dataset in found]
    assert names == [["peaks.bed", "other.bed"], [None, "ambig.bed"]]
    assert local[0].files["peak"] == found[0].files["peak"]
    assert local[1].files["peak"] == folder / "peaks.bed"


def test_remote_tables_take_no_file_of_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with file_server() as server:
        metadata = server.put("/metadata.tsv", "dataset\tpeak\nA\tpeaks.bed\n")
        with pytest.raises(StoreError, match=rf"peak of A: {server.url}/peaks.bed does not exist"):
            read_metadata(location(metadata), ["peak"])


def test_all_files_that_cannot_be_fetched_are_listed(folder: Path) -> None:
    with file_server() as server:
        server.put("/closed.bed", "", status=403)
        rows = f"A\t{server.url}/gone.bed\t\nB\t{server.url}/closed.bed?sig=f00d\t\n"
        (folder / "metadata.tsv").write_text(f"dataset\tpeak\tambig\n{rows}")
        with pytest.raises(StoreError) as caught:
            read_metadata(folder / "metadata.tsv", ["peak", "ambig"])
    said = str(caught.value).splitlines()
    assert said[0].endswith("metadata.tsv names 2 files that cannot be fetched:")
    assert said[1] == f"  peak of A: {server.url}/gone.bed does not exist; correct the URL"
    assert said[2].startswith(f"  peak of B: access to {server.url}/closed.bed is refused (403)")


def test_nothing_is_fetched_when_a_local_file_is_missing(folder: Path) -> None:
    with file_server() as server:
        url = server.put("/peaks.bed", "chr1\t1\t2\n")
        (folder / "metadata.tsv").write_text(f"dataset\tpeak\tambig\nA\t{url}\tno.bed\n")
        with pytest.raises(StoreError, match=r"names 1 files that do not exist; .*\n .*no\.bed \(ambig of A\)"):
            read_metadata(folder / "metadata.tsv", ["peak", "ambig"])
        assert not server.asked


def test_local_arrays_need_no_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    layout = create_array(str(tmp_path / "a.tdb"), Assembly(("chr1",), (100,)), ["A"], {"x": np.dtype(np.uint8)})
    assert read_layout(layout.path) == layout
    assert os.fspath(tmp_path / "a.tdb") == layout.path
