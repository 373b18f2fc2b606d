"""kerasAC_bigwigs_from_io and _from_deepshap: tracks of files of predictions and of contributions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cache import with_ending
from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.telling import tell
from kerasac.cli.original.train import local_prefix
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

_HEADS: Mapping[str, str] = {"count": "counts", "profile": "profile"}  # kerasAC's names and ours


def bigwigs_from_io(given: Given, console: Console) -> Done:
    """Write labels, predictions and their differences as counts, shares and logits."""
    del console
    from kerasac.steps.bigwig import TRACKS, prediction_bigwigs

    source, prefix = given.path("predictions_hdf"), local_prefix(given, "out_prefix")
    sizes = given.text("chrom_sizes_file")
    written = prediction_bigwigs(
        source, prefix, tracks=list(TRACKS), chrom_sizes=Path(sizes) if sizes else None, overwrite=True
    )
    same = hint("bigwig", source, out=given.text("out_prefix"), tracks=",".join(TRACKS), chrom_sizes=sizes)
    return Done(same, tuple(str(shortest(one.path)) for one in written))


def bigwigs_from_deepshap(given: Given, console: Console) -> Done:
    """Write contributions of the bases that are there as bigWigs, of counts and of profiles."""
    prefix, folder = given.path("path_to_pickle"), given.path("output_dir")
    sizes = given.text("chrom_sizes")
    folder.mkdir(parents=True, exist_ok=True)
    sources = _contributions(given, prefix, folder, console)
    from kerasac.interpret.contribution_bigwig import contribution_bigwig

    written = []
    for kind, source in sources.items():
        beside = folder / f".{prefix.name}.{kind}"
        made = contribution_bigwig(
            source, beside, regions=None, chrom_sizes=Path(sizes) if sizes else None, overwrite=True
        )
        written.append(made.path.replace(folder / f"{prefix.name}.shap_{kind}.bw"))
    return Done(hint("bigwig", sources["count"], out=folder / prefix.name), tuple(map(str, written)))


def _contributions(given: Given, prefix: Path, folder: Path, console: Console) -> dict[str, Path]:
    """Return the files of contributions by kind; a pickle is made into them, in the folder.

    Where kerasAC_bpnet_shap_wrapper has written files beside a pickle, they are newer: kerasAC wrote the pickle.
    """
    from kerasac.interpret.kerasac_pickle import convert_pickle, is_of_pickle

    sources = {kind: with_ending(prefix, f"{head}.h5") for kind, head in _HEADS.items()}
    missing = [path for path in sources.values() if not path.is_file()]
    if not missing and not (prefix.is_file() and is_of_pickle(sources["count"])):
        return sources
    if not prefix.is_file():
        raise ConfigError(
            f"{missing[0]} does not exist; --path_to_pickle is the prefix of kerasAC_bpnet_shap_wrapper, or a pickle "
            "that kerasAC wrote"
        )
    if not given.has("chrom_sizes"):
        raise ConfigError(f"{prefix} is a pickle, which does not say how long chromosomes are; give --chrom_sizes")
    from kerasac.genome.assembly import read_chrom_sizes

    sizes = read_chrom_sizes(given.path("chrom_sizes")).as_dict()
    made = convert_pickle(prefix, folder / prefix.name, chrom_sizes=sizes)
    tell(console, f"made {made[0]} and {made[1]} of the pickle {prefix}")
    return dict(zip(sources, made, strict=True))
