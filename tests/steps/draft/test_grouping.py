"""Files whose names begin alike are one dataset's."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasac.errors import ConfigError
from kerasac.steps.draft.files import Kind, KnownFile
from kerasac.steps.draft.grouping import Tracks, attribute_name, group
from kerasac.store.tables import AttributeType


def known(name: str) -> KnownFile:
    """Return a file as its content would tell it, from its name."""
    if name.endswith((".bw", ".bigWig")):
        return KnownFile(Path(name), Kind.SIGNAL)
    kind = Kind.AMBIGUOUS if "ambig" in name else Kind.PEAKS
    return KnownFile(Path(name), kind, has_summits=".narrowPeak" in name)


def grouped(*names: str) -> Tracks:
    return group([known(name) for name in names], nameless="folder")


def placed(*names: str) -> dict[str, dict[str, str]]:
    found = grouped(*names).datasets
    return {dataset: {name: str(path) for name, path in files.items()} for dataset, files in found.items()}


@pytest.mark.parametrize(
    ("names", "datasets"),
    [
        (
            ["K562.plus.bw", "K562.minus.bw", "K562.overlap.narrowPeak"],
            {"K562": {"plus": "K562.plus.bw", "minus": "K562.minus.bw", "overlap_peak": "K562.overlap.narrowPeak"}},
        ),
        (
            ["a_b-c_fwd.bigWig", "a_b-c_rev.bigWig"],
            {"a_b-c": {"plus": "a_b-c_fwd.bigWig", "minus": "a_b-c_rev.bigWig"}},
        ),
        # Names that tell nothing but roles belong to the folder.
        (
            ["plus.bw", "minus.bw", "peaks.narrowPeak.gz", "ambiguous.bed"],
            {
                "folder": {
                    "plus": "plus.bw",
                    "minus": "minus.bw",
                    "peak": "peaks.narrowPeak.gz",
                    "ambig_peak": "ambiguous.bed",
                }
            },
        ),
        # What two datasets' names begin with is shared by them, and by no third.
        (
            ["E.rep1.plus.bw", "E.rep2.plus.bw", "F.plus.bw", "E.peaks.bed"],
            {
                "E.rep1": {"plus": "E.rep1.plus.bw", "peak": "E.peaks.bed"},
                "E.rep2": {"plus": "E.rep2.plus.bw", "peak": "E.peaks.bed"},
                "F": {"plus": "F.plus.bw"},
            },
        ),
        (
            ["E.plus.bw", "F.plus.bw", "control.plus.bw"],
            {
                "E": {"plus": "E.plus.bw", "control_plus": "control.plus.bw"},
                "F": {"plus": "F.plus.bw", "control_plus": "control.plus.bw"},
            },
        ),
        # The words behind a dataset's name are the attribute's.
        (
            ["atac.plus.bw", "atac.hmm_upstream.narrowPeak"],
            {"atac": {"plus": "atac.plus.bw", "hmm_upstream_peak": "atac.hmm_upstream.narrowPeak"}},
        ),
        (["K562.bw", "GM12878.bw"], {"K562": {"signal": "K562.bw"}, "GM12878": {"signal": "GM12878.bw"}}),
        # K5 begins K562, but not as a word.
        (["K562.bw", "K5.bw"], {"K562": {"signal": "K562.bw"}, "K5": {"signal": "K5.bw"}}),
    ],
)
def test_names_place_files(names: list[str], datasets: dict[str, dict[str, str]]) -> None:
    assert placed(*names) == datasets


def test_order_of_files_does_not_matter() -> None:
    names = ["E.rep1.plus.bw", "E.rep2.plus.bw", "E.peaks.bed", "E.rep1.ambig.bed"]
    assert placed(*names) == placed(*reversed(names))


def test_peaks_of_no_bigwig_are_left() -> None:
    found = grouped("K562.plus.bw", "HepG2.peaks.bed")
    assert [file.path.name for file in found.unused] == ["HepG2.peaks.bed"]


def test_controls_alone_make_no_dataset() -> None:
    assert placed("K562.control_plus.bw", "K562.control_minus.bw") == {}


@pytest.mark.parametrize("other", ["K562_plus.bw", "K562.fwd.bw", "K562.plus.bigWig"])
def test_two_files_of_one_attribute_are_refused(other: str) -> None:
    with pytest.raises(ConfigError, match=f"K562.plus.bw and {other} would both be plus of K562"):
        grouped("K562.plus.bw", other)


def test_bigwig_and_bed_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"F\.peak\.bed would be peak, which is bigwig elsewhere"):
        grouped("E.peak.bw", "F.plus.bw", "F.peak.bed")


def test_types_follow_the_files() -> None:
    assert grouped("E.plus.bw", "E.peaks.narrowPeak", "E.idr.bed", "E.ambig.bed").types == {
        "plus": AttributeType.BIGWIG,
        "peak": AttributeType.BED_SUMMIT_FROM_LAST_COL,
        "idr_peak": AttributeType.BED_SUMMIT_FROM_PEAK_CENTER,
        "ambig_peak": AttributeType.BED_NO_SUMMIT,
    }


def test_peaks_that_lack_summits_in_one_dataset_have_none_in_all() -> None:
    found = grouped("E.plus.bw", "F.plus.bw", "E.peaks.narrowPeak", "F.peaks.bed")
    assert found.types["peak"] is AttributeType.BED_SUMMIT_FROM_PEAK_CENTER


@pytest.mark.parametrize(
    ("role", "kind", "name"),
    [
        ((), Kind.SIGNAL, "signal"),
        (("Control", "neg"), Kind.SIGNAL, "control_minus"),
        (("relaxed", "peaks"), Kind.PEAKS, "relaxed_peak"),
        ((), Kind.PEAKS, "peak"),
        (("ambiguous",), Kind.AMBIGUOUS, "ambig_peak"),
    ],
)
def test_attribute_is_called_as_in_seqdataloaders_arrays(role: tuple[str, ...], kind: Kind, name: str) -> None:
    assert attribute_name(role, kind) == name
