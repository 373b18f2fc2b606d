"""An array that a link names is replaced where it lies, and the link stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
import pytest
import tiledb

from kerasac.store.ingest import ingest
from kerasac.store.schema import StoreLayout

LENGTH = 1_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tables of a dataset A, whose bases are 1, and the folder ``disk`` for its array, which ``out.tdb`` links to."""
    (tmp_path / "chrom.sizes").write_text(f"chr1\t{LENGTH}\n")
    (tmp_path / "attributes.tsv").write_text("track\tbigwig\n")
    write_tables(tmp_path, "A", 1)
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.tdb").symlink_to("disk/real.tdb")
    return tmp_path


def write_tables(folder: Path, dataset: str, value: int) -> None:
    with pyBigWig.open(str(folder / f"{dataset}.bw"), "w") as file:
        file.addHeader([("chr1", LENGTH)])
        file.addEntries(["chr1"], [0], ends=[LENGTH], values=[float(value)])
    (folder / "metadata.tsv").write_text(f"dataset\ttrack\n{dataset}\t{dataset}.bw\n")


def ingested(folder: Path, **options: bool) -> StoreLayout:
    return ingest(*(folder / f for f in ("metadata.tsv", "attributes.tsv", "chrom.sizes", "out.tdb")), **options)


def cells(folder: Path) -> np.ndarray:
    """Return the first base of all datasets."""
    with tiledb.open(str(folder / "out.tdb")) as array:
        return array[0, :]["track"].ravel()


def test_array_is_made_where_a_link_says(folder: Path) -> None:
    ingested(folder)
    assert (folder / "out.tdb").is_symlink()
    assert [path.name for path in (folder / "disk").iterdir()] == ["real.tdb"]


@pytest.mark.parametrize(
    ("options", "dataset", "expected"), [({"overwrite": True}, "A", [2]), ({"add": True}, "B", [1, 2])]
)
def test_array_behind_a_link_is_replaced(
    folder: Path, options: dict[str, bool], dataset: str, expected: list[int]
) -> None:
    ingested(folder)
    write_tables(folder, dataset, 2)
    before = {path.name for path in folder.iterdir()}
    ingested(folder, **options)
    assert cells(folder).tolist() == expected
    assert (folder / "out.tdb").readlink() == Path("disk/real.tdb")
    assert {path.name for path in folder.iterdir()} == before
    assert [path.name for path in (folder / "disk").iterdir()] == ["real.tdb"]
