"""What a scan finds is what a look at every base finds, and an ingested array is not scanned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiledb
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_tracks

from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store import scan as scan_room
from kerasac.store import slabs as slabs_room
from kerasac.store.scan import scan_spans
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track
from kerasac.store.stored_runs import FOLDER, joined, runs_of, stored_runs, track_content, write_stored

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (700, 500, 300))
TOTAL = ASSEMBLY.total_bp
ROW = np.arange(TOTAL)
marks = (ROW % 7 < 3).astype(np.int64) + (ROW % 7 == 1)
gaps = np.where((ROW < 10) | (ROW >= 1_200), np.nan, ROW).astype(np.float32)
TRACKS = {
    "A": {"row": ROW.astype(np.float32), "marks": marks, "gaps": gaps},
    "B": {"row": 50 * ROW.astype(np.float32), "marks": marks[::-1].copy(), "gaps": gaps * 2},
}


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreLayout:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, TRACKS)
    return read_layout(str(tmp_path / "a.tdb"))


def rows_of(spans: Spans) -> list[int]:
    assert (spans.starts[1:] > spans.ends[:-1]).all(), "spans are joined where they touch"
    return ROW[spans.contains(ROW)].tolist()


@pytest.mark.parametrize("datasets", [["A"], ["B"], ["A", "B"]])
@pytest.mark.parametrize(
    ("attribute", "threshold"), [("marks", 1), ("marks", 2), ("row", 640), ("gaps", 0), ("row", 9e9)]
)
@pytest.mark.parametrize(("shard", "slab"), [(64, 8), (97, 1_000), (10**6, 10**6)])
def test_scan_equals_brute_force(
    layout: StoreLayout,
    datasets: list[str],
    attribute: str,
    threshold: float,
    shard: int,
    slab: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan_room, "SHARD_BP", shard)
    monkeypatch.setattr(slabs_room, "SLAB_BYTES", slab)
    spans = scan_spans(layout, attribute, datasets, threshold)
    reached = np.any([TRACKS[dataset][attribute] >= threshold for dataset in datasets], axis=0)
    assert rows_of(spans) == np.flatnonzero(reached).tolist()


def test_array_is_scanned_once(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scan_spans(layout, "marks", ["A"], 1)
    monkeypatch.setattr(scan_room, "_scan", pytest.fail)
    assert scan_spans(layout, "marks", ["A"], 1).digest() == before.digest()


cells = st.lists(st.integers(0, 3), max_size=40)


@given(parts=st.lists(cells, min_size=1, max_size=5))
def test_runs_of_parts_are_those_of_the_whole(parts: list[list[int]]) -> None:
    whole = np.array([value for part in parts for value in part], dtype=np.int64)
    lows = np.cumsum([0, *map(len, parts)])
    pieces = [runs_of(np.array(part, dtype=np.int64), low) for part, low in zip(parts, lows, strict=False) if part]
    if not pieces:
        return
    found = joined(pieces)
    painted = np.zeros_like(whole)
    for start, end, value in zip(*found, strict=True):
        assert value != 0
        painted[start:end] = value
    assert painted.tolist() == whole.tolist()
    same = (found.start[1:] == found.end[:-1]) & (found.value[1:] == found.value[:-1])
    assert not same.any(), "a run that goes on is one run"


def keep_runs(layout: StoreLayout) -> None:
    track = Track("A", "marks")
    write_stored(layout, {track: runs_of(TRACKS["A"]["marks"], 0)}, {track: "digest of the cells"})


@pytest.mark.parametrize("threshold", [1, 2, 3])
def test_kept_runs_spare_the_scan(layout: StoreLayout, threshold: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_runs(layout)
    monkeypatch.setattr(scan_room, "_scan", pytest.fail)
    found = rows_of(scan_spans(layout, "marks", ["A"], threshold))
    assert found == np.flatnonzero(TRACKS["A"]["marks"] >= threshold).tolist()


def test_thresholds_of_0_and_below_are_scanned(layout: StoreLayout) -> None:
    """The runs say nothing of cells that are 0."""
    keep_runs(layout)
    assert rows_of(scan_spans(layout, "marks", ["A"], 0)) == ROW.tolist()


def test_runs_of_an_array_that_was_written_to_do_not_count(layout: StoreLayout) -> None:
    keep_runs(layout)
    with tiledb.open(layout.path, "w") as array:
        array[0:TOTAL, 0] = {**TRACKS["A"], "marks": np.ones(TOTAL, dtype=np.int64)}
    changed = read_layout(layout.path)
    assert stored_runs(changed, Track("A", "marks")) is None
    assert track_content(changed, Track("A", "marks")) == changed.state
    assert rows_of(scan_spans(changed, "marks", ["A"], 1)) == ROW.tolist()


@pytest.mark.parametrize("name", ["index.json", "runs-0.npz"])
def test_damaged_runs_are_said_and_scanned(layout: StoreLayout, name: str, caplog: pytest.LogCaptureFixture) -> None:
    keep_runs(layout)
    (Path(layout.path) / FOLDER / name).write_text("{")
    assert rows_of(scan_spans(layout, "marks", ["A"], 1)) == np.flatnonzero(marks >= 1).tolist()
    assert "cannot be read" in caplog.text


def test_tiledb_leaves_the_runs_alone(layout: StoreLayout) -> None:
    keep_runs(layout)
    assert tiledb.object_type(layout.path) == "array"
    for mode in ("fragment_meta", "commits", "array_meta", "fragments"):
        tiledb.consolidate(layout.path, config=tiledb.Config({"sm.consolidation.mode": mode}))
        tiledb.vacuum(layout.path, config=tiledb.Config({"sm.vacuum.mode": mode}))
    assert (Path(layout.path) / FOLDER / "index.json").exists()
    with tiledb.open(layout.path) as array:
        assert array.query(attrs=["marks"])[0:TOTAL, 0]["marks"].reshape(-1).tolist() == marks.tolist()
