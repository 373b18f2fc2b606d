"""Bad input ends before any compute, with one message that names the thing and the way out."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiledb
from servers import file_server
from tiny import ASSEMBLY, DATASETS, PEAKS_PER_CHROM, tiny_experiment, write_fasta, write_json

from kerasac.errors import ConfigError, FoldError, GenomeError, KerasacError, ModelError, SamplingError, StoreError
from kerasac.steps.prepare import PreparedWindows, prepare
from kerasac.store.readers import READER_KINDS

FOLDS = {"train": ["chr1", "chr2", "chr3"], "valid": ["chr4"], "test": ["chr5"]}
POSITIONS = {"regions": None, "negatives": None, "peaks": {"attribute": "peak"}, "train_size": 40, "valid_size": 20}
SEQUENCE = {"name": "sequence", "source": "seq", "flank": 100}


def outputs(*, flank: int = 30, **changes: Any) -> list[dict[str, Any]]:
    profile = {"name": "profile", "source": ["plus", "minus"], "flank": flank, **changes}
    return [profile, {**profile, "name": "logcount", "aggregate": "sum", "transform": "log"}]


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny files in a folder of its own; the array is shared."""
    for path in tiny_folder.iterdir():
        if path.is_file():
            shutil.copy2(path, tmp_path)
    (tmp_path / "signal.tdb").symlink_to(tiny_folder / "signal.tdb")
    return tmp_path


def own_array(folder: Path) -> Path:
    """Replace the shared array by a copy that a test may write to."""
    shared = (folder / "signal.tdb").resolve()
    (folder / "signal.tdb").unlink()
    return Path(shutil.copytree(shared, folder / "signal.tdb"))


def plain_fasta(folder: Path) -> None:
    write_fasta(folder / "genome.fa", {name[3:]: "A" * size for name, size in ASSEMBLY.as_dict().items()})


def write_beds(folder: Path) -> None:
    lines = (folder / "peaks.narrowPeak").read_text().splitlines()
    (folder / "three.bed").write_text("".join("\t".join(line.split("\t")[:3]) + "\n" for line in lines))
    (folder / "plain.bed").write_text("".join(f"{line.removeprefix('chr')}\n" for line in lines))
    (folder / "not_chr4.bed").write_text("".join(f"{line}\n" for line in lines if not line.startswith("chr4")))
    (folder / "two_chroms.bed").write_text("".join(f"{line}\n" for line in lines if line[3] in "12"))


def write_fold_tables(folder: Path) -> None:
    write_json(folder / "ok.json", FOLDS)
    write_json(folder / "plain.json", {name: [chrom[3:] for chrom in chroms] for name, chroms in FOLDS.items()})
    write_json(folder / "leak.json", {**FOLDS, "valid": ["chr3"]})


def without_values(folder: Path) -> None:
    with tiledb.open(str(own_array(folder)), "w") as array:
        rows = int(ASSEMBLY.offsets[2]), int(ASSEMBLY.offsets[3])
        columns = {array.attr(i).name: np.zeros(rows[1] - rows[0], array.attr(i).dtype) for i in range(array.nattr)}
        array[rows[0] : rows[1], 0] = {**columns, "minus": np.full(rows[1] - rows[0], np.nan, np.float32)}


def other_sizes(folder: Path) -> None:
    (folder / "chrom.sizes").write_text("chr1\t40000\nchr2\t36001\nchr3\t32000\nchr4\t28000\nchr5\t24000\n")


def nothing(folder: Path) -> None:
    del folder


Case = tuple[Callable[[Path], None], dict[str, Any], type[KerasacError], str]

CASES: dict[str, Case] = {
    "unknown dataset": (
        nothing,
        {"datasets": "tinny"},
        StoreError,
        "source of profile: .*no dataset 'tinny'; did you mean 'tiny'",
    ),
    "unknown dataset of sampling": (
        nothing,
        {"datasets": "tinny", "outputs": outputs(dataset="tiny")},
        StoreError,
        "datasets: .*no dataset 'tinny'; did you mean 'tiny'",
    ),
    "unknown attribute": (
        nothing,
        {"outputs": outputs(source=["plus", "mnus"])},
        StoreError,
        "source of profile: .*no attribute 'mnus'; did you mean 'minus'",
    ),
    "unknown control": (
        nothing,
        {"inputs": [SEQUENCE, {"name": "control", "source": "contrl_plus", "flank": 30}]},
        StoreError,
        "source of control: .*no attribute 'contrl_plus'; did you mean 'control_plus'",
    ),
    "unknown peak attribute": (
        nothing,
        {"sampling": {**POSITIONS, "peaks": {"attribute": "peaks"}}},
        StoreError,
        "sampling: .*no attribute 'peaks'; did you mean 'peak'",
    ),
    "unknown ambiguous attribute": (
        nothing,
        {"sampling": {"ambiguous": "ambg"}},
        StoreError,
        "sampling: .*'ambg'; did you mean 'ambig'",
    ),
    "unknown architecture": (nothing, {"model": {"architecture": "bpnt"}}, ModelError, "'bpnt'; did you mean 'bpnet'"),
    "unknown parameter": (
        nothing,
        {"model": {"filtrs": 3}},
        ModelError,
        "'filtrs' of model bpnet; did you mean 'filters'",
    ),
    "output longer than the receptive field allows": (
        nothing,
        {"outputs": outputs(flank=95)},
        ModelError,
        "output profile of 190 bases is longer than the receptive field allows.*at least 108",
    ),
    "one strand": (
        nothing,
        {"outputs": outputs(source=["plus"])},
        ConfigError,
        "source of profile: plus is there without minus, .*reverse_complement to false",
    ),
    "array is no array": (
        lambda folder: (folder / "signal.tdb").unlink() or (folder / "signal.tdb").mkdir(),  # type: ignore[func-returns-value]
        {},
        StoreError,
        r"signal\.tdb is not a TileDB array",
    ),
    "FASTA without chr": (
        plain_fasta,
        {},
        GenomeError,
        "'chr1' is not in the FASTA .*: it is called '1' there, 'chr1' here; use one naming",
    ),
    "chromosome sizes of another assembly": (
        other_sizes,
        {},
        GenomeError,
        "chr2 has 36,000 bases here but 36,001 in .*chrom.sizes",
    ),
    "BED without chr": (
        write_beds,
        {"sampling": {"regions": {"bed": "plain.bed"}}},
        GenomeError,
        "'1' of .*plain.bed is not in the genome: it is called 'chr1'",
    ),
    "BED of three columns with summits": (
        write_beds,
        {"sampling": {"regions": {"bed": "three.bed"}}},
        GenomeError,
        "three.bed line 1 has 3 columns and no summit; give a narrowPeak file .*centers",
    ),
    "score.peaks of three columns": (
        write_beds,
        {"score": {"peaks": "three.bed"}},
        GenomeError,
        "three.bed line 1 has 3 columns",
    ),
    "flank larger than every chromosome": (
        nothing,
        {"inputs": [{**SEQUENCE, "flank": 20_001}]},
        GenomeError,
        "sequence has flank 20,001: windows of 40,002 bases, but the longest chromosome .chr1. has 40,000",
    ),
    "fold table without chr": (
        write_fold_tables,
        {"folds": {"n": None, "files": "plain.json"}},
        FoldError,
        "'1' of the fold table is not in the genome: it is called 'chr1'",
    ),
    "fold table that leaks": (
        write_fold_tables,
        {"folds": {"n": None, "files": "leak.json"}},
        FoldError,
        "leak.json: chr3 in both train and valid of fold 0",
    ),
    "more folds than the table has": (
        write_fold_tables,
        {"folds": {"n": 2, "files": "ok.json"}},
        FoldError,
        "folds.n is 2, but .*ok.json has 1 folds",
    ),
    "more folds than chromosomes": (
        nothing,
        {"folds": {"n": 6}},
        FoldError,
        "6 folds of whole chromosomes need 6 chromosomes with peaks, but only 5",
    ),
    "chromosomes without peaks for the folds": (
        write_beds,
        {"sampling": {"regions": {"bed": "two_chroms.bed"}}, "folds": {"n": 3}},
        FoldError,
        r"only 2 have any \(chr1, chr2\)",
    ),
    "split without peaks": (
        lambda folder: (write_beds(folder), write_fold_tables(folder)),  # type: ignore[dict-item, return-value]
        {"sampling": {"regions": {"bed": "not_chr4.bed"}}, "folds": {"n": None, "files": "ok.json"}},
        SamplingError,
        r"no peak in the valid split of fold 0 \(chr4\)",
    ),
    "counts that are no sum": (
        nothing,
        {"outputs": [outputs()[0], {**outputs()[1], "aggregate": "average"}]},
        ConfigError,
        r"outputs\.logcount\.aggregate is average; counts beside a profile are its sum",
    ),
    "counts of other bases than the profile's": (
        nothing,
        {"outputs": [outputs()[0], {**outputs()[1], "flank": 40}]},
        ConfigError,
        "output logcount has 80 bases, output profile 60; counts beside a profile are its sum: give both",
    ),
    "min that nothing reaches": (
        nothing,
        {"outputs": [outputs()[0], {**outputs()[1], "min": 99}]},
        SamplingError,
        "no peak in the train split of fold 0 .*min and max",
    ),
    "chromosome without values": (
        without_values,
        {},
        StoreError,
        "minus of tiny has no value on chr3: its bigWig lacks the chromosome",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_clear_error(folder: Path, case: str) -> None:
    arrange, changes, error, expected = CASES[case]
    arrange(folder)
    with pytest.raises(error, match=expected) as caught:
        prepare(tiny_experiment(folder, **changes))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_all_missing_files_are_listed_at_once(folder: Path) -> None:
    changes: dict[str, Any] = {
        "genome": {"fasta": "no.fa", "chrom_sizes": "no.sizes", "blacklist": "no.bed"},
        "store": "no.tdb",
        "sampling": {"regions": {"bed": "no.peaks"}, "negatives": {"bed": "no.negatives"}},
        "score": {"peaks": "no.scored"},
        "folds": {"files": ["no.0.json", "no.1.json"]},
    }
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_experiment(folder, **changes))
    assert sorted(re.findall(r"(\S+): \S+/(no\.\S+)", str(caught.value))) == [
        ("folds.files", "no.0.json"),
        ("folds.files", "no.1.json"),
        ("genome.blacklist", "no.bed"),
        ("genome.chrom_sizes", "no.sizes"),
        ("genome.fasta", "no.fa"),
        ("sampling.negatives.bed", "no.negatives"),
        ("sampling.regions.bed", "no.peaks"),
        ("score.peaks", "no.scored"),
        ("store", "no.tdb"),
    ]
    assert "--data FOLDER" in str(caught.value)


def test_split_without_peaks_is_found_before_tracks_are_decoded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    write_beds(folder)
    write_fold_tables(folder)
    sampling = {"regions": {"bed": "not_chr4.bed"}}
    with pytest.raises(SamplingError):
        prepare(tiny_experiment(folder, sampling=sampling, folds={"n": None, "files": "ok.json"}))
    assert not (tmp_path / "cache" / "tracks").exists()


@pytest.mark.parametrize("sampling", [{}, POSITIONS])
@pytest.mark.parametrize("reader", READER_KINDS)
def test_good_input_is_prepared(folder: Path, sampling: dict[str, Any], reader: str) -> None:
    prepared = prepare(tiny_experiment(folder, sampling=sampling, compute={"reader": reader}))
    assert len(prepared.folds) == 5
    assert bool(prepared.source.decoded) == (reader != "blocks")
    windows = prepared.plan(prepared.folds[0], 1).train(0)
    batch = prepared.source.batch(windows)
    assert batch.inputs["sequence"].shape == (len(windows), 200)
    assert batch.outputs["profile"].shape == (len(windows), 60, 2)
    assert batch.outputs["logcount"].shape == (len(windows), 2)


def test_strong_peaks_have_more_counts_than_weak_ones_and_than_background(folder: Path) -> None:
    prepared = prepare(tiny_experiment(folder))
    windows = prepared.plan(prepared.folds[0], 1).test()
    counts = prepared.source.total_counts(windows, "logcount")
    peaks = counts[windows.is_peak]
    assert peaks[::2].min() > peaks[1::2].max() > np.median(counts[~windows.is_peak])


def test_good_fold_files_are_used(folder: Path) -> None:
    write_fold_tables(folder)
    (fold,) = prepare(tiny_experiment(folder, folds={"n": None, "files": "ok.json"})).folds
    assert fold.as_dict() == FOLDS


def test_one_strand_is_fine_when_no_window_is_reversed(folder: Path) -> None:
    prepare(tiny_experiment(folder, outputs=outputs(source=["plus"]), sampling={"reverse_complement": False}))


def test_gaps_are_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tiledb.open(str(own_array(folder)), "w") as array:
        columns = {array.attr(i).name: np.zeros(3, array.attr(i).dtype) for i in range(array.nattr)}
        array[10:13, DATASETS.index("tiny")] = {**columns, "plus": np.full(3, np.nan, np.float32)}
    prepare(tiny_experiment(folder))
    assert "plus of tiny: 3 bases of chr1 without a value are read as 0" in caplog.text


def test_prepared_experiment_travels(folder: Path) -> None:
    prepared = prepare(tiny_experiment(folder))
    windows = prepared.plan(prepared.folds[0], 1).train(0)
    prepared.source.batch(windows)
    pickled = pickle.dumps(prepared)
    assert len(pickled) < 20_000
    arrived: PreparedWindows = pickle.loads(pickled)
    assert arrived.fingerprint() == prepared.fingerprint()
    assert arrived.plan(arrived.folds[0], 1).train(0).digest() == windows.digest()


def test_fingerprint_follows_what_decides_a_result_and_nothing_else(folder: Path) -> None:
    def fingerprint(**changes: Any) -> str:
        return prepare(tiny_experiment(folder, **changes)).fingerprint()

    base = fingerprint()
    assert base == fingerprint(name="other", seeds=[5], folds={"n": 3}, compute={"samplers": 0})
    changed = [fingerprint(training={"epochs": 3}), fingerprint(model={"filters": 5}), fingerprint(datasets="other")]
    lines = (folder / "peaks.narrowPeak").read_text().splitlines(keepends=True)
    (folder / "peaks.narrowPeak").write_text("".join(lines[1:]))
    changed.append(fingerprint())
    assert len({base, *changed}) == 5


def test_fingerprint_follows_content_not_places(folder: Path, tmp_path: Path) -> None:
    base = prepare(tiny_experiment(folder)).fingerprint()
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert prepare(tiny_experiment(moved)).fingerprint() == base
    fasta = (moved / "genome.fa").read_text()
    (moved / "genome.fa").write_text(fasta.replace("ACGT", "ACCT", 1))
    assert prepare(tiny_experiment(moved)).fingerprint() != base


def test_remote_files_give_the_same_experiment_which_names_their_urls(folder: Path) -> None:
    write_json(folder / "folds.json", FOLDS)
    with file_server() as server:
        server.put_folder(folder)
        url = server.url
        changes: dict[str, Any] = {
            "genome": {
                "fasta": f"{url}/genome.fa",
                "chrom_sizes": f"{url}/chrom.sizes",
                "blacklist": f"{url}/blacklist.bed",
            },
            "sampling": {"regions": {"bed": f"{url}/peaks.narrowPeak"}},
            "folds": {"files": f"{url}/folds.json", "n": None},
        }
        remote = prepare(tiny_experiment(folder, **changes))
    local = prepare(tiny_experiment(folder, folds={"files": "folds.json", "n": None}))
    assert remote.fingerprint() == local.fingerprint()
    assert [fold.as_dict() for fold in remote.folds] == [fold.as_dict() for fold in local.folds]
    saved = remote.experiment.as_dict()
    assert saved["genome"] == changes["genome"]
    assert saved["sampling"]["regions"]["bed"] == f"{url}/peaks.narrowPeak"
    assert saved["folds"]["files"] == [f"{url}/folds.json"]


def test_other_machines_fetch_the_genome_themselves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_server() as server:
        server.put_folder(folder)
        prepared = prepare(tiny_experiment(folder, genome={"fasta": f"{server.url}/genome.fa"}))
        monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "other machine"))
        there: PreparedWindows = pickle.loads(pickle.dumps(prepared))
        there.source.ensure(verify=True)
        assert server.asked["GET /genome.fa"] == 2
    assert there.fingerprint() == prepared.fingerprint()
    assert list(tmp_path.glob("other machine/tokens/*/tokens.npy"))


def test_description_counts_windows_and_what_was_left_out(folder: Path) -> None:
    facts = dict(prepare(tiny_experiment(folder)).describe())
    n_left_out = sum(int(count) for what, count in facts.items() if what.startswith("left out"))
    assert facts["genome"] == "5 chromosomes, 160,000 bases"
    assert facts["candidates"] == f"{5 * PEAKS_PER_CHROM - n_left_out} regions"
    assert facts["units of work"] == "5 folds × 1 seeds"
    assert re.fullmatch(r"train \d+, valid \d+, test \d+", facts["fold 0"])
