"""The commands of kerasAC that find motifs and name them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from kerasac.cache import write_whole
from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.interpret.motifs.motif import Motif
    from kerasac.interpret.motifs.patterns import Pattern

_BASES = 4


def run_modisco(given: Given, console: Console) -> Done:
    """Run modisco-lite on arrays of contributions and sequences, all of their windows."""
    from kerasac.interpret.contributions import open_contributions
    from kerasac.interpret.motifs.modisco import ModiscoSpec, modisco

    out = given.path("outfile").absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    scores, letters = _array(given, "hyp_imp"), _array(given, "onehot")
    if scores.shape != letters.shape:
        raise ConfigError(f"--hyp_imp has shape {scores.shape}, --onehot {letters.shape}; give those of the same peaks")
    spec = ModiscoSpec(scores.shape[1], given.whole("seqlets") or 20_000, threads=given.whole("cores"))
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as folder, console.status("modisco") as status:
        source = Path(folder) / "contributions.h5"
        with h5py.File(source, "w") as file:
            file["shap/seq"], file["raw/seq"] = np.moveaxis(scores, 2, 1), np.moveaxis(letters, 2, 1).astype(np.int8)
        with open_contributions(source) as contributions:
            modisco(contributions, source, out, spec, overwrite=True, say=lambda line: status.update(line[:80]))
    same = hint("motifs", "X.profile.h5", window=spec.window_bp, max_seqlets=spec.max_seqlets, threads=spec.threads)
    return Done(same, (given.needed("outfile"),))


def tomtom_scan(given: Given, console: Console) -> Done:
    """Write the known motifs that positive patterns resemble, and a MEME file a pattern beside."""
    del console
    from kerasac.interpret.motifs.databases import meme_database
    from kerasac.interpret.motifs.meme import write_meme
    from kerasac.interpret.motifs.motif import named_motifs
    from kerasac.interpret.motifs.trim import Trim

    source, n = given.path("modisco_h5py"), given.whole("top_n_matches") or 0
    if n < 1:
        raise ConfigError(f"--top_n_matches is {n}; give 1 or more")
    trim = Trim(given.number("trim_threshold") or 0.0, 0)
    motifs = named_motifs(positive_patterns(source), trim, meme_database(given.path("meme_motif_db")), n_matches=n)
    written = [given.path("outfile")]
    for motif in motifs:
        path = Path(f"{source.name}.{motif.name}.txt")
        write_meme(path, {motif.name: motif.core.probabilities}, n_sites={motif.name: motif.pattern.n_seqlets})
        written.append(path)
    write_whole(written[0], _table(motifs, n, given.number("q_threshold") or 0.0))
    same = hint(
        "motifs", patterns=source, database=given.text("meme_motif_db"), matches=n, trim=trim.share, trim_flank="0"
    )
    return Done(same, tuple(map(str, written)))


def aggregate_tomtom(given: Given, console: Console) -> Done:
    """Write the patterns that resemble a known motif to one MEME file, named by their row of the table."""
    del console
    from kerasac.interpret.motifs.meme import read_meme, write_meme

    table = read_table(given.path("tomtom_results"))
    folder = given.path("modisco_meme_file_dir")
    files = {path.name.split(".")[-2]: path for path in sorted(folder.glob("*.txt"))}
    motifs = {}
    for row in table[table["match_1"] != ""].to_dict("records"):
        pattern = str(row["Pattern"])
        if pattern not in files:
            raise ConfigError(f"{folder} has no file of {pattern} (….{pattern}.txt)")
        ((_, matrix),) = read_meme(files[pattern]).items()
        motifs["|".join(map(str, row.values()))] = matrix
    out = given.path("outf")
    if not motifs:
        raise ConfigError(f"no pattern of {given.text('tomtom_results')} resembles a known motif; {out} is not written")
    write_meme(out, motifs)
    return Done(hint("motifs", patterns="modisco.h5"), (str(out),))


def positive_patterns(path: Path) -> Sequence[Pattern]:
    """Return the patterns of bases that raise the prediction, which are those that kerasAC shows."""
    from kerasac.interpret.motifs.patterns import read_patterns

    return [pattern for pattern in read_patterns(path).patterns if pattern.is_positive]


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of kerasAC_tomtom_scan_modisco, all of it as text."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [name for name in ("Pattern", "num_seqlets", "match_1") if name not in table]
    if missing:
        raise ConfigError(f"{path} has no {', '.join(missing)}; give a table of kerasAC_tomtom_scan_modisco")
    return table


def _array(given: Given, name: str) -> Any:
    path = given.path(name)
    if not path.is_file():
        raise ConfigError(f"--{name} {path} does not exist")
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim != 3 or array.shape[2] != _BASES:
        raise ConfigError(f"--{name} {path} has shape {array.shape}; expected (windows, bases, 4)")
    return array


def _table(motifs: Sequence[Motif], n: int, limit: float) -> str:
    """Return a row a pattern; a known motif whose q is not below the limit is left empty."""
    heads = [name for i in range(n) for name in (f"match_{i + 1}", f"qvalue_{i + 1}")]
    rows = [["Pattern", "num_seqlets", *heads]]
    for motif in motifs:
        cells = [
            cell
            for one in motif.matches
            for cell in ((one.name.split(" ")[0], f"{one.q:.6g}") if one.q < limit else ("", ""))
        ]
        number = motif.name.rsplit(".", 1)[-1]
        rows.append([number, str(motif.pattern.n_seqlets), *cells, *[""] * (2 * n - len(cells))])
    return "".join("\t".join(row) + "\n" for row in rows)
