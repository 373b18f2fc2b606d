"""What is printed to start from loads, passes its checks, and keeps the template's explanations."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny import tiny_experiment

from kerasac.config import load_experiment
from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly
from kerasac.steps.initial import TEMPLATE, experiment_text, find_files, of_store, write_start
from kerasac.steps.survey import survey
from kerasac.store.ingest import ingest
from kerasac.store.schema import StoreLayout, read_layout


def layout_of(**attributes: str) -> StoreLayout:
    dtypes = {name: np.dtype(dtype) for name, dtype in attributes.items()}
    return StoreLayout("a.tdb", Assembly(("chr1",), (9,)), ("K562", "GM12878"), dtypes, 9, "state")


SIGNALS = {"fc_bigwig": "f4", "count_bigwig_plus_5p": "f4", "count_bigwig_minus_5p": "f4"}
MARKS = {"idr_peak": "i8", "overlap_peak": "i8", "ambig_peak": "i8"}


def test_array_is_filled_in() -> None:
    found = yaml.safe_load(experiment_text(of_store(layout_of(**SIGNALS, **MARKS), fasta="g.fa")))
    assert found["datasets"] == ["K562", "GM12878"]
    assert [output["source"] for output in found["outputs"]] == [["count_bigwig_plus_5p", "count_bigwig_minus_5p"]] * 2
    assert found["sampling"]["peaks"]["attribute"] == "overlap_peak"
    assert found["sampling"]["ambiguous"] == "ambig_peak"
    assert "regions" not in found["sampling"]
    assert found["sampling"]["train_size"]


@pytest.mark.parametrize(
    ("signals", "outputs"),
    [
        ({"count_unstranded": "f4", "fc": "f4"}, ["count_unstranded"]),
        ({"control_plus": "f4", "control_minus": "f4", "plus": "f4", "minus": "f4"}, ["plus", "minus"]),
        ({"signal": "f4"}, ["signal"]),
    ],
)
def test_counts_are_told_by_name(signals: dict[str, str], outputs: list[str]) -> None:
    assert list(of_store(layout_of(**signals, peak="u1")).outputs) == outputs


def test_controls_stay_comments_with_their_names() -> None:
    layout = layout_of(control_plus="f4", control_minus="f4", count_plus="f4", count_minus="f4", peak="u1")
    text = experiment_text(of_store(layout))
    assert "# - {name: control_profile, source: [control_plus, control_minus]" in text


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (layout_of(plus="f4", minus="f4"), "no attribute of peaks"),
        (layout_of(fc="f4", pval="f4", peak="u1"), "cannot tell which track"),
    ],
)
def test_what_cannot_be_told_is_asked_for(layout: StoreLayout, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        of_store(layout)


def test_text_has_every_comment_of_the_template() -> None:
    text = experiment_text(of_store(layout_of(**SIGNALS, **MARKS), peaks="p.narrowPeak"))
    comments = [line.split("#", 1)[1] for line in TEMPLATE.read_text().splitlines() if "#" in line]
    assert [line for line in comments if line not in text and "control_" not in line] == []


def test_filled_in_experiment_passes_its_checks(tiny_folder: Path, tmp_path: Path) -> None:
    paths = {"fasta": str(tiny_folder / "genome.fa"), "peaks": str(tiny_folder / "peaks.narrowPeak")}
    text = experiment_text(of_store(read_layout(str(tiny_experiment(tiny_folder).store)), **paths))
    (tmp_path / "e.yaml").write_text(text)
    flanks = ["inputs.sequence.flank=500", "outputs.profile.flank=30", "outputs.logcount.flank=30"]
    small = ["model.dilated_layers=2", "datasets=tiny", "sampling.regions.jitter=0", *flanks]
    found = survey(load_experiment(tmp_path / "e.yaml", overrides=small))
    assert found.findings.errors == []


@pytest.mark.shared
def test_folder_is_told_by_names_and_can_be_ingested(shared_dir: Path, tmp_path: Path) -> None:
    genome = shared_dir / "reference" / "genome"
    written = write_start(genome, tmp_path / "out", {})
    layout = ingest(written[0], str(written[1]), genome / "chrom.sizes", tmp_path / "out" / "signal.tdb")
    assert set(layout.datasets) == {"K562", "GM12878"}
    assert {"count_plus", "count_minus", "count_unstranded", "overlap_peak", "idr_peak", "ambig_peak"} <= set(
        layout.attributes
    )
    small = ["model.dilated_layers=4", "inputs.sequence.flank=700", "folds.n=3"]
    experiment = load_experiment(written[2], overrides=small)
    assert survey(experiment).findings.errors == []
    with pytest.raises(ConfigError, match=r"metadata.tsv is there already"):
        write_start(genome, tmp_path / "out", {})


def test_two_genomes_are_asked_about(tmp_path: Path) -> None:
    for name in ("a.fa", "b.fa", "x.plus.bw", "x.minus.bw"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=r"a.fa and .*b.fa could both be the fasta; say which: --fasta"):
        find_files(tmp_path, {})
    assert find_files(tmp_path, {"fasta": tmp_path / "a.fa"}).genome["fasta"] == tmp_path / "a.fa"


def test_folder_without_bigwigs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.fa").touch()
    with pytest.raises(ConfigError, match="has no bigWig"):
        find_files(tmp_path, {})
    shutil.rmtree(tmp_path)
