from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from simulated import simulate
from tiny import tiny_experiment

from kerasac.errors import ConfigError, KerasacError, ScoreError
from kerasac.steps.pseudoreplicates import TrackPair, pseudoreplicates_of
from kerasac.steps.score import score
from kerasac.steps.survey import survey
from kerasac.store.schema import read_layout
from kerasac.store.window_tracks import StoredTracks

HALVES = [["plus", "minus"], ["control_plus", "control_minus"]]


def experiment(folder: Path, **spec: Any) -> Any:
    return tiny_experiment(folder, score={"pseudoreplicates": spec})


def test_attributes_of_the_store_are_read_for_each_dataset(tiny_folder: Path) -> None:
    two = tiny_experiment(tiny_folder, datasets=["tiny", "other"], score={"pseudoreplicates": {"attributes": HALVES}})
    pair = pseudoreplicates_of(two)
    assert pair is not None
    assert str(pair) == (
        "plus of tiny, minus of tiny, plus of other, minus of other against "
        "control_plus of tiny, control_minus of tiny, control_plus of other, control_minus of other"
    )


def test_paired_channels_have_pseudoreplicates_of_their_own_datasets(tiny_folder: Path) -> None:
    profile = {
        "name": "profile",
        "source": ["minus", "plus"],
        "dataset": ["tiny", "other"],
        "flank": 30,
        "paired": True,
    }
    outputs = [profile, {**profile, "name": "logcount", "aggregate": "sum", "transform": "log"}]

    def pair(halves: list[list[str]]) -> TrackPair | None:
        score = {"pseudoreplicates": {"attributes": halves}}
        return pseudoreplicates_of(tiny_experiment(tiny_folder, outputs=outputs, score=score))

    assert str(pair(HALVES)) == "plus of tiny, minus of other against control_plus of tiny, control_minus of other"
    with pytest.raises(ScoreError, match="1 attributes for the 2 paired sources of profile"):
        pair([["plus"], ["minus"]])


def test_pairs_read_the_windows_of_predictions(tiny_folder: Path) -> None:
    pair = pseudoreplicates_of(experiment(tiny_folder, attributes=HALVES))
    assert pair is not None
    windows = dataclasses.replace(simulate(n=4), center=np.array([300, 700, 500, 900]))
    first, second = pair.read(windows)
    layout = read_layout(str(tiny_folder / "signal.tdb"))
    tracks = pair.second
    assert isinstance(tracks, StoredTracks)
    assert first.shape == second.shape == (4, 50, 2)
    np.testing.assert_array_equal(
        second, StoredTracks(layout, tracks.tracks).read(windows.chrom, windows.center, windows.n_bases)
    )
    assert (first != second).any()


def test_no_windows_have_no_ceiling(tiny_folder: Path) -> None:
    pair = pseudoreplicates_of(experiment(tiny_folder, attributes=HALVES))
    scores = score(simulate().take(slice(0, 0)), pseudoreplicates=pair)
    assert set(scores.windows["all"]) == set(scores.definitions)
    assert scores.windows["all"]["counts_pearson_pseudoreplicate"] is None


def test_without_any_there_is_none(tiny_folder: Path) -> None:
    assert pseudoreplicates_of(tiny_experiment(tiny_folder)) is None


def test_windows_of_the_reverse_strand_are_refused(tiny_folder: Path) -> None:
    pair = pseudoreplicates_of(experiment(tiny_folder, attributes=HALVES))
    assert isinstance(pair, TrackPair)
    with pytest.raises(ScoreError, match="reverse-complement"):
        pair.read(dataclasses.replace(simulate(), strand=np.full(60, "r")))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "either 'attributes' of the store or 'files'"),
        ({"attributes": HALVES, "files": [["a.bw"], ["b.bw"]]}, "either 'attributes' of the store or 'files'"),
        ({"attributes": [["plus", "minus"], ["control_plus"]]}, "2 tracks against 1; list one a task in both halves"),
        ({"attributes": [["plus"], ["plus"]]}, "listed in both halves"),
        ({"attributes": [["plus"]]}, "attributes"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_read(tiny_folder: Path, spec: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment(tiny_folder, **spec)


def test_bins_have_no_pseudoreplicates(tiny_folder: Path) -> None:
    binned = {
        "store": None,
        "datasets": [],
        "labels": "l.h5",
        "sampling": {"regions": None, "negatives": None, "ambiguous": None, "bins": {}},
        "outputs": [{"name": "open", "source": "a", "kind": "classification"}],
        "score": {"pseudoreplicates": {"attributes": HALVES}},
    }
    with pytest.raises(ConfigError, match="pseudoreplicates goes with store"):
        tiny_experiment(tiny_folder, **binned)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"attributes": [["plus", "minos"], ["control_plus", "control_minus"]]}, "no attribute 'minos'"),
        ({"attributes": [["plus"], ["minus"]]}, r"1 tracks for 2 tasks \(plus of tiny, minus of tiny\)"),
        ({"files": [["no.bw"], ["nope.bw"]]}, r"score.pseudoreplicates: .*no.bw"),
    ],
)
def test_what_is_not_there_is_found_by_the_survey(tiny_folder: Path, spec: Any, message: str) -> None:
    with pytest.raises(KerasacError, match=message):
        survey(experiment(tiny_folder, **spec)).findings.raise_errors()


def test_bigwigs_are_taken_as_files_relative_to_the_data(tiny_folder: Path) -> None:
    layout = read_layout(str(tiny_folder / "signal.tdb"))
    names = [[f"pr{half}.{strand}.bw" for strand in ("plus", "minus")] for half in (1, 2)]
    for name in names[0] + names[1]:
        with pyBigWig.open(str(tiny_folder / name), "w") as file:
            file.addHeader(list(layout.assembly.as_dict().items()))
            file.addEntries(["chr1"], [500], ends=[501], values=[7.0])
    found = survey(experiment(tiny_folder, files=names)).findings
    assert found.errors == []
    pair = pseudoreplicates_of(experiment(tiny_folder, files=names))
    assert pair is not None
    windows = dataclasses.replace(simulate(n=1), chrom=np.array(["chr1"]), center=np.array([500]))
    assert pair.read(windows)[1][0, 25].tolist() == [7, 7]
