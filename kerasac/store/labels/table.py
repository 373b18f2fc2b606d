"""Write and read label tables as pandas' ``to_hdf(key="data", format="table")`` lays them out.

The layout is PyTables' (format 2.1): a chunked dataset ``/data/table`` of records, whose attributes, most of them
pickled lists of names, say which field holds which column. h5py writes it, so that files do not depend on the version
of pandas (what 3.1 writes, 2.2 cannot read) and may have more tasks than fit 64 KB of names, and reads it without
running code from it: only plain values are unpickled. ``pandas.read_hdf(path, "data")`` reads these files.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from kerasac.errors import StoreError

INDEX = ("CHR", "START", "END")
FORMAT_VERSION = 1
_KEY = "data"
_SETTINGS = "kerasac_labels"  # JSON; pandas passes over attributes that it does not know
_CHROM_BYTES = 30  # at least, as in seqdataloader's files
_CHUNK_BYTES = 1 << 20
_READ_BYTES = 1 << 26


@contextmanager
def create_table(
    path: Path, tasks: Sequence[str] | Sequence[int], chroms: Sequence[str], settings: Mapping[str, object]
) -> Iterator[h5py.Dataset]:
    """Create a file and yield its table, to append to.

    Labels of tasks are float32, indexed by chromosome, start and end. Without tasks these three are plain columns, as
    in seqdataloader's universal negatives. Columns of numbered tasks are integers in pandas.
    """
    chrom_bytes = max(_CHROM_BYTES, *(len(chrom.encode()) for chrom in chroms))
    chrom, position = ("CHR", f"S{chrom_bytes}"), "<i8"
    if tasks:
        fields = [("values_block_0", "<f4", (len(tasks),)), ("END", position), ("START", position), chrom]
    else:
        fields = [chrom, ("START", position), ("END", position)]
    dtype = np.dtype([("index", "<i8"), *fields])
    # The newer object headers hold attributes of more than 64 KB: the names of thousands of tasks.
    with h5py.File(path, "w", libver=("v108", "v110")) as file:
        _set(file, CLASS="GROUP", VERSION="1.0", PYTABLES_FORMAT_VERSION="2.1")
        group = file.create_group(_KEY)
        _set(group, CLASS="GROUP", VERSION="1.0", **_group_facts(tasks, dtype))
        _set(group, **{_SETTINGS: json.dumps({"version": FORMAT_VERSION, **settings})})
        table = group.create_dataset(
            "table",
            shape=(0,),
            maxshape=(None,),
            dtype=dtype,
            chunks=(max(1, _CHUNK_BYTES // dtype.itemsize),),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        _set(table, CLASS="TABLE", VERSION="2.7", **_field_facts(tasks, dtype))
        yield table


def append_rows(
    table: h5py.Dataset,
    chrom: npt.NDArray[np.bytes_],
    start: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    values: npt.NDArray[np.float32],
) -> None:
    """Append rows: chromosome names, starts and ends, (n,) each, and labels, (n, n_tasks)."""
    n_before, n = len(table), len(values)
    rows = np.empty(n, dtype=table.dtype)
    rows["index"] = np.arange(n_before, n_before + n)
    rows["CHR"], rows["START"], rows["END"] = chrom, start, end
    if values.shape[1]:
        rows["values_block_0"] = values
    table.resize((n_before + n,))
    table[n_before:] = rows


class Field(NamedTuple):
    """Where a column is: a field of the records and, when that holds several columns, the place in it."""

    name: str
    place: int | None


class OpenTable(NamedTuple):
    """A table that can be read in parts."""

    dataset: h5py.Dataset
    fields: Mapping[str, Field]
    tasks: tuple[str, ...]
    settings: Mapping[str, Any]

    def records(self) -> Iterator[npt.NDArray[np.void]]:
        """Yield all records, in pieces; an empty table is one empty piece.

        Raises
        ------
        StoreError
            When the file is damaged, or compressed by what h5py has no filter for.
        """
        # Whole records: picking fields in the file would decompress it once a field.
        step = max(1, _READ_BYTES // self.dataset.dtype.itemsize)
        for low in range(0, max(1, len(self.dataset)), step):
            yield _read_records(self.dataset, low, low + step)

    def column(self, records: npt.NDArray[np.void], name: str) -> npt.NDArray[Any]:
        """Return a column of some records, (n,)."""
        field = self.fields[name]
        values: npt.NDArray[Any] = records[field.name]
        return values if field.place is None else values[:, field.place]


@contextmanager
def open_table(path: Path) -> Iterator[OpenTable]:
    """Open a file for reading.

    Raises
    ------
    StoreError
        When the file is not whole, or holds no such table.
    """
    try:
        file = h5py.File(path)
    except OSError as error:
        raise StoreError(f"{path} is not a whole HDF5 file ({error}); make or copy it again") from None
    with file:
        group = file[_table_key(file, path)]
        if not isinstance(group.get("table"), h5py.Dataset):
            raise StoreError(
                f"{path} holds no table that can be read in parts; write it with to_hdf(…, format='table')"
            )
        table = group["table"]
        try:
            fields, order = _fields(group, table)
        except (KeyError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise StoreError(
                f"the columns of {path} cannot be made out ({error}); write it again with to_hdf"
            ) from None
        missing = [name for name in INDEX if name not in fields]
        if missing:
            raise StoreError(f"{path} has no column {missing[0]}; label files have {', '.join(INDEX)} and the tasks")
        tasks = tuple(name for name in order if name not in INDEX)
        settings = json.loads(group.attrs[_SETTINGS]) if _SETTINGS in group.attrs else {}
        yield OpenTable(table, fields, tasks, settings)


def _read_records(table: h5py.Dataset, low: int, high: int) -> npt.NDArray[np.void]:
    try:
        records: npt.NDArray[np.void] = table[low:high]
    except OSError as error:
        path, lacking = table.file.filename, _lacking_filters(table)
        if lacking:
            raise StoreError(
                f"{path} is compressed by {' and '.join(lacking)}, which is not read here; write it with"
                " to_hdf(…, complib='zlib'), or without compression"
            ) from None
        raise StoreError(f"{path} is damaged: its table cannot be read ({error}); make or copy it again") from None
    return records


def _lacking_filters(table: h5py.Dataset) -> list[str]:
    """Return the names of a table's filters that h5py does not have: PyTables brings some of its own."""
    properties = table.id.get_create_plist()
    filters = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    return [name.decode() for number, _, _, name in filters if not h5py.h5z.filter_avail(number)]


def _table_key(file: h5py.File, path: Path) -> str:
    keys = [key for key, node in file.items() if "pandas_type" in node.attrs]
    if _KEY in keys:
        return _KEY
    if len(keys) != 1:
        raise StoreError(f"{path} holds {len(keys)} pandas tables ({', '.join(keys)}), none of them called {_KEY!r}")
    return str(keys[0])


def _fields(group: h5py.Group, table: h5py.Dataset) -> tuple[dict[str, Field], list[str]]:
    """Return where each column is, and the names in the order that the frame had them in."""
    fields: dict[str, Field] = {}
    for name in _plain(group.attrs["values_cols"]):
        columns = _plain(table.attrs[f"{name}_kind"])
        several = table.dtype[name].shape != ()
        fields |= {str(column): Field(name, i if several else None) for i, column in enumerate(columns)}
    ((_, order),) = _plain(group.attrs["non_index_axes"])
    return fields, [str(name) for name in order]


def _group_facts(tasks: Sequence[str] | Sequence[int], dtype: np.dtype[Any]) -> dict[str, object]:
    columns = [name for name in dtype.names or () if name != "index"]
    facts: dict[str, object] = {
        "pandas_type": "frame_table",
        "pandas_version": "0.15.2",
        "table_type": "appendable_multiframe" if tasks else "appendable_frame",
        "encoding": "UTF-8",
        "errors": "strict",
        "nan_rep": "nan",
        "index_cols": [(0, "index")],
        "values_cols": columns,
        "data_columns": [name for name in columns if name in INDEX],
        "non_index_axes": [(1, [*INDEX, *tasks])],
        "info": {1: {"names": [None], "type": "Index"}, "index": {}},
    }
    return facts | ({"levels": list(INDEX)} if tasks else {})


def _field_facts(tasks: Sequence[str] | Sequence[int], dtype: np.dtype[Any]) -> dict[str, object]:
    facts: dict[str, object] = {"index_kind": "integer", "TITLE": ""}
    for i, name in enumerate(dtype.names or ()):
        facts[f"FIELD_{i}_NAME"] = name
        if name != "index":
            base = dtype[name].base
            facts |= {
                f"{name}_kind": list(tasks) if name == "values_block_0" else [name],
                f"{name}_dtype": f"bytes{8 * base.itemsize}" if base.kind == "S" else base.name,
                f"{name}_meta": None,
            }
    return facts


def _set(node: h5py.HLObject, **facts: object) -> None:
    """Set attributes as PyTables stores them: text in UTF-8, all else pickled, as bytes."""
    for name, value in facts.items():
        if isinstance(value, str):
            encoded = value.encode()
            node.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))
        else:
            node.attrs[name] = np.bytes_(pickle.dumps(value, 0))


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _plain(attribute: bytes) -> Any:
    """Unpickle lists of names, and nothing that would run code."""
    return _PlainUnpickler(io.BytesIO(bytes(attribute))).load()
