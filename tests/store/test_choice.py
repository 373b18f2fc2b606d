"""The reader follows the sampling setting, what the tracks hold, and the memory there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import write_tracks

from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store import choice as choice_room
from kerasac.store.choice import available_memory, choose_reader, sample_track
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track

TOTAL = 100_000
ROW = np.arange(TOTAL)
TRACKS = {
    "rare": (ROW % 50 == 0).astype(np.float32),
    "deep": (ROW % 1_000).astype(np.float32),
    "dense": (ROW / 3).astype(np.float32),
    "gaps": np.where(ROW % 50 == 0, 2, np.nan).astype(np.float32),
}
SPANS = Spans.from_bounds(np.array([0]), np.array([5_000]))
AMPLE = 10**12


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> StoreLayout:
    path = tmp_path_factory.mktemp("choice") / "a.tdb"
    write_tracks(path, Assembly(("chr1",), (TOTAL,)), {"A": TRACKS})
    return read_layout(str(path))


@pytest.mark.parametrize(
    ("small", "attributes", "spans", "memory", "kind"),
    [
        (AMPLE, ["rare"], None, AMPLE, "map"),
        (AMPLE, ["dense"], SPANS, AMPLE, "map"),
        (0, ["rare"], SPANS, AMPLE, "spans"),
        (0, ["dense"], SPANS, AMPLE, "spans"),
        (0, ["rare"], None, AMPLE, "sparse"),
        (0, ["rare", "deep"], None, AMPLE, "map"),
        (0, ["dense"], None, AMPLE, "map"),
        (0, ["rare", "dense"], None, AMPLE, "map"),
        (AMPLE, ["rare"], None, 150_000, "sparse"),  # the map would take 100,000, half of the memory is less
        (AMPLE, ["dense"], SPANS, 50_000, "spans"),  # 20,000 in spans
        (AMPLE, ["dense"], None, 50_000, "blocks"),
        (AMPLE, ["rare"], None, 10_000, "blocks"),
        (AMPLE, ["rare"], SPANS, 9_000, "blocks"),
    ],
)
def test_fastest_that_fits_is_chosen(
    layout: StoreLayout,
    small: int,
    attributes: list[str],
    spans: Spans | None,
    memory: int,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice_room, "SMALL_BYTES", small)
    tracks = [Track("A", attribute) for attribute in attributes]
    chosen = choose_reader(layout, tracks, spans, memory_bytes=memory)
    assert chosen.kind == kind
    assert "half of the free memory is" in chosen.reason


@pytest.mark.parametrize(
    ("attribute", "item_bytes", "whole_numbers", "density"),
    [("rare", 1, True, 0.02), ("deep", 2, True, 0.999), ("dense", 4, False, 0.99999), ("gaps", 1, True, 0.02)],
)
def test_sample_says_what_a_track_holds(
    layout: StoreLayout, attribute: str, item_bytes: int, whole_numbers: bool, density: float
) -> None:
    sample = sample_track(layout, Track("A", attribute))
    assert (sample.item_bytes, sample.whole_numbers) == (item_bytes, whole_numbers)
    assert sample.density == pytest.approx(density, abs=1e-3)


def test_sample_of_a_large_genome_is_a_sample(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice_room, "_SAMPLE_BP", 500)
    read: list[int] = []

    def counting(*arguments: object) -> object:
        for slab in read_slabs(*arguments):  # type: ignore[arg-type]
            read.append(len(slab.cells))
            yield slab

    read_slabs = choice_room.read_slabs
    monkeypatch.setattr(choice_room, "read_slabs", counting)
    monkeypatch.setattr("kerasac.store.slabs.MERGE_GAP_BP", 0)
    assert sample_track(layout, Track("A", "rare")).density == pytest.approx(0.02, abs=2e-3)
    assert sum(read) == 24 * 500


def test_memory_is_what_the_system_says_is_free() -> None:
    available = int(
        next(line for line in Path("/proc/meminfo").read_text().splitlines() if "Available" in line).split()[1]
    )
    assert 0 < available_memory() <= 1.2 * 1024 * available
