from __future__ import annotations

import bz2
import gzip
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from kerasac.errors import StoreError
from kerasac.store.labels import read as read_room
from kerasac.store.labels import table as table_room
from kerasac.store.labels.read import read_labels
from kerasac.store.labels.table import append_rows, create_table

NAN = float("nan")
CHROM = ["chr2", "chr2", "chr1", "chr2"]
START, END = [0, 50, 0, 100], [1000, 1050, 1000, 1100]
VALUES = np.array([[0, 0.5], [1, NAN], [NAN, 2], [0, -1]], dtype=np.float32)
ROWS = ("chr2\t0\t1000\t0.0\t0.5", "chr2\t50\t1050\t1\t", "chr1\t0\t1000\tNaN\t2", "chr2\t100\t1100\t0\t-1")
TEXT = "\n".join(("CHR\tSTART\tEND\ta\tb", *ROWS, ""))


def write_table(path: Path, tasks: tuple[str, ...] = ("a", "b"), **settings: object) -> Path:
    with create_table(path, tasks, ["chr1", "chr2"], settings) as table:
        for rows in (slice(0, 1), slice(1, 4)):
            chrom = np.array([name.encode() for name in CHROM[rows]])
            append_rows(table, chrom, np.array(START[rows]), np.array(END[rows]), VALUES[rows, : len(tasks)])
    return path


def write_text(path: Path, text: str = TEXT) -> Path:
    compress = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(compress(text.encode()))
    return path


def write_pandas(path: Path, complib: str | None = None, **columns: Any) -> Path:
    pytest.importorskip("tables", reason="pandas writes HDF5 by it")
    frame = pd.DataFrame({"CHR": CHROM, "START": START, "END": END, **columns}).set_index(["CHR", "START", "END"])
    how = {"complib": complib, "complevel": 5} if complib else {}
    frame.to_hdf(path, key="data", format="table", min_itemsize={"CHR": 30}, **how)
    return path


@pytest.fixture(params=["hdf5", "pandas.hdf5", "tsv", "tsv.gz", "tsv.bz2"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"labels.{request.param}"
    if path.name == "labels.hdf5":
        return write_table(path)
    if path.suffix == ".hdf5":
        return write_pandas(path, a=VALUES[:, 0].astype(float), b=VALUES[:, 1].astype(float))
    return write_text(path)


def test_every_format_reads_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for read_bytes in (1, 1 << 20):
        monkeypatch.setattr(table_room, "_READ_BYTES", read_bytes)
        monkeypatch.setattr(read_room, "_READ_CELLS", read_bytes)
        labels = read_labels(file)
        assert (labels.chrom.tolist(), labels.start.tolist(), labels.end.tolist()) == (CHROM, START, END)
        assert (labels.chroms, labels.tasks, labels.window_bp) == (("chr2", "chr1"), ("a", "b"), 1000)
        np.testing.assert_array_equal(labels.values, VALUES)
        assert (labels.values.dtype, len(labels)) == (np.float32, 4)


def test_tasks_and_chromosomes_are_chosen(file: Path) -> None:
    labels = read_labels(file, tasks=["b"], chroms=["chr1"])
    assert (labels.chrom.tolist(), labels.tasks) == (["chr1"], ("b",))
    np.testing.assert_array_equal(labels.values, [[2]])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"tasks": ["c"]}, "has no task 'c'; known: a, b"),
        ({"chroms": ["2"]}, "no bins of chromosome '2': it is called 'chr2' there"),
    ],
)
def test_what_a_file_lacks_is_named(file: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read_labels(file, **asked)


def test_pandas_reads_our_table(tmp_path: Path) -> None:
    pytest.importorskip("tables", reason="pandas reads HDF5 by it")
    frame = pd.read_hdf(write_table(tmp_path / "x.hdf5"), "data")
    assert list(frame.index.names) == ["CHR", "START", "END"]
    assert frame.index.tolist() == list(zip(CHROM, START, END, strict=True))
    assert list(frame.columns) == ["a", "b"]
    np.testing.assert_array_equal(frame.to_numpy(), VALUES)
    one = pd.read_hdf(tmp_path / "x.hdf5", "data", columns=["CHR", "START", "END", "b"], where='CHR == "chr1"')
    assert one["b"].tolist() == [2]


def test_pandas_reads_our_table_without_tasks(tmp_path: Path) -> None:
    pytest.importorskip("tables", reason="pandas reads HDF5 by it")
    frame = pd.read_hdf(write_table(tmp_path / "x.hdf5", ()), "data")
    assert list(frame.columns) == ["CHR", "START", "END"]
    assert frame["START"].tolist() == START
    assert read_labels(tmp_path / "x.hdf5").values.shape == (4, 0)


def test_columns_of_several_types_keep_their_place(tmp_path: Path) -> None:
    """pandas stores columns of one type together, whatever their order."""
    path = write_pandas(tmp_path / "x.hdf5", b=[1, 2, 3, 4], a=[0.5, 1, 1, 1], c=[5, 6, 7, 8])
    labels = read_labels(path)
    assert labels.tasks == ("b", "a", "c")
    assert labels.values[0].tolist() == [1, 0.5, 5]


def test_names_of_thousands_of_tasks_fit(tmp_path: Path) -> None:
    tasks = tuple(f"ENCSR{i:06d}_a_name_of_some_length" for i in range(3000))
    with create_table(tmp_path / "x.hdf5", tasks, ["chr1"], {}) as table:
        one = np.array([0])
        append_rows(table, np.array([b"chr1"]), one, one + 1000, np.arange(3000, dtype=np.float32)[None])
    labels = read_labels(tmp_path / "x.hdf5", tasks=[tasks[2999], tasks[7]])
    assert labels.values.tolist() == [[2999, 7]]


def test_settings_are_kept_with_the_table(tmp_path: Path) -> None:
    assert read_labels(write_table(tmp_path / "x.hdf5", above=None)).settings == {"version": 1, "above": None}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 1, -1, NAN], [0, 1, NAN, NAN]),
        ([-1, -1, -1, -1], [NAN] * 4),
        ([0, 1, -1, 0.5], [0, 1, -1, 0.5]),  # a logarithm
        ([0, 1, -2, -1], [0, 1, -2, -1]),
    ],
)
def test_minus_one_is_ambiguous_among_zeros_and_ones(
    tmp_path: Path, labels: list[float], expected: list[float]
) -> None:
    rows = "".join(f"chr1\t{i}\t{i + 9}\t{label}\n" for i, label in enumerate(labels))
    found = read_labels(write_text(tmp_path / "x.tsv", f"CHR\tSTART\tEND\ta\n{rows}")).values[:, 0]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def test_reading_a_table_runs_no_code_from_it(tmp_path: Path) -> None:
    """PyTables would unpickle, and so call, what an attribute names."""

    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "called",))

    path = write_table(tmp_path / "x.hdf5")
    with h5py.File(path, "r+") as file:
        file["data"].attrs["values_cols"] = np.bytes_(pickle.dumps(Call(), 0))
    with pytest.raises(StoreError, match=r"the columns of .* cannot be made out"):
        read_labels(path)
    assert not (tmp_path / "called").exists()


def test_window_of_bins_of_different_lengths_is_an_error(tmp_path: Path) -> None:
    labels = read_labels(write_text(tmp_path / "x.tsv", "CHR\tSTART\tEND\ta\nc\t0\t10\t0\nc\t0\t30\t0\n"))
    with pytest.raises(StoreError, match="bins of 10 to 30 bases; a model needs bins of one length"):
        _ = labels.window_bp


def test_file_without_bins_is_read(tmp_path: Path) -> None:
    labels = read_labels(write_text(tmp_path / "x.tsv", "CHR\tSTART\tEND\ta\n"))
    assert (len(labels), labels.tasks) == (0, ("a",))
    with pytest.raises(StoreError, match="there are no bins"):
        _ = labels.window_bp


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t0\t1000\t1\n", r"is no label file: its columns are chr1, 0, 1000, 1 …, not CHR, START, END and tasks"),
        ("", "cannot be read as a label file"),
        ("CHR\tSTART\tEND\ta\nc\t0\t10\tmany\n", "cannot be read as a label file: .*many"),
        ("CHR\tSTART\tEND\ta\nc\t10\t10\t1\n", r"has a bin 10-10; bins need 0 <= START < END"),
        ("CHR\tSTART\tEND\ta\nc\t-5\t10\t1\n", r"has a bin -5-10"),
    ],
)
def test_text_that_is_no_label_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read_labels(write_text(tmp_path / "x.tsv", text))


def test_truncated_files_are_an_error(tmp_path: Path) -> None:
    rows = "".join(f"chr1\t{i}\t{i + 1000}\t{i % 7}\n" for i in range(2000))
    for path in (write_text(tmp_path / "x.tsv.gz", f"CHR\tSTART\tEND\ta\n{rows}"), write_table(tmp_path / "x.hdf5")):
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(StoreError, match=r"x\.\S+ (cannot be read as a label file|is not a whole HDF5 file)"):
            read_labels(path)


@pytest.mark.parametrize("complib", ["blosc", "bzip2"])
def test_compression_of_pytables_own_is_named_with_the_way_out(tmp_path: Path, complib: str) -> None:
    path = write_pandas(tmp_path / "x.hdf5", complib, a=VALUES[:, 0])
    # In a process of its own: where PyTables was imported, as by another test, its filters are h5py's too.
    code = "import pathlib, sys; from kerasac.store.labels.read import read_labels as r; r(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    message = f"x.hdf5 is compressed by {complib}, which is not read here; write it with to_hdf(…, complib='zlib')"
    assert message in done.stderr.splitlines()[-1]
    assert "StoreError" in done.stderr.splitlines()[-1]
    assert read_labels(write_pandas(tmp_path / "y.hdf5", "zlib", a=VALUES[:, 0])).values[1] == 1


def test_damaged_table_is_an_error(tmp_path: Path) -> None:
    path = write_table(tmp_path / "x.hdf5")
    with h5py.File(path) as file:
        chunk = file["data/table"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.hdf5 is damaged: its table cannot be read .*make or copy it again"):
        read_labels(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"label file .*x\.hdf5 does not exist"):
        read_labels(tmp_path / "x.hdf5")


def test_hdf5_without_a_table_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["numbers"] = [1, 2]
    with pytest.raises(StoreError, match="holds 0 pandas tables"):
        read_labels(tmp_path / "x.hdf5")


def test_frame_that_pandas_fixed_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("tables", reason="pandas writes HDF5 by it")
    pd.DataFrame({"a": [1.0]}).to_hdf(tmp_path / "x.hdf5", key="data")
    with pytest.raises(StoreError, match="no table that can be read in parts; write it with to_hdf"):
        read_labels(tmp_path / "x.hdf5")
