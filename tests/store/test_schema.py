"""An array's layout is what was created, whoever wrote it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tiledb

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.schema import FORMAT_VERSION, StoreLayout, create_array, read_layout

ASSEMBLY = Assembly(("chrB", "chrA"), (70, 30))
ATTRIBUTES = {"plus": np.dtype(np.float32), "peak": np.dtype(np.int64)}


@pytest.fixture
def layout(tmp_path: Path) -> StoreLayout:
    return create_array(str(tmp_path / "a.tdb"), ASSEMBLY, ["K562", "GM12878"], ATTRIBUTES)


def test_created_array_reads_back_the_same(layout: StoreLayout) -> None:
    assert read_layout(layout.path) == layout
    assert pickle.loads(pickle.dumps(layout)) == layout


def test_schema_and_metadata_are_seqdataloaders(layout: StoreLayout) -> None:
    with tiledb.open(layout.path) as array:
        assert [(array.dim(i).name, array.dim(i).domain) for i in range(2)] == [
            ("genome_coordinate", (0, 100)),
            ("task", (0, 1)),
        ]
        meta = dict(array.meta)
    assert {key: value for key, value in meta.items() if not key.startswith("kerasac")} == {
        "num_tasks": 2,
        "task_0": "K562",
        "task_1": "GM12878",
        "num_chroms": 2,
        "chrom_0": "chrB",
        "size_0": 70,
        "offset_0": 0,
        "chrom_1": "chrA",
        "size_1": 30,
        "offset_1": 70,
    }
    assert meta["kerasac_format"] == FORMAT_VERSION


def test_dataset_is_found_by_name_and_a_wrong_one_suggests_the_nearest(layout: StoreLayout) -> None:
    assert layout.dataset_index("GM12878") == 1
    with pytest.raises(StoreError, match=r"a\.tdb has no dataset 'GM12787'; did you mean 'GM12878'"):
        layout.dataset_index("GM12787")


def test_missing_attribute_suggests_the_nearest(layout: StoreLayout) -> None:
    layout.require_attributes(["plus", "peak"])
    with pytest.raises(StoreError, match=r"a\.tdb has no attribute 'peaks'; did you mean 'peak'"):
        layout.require_attributes(["plus", "peaks"])


def test_no_array_at_the_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a TileDB array"):
        read_layout(str(tmp_path / "missing.tdb"))
    with pytest.raises(StoreError, match="is not a TileDB array"):
        read_layout(str(tmp_path))


def test_array_of_another_schema_is_an_error(tmp_path: Path) -> None:
    tiledb.from_numpy(str(tmp_path / "a"), np.arange(3)).close()
    with pytest.raises(StoreError, match="not one of seqdataloader's schema"):
        read_layout(str(tmp_path / "a"))


def test_existing_array_is_not_created_again(layout: StoreLayout) -> None:
    with pytest.raises(StoreError, match="already exists"):
        create_array(layout.path, ASSEMBLY, ["K562"], ATTRIBUTES)


def test_genome_beyond_32_bits_is_an_error(tmp_path: Path) -> None:
    wheat = Assembly(("1", "2"), (2**31, 2**31))
    with pytest.raises(StoreError, match="4,294,967,296 bases does not fit"):
        create_array(str(tmp_path / "a"), wheat, ["x"], ATTRIBUTES)


def test_metadata_of_thousands_of_contigs_is_written_some_keys_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each key takes as long as all that were set since the array was opened."""
    opened: list[str] = []
    plain = tiledb.open

    def noted(path: str, mode: str = "r", **given: object) -> object:
        opened.append(mode)
        return plain(path, mode, **given)

    monkeypatch.setattr(tiledb, "open", noted)
    contigs = Assembly(tuple(f"contig_{i}" for i in range(1_500)), tuple(range(1, 1_501)))
    assert create_array(str(tmp_path / "a"), contigs, ["x"], ATTRIBUTES).assembly == contigs
    assert opened.count("w") > 3 * 1_500 / 500


@pytest.mark.shared
def test_array_that_seqdataloader_wrote_is_read(shared_dir: Path) -> None:
    layout = read_layout(str(shared_dir / "reference/genome/store.tdb"))
    assert layout.assembly.as_dict() == {"chr1": 60000, "chr2": 50000, "chr3": 40000}
    assert layout.datasets == ("K562", "GM12878")
    assert layout.attributes["overlap_peak"] == np.int64
    assert layout.attributes["count_bigwig_plus_5p"] == np.float32
