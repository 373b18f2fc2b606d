"""Say how units of work share the machines: how many at a time, and what each gets."""

from __future__ import annotations

from kerasac.config import ComputeSpec
from kerasac.errors import RunError
from kerasac.runs.unit import Share
from kerasac.sampling.stream import SAMPLER_CPUS

# What was measured to keep a 2-CPU machine free of starvation: a trial that only waits for its Train worker,
# the worker, and the samplers (stream.SAMPLER_CPUS) together ask for less than one CPU.
TRIAL_CPUS, WORKER_CPUS = 0.01, 0.5


class UnitAllotment:
    """How units share the machines.

    With GPUs a unit gets one (or the fraction ``compute.gpus`` says), and as many units run as GPUs allow. On
    CPUs two units run side by side where there are cores for both, each with its part of the threads. Where
    windows come out of decoded tracks the trainer reads them itself: its process reads more than a hundred times
    what a BPNet trains on a core. Reading the array takes samplers, where there are CPUs for them.
    """

    def __init__(
        self, compute: ComputeSpec, n_units: int, resources: dict[str, float], *, decoded: bool = True
    ) -> None:
        cpus, gpus = max(1.0, resources.get("CPU", 1.0)), resources.get("GPU", 0.0)
        self.trainers = compute.trainers
        a_trainer = (1.0 if gpus else 0.0) if compute.gpus == "auto" else float(compute.gpus)
        self._check_gpus(a_trainer, gpus)
        self.executor = self._executor(compute, a_trainer)
        self._check_cpus(cpus)
        per_unit = a_trainer * self.trainers
        # Several trainers that wait for each other have to have their CPUs, so no more units run than there are CPUs.
        room = int(gpus / per_unit) if per_unit else int(cpus / self.trainers)
        wanted = room if compute.max_parallel == "auto" else int(compute.max_parallel)
        bounded = per_unit or self.trainers > 1
        self.max_parallel = max(1, min(wanted, n_units, room) if bounded else min(wanted, n_units))
        self.cpus = cpus / self.max_parallel
        per_trainer = self.cpus / self.trainers
        samplers = compute.samplers if compute.samplers != "auto" else (2 if per_trainer >= 4 and not decoded else 0)
        self.share = Share(max(1, int(per_trainer)), samplers, a_trainer)
        self._check_samplers()

    def _executor(self, compute: ComputeSpec, gpus: float) -> str:
        if self.trainers > 1 and compute.executor == "direct":
            raise RunError(
                f"compute.trainers is {self.trainers}, which the executor train alone can start; set compute.executor "
                "to auto or train"
            )
        if compute.executor != "auto":
            return compute.executor
        return "train" if gpus or self.trainers > 1 else "direct"

    def _check_gpus(self, a_trainer: float, gpus: float) -> None:
        if a_trainer > 1:
            raise RunError(
                f"compute.gpus is {a_trainer:g}; a trainer takes one GPU, or a fraction of one to share it; "
                "compute.trainers is for more"
            )
        if a_trainer > gpus:
            raise RunError(
                f"compute.gpus is {a_trainer:g}, but Ray has {gpus:g}; set it to 0 to train on CPUs, or start Ray with "
                "--num-gpus"
            )
        if a_trainer * self.trainers > gpus:
            raise RunError(
                f"compute.trainers is {self.trainers} with {a_trainer:g} GPU each, but Ray has {gpus:g} GPUs; lower "
                "compute.trainers or compute.gpus"
            )

    def _check_cpus(self, cpus: float) -> None:
        if self.trainers > cpus:
            raise RunError(
                f"compute.trainers is {self.trainers}, but Ray has {cpus:g} CPUs; lower it to one a CPU at most"
            )

    def _check_samplers(self) -> None:
        """Refuse samplers that leave their trainer no CPU: Ray would wait for more CPUs for ever, and say nothing."""
        trainer = TRIAL_CPUS + (WORKER_CPUS if self.executor == "train" else 0)
        share = self.cpus / self.trainers
        at_most = max(0, int((share - trainer) / SAMPLER_CPUS))
        if self.share.samplers > at_most:
            whose = "trainer" if self.trainers > 1 else "unit"
            raise RunError(
                f"compute.samplers is {self.share.samplers}, but a {whose}'s share of {share:g} CPUs "
                f"({self.max_parallel} at a time) has room for {at_most}; lower it, or compute.max_parallel"
            )

    def describe(self) -> str:
        """Return the sharing in words."""
        samplers = f"{self.share.samplers} samplers" if self.share.samplers else "reading in the trainer's process"
        threads = f"{self.share.threads} thread{'s' if self.share.threads > 1 else ''}"
        devices = f"{self.share.gpus:g} GPU" if self.share.gpus else threads
        trainers = f"{self.trainers} trainers of " if self.trainers > 1 else ""
        return f"{self.max_parallel} at a time, executor {self.executor}, {trainers}{devices} and {samplers} each"

    @property
    def trial_resources(self) -> dict[str, float]:
        """What a Tune trial reserves."""
        if self.executor == "train":
            return {"CPU": TRIAL_CPUS}
        # Left free rather than reserved: Ray Data starts its actors outside the trial's placement group.
        trainer = {"CPU": self.cpus - SAMPLER_CPUS * self.share.samplers}
        return trainer | ({"GPU": self.share.gpus} if self.share.gpus else {})


def worker_resources(share: Share) -> dict[str, float]:
    """Return what one trainer asks of Ray as a Train worker."""
    return {"CPU": WORKER_CPUS} | ({"GPU": share.gpus} if share.gpus else {})
