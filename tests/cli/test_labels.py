from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.labels import labels
from kerasac.errors import ConfigError
from kerasac.store.labels.outputs import OutputSpec
from kerasac.store.labels.read import read_labels
from kerasac.store.labels.spec import Approach, BinShape, FileType, LabelSpec, Statistic, Transform

PEAK = "chr1\t900\t1200\t.\t0\t.\t0\t0\t0\t110\n"


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(labels)
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    class StopHereError(Exception):
        pass

    def note(tasks: Path, chrom_sizes: Path, output: OutputSpec, spec: LabelSpec, **options: Any) -> None:
        asked.update(tasks=tasks, chrom_sizes=chrom_sizes, output=output, spec=spec, **options)
        raise StopHereError

    monkeypatch.setattr("kerasac.store.labels.build.write_labels", note)
    return asked


def test_labels_asks_for_what_was_typed(asked: dict[str, Any]) -> None:
    measures = "--bin-size 100 --bin-stride 20 --left-flank 30 --right-flank 40 --overlap-thresh 0.3 --allow-ambiguous"
    signal = "--bigwig-stats max --label-transformer log10 --label-transformer-pseudocount 1"
    files = (
        "--output-type bz2 --store-values-above-thresh 0.5 --split-output-by-chrom --split-output-by-task --overwrite"
    )
    chroms = "--chroms-to-keep chr1 --chroms-to-keep chr2 --chroms-to-exclude chr3 --data folder"
    approach = "--labeling-approach peak_percent_overlap_with_bin_regression"
    invoke(*f"t.tsv --chrom-sizes c --out x {approach} {measures} {signal} {files} {chroms}".split())
    assert asked["spec"] == LabelSpec(
        Approach.OVERLAP_REGRESSION,
        BinShape(100, 20, 30, 40),
        overlap=0.3,
        ambiguous=True,
        statistic=Statistic.MAX,
        transform=Transform.LOG10,
        pseudocount=1,
    )
    assert asked["output"] == OutputSpec(Path("x"), FileType.BZ2, 0.5, by_chrom=True, by_task=True, overwrite=True)
    assert (asked["tasks"], asked["chrom_sizes"], asked["base"]) == (Path("t.tsv"), Path("c"), Path("folder"))
    assert (asked["keep"], asked["exclude"]) == (["chr1", "chr2"], ["chr3"])


def test_positives_only_are_labels_above_0(asked: dict[str, Any]) -> None:
    approach = "--labeling-approach peak_summit_in_bin_classification"
    invoke(*f"t.tsv --chrom-sizes c --out x.h5 {approach} --store-positives-only".split())
    assert asked["output"] == OutputSpec(Path("x.h5"), above=0.0)
    assert asked["spec"] == LabelSpec(Approach.SUMMIT_CLASSIFICATION)


def test_two_thresholds_are_an_error(asked: dict[str, Any]) -> None:
    approach = "--labeling-approach all_genome_bins_regression"
    both = "--store-positives-only --store-values-above-thresh 1"
    result = invoke(*f"t.tsv --chrom-sizes c --out x.h5 {approach} {both}".split())
    assert isinstance(result.exception, ConfigError)
    assert "give it or --store-values-above-thresh, not both" in str(result.exception)


def test_labels_writes_a_file_and_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "chrom.sizes").write_text("chr1\t2000\n")
    (tmp_path / "peaks.narrowPeak").write_text(PEAK)
    (tmp_path / "tasks.tsv").write_text("task\tnarrowPeak\none\tpeaks.narrowPeak\n")
    where = [str(tmp_path / name) for name in ("tasks.tsv", "chrom.sizes", "labels.tsv.gz")]
    approach = "peak_summit_in_bin_classification"
    result = invoke(where[0], "--chrom-sizes", where[1], "--out", where[2], "--labeling-approach", approach)
    assert result.exit_code == 0, result.output
    assert "one    4 positive, 0 ambiguous" in result.output
    assert read_labels(tmp_path / "labels.tsv.gz").values.sum() == 4
