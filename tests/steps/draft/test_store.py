"""An experiment of an array is one that passes the checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiledb
import yaml
from tiny import ASSEMBLY, PEAKS_PER_CHROM, write_fasta

from kerasac.config import load_experiment
from kerasac.errors import ConfigError, GenomeError, KerasacError, StoreError
from kerasac.steps.draft import store as module
from kerasac.steps.draft.given import Given
from kerasac.steps.draft.store import draft_of_store
from kerasac.steps.draft.text import Positions, Regions, experiment_text
from kerasac.steps.prepare import prepare
from kerasac.store.schema import create_array


def array_of(path: Path, **dtypes: str) -> Path:
    create_array(str(path), ASSEMBLY, ["one"], {name: np.dtype(dtype) for name, dtype in dtypes.items()})
    return path


def test_tiny_array_is_understood(tiny_folder: Path) -> None:
    draft = draft_of_store(tiny_folder / "signal.tdb", Given(fasta=tiny_folder / "genome.fa"), tiny_folder)
    assert (draft.name, draft.store, draft.fasta) == ("signal", "signal.tdb", "genome.fa")
    assert draft.datasets == ("tiny", "other")
    assert draft.roles.outputs == ("plus", "minus")
    assert draft.roles.controls == ("control_plus", "control_minus")
    assert draft.roles.ambiguous == "ambig"
    assert draft.sampling == Positions("peak", PEAKS_PER_CHROM * len(ASSEMBLY.names))
    assert draft.n_folds == 5


@pytest.mark.parametrize("with_file", [False, True])
def test_draft_passes_the_checks_as_it_is(tiny_folder: Path, tmp_path: Path, with_file: bool) -> None:
    for path in tiny_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    given = Given(
        fasta=tmp_path / "genome.fa",
        chrom_sizes=tmp_path / "chrom.sizes",
        blacklist=tmp_path / "blacklist.bed",
        peaks=tmp_path / "peaks.narrowPeak" if with_file else None,
        name="given",
    )
    (tmp_path / "experiment.yaml").write_text(experiment_text(draft_of_store(tmp_path / "signal.tdb", given, tmp_path)))
    prepared = prepare(load_experiment(tmp_path / "experiment.yaml"))
    assert len(prepared.folds) == 5
    assert (prepared.experiment.sampling.regions is not None) is with_file


def test_attribute_that_is_named_is_sampled(tiny_folder: Path) -> None:
    draft = draft_of_store(tiny_folder / "signal.tdb", Given(peak_attribute="ambig"), tiny_folder)
    assert draft.sampling == Positions("ambig", len(ASSEMBLY.names))


def test_peaks_without_summits_are_centred(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p.bed").write_text("chr1\t1000\t1100\nchr2\t1000\t1100\n")
    draft = draft_of_store(tiny_folder / "signal.tdb", Given(peaks=tmp_path / "p.bed"), tmp_path)
    assert draft.sampling == Regions("p.bed", False)
    assert draft.n_peak_chroms == 2


def test_large_array_is_not_scanned(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUICK_BP", 1000)
    monkeypatch.setattr(module, "scan_spans", lambda *_, **__: pytest.fail("scanned"))
    draft = draft_of_store(tiny_folder / "signal.tdb", Given(), tiny_folder)
    assert draft.sampling == Positions("peak", None)


def test_folds_of_a_table_are_counted(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('{"folds": [["chr1"], ["chr2"], ["chr3"], ["chr4", "chr5"]]}')
    draft = draft_of_store(tiny_folder / "signal.tdb", Given(folds=(tmp_path / "f.json",)), tmp_path)
    assert (draft.fold_files, draft.n_folds) == (("f.json",), 4)


@pytest.mark.parametrize(
    ("dtypes", "said"),
    [
        ({"control_plus": "f4", "peak": "u1"}, "has no signal to predict; its attributes: control_plus, peak"),
        ({"plus": "f4", "minus": "f4", "ambig": "u1"}, "has no attribute of peaks"),
    ],
)
def test_array_that_lacks_what_is_needed_is_refused(tmp_path: Path, dtypes: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        draft_of_store(array_of(tmp_path / "s.tdb", **dtypes), Given(), tmp_path)


def test_array_without_peaks_does_with_a_file(tmp_path: Path) -> None:
    store = array_of(tmp_path / "s.tdb", signal="f4")
    (tmp_path / "p.bed").write_text("chr1\t1000\t1100\n")
    draft = draft_of_store(store, Given(peaks=tmp_path / "p.bed"), tmp_path)
    assert (draft.name, draft.roles.outputs) == ("one", ("signal",))
    assert yaml.safe_load(experiment_text(draft))["sampling"]["ambiguous"] is None


def test_array_of_another_schema_is_refused(tmp_path: Path) -> None:
    tiledb.from_numpy(str(tmp_path / "x.tdb"), np.arange(3))
    with pytest.raises(StoreError, match="not one of seqdataloader's schema"):
        draft_of_store(tmp_path / "x.tdb", Given(), tmp_path)
    with pytest.raises(StoreError, match="not a TileDB array"):
        draft_of_store(tmp_path, Given(), tmp_path)


def test_attribute_that_the_array_lacks_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(StoreError, match="no attribute 'peek'; did you mean 'peak'"):
        draft_of_store(tiny_folder / "signal.tdb", Given(peak_attribute="peek"), tiny_folder)


def test_files_of_another_genome_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "g.fa", {"1": "ACGT"})
    (tmp_path / "c.sizes").write_text("chr1\t5\n")
    (tmp_path / "p.bed").write_text("1\t1\t2\n")
    (tmp_path / "no.bed").write_text("no\n")
    for given in (
        Given(fasta=fasta),
        Given(chrom_sizes=tmp_path / "c.sizes"),
        Given(blacklist=tmp_path / "p.bed"),
        Given(peaks=tmp_path / "p.bed"),
    ):
        with pytest.raises(GenomeError):
            draft_of_store(tiny_folder / "signal.tdb", given, tmp_path)
    with pytest.raises(KerasacError, match="holds no peaks"):
        draft_of_store(tiny_folder / "signal.tdb", Given(peaks=tmp_path / "no.bed"), tmp_path)
