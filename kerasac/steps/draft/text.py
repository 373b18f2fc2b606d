"""Write a draft of an experiment as the commented template with its values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from kerasac.config import make_experiment
from kerasac.steps.draft.commented import comment_out, flow, put, remark, uncomment
from kerasac.steps.draft.tracks import Roles

_TEMPLATE = Path(__file__).parents[2] / "templates" / "experiment.yaml"
_CONTROLS_OF_TEMPLATE = "[control_plus, control_minus]"
_FIRST_CONTROL = "  # - {name: control_profile,"
_MOST_FOLDS, _FEWEST_FOLDS = 5, 3
_LEAST_TRAIN, _MOST_TRAIN = 1_000, 200_000  # windows an epoch


@dataclass(frozen=True)
class Regions:
    """Setting 2: a BED file, as the experiment names it, and whether its peaks have summits."""

    bed: str
    has_summits: bool


@dataclass(frozen=True)
class Positions:
    """Setting 1: an attribute, and how many runs of peak positions it has; None when they were not counted."""

    attribute: str
    n_runs: int | None


@dataclass(frozen=True)
class Draft:
    """What an experiment would be; paths as it names them. ``fasta`` None: nobody has said.

    ``n_peak_chroms`` are the chromosomes that have peaks, or all. ``score_peaks`` is a narrowPeak file. ``left_out``
    says what is not used and why, a line each.
    """

    name: str
    store: str
    datasets: tuple[str, ...]
    roles: Roles
    sampling: Regions | Positions
    n_peak_chroms: int
    fasta: str | None = None
    chrom_sizes: str | None = None
    blacklist: str | None = None
    score_peaks: str | None = None
    fold_files: tuple[str, ...] = ()
    n_folds_of_files: int | None = None
    left_out: tuple[str, ...] = ()

    @property
    def n_folds(self) -> int:
        """Folds to ask for: those of the table, else as many as the chromosomes allow, between 3 and 5."""
        return self.n_folds_of_files or min(_MOST_FOLDS, max(_FEWEST_FOLDS, self.n_peak_chroms))


def template_text() -> str:
    """Return the commented experiment with nothing filled in."""
    return _TEMPLATE.read_text(encoding="utf-8")


def experiment_text(draft: Draft) -> str:
    """Return the template with a draft's values: its sections, comments and order, and remarks on what was chosen.

    Raises
    ------
    ConfigError
        When a name cannot be an experiment's.
    """
    text = _with_genome(template_text(), draft)
    text = _with_tracks(text, draft)
    text = _with_folds(text, draft)
    text = put(text, "score.peaks", draft.score_peaks)
    text = put(text, "sampling.ambiguous", draft.roles.ambiguous)
    if isinstance(draft.sampling, Regions):
        text = put(text, "sampling.regions.bed", draft.sampling.bed)
        text = put(text, "sampling.regions.center", "summit" if draft.sampling.has_summits else "center")
    else:
        text = _with_positions(text, draft, draft.sampling)
    make_experiment(yaml.safe_load(text), base=Path(), origin="the drafted experiment")
    return text


def epoch_sizes(n_runs: int, n_folds: int, ratio: float) -> tuple[int, int]:
    """Return windows an epoch of training and of validation: about one for each run of peaks of the split.

    ``ratio`` is the share of windows that are peaks; the numbers are rounded to two digits, and kept from extremes.
    """
    epoch = n_runs / ratio
    train = min(max(epoch * (n_folds - 2) / n_folds, _LEAST_TRAIN), _MOST_TRAIN)
    valid = min(max(epoch / n_folds, _LEAST_TRAIN / 4), _MOST_TRAIN / 4)
    return _rounded(train), _rounded(valid)


def _with_genome(text: str, draft: Draft) -> str:
    text = put(text, "name", draft.name)
    if draft.fasta is None:
        text = remark(text, "genome.fasta", ["Nobody has said which: name the FASTA of the array's genome."])
    else:
        text = put(text, "genome.fasta", draft.fasta)
    text = put(text, "genome.chrom_sizes", draft.chrom_sizes)
    return put(text, "genome.blacklist", draft.blacklist)


def _with_tracks(text: str, draft: Draft) -> str:
    roles = draft.roles
    text = put(text, "store", draft.store)
    text = put(text, "datasets", draft.datasets[0] if len(draft.datasets) == 1 else draft.datasets)
    for output in ("profile", "logcount"):
        text = put(text, f"outputs.{output}.source", roles.outputs)
    remarks = [f"Not used: {line}" for line in draft.left_out]
    if len(draft.datasets) > 1:
        one = flow(draft.datasets[:1])
        remarks.append(f"The model predicts each of these; to train on one, leave out the others: datasets: {one}")
    text = remark(text, "datasets", remarks)
    return _with_controls(remark(text, "outputs", _about_outputs(roles)), roles)


def _about_outputs(roles: Roles) -> list[str]:
    lines = []
    if not roles.are_counts:
        lines.append("These tracks are no counts by their names; the profile loss is made for counts of reads or cuts.")
    if roles.others:
        lines.append(f"Further signals of the array: {', '.join(roles.others)}")
    return lines


def _with_controls(text: str, roles: Roles) -> str:
    if not roles.controls:
        return text
    assert _CONTROLS_OF_TEMPLATE in text, "the template shows how controls are given"
    assert _FIRST_CONTROL in text, "the template shows how controls are given"
    said = "  # The array has control tracks: take in these two lines for a model that sees them (ChIP-seq).\n"
    text = text.replace(_CONTROLS_OF_TEMPLATE, flow(roles.controls))
    return text.replace(_FIRST_CONTROL, said + _FIRST_CONTROL)


def _with_positions(text: str, draft: Draft, positions: Positions) -> str:
    """Turn the template's setting 2, regions, into setting 1, positions of an attribute."""
    for key in ("regions", "negatives"):
        text = comment_out(text, f"sampling.{key}")
    for key in ("peaks", "train_size", "valid_size"):
        text = uncomment(text, key)
    text = put(text, "sampling.peaks.attribute", positions.attribute)
    if positions.n_runs is None:
        said = "Not fitted to the array, whose peak positions were not counted; see `kerasac-ray check`."
    else:
        said = f"The array has {positions.n_runs:,} runs of peak positions."
        ratio = float(yaml.safe_load(text)["sampling"]["peaks"]["ratio"])
        train, valid = epoch_sizes(positions.n_runs, draft.n_folds, ratio)
        text = put(put(text, "sampling.train_size", train), "sampling.valid_size", valid)
    text = remark(text, "sampling.train_size", [said])
    others = [name for name in draft.roles.peaks if name != positions.attribute]
    if others:
        text = remark(text, "sampling.peaks", [f"Further peak attributes of the array: {', '.join(others)}"])
    return text


def _with_folds(text: str, draft: Draft) -> str:
    text = put(text, "folds.n", draft.n_folds)
    if draft.fold_files:
        text = uncomment(text, "files")
        return put(text, "folds.files", draft.fold_files if len(draft.fold_files) > 1 else draft.fold_files[0])
    if draft.n_peak_chroms < _MOST_FOLDS:
        text = remark(text, "folds.n", [f"Folds are of whole chromosomes, and {draft.n_peak_chroms} have peaks."])
    return text


def _rounded(number: float) -> int:
    return int(round(number, 2 - len(str(int(number)))))
