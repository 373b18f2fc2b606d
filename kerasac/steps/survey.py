"""Look at everything that an experiment names, before anything is decoded, and say all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kerasac.cache import ShardMap, in_process, local_copy, url_of
from kerasac.config import BiasSpec, Experiment, FoldsSpec, Spec
from kerasac.errors import ConfigError, FoldError, RemoteError
from kerasac.genome.assembly import Assembly, check_same_sizes, read_chrom_sizes
from kerasac.genome.fold_files import read_folds
from kerasac.genome.folds import SPLITS, Fold, balanced_folds, built_in_folds, on_assembly
from kerasac.genome.intervals import read_bed
from kerasac.genome.sequence import check_fasta
from kerasac.models.bias_contract import bias_contract, check_form
from kerasac.models.contract import Contract, contract_of
from kerasac.models.loss_names import check_losses
from kerasac.models.registry import Parameters, read_parameters
from kerasac.sampling.batches import other_strands, strand_partners
from kerasac.sampling.plan import SamplingPlan
from kerasac.sampling.regions import Candidates, find_candidates
from kerasac.steps.findings import Findings
from kerasac.steps.first_weights import check_first_weights
from kerasac.steps.pseudoreplicates import pseudoreplicates_of
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track

_DEFAULT_FOLDS = 5
_MANY_LEFT_OUT = 0.05  # of the regions of a file
_FEW_PEAKS = 50  # in a split
# Files that each machine reads that trains, and of which it fetches its own copy.
_READ_WHERE_TRAINED = (
    "genome.fasta",
    "labels.train",
    "labels.valid",
    "inputs.file",
    "inputs.valid_file",
    "bias.model_file",
    "training.initialize.file",
)
_UNEVEN = 2.0  # times as many peaks in one fold's test as in another's


@dataclass(frozen=True)
class Survey:
    """What was found; a part is None when a mistake kept it from being made."""

    findings: Findings
    contract: Contract | None
    parameters: Parameters | None
    layout: StoreLayout | None
    candidates: Candidates | None
    folds: tuple[Fold, ...] | None


def survey(experiment: Experiment, shards: ShardMap = in_process) -> Survey:
    """Check files, names, sizes, windows, folds and splits; no mistake hides another that does not follow from it.

    ``shards`` runs the scan of arrays that do not keep the runs of their peak attributes.
    """
    findings = Findings()
    not_there = missing_files(experiment)
    missing = {key for key, _ in not_there}
    findings.attempt(lambda: check_files(not_there))
    contract, parameters = check_model(experiment, findings)
    layout, candidates, folds = None, None, None
    if "store" not in missing:
        layout = findings.attempt(lambda: read_layout(str(experiment.store)))
    if layout is not None:
        _check_names(experiment, layout, findings)
        _check_sizes(experiment, layout, findings, skip=missing)
        if "score.pseudoreplicates" not in missing:
            findings.attempt(partial(pseudoreplicates_of, experiment, layout), "score.pseudoreplicates")
        if not missing & {key for key, _ in _beds(experiment)}:
            candidates = _candidates(experiment, layout, findings, shards)
    if candidates is not None:
        _warn_of_losses(candidates, findings)
        if "folds.files" not in missing:
            folds = _folds(experiment, candidates, findings)
    return Survey(findings, contract, parameters, layout, candidates, folds)


def with_local_files(experiment: Experiment, findings: Findings) -> Experiment:
    """Return the experiment with this machine's copy of each file that it names by a URL, fetched when needed.

    The array stays where it is, and is read there; files that other machines read as well keep their URL. What cannot
    be fetched stays too, and is among the findings.
    """

    def local(value: Any, key: str) -> Any:
        if isinstance(value, Spec):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            changed = {name: local(inner, f"{key}.{name}" if key else name) for name, inner in fields.items()}
            return value.model_copy(update=changed) if changed != fields else value
        if isinstance(value, tuple):
            return tuple(local(inner, key) for inner in value)
        if not isinstance(value, Path) or key == "store":
            return value
        copy = findings.attempt(lambda: local_copy(value), key)
        return value if copy is None or key in _READ_WHERE_TRAINED else copy

    changed: Experiment = local(experiment, "")
    return changed


def missing_files(experiment: Experiment) -> list[tuple[str, Path]]:
    """Return the files that an experiment names and that are not there, as (key, path)."""
    named = [(key, path) for key, path in _named_files(experiment) if key != "store" or url_of(path) is None]
    return [(key, path) for key, path in named if not _is_there(path)]


def _is_there(path: Path) -> bool:
    try:
        return local_copy(path).exists()
    except RemoteError:
        return False


def fold_table(spec: FoldsSpec, weights: Mapping[str, int], assembly: Assembly) -> tuple[Fold, ...]:
    """Return an experiment's folds: from its files, a published table, or balanced by ``weights``, as peaks are.

    Raises
    ------
    FoldError
        When the table has fewer folds than ``folds.n`` asks for, or leaks.
    """
    if not spec.files and spec.scheme == "balanced":
        return balanced_folds(weights, spec.n or _DEFAULT_FOLDS)
    table = read_folds(spec.files) if spec.files else built_in_folds(spec.scheme)
    origin = ", ".join(str(path) for path in spec.files) or spec.scheme
    wanted = spec.n or len(table)
    if wanted > len(table):
        raise FoldError(f"folds.n is {wanted}, but {origin} has {len(table)} folds; ask for at most that many")
    return on_assembly(table[:wanted], assembly)


def check_model(experiment: Experiment, findings: Findings) -> tuple[Contract | None, Parameters | None]:
    """Check that the model can be built for the experiment's inputs and outputs, and fits a file that it starts from.

    TensorFlow is needed for such a file alone.
    """
    contract = findings.attempt(lambda: contract_of(experiment))
    model = experiment.model
    parameters = findings.attempt(lambda: read_parameters(model.architecture, model.parameters))
    if contract is not None and parameters is not None:
        before = len(findings.errors)
        findings.attempt(lambda: parameters.check(contract))
        initialize = experiment.training.initialize
        if len(findings.errors) == before and (initialize is None or _is_there(initialize.file)):
            findings.attempt(lambda: check_first_weights(model.architecture, contract, parameters, initialize))
        findings.attempt(lambda: _check_counts(experiment, contract))
    if contract is not None:
        findings.attempt(lambda: check_losses(experiment.loss, contract))
    if contract is not None and experiment.bias is not None:
        _check_bias_model(experiment.bias, contract, findings)
    return contract, parameters


def _check_bias_model(spec: BiasSpec, contract: Contract, findings: Findings) -> None:
    findings.attempt(lambda: check_form(spec.form, contract), "bias")
    if findings.errors or spec.model_file is not None:
        return
    parameters = findings.attempt(lambda: read_parameters(spec.model.architecture, spec.model.parameters), "bias.model")
    if parameters is not None:
        findings.attempt(lambda: parameters.check(bias_contract(contract)), "bias.model")


def check_files(missing: Sequence[tuple[str, Path]]) -> None:
    """Raise ConfigError listing all files that are missing, but for remote ones, of which more was said."""
    lines = [f"  {key}: {path}" for key, path in missing if url_of(path) is None]
    if lines:
        hint = "correct the paths, or say --data FOLDER when they are relative to another folder"
        raise ConfigError("\n".join(["these files do not exist:", *lines, hint]))


def _named_files(experiment: Experiment) -> Iterator[tuple[str, Path]]:
    named: list[tuple[str, Path | None]] = [
        ("genome.fasta", experiment.genome.fasta),
        ("genome.chrom_sizes", experiment.genome.chrom_sizes),
        ("store", experiment.store),
        *_beds(experiment),
        *_label_files(experiment),
        ("loss.class_weights", _class_weights_file(experiment)),
        ("bias.model_file", experiment.bias.model_file if experiment.bias else None),
        ("training.initialize.file", experiment.training.initialize.file if experiment.training.initialize else None),
        *(("folds.files", path) for path in experiment.folds.files),
        *(("score.pseudoreplicates", path) for path in _pseudoreplicate_files(experiment)),
    ]
    yield from ((key, path) for key, path in named if path is not None)


def _class_weights_file(experiment: Experiment) -> Path | None:
    given = experiment.loss.class_weights
    return given if isinstance(given, Path) else None


def _beds(experiment: Experiment) -> list[tuple[str, Path | None]]:
    sampling = experiment.sampling
    return [
        ("genome.blacklist", experiment.genome.blacklist),
        ("sampling.regions.bed", sampling.regions.bed if sampling.regions else None),
        ("sampling.negatives.bed", sampling.negatives.bed if sampling.negatives else None),
        ("score.peaks", experiment.score.peaks),
    ]


def _label_files(experiment: Experiment) -> list[tuple[str, Path | None]]:
    labels = experiment.labels
    return [
        ("labels.train", labels.train if labels else None),
        ("labels.valid", labels.valid if labels else None),
        *((f"inputs.{spec.name}.file", spec.file) for spec in experiment.inputs),
        *((f"inputs.{spec.name}.valid_file", spec.valid_file) for spec in experiment.inputs),
    ]


def _pseudoreplicate_files(experiment: Experiment) -> list[Path]:
    spec = experiment.score.pseudoreplicates
    return [path for half in spec.files for path in half] if spec is not None and spec.files is not None else []


def _check_names(experiment: Experiment, layout: StoreLayout, findings: Findings) -> None:
    """Check that the array has every attribute and dataset of the experiment, naming where it is used."""
    before = len(findings.errors)
    for spec in experiment.track_specs:
        about = f"source of {spec.name}"
        findings.attempt(partial(layout.require_attributes, spec.source), about)
        for dataset in experiment.track_datasets(spec):
            findings.attempt(partial(layout.dataset_index, dataset), about)
    for dataset in experiment.datasets:
        findings.attempt(partial(layout.dataset_index, dataset), "datasets")
    peaks, ambiguous = experiment.sampling.peaks, experiment.sampling.ambiguous
    for name in (peaks and peaks.attribute, ambiguous):
        findings.attempt(partial(layout.require_attributes, [name] if name else []), "sampling")
    if len(findings.errors) == before:
        findings.attempt(lambda: _check_strands(experiment, layout))
        findings.attempt(lambda: _judge_strands(experiment, findings))


def _check_strands(experiment: Experiment, layout: StoreLayout) -> None:
    """Refuse one strand without the other where windows are reversed: it would get the wrong strand's values."""
    if not experiment.sampling.reverse_complement:
        return
    for spec in experiment.track_specs:
        channels = experiment.channels(spec)
        for dataset, attribute in channels:
            others = [other for other in other_strands(attribute) if other in layout.attributes]
            if others and not {(dataset, other) for other in others} & set(channels):
                raise ConfigError(
                    f"source of {spec.name}: {attribute} is there without {others[0]}, which takes its place on the "
                    "reverse strand; add it to the source, or set sampling.reverse_complement to false"
                )


def _judge_strands(experiment: Experiment, findings: Findings) -> None:
    """Warn of several tracks whose names pair none of them as strands: were they strands, none would be swapped."""
    if not experiment.sampling.reverse_complement:
        return
    for spec in experiment.track_specs:
        channels = experiment.channels(spec)
        partners = strand_partners([Track(*channel) for channel in channels])
        if len(channels) > len(experiment.track_datasets(spec)) and partners == tuple(range(len(channels))):
            findings.warn(
                f"source of {spec.name}",
                f"no two of {', '.join(dict.fromkeys(spec.source))} are strands of each other by their names "
                "(x_plus, x_minus; fwd, rev; …), so on the reverse strand each keeps its place. If they are strands, "
                "ingest them under such names, or set sampling.reverse_complement to false",
            )


def _check_sizes(experiment: Experiment, layout: StoreLayout, findings: Findings, *, skip: set[str]) -> None:
    if "genome.fasta" not in skip:
        findings.attempt(lambda: check_fasta(experiment.genome.fasta, layout.assembly))
    path = experiment.genome.chrom_sizes
    if path is not None and "genome.chrom_sizes" not in skip:
        findings.attempt(
            lambda: check_same_sizes(layout.assembly.as_dict(), read_chrom_sizes(path).as_dict(), str(path))
        )


def _candidates(experiment: Experiment, layout: StoreLayout, findings: Findings, shards: ShardMap) -> Candidates | None:
    candidates = findings.attempt(lambda: find_candidates(experiment, layout, shards))
    if candidates is None:  # it ended at the first file that is wrong; there may be others
        said = str(findings.errors[-1])
        for key, path in _beds(experiment):
            if path is not None and str(path) not in said:
                findings.attempt(partial(_check_bed, path, layout.assembly), key)
    return candidates


def _check_bed(path: Path, assembly: Assembly) -> None:
    read_bed(path).known(assembly, path).clipped(assembly, path)


def _folds(experiment: Experiment, candidates: Candidates, findings: Findings) -> tuple[Fold, ...] | None:
    folds = findings.attempt(lambda: fold_table(experiment.folds, candidates.peaks_by_chrom(), candidates.assembly))
    if folds is None:
        return None
    plan = partial(SamplingPlan, background_ratio=experiment.score.background_ratio)
    plans = [findings.attempt(partial(plan, candidates, experiment.sampling, fold, 0)) for fold in folds]
    if None not in plans:
        _warn_of_folds(candidates, folds, findings)
        _warn_of_negatives(experiment, candidates, folds, findings)
    return folds


def _warn_of_losses(candidates: Candidates, findings: Findings) -> None:
    for what, count in candidates.skipped.items():
        total = candidates.totals.get(what, 0)
        if total and count > _MANY_LEFT_OUT * total:
            findings.warn("windows", f"{count:,} of {total:,} ({count / total:.0%}) were left out: {what}")
    for what, count in candidates.repeated.items():
        findings.warn(
            what,
            f"{count:,} rows repeat another row's interval and summit; each counts as a window of its own. "
            "Remove them (sort -u) unless that is meant",
        )


def _warn_of_folds(candidates: Candidates, folds: Sequence[Fold], findings: Findings) -> None:
    peaks = candidates.peaks_by_chrom()
    tested = [chrom for fold in folds for chrom in fold.test]
    twice = sorted({chrom for chrom in tested if tested.count(chrom) > 1})
    if twice:
        findings.warn("folds", f"{', '.join(twice)} in the test split of more than one fold; their peaks count twice")
    used = {chrom for fold in folds for split in fold.as_dict().values() for chrom in split}
    unused = {chrom: n for chrom, n in peaks.items() if n and chrom not in used}
    if unused:
        findings.warn("folds", f"{', '.join(unused)} in no fold; {sum(unused.values()):,} peaks there are never used")
    by_fold = [sum(peaks[chrom] for chrom in fold.test) for fold in folds]
    if max(by_fold) > _UNEVEN * min(by_fold):
        findings.warn("folds", f"test splits hold between {min(by_fold):,} and {max(by_fold):,} peaks; scores vary")
    if candidates.regions is not None:
        by_split = [(sum(peaks[c] for c in fold.split(name)), name, fold.index) for fold in folds for name in SPLITS]
        few = [f"{n} in {name} of fold {index}" for n, name, index in by_split if n < _FEW_PEAKS]
        if few:
            findings.warn("folds", f"splits with fewer than {_FEW_PEAKS} peaks: {', '.join(few)}")


def _warn_of_negatives(
    experiment: Experiment, candidates: Candidates, folds: Sequence[Fold], findings: Findings
) -> None:
    spec = experiment.sampling.negatives
    if spec is None or candidates.negatives is None or candidates.regions is None:
        return
    for fold in folds:
        found = candidates.on(fold.train)
        assert found.regions is not None, "on() keeps what there is"
        assert found.negatives is not None, "on() keeps what there is"
        wanted, there = round(spec.ratio * len(found.regions)), len(found.negatives)
        if there < wanted:
            findings.warn(
                "sampling.negatives",
                f"fold {fold.index} has {there:,} negatives to train on and draws {wanted:,} an epoch, some of them "
                "more than once; make more (kerasac-ray negatives), or lower the ratio",
            )


def _check_counts(experiment: Experiment, contract: Contract) -> None:
    """Refuse counts beside a profile that are not its sum: tracks, scores and other tools' files take them for that."""
    profiles, all_counts = ([port for port in contract.outputs if port.role == role] for role in ("profile", "counts"))
    if len(profiles) != 1 or len(all_counts) != 1:
        return  # the model says what it needs
    (profile,), (counts,) = profiles, all_counts
    spec = next(spec for spec in experiment.outputs if spec.name == counts.name)
    if spec.aggregate != "sum":
        raise ConfigError(
            f"outputs.{counts.name}.aggregate is {spec.aggregate}; counts beside a profile are its sum (aggregate: sum)"
        )
    if counts.width_bp != profile.width_bp:
        raise ConfigError(
            f"output {counts.name} has {counts.width_bp:,} bases, output {profile.name} {profile.width_bp:,}; counts "
            "beside a profile are its sum: give both the same flank"
        )
