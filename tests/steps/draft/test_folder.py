"""A folder of bigWigs and peaks becomes tables that ingest takes and an experiment that passes the checks."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
import yaml
from tiny import write_fasta

from kerasac.config import load_experiment
from kerasac.errors import ConfigError, GenomeError, KerasacError
from kerasac.steps.draft.folder import Started, start_from_folder
from kerasac.steps.draft.given import Given
from kerasac.steps.draft.text import Positions, Regions
from kerasac.steps.prepare import prepare
from kerasac.store.ingest import ingest
from kerasac.store.tables import read_attributes, read_metadata

CHROMS = {"chr1": 9000, "chr2": 8000, "chr3": 7000}
PEAK = "{chrom}\t{start}\t{end}\t.\t0\t.\t0\t0\t0\t50\n"


def write_bigwig(path: Path, chroms: dict[str, int] = CHROMS) -> None:
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader(list(chroms.items()))
        for chrom in chroms:
            bigwig.addEntries(chrom, [2000, 3010, 4000], values=[3.0, 2.0, 1.0], span=1)


def write_peaks(path: Path, *starts: int) -> None:
    lines = [PEAK.format(chrom=chrom, start=start, end=start + 100) for chrom in CHROMS for start in starts]
    path.write_text("".join(lines))


def write_dataset(folder: Path, name: str, *starts: int) -> None:
    write_bigwig(folder / f"{name}.plus.bw")
    write_bigwig(folder / f"{name}.minus.bw")
    write_peaks(folder / f"{name}.peaks.narrowPeak", *starts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One dataset, A, and its genome."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    write_fasta(
        folder / "genome.fa", {chrom: "".join(rng.choice(list("ACGT"), size)) for chrom, size in CHROMS.items()}
    )
    (folder / "chrom.sizes").write_text("".join(f"{chrom}\t{size}\n" for chrom, size in CHROMS.items()))
    write_dataset(folder, "A", 2950, 4000)
    (folder / "A.ambig.bed").write_text("chr1\t5000\t5100\n")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def refused(folder: Path, out: Path, **given: object) -> str:
    with pytest.raises(KerasacError) as error:
        start_from_folder(folder, out, Given(**given))  # type: ignore[arg-type]
    assert not out.exists()
    return str(error.value)


def follow(started: Started) -> None:
    """Run what the printed commands run: the tables are ingested, the experiment is checked."""
    words = shlex.split(started.commands[0])
    options = dict(zip(words[3::2], words[4::2], strict=True))
    # TileDB remembers the working directory of its first call, which tests change.
    sizes, out = Path(options["--chrom-sizes"]).absolute(), Path(options["--out"]).absolute()
    ingest(Path(words[2]), options["--attributes"], sizes, out)
    prepare(load_experiment(Path(shlex.split(started.commands[1])[2])))


def test_one_dataset_samples_the_regions_of_its_file(folder: Path, out: Path) -> None:
    started = start_from_folder(folder, out, Given())
    assert started.draft.sampling == Regions("../data/A.peaks.narrowPeak", True)
    assert (started.draft.name, started.draft.roles.outputs) == ("A", ("plus", "minus"))
    assert started.draft.roles.ambiguous == "ambig_peak"
    assert [path.name for path in started.written] == ["metadata.tsv", "attributes.tsv", "experiment.yaml"]


def test_tables_are_read_back(folder: Path, out: Path) -> None:
    start_from_folder(folder, out, Given())
    attributes = read_attributes(out / "attributes.tsv")
    (dataset,) = read_metadata(out / "metadata.tsv", attributes)
    found = {name: Path(str(file)).name for name, file in dataset.files.items()}
    assert found == {
        "minus": "A.minus.bw",
        "plus": "A.plus.bw",
        "ambig_peak": "A.ambig.bed",
        "peak": "A.peaks.narrowPeak",
    }


def test_commands_work_as_printed(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    started = start_from_folder(Path("data"), Path("out"), Given())
    assert started.commands[1] == "kerasac-ray check out/experiment.yaml"
    follow(started)


def test_folder_with_blanks_and_no_chromosome_sizes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes are the FASTA's; tables and experiment may lie beside the data."""
    renamed = folder.rename(tmp_path / "my data")
    (renamed / "chrom.sizes").unlink()
    monkeypatch.chdir(renamed)
    started = start_from_folder(Path(), Path(), Given())
    assert (renamed / "chrom.sizes").read_text() == "chr1\t9000\nchr2\t8000\nchr3\t7000\n"
    assert started.draft.fasta == "genome.fa"
    follow(started)


def test_commands_are_quoted_for_the_shell(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    started = start_from_folder(folder, tmp_path / "my run", Given())
    assert started.commands[2] == "kerasac-ray cv 'my run/experiment.yaml'"


def test_several_datasets_sample_the_positions_of_their_attribute(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    write_dataset(folder, "B", 4050, 5500)
    started = start_from_folder(folder, out, Given())
    # On each of three chromosomes 2950-3050, 4000-4150 (of both) and 5500-5600.
    assert started.draft.sampling == Positions("peak", 9)
    assert (started.draft.datasets, started.draft.name) == (("A", "B"), "out")
    follow(started)


def test_peaks_that_several_datasets_share_are_regions(folder: Path, out: Path) -> None:
    write_bigwig(folder / "B.plus.bw")
    write_bigwig(folder / "B.minus.bw")
    (folder / "A.peaks.narrowPeak").rename(folder / "peaks.narrowPeak")
    started = start_from_folder(folder, out, Given())
    assert started.draft.sampling == Regions("../data/peaks.narrowPeak", True)
    assert [files["peak"].name for files in started.datasets.values()] == ["peaks.narrowPeak"] * 2


def test_dataset_without_the_outputs_is_ingested_but_not_trained_on(folder: Path, out: Path) -> None:
    write_bigwig(folder / "B.fc.bw")
    started = start_from_folder(folder, out, Given())
    assert (list(started.datasets), started.draft.datasets) == (["A", "B"], ("A",))
    assert "# Not used: dataset B, which has no plus, minus" in (out / "experiment.yaml").read_text()


def test_all_files_of_the_genome_are_taken(folder: Path, out: Path) -> None:
    (folder / "blacklist.bed").write_text("chr1\t1\t100\n")
    (folder / "folds.json").write_text(json.dumps({"folds": [["chr1"], ["chr2"], ["chr3"]]}))
    start_from_folder(folder, out, Given())
    found = yaml.safe_load((out / "experiment.yaml").read_text())
    assert found["genome"] == {
        "fasta": "../data/genome.fa",
        "chrom_sizes": "../data/chrom.sizes",
        "blacklist": "../data/blacklist.bed",
    }
    assert (found["folds"]["files"], found["folds"]["n"]) == ("../data/folds.json", 3)


def test_chrombpnets_fold_files_are_one_table_in_their_order(folder: Path, out: Path) -> None:
    for i in (10, 2):
        (folder / f"fold_{i}.json").write_text(json.dumps({"train": ["chr1"], "valid": ["chr2"], "test": ["chr3"]}))
    draft = start_from_folder(folder, out, Given()).draft
    assert (draft.fold_files, draft.n_folds) == (("../data/fold_2.json", "../data/fold_10.json"), 2)


@pytest.mark.parametrize(
    ("name", "like", "option"),
    [
        ("other.fa", "genome.fa", "fasta"),
        ("other.sizes", "chrom.sizes", "chrom_sizes"),
        ("y.blacklist.bed", "A.ambig.bed", "blacklist"),
        ("y.json", "x.json", "folds"),
    ],
)
def test_two_files_of_a_kind_need_an_option(folder: Path, out: Path, name: str, like: str, option: str) -> None:
    (folder / "x.json").write_text(json.dumps({"folds": [["chr1"], ["chr2"], ["chr3"]]}))
    (folder / "x.blacklist.bed").write_text("chr1\t1\t100\n")
    (folder / name).write_text((folder / like).read_text())
    said = refused(folder, out)
    assert "more than one" in said
    assert name in said
    assert f"say which: --{option.replace('_', '-')}" in said
    chosen = (folder / name,) if option == "folds" else folder / name
    assert start_from_folder(folder, out, Given(**{option: chosen})).written  # type: ignore[arg-type]


def test_two_kinds_of_peaks_need_an_option(folder: Path, out: Path) -> None:
    write_peaks(folder / "A.relaxed_peaks.narrowPeak", 2950, 3400, 4000)
    said = refused(folder, out)
    assert said.startswith("there are 2 kinds of peaks; name those to train on: --peaks FILE")
    assert f"  relaxed_peak: {folder / 'A.relaxed_peaks.narrowPeak'}" in said
    draft = start_from_folder(folder, out, Given(peak_attribute="relaxed_peak")).draft
    assert draft.sampling == Positions("relaxed_peak", 9)
    assert draft.score_peaks == "../data/A.relaxed_peaks.narrowPeak"
    other = start_from_folder(folder, out.with_name("two"), Given(peaks=folder / "A.peaks.narrowPeak")).draft
    assert other.sampling == Regions("../data/A.peaks.narrowPeak", True)


def test_bed_file_whose_name_says_nothing_is_peaks_when_it_is_named(folder: Path, out: Path) -> None:
    (folder / "A.peaks.narrowPeak").rename(folder / "sites.bed")
    (folder / "sites.bed").write_text("chr1\t3000\t3100\n")
    said = refused(folder, out)
    assert "there are no peaks" in said
    started = start_from_folder(folder, out, Given(peaks=folder / "sites.bed"))
    assert started.draft.sampling == Regions("../data/sites.bed", False)
    assert started.unused == ()


def test_what_is_not_used_is_listed(folder: Path, out: Path) -> None:
    (folder / "notes.txt").write_text("hello\n")
    write_peaks(folder / "Z.peaks.narrowPeak", 3000)
    found = {file.path.name: file.why for file in start_from_folder(folder, out, Given()).unused}
    assert found == {
        "notes.txt": "not understood",
        "Z.peaks.narrowPeak": "no bigWig has a name that begins like its",
    }


@pytest.mark.parametrize("name", ["metadata.tsv", "attributes.tsv", "experiment.yaml", "signal.tdb"])
def test_nothing_is_overwritten(folder: Path, out: Path, name: str) -> None:
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"{name} is there already"):
        start_from_folder(folder, out, Given())
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        (["genome.fa"], "has no FASTA; name the genome's: --fasta"),
        (["A.plus.bw", "A.minus.bw"], "has no bigWig of a signal"),
        (["A.peaks.narrowPeak"], "there are no peaks"),
    ],
)
def test_folder_that_lacks_what_is_needed_is_refused(folder: Path, out: Path, absent: list[str], said: str) -> None:
    for name in absent:
        (folder / name).unlink()
    assert said in refused(folder, out)


def test_folder_where_nothing_is_known_is_refused(tmp_path: Path, out: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    assert "found: nothing that is known" in refused(tmp_path, out)
    assert "is not a folder" in refused(tmp_path / "notes.txt", out)


def test_files_of_another_genome_are_refused(folder: Path, out: Path) -> None:
    write_bigwig(folder / "A.plus.bw", {"1": 9000})
    assert "use one naming (chr1 or 1)" in refused(folder, out)
    write_bigwig(folder / "A.plus.bw")
    write_peaks(folder / "A.idr.narrowPeak", 1_000_000)
    with pytest.raises(GenomeError, match="another assembly"):
        start_from_folder(folder, out, Given(peaks=folder / "A.peaks.narrowPeak"))
    assert not out.exists()


def test_two_files_of_ambiguous_regions_are_refused(folder: Path, out: Path) -> None:
    (folder / "A.ambig.strict.bed").write_text("chr1\t1\t2\n")
    assert "are ambiguous regions; move one of the files away" in refused(folder, out)


@pytest.mark.shared
def test_reference_genome_gives_its_own_tables(shared_dir: Path, out: Path) -> None:
    """The tables say of each dataset what the ones say that seqdataloader read."""
    folder = shared_dir / "reference" / "genome"
    started = start_from_folder(folder, out, Given(peak_attribute="overlap_peak"))
    theirs = read_metadata(folder / "metadata.tsv", read_attributes(folder / "attributes.tsv"))
    ours = read_metadata(out / "metadata.tsv", read_attributes(out / "attributes.tsv"))

    def files(tables: object) -> dict[str, set[Path]]:
        return {table.name: {path.resolve() for path in table.files.values()} for table in tables}  # type: ignore[attr-defined]

    assert files(ours) == files(theirs)
    assert started.draft.n_folds == 3
