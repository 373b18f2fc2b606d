"""Say what an experiment is made of: frozen specs, checked where they are built."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kerasac.cache.remote import has_secrets, location, shown, url_of
from kerasac.errors import RemoteError

Aggregate = Literal["none", "sum", "average", "max", "binary_max"]
Transform = Literal["none", "log", "log10", "log1p", "asinh", "counts_to_logit"]
SEQUENCE = "seq"
_OWN_MODEL = re.compile(r"(?P<path>.+\.py)(?P<function>(:.*)?)")
_INFINITE_AT_0 = ("log", "log10", "counts_to_logit")


def _below_base(value: Any, info: ValidationInfo) -> Any:
    """Make a relative path relative to the folder that the experiment's data lies in; a URL stays one."""
    if not isinstance(value, str | Path):
        return value
    if url_of(value) is not None:
        return _url(str(value))
    if not info.context:
        return value
    path = Path(value).expanduser()
    return path if path.is_absolute() else Path(info.context["base"]) / path


def _url(value: str) -> Path:
    if has_secrets(value):
        raise ValueError(
            f"{shown(value)} is given with a password or signature, which would be kept with every run; set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or fetch the file and name it"
        )
    try:
        return location(value)
    except RemoteError as error:
        raise ValueError(str(error)) from None


# A file of this machine or, by its URL, of another; written out as the URL.
DataPath = Annotated[Path, BeforeValidator(_below_base), PlainSerializer(shown, return_type=str, when_used="json")]


def _as_tuple(value: Any) -> Any:
    """Let one name, path or number stand for a list of one."""
    return (value,) if isinstance(value, str | Path | int) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{doubled[0]!r} is listed twice; name each once")
    return names


NameList = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Names = Annotated[NameList, AfterValidator(_distinct)]


class Spec(BaseModel):
    """Base of all specs: frozen, and unknown keys are errors."""

    # A refused value may be a password; our own messages show those that cannot be.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class GenomeSpec(Spec):
    """The genome: FASTA (plain or bgzip), and a blacklist.

    No window or bin is centred in the blacklist, and no background window touches it.
    """

    fasta: DataPath
    chrom_sizes: DataPath | None = None
    blacklist: DataPath | None = None


class TrackSpec(Spec):
    """One input or output of the model: which tracks, how wide, summed and transformed how.

    ``flank`` is in bases: the window is centre − flank … centre + flank. ``dataset`` names rows of the array's
    task axis; by default those of the experiment. Its channels are every source of the first dataset, then of the
    second, …; with ``paired`` the first source of the first dataset, the second source of the second dataset, ….
    ``pseudocount`` is added before log, log10 and counts_to_logit.
    An input with a ``file`` has one value a bin and source: columns of a label file with the same bins, whose values of
    validation and test bins come from ``valid_file``, where it is given.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    source: NameList
    flank: int = Field(default=0, ge=0)
    file: DataPath | None = None
    valid_file: DataPath | None = None
    aggregate: Aggregate = "none"
    transform: Transform = "none"
    pseudocount: float = Field(default=1.0, ge=0)
    dataset: NameList | None = None
    paired: bool = False

    @model_validator(mode="after")
    def _channels_differ(self) -> TrackSpec:
        if self.paired:
            n_datasets = 0 if self.dataset is None else len(self.dataset)
            if n_datasets != len(self.source):
                raise ValueError(f"paired: {len(self.source)} sources need as many datasets; there are {n_datasets}")
            pairs = list(zip(self.dataset or (), self.source, strict=True))
            for dataset, source in pairs:
                if pairs.count((dataset, source)) > 1:
                    raise ValueError(f"paired: {source} of {dataset} is listed twice; name each once")
            return self
        for key, names in (("source", self.source), ("dataset", self.dataset or ())):
            try:
                _distinct(names)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
        return self

    @model_validator(mode="after")
    def _makes_sense(self) -> TrackSpec:
        if SEQUENCE in self.source:
            self._check_sequence()
        self._check_width()
        if self.transform == "counts_to_logit" and self.aggregate != "none":
            raise ValueError("counts_to_logit compares the positions of a profile; it takes no aggregate")
        if self.pseudocount == 0 and self.transform in _INFINITE_AT_0:
            raise ValueError(f"{self.transform} of a window without counts is infinite; set a pseudocount above 0")
        return self

    def _check_width(self) -> None:
        if self.valid_file is not None and self.file is None:
            raise ValueError("valid_file goes with file, whose values are those of the training bins")
        if not self.is_binned:
            if not self.flank:
                raise ValueError("say how wide it is: flank, in bases on each side of the centre")
        elif self.flank or self.dataset is not None or (self.aggregate, self.transform) != ("none", "none"):
            raise ValueError("values of bins take no flank, dataset, aggregate or transform")

    def _check_sequence(self) -> None:
        if self.source != (SEQUENCE,):
            raise ValueError(f"{SEQUENCE!r} is the genome's sequence; give the tracks beside it their own input")
        if self.aggregate != "none" or self.transform != "none" or self.dataset is not None or self.file is not None:
            raise ValueError("the sequence takes no aggregate, transform, dataset or file")

    @property
    def is_sequence(self) -> bool:
        """Whether the source is the genome's sequence rather than tracks."""
        return self.source == (SEQUENCE,)

    @property
    def is_binned(self) -> bool:
        """Whether there is one value a bin and source, from a label file, rather than windows of tracks."""
        return self.file is not None

    @property
    def width_bp(self) -> int:
        """Bases in the window."""
        return 2 * self.flank


class OutputSpec(TrackSpec):
    """An output; windows with any value of it (after its transform) below min or above max are dropped.

    With a ``kind`` it is the labels of bins: ``source`` names tasks of the experiment's label file.
    """

    min: float | None = None
    max: float | None = None
    kind: Literal["classification", "regression"] | None = None

    @property
    def is_binned(self) -> bool:
        """Whether it is the labels of bins."""
        return self.kind is not None

    @field_validator("source")
    @classmethod
    def _not_sequence(cls, source: tuple[str, ...]) -> tuple[str, ...]:
        if SEQUENCE in source:
            raise ValueError("an output cannot be the sequence; name attributes of the array")
        return source

    @model_validator(mode="after")
    def _range_holds_something(self) -> OutputSpec:
        if self.file is not None:
            raise ValueError("an output's file is the experiment's: labels.train and labels.valid")
        if self.is_binned and (self.min is not None or self.max is not None):
            raise ValueError("labels of bins take no min and max; cut the label file, or use sampling.bins.thresholds")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}; no window would be left")
        return self


class PeakPositions(Spec):
    """Setting 1: windows at any position where an attribute reaches a threshold, ``ratio`` of all windows."""

    attribute: str
    threshold: float = 1.0
    ratio: float = Field(default=1.0, gt=0, le=1)


class RegionSampling(Spec):
    """Setting 2: one window a region of a BED or narrowPeak file, two with ``center: edges``."""

    bed: DataPath
    center: Literal["summit", "center", "random", "edges"] = "summit"
    jitter: int = Field(default=0, ge=0)


class NegativeSampling(Spec):
    """Background windows of setting 2: ``ratio`` a region, anywhere outside peaks, or at the middles of ``bed``.

    With ``gc_matched`` they are windows whose GC content is that of the regions.
    """

    ratio: float = Field(default=1.0, ge=0)
    bed: DataPath | None = None
    gc_matched: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> NegativeSampling:
        if self.gc_matched and self.bed is not None:
            raise ValueError("gc_matched finds windows itself; leave out bed, or gc_matched")
        return self

    @property
    def are_listed(self) -> bool:
        """Whether they are drawn from a list of windows rather than from everywhere outside peaks."""
        return self.bed is not None or self.gc_matched


class BinSampling(Spec):
    """Setting 3: bins of a label file, drawn by the height of their greatest label.

    ``thresholds`` t₁ < t₂ < … cut the bins into those below t₁, from t₁ to below t₂, and so on; ``ratios`` are the
    shares of an epoch that the parts from t₁ on have, what they leave is of bins below t₁. Without thresholds an epoch
    has the bins as they are. ``valid_ratios`` are the shares in validation; by default it has its bins as they are.
    """

    thresholds: tuple[float, ...] = ()
    ratios: tuple[Annotated[float, Field(ge=0)], ...] = ()
    valid_ratios: tuple[Annotated[float, Field(ge=0)], ...] | None = None

    @model_validator(mode="after")
    def _fits(self) -> BinSampling:
        if list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError(f"thresholds {list(self.thresholds)} must rise")
        for name, ratios in (("ratios", self.ratios), ("valid_ratios", self.valid_ratios)):
            if ratios is None:
                continue
            if len(ratios) != len(self.thresholds):
                raise ValueError(f"{len(self.thresholds)} thresholds need as many {name}; there are {len(ratios)}")
            if sum(ratios) > 1 + 1e-9:
                raise ValueError(f"{name} {list(ratios)} add up to more than 1")
        return self


class SamplingSpec(Spec):
    """Where windows are drawn, how many an epoch, and on which strand."""

    peaks: PeakPositions | None = None
    regions: RegionSampling | None = None
    bins: BinSampling | None = None
    negatives: NegativeSampling | None = None
    ambiguous: str | None = None
    train_size: int | None = Field(default=None, gt=0)
    valid_size: int | None = Field(default=None, gt=0)
    reverse_complement: bool = True

    @model_validator(mode="after")
    def _one_setting(self) -> SamplingSpec:
        given = [name for name in ("peaks", "regions", "bins") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "name one of 'peaks' (positions of an attribute), 'regions' (a BED file) and 'bins' (of a label file); "
                f"given: {' and '.join(given) or 'none'}"
            )
        if self.bins is not None and (self.negatives is not None or self.ambiguous is not None):
            raise ValueError(
                "'negatives' and 'ambiguous' go with an array; bins have their labels, NaN where ambiguous"
            )
        if self.peaks is not None and self.negatives is not None:
            raise ValueError("'negatives' belongs to 'regions'; with 'peaks', the background share is 1 - peaks.ratio")
        if self.peaks is not None and (self.train_size is None or self.valid_size is None):
            raise ValueError("with 'peaks', say how many windows an epoch has: train_size and valid_size")
        return self

    @property
    def draws_background(self) -> bool:
        """Whether background windows of training are drawn from anywhere outside the peaks, not from a file."""
        if self.peaks is not None:
            return self.peaks.ratio < 1
        return self.negatives is not None and self.negatives.ratio > 0 and not self.negatives.are_listed


class ModelSpec(Spec):
    """An architecture by name, and its parameters; the models room knows which there are.

    ``architecture`` is a name, or ``path/to/my_model.py:build``. That path and the one of ``initial_weights`` are
    relative to the folder of the experiment's data.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    architecture: str = "bpnet"

    @model_validator(mode="before")
    @classmethod
    def _place_files(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            return given
        placed = dict(given)
        if isinstance(name := given.get("architecture"), str) and (own := _OWN_MODEL.fullmatch(name)):
            placed["architecture"] = f"{shown(_below_base(own['path'], info))}{own['function']}"
        if (weights := given.get("initial_weights")) and isinstance(weights, str):
            placed["initial_weights"] = shown(_below_base(weights, info))
        return placed

    @property
    def parameters(self) -> dict[str, Any]:
        """All keys but the architecture."""
        return dict(self.model_extra or {})


class BiasSpec(Spec):
    """The bias of the enzyme, learned from background and frozen in the model; kerasAC's and ChromBPNet's way.

    The bias model is trained on background windows whose counts, all tasks together, are below ``threshold`` times
    those of the weakest training peaks: the ``quantile`` of their counts. ``model_file`` names one that is trained
    already. ``form``: its output is ``added`` to that of the model (profile logits summed, counts summed), as in
    ChromBPNet, or ``mixed`` in by learned weights, as in kerasAC. ``warn_below`` and ``fail_below`` bound the
    correlation of its predicted with the observed log counts of peaks: one that is lower has learned what peaks are
    made of.
    """

    model: ModelSpec = ModelSpec(architecture="bias")
    model_file: DataPath | None = None
    threshold: float = Field(default=0.5, gt=0)
    quantile: float = Field(default=0.01, ge=0, lt=1)
    form: Literal["added", "mixed"] = "added"
    train_size: int | None = Field(default=None, gt=0)
    valid_size: int | None = Field(default=None, gt=0)
    warn_below: float = Field(default=-0.3, ge=-1, le=1)
    fail_below: float | None = Field(default=-0.5, ge=-1, le=1)


class LossSpec(Spec):
    """Weights of the heads' losses; ``auto`` = median total counts of the training peaks' windows / 10.

    ``tasks`` gives tasks a factor of their own within their outputs' losses. Of bins, ``labels`` names the loss:
    ``auto`` is crossentropy for a classification and mse for a regression; ``poisson`` predicts the log rate of counts.
    ``class_weights`` multiplies the terms of negative and positive bins: ``auto`` weighs both classes alike, by their
    numbers in the training chromosomes; or kerasAC's file of w1 and w0, a row a task.
    """

    profile: float = Field(default=1.0, ge=0)
    counts: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    tasks: dict[str, Annotated[float, Field(ge=0)]] = {}
    labels: Literal["auto", "crossentropy", "mse", "mae", "poisson"] = "auto"
    class_weights: Annotated[Literal["auto"] | DataPath | None, Field(union_mode="left_to_right")] = None


class InitializeSpec(Spec):
    """Weights of another model that training starts from, layer by layer of the same name.

    ``file``: a ``.keras`` file, or weights of Keras 3 (``.weights.h5``, a run's checkpoints) or Keras 2 (``.hdf5``).
    ``layers``: names or patterns (``dilated_*``) of the layers that are taken; ``all`` takes every one, and each must
    be in the file. ``freeze``: those that are not trained.
    """

    file: DataPath
    layers: Literal["all"] | Names = "all"
    freeze: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()


def _as_file(value: Any) -> Any:
    """Let a path stand for all layers of a file."""
    return {"file": value} if isinstance(value, str | Path) else value


class TrainingSpec(Spec):
    """How long and how fast to train; the defaults are kerasAC's.

    The best epoch is the one with the least validation loss. After ``patience`` epochs without a better one
    training stops. ``schedule: plateau`` multiplies the learning rate by ``lr_factor`` after every
    ``lr_patience`` epochs without a better one; ``cosine`` takes it from learning_rate to min_learning_rate
    over ``epochs``, whatever the loss does. Over the first ``warmup_steps`` batches the rate rises from 0 to its
    first value. ``steps_per_epoch`` ends an epoch after so many batches, if it has more. ``weight_decay`` is
    decoupled from the gradient, as in AdamW, whose own is 0.004 unless it is given; others have none. ``momentum`` goes
    with sgd and rmsprop.

    ``precision``: what layers compute in; outputs, losses and weights are float32 always. ``jit_compile``: compile the
    step with XLA; ``auto`` does so on a GPU. ``tensorboard`` writes logs to the unit's folder, ``batch_log`` the losses
    after every batch (means over the epoch so far) to its ``batches.tsv``.
    """

    epochs: int = Field(default=40, gt=0)
    steps_per_epoch: int | None = Field(default=None, gt=0)
    batch_size: int = Field(default=64, gt=0)
    optimizer: Literal["adam", "adamw", "nadam", "adamax", "rmsprop", "sgd", "lion"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["plateau", "cosine"] = "plateau"
    patience: int = Field(default=3, gt=0)
    lr_patience: int = Field(default=2, gt=0)
    lr_factor: float = Field(default=0.4, gt=0, lt=1)
    min_learning_rate: float = Field(default=1e-8, ge=0)
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float | None = Field(default=None, ge=0)
    momentum: float | None = Field(default=None, ge=0, lt=1)
    clip_norm: float | None = Field(default=None, gt=0)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit_compile: bool | Literal["auto"] = "auto"
    tensorboard: bool = False
    batch_log: bool = False
    initialize: Annotated[InitializeSpec | None, BeforeValidator(_as_file)] = None

    @model_validator(mode="after")
    def _rates_fall(self) -> TrainingSpec:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate {self.min_learning_rate:g} is above learning_rate {self.learning_rate:g}; lower it"
            )
        return self

    @model_validator(mode="after")
    def _momentum_is_used(self) -> TrainingSpec:
        if self.momentum is not None and self.optimizer not in ("sgd", "rmsprop"):
            raise ValueError(f"momentum goes with sgd and rmsprop, not with {self.optimizer}; take it away")
        return self


class FoldsSpec(Spec):
    """The fold table: balanced over this genome, published, or from JSON files (which win over the scheme)."""

    scheme: Literal["balanced", "hg38-5", "kerasac-10"] = "balanced"
    n: int | None = Field(default=None, gt=0)
    files: Annotated[tuple[DataPath, ...], BeforeValidator(_as_tuple)] = ()


def _both_halves(halves: Any) -> Any:
    if halves is not None and len(halves[0]) != len(halves[1]):
        raise ValueError(f"{len(halves[0])} tracks against {len(halves[1])}; list one a task in both halves")
    return halves


Paths = Annotated[tuple[DataPath, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class PseudoreplicatesSpec(Spec):
    """Two halves of the reads behind the profile output, scored against each other: what a model can reach at best.

    ``attributes``: two lists of the store's attributes, each in the place of the profile output's ``source``.
    ``files``: two lists of bigWigs instead, one a task.
    """

    attributes: Annotated[tuple[Names, Names] | None, AfterValidator(_both_halves)] = None
    files: Annotated[tuple[Paths, Paths] | None, AfterValidator(_both_halves)] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> PseudoreplicatesSpec:
        if (self.attributes is None) == (self.files is None):
            raise ValueError("name either 'attributes' of the store or 'files' (bigWigs), two lists of them")
        halves = self.attributes or self.files
        if halves is not None and set(halves[0]) & set(halves[1]):
            raise ValueError("a track is listed in both halves; two pseudoreplicates share no reads")
        return self


class ScoreSpec(Spec):
    """What the test chromosomes are scored on: peaks at their summits, and background windows.

    ``pseudoreplicates`` add the ceiling: how well one half of the reads predicts the other.
    """

    peaks: DataPath | None = None
    background_ratio: float = Field(default=1.0, ge=0)
    pseudoreplicates: PseudoreplicatesSpec | None = None


class ComputeSpec(Spec):
    """How the machine is used; nothing here changes a result, but for float error.

    ``trainers``: processes that train one model together, each on its part of every batch, with averaged gradients.
    ``gpus``: of each trainer. ``samplers``: CPU actors that read windows for one trainer through Ray Data; 0 reads in
    the trainer's own process. ``executor``: ``train`` runs each fold as a Ray Train worker, ``direct`` inside its Tune
    trial. ``reader``: tracks are decoded once a machine, whole (``map``), around the candidates (``spans``) or as the
    cells other than 0 (``sparse``), or read from the TileDB array every time (``blocks``).
    """

    trainers: int = Field(default=1, ge=1)
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    samplers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    max_parallel: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    executor: Literal["auto", "direct", "train"] = "auto"
    reader: Literal["auto", "map", "spans", "sparse", "blocks"] = "auto"


# Does not show the address, which would be shown with its password.
PASSWORD_IN_URI = (
    "holds a user or password, which would be kept with every run; leave them out and set the variables "
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
)


def has_password(uri: str) -> bool:
    """Whether the address of a tracking store holds a password, or, of a server, a user."""
    _, slashes, rest = uri.partition("//")
    user = (rest if slashes else uri).partition("/")[0].rpartition("@")[0]
    return bool(user) and (":" in user or uri.startswith("http"))


class TrackingSpec(Spec):
    """The MLflow experiment, and the server that keeps it; none = a local store in the run's folder."""

    experiment: str | None = None
    uri: str | None = None

    @field_validator("uri")
    @classmethod
    def _without_secrets(cls, uri: str | None) -> str | None:
        if uri is not None and has_password(uri):
            raise ValueError(PASSWORD_IN_URI)
        return uri


def _as_train_file(value: Any) -> Any:
    """Let a path stand for labels of one file."""
    return {"train": value} if isinstance(value, str | Path) else value


class LabelsSpec(Spec):
    """Labels of bins: one file, or one of its own for validation and test; chromosomes are split by the folds."""

    train: DataPath
    valid: DataPath | None = None

    @property
    def held_out(self) -> Path:
        """Return the file that validation and test bins are read from."""
        return self.train if self.valid is None else self.valid


class Experiment(Spec):
    """A whole experiment, as its YAML file describes it: of windows of an array, or of bins of label files."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    genome: GenomeSpec
    store: DataPath | None = None
    labels: Annotated[LabelsSpec | None, BeforeValidator(_as_train_file)] = None
    datasets: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_distinct)] = ()
    inputs: tuple[TrackSpec, ...] = Field(min_length=1)
    outputs: tuple[OutputSpec, ...] = Field(min_length=1)
    sampling: SamplingSpec
    model: ModelSpec = ModelSpec()
    bias: BiasSpec | None = None
    loss: LossSpec = LossSpec()
    training: TrainingSpec = TrainingSpec()
    folds: FoldsSpec = FoldsSpec()
    seeds: Annotated[tuple[int, ...], BeforeValidator(_as_tuple)] = Field(default=(1234,), min_length=1)
    score: ScoreSpec = ScoreSpec()
    compute: ComputeSpec = ComputeSpec()
    tracking: TrackingSpec = TrackingSpec()

    @model_validator(mode="after")
    def _one_kind(self) -> Experiment:
        if (self.store is None) == (self.labels is None):
            found = "both are given" if self.store is not None else "neither is given"
            raise ValueError(f"name either 'store' (an array of tracks) or 'labels' (files of labelled bins); {found}")
        binned = self.labels is not None
        if binned == (self.sampling.bins is None):
            raise ValueError("sampling.bins goes with labels; sampling.peaks and sampling.regions go with store")
        if binned == bool(self.datasets):
            raise ValueError("say which 'datasets' of the store to read" if not binned else "'datasets' go with store")
        for track in (*self.inputs, *self.outputs):
            if not track.is_sequence and track.is_binned != binned:
                known = "file (an input) or kind (an output)"
                raise ValueError(
                    f"{track.name} has no {known}, which values of bins need"
                    if binned
                    else f"{track.name} has a {known}, which goes with labels, not with store"
                )
        if binned and self.score.pseudoreplicates is not None:
            raise ValueError("score.pseudoreplicates goes with store: they are compared as profiles and their counts")
        if binned and self.score.peaks is not None:
            raise ValueError("score.peaks goes with store: bins are scored on all of the test chromosomes")
        if binned and self.bias is not None:
            raise ValueError("bias goes with store: it is learned from profiles of background windows")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Experiment:
        names = [track.name for track in (*self.inputs, *self.outputs)]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"two inputs or outputs are called {doubled[0]!r}; give each its own name")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)} repeat; each seed is trained once")
        if any(not 0 <= seed < 2**32 for seed in self.seeds):
            raise ValueError(f"seeds {list(self.seeds)} must be 0 or more, and below 2^32")
        return self

    @model_validator(mode="after")
    def _trainers_share_batches(self) -> Experiment:
        if self.training.batch_size % self.compute.trainers:
            raise ValueError(
                f"training.batch_size {self.training.batch_size} is no multiple of compute.trainers "
                f"{self.compute.trainers}: each takes as much of every batch"
            )
        if self.compute.trainers > 1 and self.training.jit_compile is True:
            raise ValueError(
                "training.jit_compile: true goes with one trainer; set it to auto, or compute.trainers to 1"
            )
        return self

    def track_datasets(self, track: TrackSpec) -> tuple[str, ...]:
        """Return the datasets that an input or output reads, each once."""
        return tuple(dict.fromkeys(track.dataset)) if track.dataset is not None else self.datasets

    def channels(self, track: TrackSpec) -> tuple[tuple[str, str], ...]:
        """Return dataset and source of each channel of an input or output that is made of tracks."""
        if track.paired:
            return tuple(zip(track.dataset or (), track.source, strict=True))
        return tuple(product(self.track_datasets(track), track.source))

    @property
    def track_specs(self) -> tuple[TrackSpec, ...]:
        """Return the inputs and outputs that are made of tracks rather than of the sequence."""
        return tuple(spec for spec in (*self.inputs, *self.outputs) if not spec.is_sequence and not spec.is_binned)

    @property
    def draws_background(self) -> bool:
        """Whether training reads background windows from anywhere outside the peaks, not from a list."""
        negatives = self.sampling.negatives
        listed = negatives is not None and negatives.are_listed
        return self.sampling.draws_background or (self.bias is not None and not listed)

    @property
    def output_flank(self) -> int:
        """Return the widest output's flank: half of the window that must stay clear of other regions."""
        return max(output.flank for output in self.outputs)

    @property
    def widest_flank(self) -> int:
        """Return the widest flank of all inputs and outputs: a window this wide must lie on its chromosome."""
        return max(track.flank for track in (*self.inputs, *self.outputs))

    def as_dict(self) -> dict[str, Any]:
        """Return the resolved experiment as plain JSON-able values."""
        return self.model_dump(mode="json")

    def changed(self) -> dict[str, Any]:
        """Return the keys that are not at their default, as plain JSON-able values."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def to_yaml(self) -> str:
        """Return the resolved experiment as YAML, with every default spelled out and all paths absolute."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True, width=100)
