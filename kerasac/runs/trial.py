"""Do one unit of work: train a fold with a seed, predict its test chromosomes, score them."""

from __future__ import annotations

import json
import logging
import platform
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasac import __version__
from kerasac.cache import locked, write_whole
from kerasac.errors import KerasacError
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import Contract
from kerasac.models.registry import register_classes
from kerasac.runs.bias_stage import BIAS_CHECK, CORRECTED, CORRECTED_PREDICTIONS, make_bias_model
from kerasac.runs.stopping import StoppedError
from kerasac.runs.unit import (
    DONE,
    MARKER,
    PAUSED,
    TUNED,
    VALID_SCORES,
    Event,
    Report,
    Share,
    Unit,
    read_marker,
    rung_from,
    rung_scores,
)
from kerasac.runs.unit_mirror import LOCK, UnitMirror, bring, here
from kerasac.runs.unit_scores import (
    BINNED_PREFIX,
    PREDICTIONS,
    default_settings,
    write_unit_scores,
)
from kerasac.runs.unit_training import Training, UnitTraining
from kerasac.sampling.plan import Plan, SamplingPlan
from kerasac.steps.binned_predictions import predictions_path, write_binned_predictions
from kerasac.steps.history import read_history
from kerasac.steps.prepare import PreparedWindows
from kerasac.steps.prepare_bins import PreparedBins
from kerasac.steps.prepared import Prepared
from kerasac.steps.pseudoreplicates import pseudoreplicates_of
from kerasac.steps.schedule import standing
from kerasac.steps.trainers import EndedError, Group, LostError

if TYPE_CHECKING:
    import keras

    from kerasac.sampling.background_plan import BackgroundPlan

logger = logging.getLogger(__name__)

_TRAIN = "train"  # what a leader tells its helpers
_MEAN_PROFILE_PEAKS = 20_000  # a mean over more windows changes nothing that matters
_VERSIONS_OF = ("tensorflow", "keras", "ray", "numpy", "tiledb")


def run_unit(
    prepared: Prepared,
    unit: Unit,
    share: Share,
    report: Report,
    group: Group | None = None,
    *,
    until: int | None = None,
) -> None:
    """Do what is missing of a unit; finished parts are kept, an interrupted training goes on.

    A unit of a study is trained ``until`` an epoch at most: one whose training has not ended by then is scored on
    validation as it is, and goes on from there when it is asked for more.

    Reports ``{"event": "epoch", …}`` after every epoch (``bias epoch`` of a bias model, ``bias`` with its verdict),
    ``stage`` when a part begins, ``unsaved`` when the run's URL cannot be reached for now, and at the end ``done``,
    ``paused`` at the epoch asked for, ``stopped`` when the run was asked to, or ``failed`` with a message. A failure's
    traceback is left in the unit's ``error.txt``. With a ``group``, which this process leads, the model is trained by
    all of it; :class:`LostError` is raised when one of it is gone.
    """
    unit = here(unit)
    mirror = UnitMirror(unit, report)
    try:
        with locked(unit.folder / LOCK):  # an orphan of a killed run may still be finishing its epoch
            mirror.fetch()
            try:
                _UnitRun(prepared, unit, share, report, mirror, group, until).run()
            except StoppedError:
                mirror.finish()
                raise
    except StoppedError as stopped:
        report({"event": "stopped", "message": str(stopped)})
    except Exception as error:
        if group is not None and isinstance(group.failure, LostError):
            raise group.failure from None
        with suppress(OSError):  # it may be the folder that cannot be written
            (unit.folder / "error.txt").write_text(traceback.format_exc())
        with suppress(OSError, KerasacError):  # it may be the URL that cannot be written
            mirror.save()
        report({"event": "failed", "message": _message(error, unit)})


def help_unit(prepared: Prepared, unit: Unit, share: Share, group: Group, *, until: int | None = None) -> None:
    """Help to train a unit's model whenever the leader of the group says so, until it ends the group.

    Nothing is written to the unit's folder. An error that is the input's fault ends the group with its message.
    """
    unit = here(unit)
    try:
        while group.hear() == _TRAIN:
            bring(unit)
            mirror = UnitMirror(unit, _hush)
            _UnitRun(prepared, unit, share, _hush, mirror, group, until).help_train()
    except EndedError:
        group.answer()
    except KerasacError as error:
        group.end(str(error))
        group.on_signal()  # at the leader's report of this error


def _hush(event: Event) -> None:
    """Report nothing."""


def _message(error: Exception, unit: Unit) -> str:
    if isinstance(error, KerasacError):
        return str(error)
    first_line = (str(error).splitlines() or [""])[0]  # TensorFlow's go on for pages
    return f"{type(error).__name__}: {first_line} (all of it in {unit.folder / 'error.txt'})"


def versions() -> dict[str, str]:
    """Return the versions that decide a result."""
    return {"kerasac": __version__, "python": platform.python_version()} | {
        package: version(package) for package in _VERSIONS_OF
    }


class _UnitRun:
    """The parts of one unit, in order."""

    def __init__(
        self,
        prepared: Prepared,
        unit: Unit,
        share: Share,
        report: Report,
        mirror: UnitMirror,
        group: Group | None = None,
        until: int | None = None,
    ) -> None:
        self.prepared, self.unit, self.share, self.report, self.group = prepared, unit, share, report, group
        self.mirror, self.until = mirror, until
        self.experiment = prepared.experiment
        self.folder = unit.folder
        self.plan: Plan = prepared.plan(unit.fold, unit.seed)
        self.marker = read_marker(unit.folder)
        self.was_tested = self.marker.get("state") == DONE
        self.training = UnitTraining(prepared, unit, share, report, mirror)

    def run(self) -> None:
        if self.unit.is_done:
            self._end("done")
            return
        if self._is_paused():
            self._end("paused")
            return
        self.mirror.raise_if_stopped()
        if not (self.folder / "model.keras").exists():
            (self.folder / VALID_SCORES).unlink(missing_ok=True)  # of a pause: what it is asked for now goes beyond
        (self.folder / "error.txt").unlink(missing_ok=True)
        self.prepared.source.check_unchanged()
        self.prepared.source.ensure()
        self.prepared.held_out.ensure()
        self._mark("started", fingerprint=self.prepared.fingerprint(), split=self.unit.fold.as_dict())
        for stage, artefact, work in self._stages():
            if not (self.folder / artefact).exists():
                self.report({"event": "stage", "stage": stage})
                with self._timed(stage):
                    work()
                    self.prepared.source.check_unchanged()
                self.mirror.save()
            if self._is_paused():
                self._mark(PAUSED)
                self._end("paused")
                return
        # One that has been tested stays so when a study asks for its validation scores.
        self._mark(TUNED if self.unit.tuning and not self.was_tested else DONE, versions=versions())
        self._end("done")

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Note how long a part takes, also when it is stopped or fails; it may go on in another process."""
        started = time.perf_counter()
        try:
            yield
        finally:
            before = self.marker.get("seconds", {})
            took = before.get(stage, 0) + time.perf_counter() - started
            with suppress(OSError):  # a full disk has its own message
                self._mark("started", seconds={**before, stage: round(took, 2)})

    def _end(self, event: str) -> None:
        self.mirror.finish()
        self.report({"event": event, **self.marker})

    def _is_paused(self) -> bool:
        """Whether the unit has been scored at the epoch that is asked for or after it, its training going on beyond."""
        return self.until is not None and rung_from(self.folder, self.until) is not None

    def _stages(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Name the parts, in order: a part is done when its artefact is there."""
        bias = [("bias", BIAS_CHECK, self._bias)] if self.experiment.bias is not None else []
        trained = [*bias, ("train", "model.keras", self._train)]
        if self.unit.tuning:
            return [*trained, ("validate", VALID_SCORES, self._validate)]
        return [
            *trained,
            ("predict", self._predictions.name, self._predict),
            ("score", "scores.json", self._score),
        ]

    def _bias(self) -> None:
        self.training.start_keras()
        self.training.check_model()  # what is wrong with it is not to be found after a bias model is trained
        self.training.start_keras(precision="float32")  # it is small, and judged by its counts
        prepared, plan = self.prepared, self.plan
        assert isinstance(prepared, PreparedWindows), "the experiment's check passed bias with labels"
        assert isinstance(plan, SamplingPlan), "windows of tracks have this plan"

        def fit(model: keras.Model, background: BackgroundPlan, contract: Contract, folder: Path) -> None:
            weights = self.training.loss_weights(background)
            self.training.fit(Training(model, model, contract, background, weights, folder, event="bias epoch"))

        check = make_bias_model(prepared, plan, self.folder, fit)
        self.report({"event": "bias", "message": str(check)})
        self._mark("started", bias=check.as_dict())

    def _train(self) -> None:
        self.training.start_keras()
        from kerasac.models.checkpoint import save_model
        from kerasac.models.describe import summary_text
        from kerasac.models.precision import back_to_float32

        plan = self.plan
        training = self.training.model(plan)
        self._mark(
            "started",
            plan_digest=plan.digest(self.experiment.training.epochs),
            loss_weights=training.loss_weights,
            windows={"train": len(plan.train(0)), "valid": len(plan.valid()), "test": len(plan.test())},
            model_parameters=int(training.model.count_params()),
            **({} if training.taken is None else {"initialized": training.taken._asdict()}),
        )
        write_whole(self.folder / "model.summary", summary_text(training.model))
        if self.group is not None:
            self.group.tell(_TRAIN)
        result = self.training.fit(training, self.group, self.until)
        self._mark("started", **result._asdict())
        back_to_float32(training.model)
        if self.until is not None and not self._has_ended():
            self._score_validation(training.model, self.folder / VALID_SCORES)
            rung = rung_scores(self.folder, len(read_history(self.folder / "history.csv")))
            write_whole(rung, (self.folder / VALID_SCORES).read_text(encoding="utf-8"))
            return
        if self.experiment.bias is not None:
            save_model(training.head, self.folder / CORRECTED)
        save_model(training.model, self.folder / "model.keras")

    def help_train(self) -> None:
        """Train the same model with the leader of the group."""
        self.prepared.source.ensure()
        self.training.start_keras()
        self.training.fit(self.training.model(self.plan), self.group, self.until)

    def _has_ended(self) -> bool:
        """Whether the training has come to its own end: its last epoch, or no more gain."""
        losses = [row["val_loss"] for row in read_history(self.folder / "history.csv")]
        return standing(self.experiment.training, losses).stop

    @property
    def _predictions(self) -> Path:
        """The file whose presence says that the test windows are predicted."""
        if isinstance(self.prepared, PreparedBins):
            return predictions_path(self.folder / BINNED_PREFIX)
        return self.folder / PREDICTIONS

    def _predict(self) -> None:
        prepare_backend(self.share.threads, gpus=self.share.gpus > 0)
        from kerasac.models.checkpoint import load_model
        from kerasac.steps.predict import write_predicted
        from kerasac.steps.predict_bins import predict_bins

        register_classes(self.prepared.parameters)
        model = load_model(self.folder / "model.keras")
        if isinstance(self.prepared, PreparedBins):
            bins = predict_bins(model, self.prepared, self.plan.test())
            write_binned_predictions(self.folder / BINNED_PREFIX, bins)
            return
        peaks = self.plan.train_peaks(_MEAN_PROFILE_PEAKS)
        if self.experiment.bias is not None:
            corrected = load_model(self.folder / CORRECTED)
            write_predicted(self.folder / CORRECTED_PREDICTIONS, corrected, self.prepared, self.plan.test(), peaks)
        write_predicted(self._predictions, model, self.prepared, self.plan.test(), peaks)

    def _validate(self) -> None:
        """Predict and score the validation windows; the predictions are not kept."""
        prepare_backend(self.share.threads, gpus=self.share.gpus > 0)
        from kerasac.models.checkpoint import load_model

        register_classes(self.prepared.parameters)
        self._score_validation(load_model(self.folder / "model.keras"), self.folder / VALID_SCORES)

    def _score_validation(self, model: keras.Model, path: Path) -> None:
        from kerasac.runs.validation import validation_scores

        scores = validation_scores(model, self.prepared, self.plan, default_settings(self.unit))
        write_whole(path, json.dumps(scores.to_dict(), indent=2, allow_nan=False) + "\n")

    def _score(self) -> None:
        prepared = self.prepared
        layout = prepared.layout if isinstance(prepared, PreparedWindows) else None
        pair = pseudoreplicates_of(self.experiment, layout)
        write_unit_scores(self.experiment, self.unit, default_settings(self.unit), pseudoreplicates=pair)

    def _mark(self, state: str, **facts: Any) -> None:
        self.marker = {**self.marker, "name": self.unit.name, "state": state, **facts}
        write_whole(self.folder / MARKER, json.dumps(self.marker, indent=1) + "\n")
