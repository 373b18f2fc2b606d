"""Files are checked against the genome before any of their cells is made: those of ingests and of labels."""

from __future__ import annotations

from pathlib import Path

import pyBigWig
import pytest

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly
from kerasac.store.cells import check_file
from kerasac.store.tables import AttributeType

YEAST = Assembly(("chr1", "chr2", "Mito"), (300, 200, 100))


def bigwig(path: Path, **sizes: int) -> Path:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(sizes.items()))
        file.addEntries([next(iter(sizes))], [0], ends=[10], values=[1.0])
    return path


def test_bigwig_that_names_some_chromosomes_otherwise_is_refused(tmp_path: Path) -> None:
    path = bigwig(tmp_path / "a.bw", **{"1": 300, "2": 200, "Mito": 100})
    with pytest.raises(GenomeError, match=r"'chr1' is not in .*a\.bw: it is called '1' there, 'chr1' here"):
        check_file(AttributeType.BIGWIG, path, YEAST)


@pytest.mark.parametrize(
    ("sizes", "lacking"),
    [
        ({"chr1": 300, "chr2": 200}, "Mito"),
        ({"chr1": 300, "1": 300, "chr2": 200}, "Mito"),  # nothing would be NaN for its name
        ({"chr1": 300, "chr3": 50, "Mito": 100}, "chr2"),
    ],
)
def test_bigwig_may_lack_chromosomes_and_have_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sizes: dict[str, int], lacking: str
) -> None:
    check_file(AttributeType.BIGWIG, bigwig(tmp_path / "a.bw", **sizes), YEAST)
    assert f"a.bw lacks chromosomes {lacking}: their cells are NaN" in caplog.text


def test_genome_with_both_names_of_a_chromosome_may_have_either(tmp_path: Path) -> None:
    both = Assembly(("chr1", "1"), (300, 300))
    check_file(AttributeType.BIGWIG, bigwig(tmp_path / "a.bw", chr1=300), both)
