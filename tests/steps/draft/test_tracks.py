"""Tracks are told by their names; a control is never predicted."""

from __future__ import annotations

import pytest

from kerasac.steps.draft.tracks import assign_roles
from kerasac.store.tables import BUILT_IN_ATTRIBUTES, AttributeType


@pytest.mark.parametrize(
    ("signals", "outputs", "controls"),
    [
        (["minus", "plus"], ("plus", "minus"), ()),
        (["fwd.x", "rev.x"], ("fwd.x", "rev.x"), ()),
        (["plus", "minus", "count_plus", "count_minus"], ("count_plus", "count_minus"), ()),
        (["fc", "unstranded", "pval"], ("unstranded",), ()),
        (["fc", "pval", "coverage"], ("coverage",), ()),
        (["pval", "fc"], ("fc",), ()),
        (["h3k4me3", "h3k27ac"], ("h3k4me3", "h3k27ac"), ()),
        (["plus", "unstranded"], ("unstranded",), ()),  # one strand alone is no pair
        (["control_plus", "control_minus", "signal"], ("signal",), ("control_plus", "control_minus")),
        (["input.unstranded", "x"], ("x",), ("input.unstranded",)),
        (["control_plus", "control_minus"], (), ("control_plus", "control_minus")),
        (["fold_change_over_control"], ("fold_change_over_control",), ()),
    ],
)
def test_outputs_and_controls(signals: list[str], outputs: tuple[str, ...], controls: tuple[str, ...]) -> None:
    roles = assign_roles(signals, [])
    assert (roles.outputs, roles.controls) == (outputs, controls)


@pytest.mark.parametrize(
    ("marks", "peaks", "ambiguous"),
    [
        (["ambig_peak", "idr_peak", "overlap_peak"], ("overlap_peak", "idr_peak"), "ambig_peak"),
        (["hmm_upstream_peak", "relaxed_peak", "peak"], ("peak", "relaxed_peak", "hmm_upstream_peak"), None),
        (["blacklist", "nonpeaks", "dhs"], ("dhs",), None),
        (["ambig"], (), "ambig"),
    ],
)
def test_peaks_and_ambiguous_regions(marks: list[str], peaks: tuple[str, ...], ambiguous: str | None) -> None:
    roles = assign_roles([], marks)
    assert (roles.peaks, roles.ambiguous) == (peaks, ambiguous)


def test_signals_without_a_role_are_named() -> None:
    assert assign_roles(["fc", "plus", "pval", "minus", "control_plus"], []).others == ("fc", "pval")


@pytest.mark.parametrize(("signals", "are_counts"), [(["fc"], False), (["pval"], False), (["signal"], True)])
def test_ratios_and_p_values_are_no_counts(signals: list[str], are_counts: bool) -> None:
    assert assign_roles(signals, []).are_counts is are_counts


@pytest.mark.parametrize("name", ["encode_pipeline", "encode_pipeline_with_controls"])
def test_seqdataloaders_own_names_are_understood(name: str) -> None:
    types = BUILT_IN_ATTRIBUTES[name]
    signals = [attribute for attribute, kind in types.items() if kind is AttributeType.BIGWIG]
    roles = assign_roles(signals, [attribute for attribute in types if attribute not in signals])
    assert roles.outputs == ("count_bigwig_plus_5p", "count_bigwig_minus_5p")
    assert roles.peaks == ("overlap_peak", "idr_peak")
    assert roles.ambiguous == "ambig_peak"
    strands = ("control_count_bigwig_plus_5p", "control_count_bigwig_minus_5p")
    assert roles.controls == (strands if name.endswith("controls") else ())
