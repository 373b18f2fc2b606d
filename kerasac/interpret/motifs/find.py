"""Find a model's motifs in its contributions, name them and write them down: what ``kerasac-ray motifs`` does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from kerasac.cache import file_digest, write_whole
from kerasac.errors import InterpretError
from kerasac.interpret.contributions import open_contributions
from kerasac.interpret.motifs import exports
from kerasac.interpret.motifs.choices import Group
from kerasac.interpret.motifs.databases import Database, jaspar, meme_database
from kerasac.interpret.motifs.extra import need
from kerasac.interpret.motifs.modisco import LEAST_SEQLETS, ModiscoSpec, modisco
from kerasac.interpret.motifs.motif import Motif, named_motifs
from kerasac.interpret.motifs.patterns import Patterns, read_patterns
from kerasac.interpret.motifs.report import PAGE, write_report
from kerasac.interpret.motifs.trim import Trim

PATTERNS = "modisco.h5"
_RECORD = "motifs.json"  # which patterns the results are of

Say = Callable[[str], None]


@dataclass(frozen=True)
class MotifRequest:
    """What is asked for.

    ``contributions`` are searched with modisco-lite, or ``patterns``, its HDF5, are taken as they are; with both, the
    contributions say where the patterns' seqlets are. ``regions`` locate the windows of chrombpnet's contributions.
    ``database``, a MEME file, takes the place of JASPAR's ``group``.
    """

    out: Path
    contributions: Path | None = None
    patterns: Path | None = None
    regions: Path | None = None
    spec: ModiscoSpec = field(default_factory=ModiscoSpec)
    trim: Trim = field(default_factory=Trim)
    group: Group = Group.ALL
    database: Path | None = None
    n_matches: int = 3
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """The motifs, where they are written, and how they came about.

    ``kept`` tells that modisco's patterns were there from before; ``n_seqlets`` counts those in ``seqlets.bed``, None
    where it is not written; ``why_none`` says what it means that there is no motif.
    """

    motifs: tuple[Motif, ...]
    database: str
    page: Path
    kept: bool
    n_seqlets: int | None
    why_none: str = ""


def find_motifs(request: MotifRequest, say: Say = lambda line: None) -> Found:
    """Write a page of motifs, a table, a MEME file, matrices and, where windows are known, the places of seqlets.

    Run again, what modisco found is kept if it is of the same contributions and settings.

    Raises
    ------
    InterpretError
        For files that do not fit, packages that are missing, or a folder with other results.
    """
    _check(request)
    _check_folder(request)
    database = jaspar(request.group) if request.database is None else meme_database(request.database)
    request.out.mkdir(parents=True, exist_ok=True)
    path, kept = _patterns_file(request, say)
    found = read_patterns(path)
    _check_seqlets(request, found, path)
    say("comparing with known motifs")
    motifs = named_motifs(found.patterns, request.trim, database, n_matches=request.n_matches)
    _start(request.out, path)
    exports.write_table(request.out / exports.TABLE, motifs, n_matches=request.n_matches)
    if motifs:
        exports.write_motifs(request.out, motifs)
    n_seqlets = _write_seqlets(request, motifs, found)
    why_none = "" if motifs else _why_none(path)
    page = request.out / PAGE
    facts = _facts(request, found, database)
    name = (request.contributions or path).stem
    write_report(page, motifs, name=name, database=database.title, facts=facts, why_none=why_none)
    return Found(motifs, database.title, page, kept, n_seqlets, why_none)


def _check(request: MotifRequest) -> None:
    """Find mistakes before any compute is spent."""
    if request.contributions is None and request.patterns is None:
        raise InterpretError("give a file of contributions, or with --patterns one that modisco wrote")
    if request.n_matches < 1:
        raise InterpretError(f"--matches is {request.n_matches}; give 1 or more")
    need("memelite", "pyjaspar", *(["modiscolite"] if request.patterns is None else []))
    for path in (request.contributions, request.patterns, request.database):
        if path is not None and not path.is_file():
            raise InterpretError(f"{path} does not exist")


def _check_folder(request: MotifRequest) -> None:
    """Raise InterpretError when the folder has results of other patterns, which are not to be replaced."""
    there = _results(request.out)
    path = request.patterns or request.out / PATTERNS
    if request.overwrite or not there or (path.is_file() and _made_of(request.out) == file_digest(path)):
        return
    raise InterpretError(f"{there[0]} is of other patterns than {path}; choose another --out, or --overwrite")


def _check_seqlets(request: MotifRequest, found: Patterns, path: Path) -> None:
    """Raise InterpretError when seqlets lie outside the windows of the contributions, which then are others."""
    if request.contributions is None or found.window_bp is None:
        return
    seqlets = [pattern.seqlets for pattern in found.patterns if pattern.seqlets is not None]
    n_windows = max((int(one.row.max(initial=-1)) for one in seqlets), default=-1) + 1
    with open_contributions(request.contributions, regions=request.regions) as contributions:
        n_there, width_bp = len(contributions), contributions.width_bp
    if n_windows > n_there or found.window_bp > width_bp:
        raise InterpretError(
            f"{path} is of {n_windows:,} windows or more, {found.window_bp:,} bases of each; {request.contributions} "
            f"has {n_there:,} of {width_bp:,} bases: give the contributions that modisco was given"
        )


def _patterns_file(request: MotifRequest, say: Say) -> tuple[Path, bool]:
    """Return modisco's file, and whether it was there from before."""
    if request.patterns is not None:
        return request.patterns, True
    assert request.contributions is not None, "it was checked"
    path = request.out / PATTERNS
    with open_contributions(request.contributions, regions=request.regions) as contributions:
        kept = modisco(contributions, request.contributions, path, request.spec, overwrite=request.overwrite, say=say)
    return path, kept


def _write_seqlets(request: MotifRequest, motifs: tuple[Motif, ...], found: Patterns) -> int | None:
    if request.contributions is None or found.window_bp is None:
        return None
    with open_contributions(request.contributions, regions=request.regions) as contributions:
        if not contributions.is_located:
            return None
        return exports.write_seqlets(request.out / exports.SEQLETS, motifs, contributions, found.window_bp)


def _start(folder: Path, patterns: Path) -> None:
    """Remove what an earlier run left, then write down which patterns the results are of."""
    for path in _results(folder):
        path.unlink()
    write_whole(folder / _RECORD, json.dumps({"patterns": file_digest(patterns)}) + "\n")


def _results(folder: Path) -> list[Path]:
    """Return what an earlier run wrote, but for modisco's file."""
    files = [folder / name for name in (PAGE, exports.TABLE, exports.MEME, exports.SEQLETS)]
    files += [path for kind in exports.KINDS for path in sorted((folder / exports.MATRICES).glob(f"*.{kind}"))]
    return [path for path in files if path.exists()]


def _made_of(folder: Path) -> str | None:
    """Return the digest of the patterns that a folder's results are of; None when it is not known."""
    record, patterns = folder / _RECORD, folder / PATTERNS
    if record.is_file():
        return str(json.loads(record.read_text(encoding="utf-8"))["patterns"])
    return file_digest(patterns) if patterns.is_file() else None  # of a version that wrote no record


def _why_none(path: Path) -> str:
    return (
        f"modisco found no motif in {path.name}. It needs more than {LEAST_SEQLETS} seqlets of a sign that stand out, "
        "and groups of at least 20 that look alike: give more windows, a wider --window, or contributions of a model "
        "that predicts well."
    )


def _facts(request: MotifRequest, found: Patterns, database: Database) -> dict[str, str]:
    """Say what the motifs were made of and with."""
    facts = {}
    if request.contributions is not None:
        facts["contributions"] = request.contributions.name
    if request.patterns is not None:
        facts["patterns"] = request.patterns.name
    else:
        spec = request.spec
        facts["modisco-lite"] = (
            f"{version('modisco-lite')}; of each sign at most {spec.max_seqlets:,} seqlets, of windows in the random "
            f"order of seed {spec.seed}"
        )
    if found.window_bp is not None:
        facts["window"] = f"the middle {found.window_bp:,} bases"
    trim = request.trim
    facts["trimming"] = (
        f"positions with at least {trim.share:g} of the highest one's {trim.by.value}, and {trim.flank_bp} beside them"
    )
    facts["known motifs"] = (
        f"{database.title}: {len(database.motifs):,} motifs; Tomtom of memelite {version('memelite')}"
    )
    return facts
