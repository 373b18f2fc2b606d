"""Say what goes into a model and what comes out, without building it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kerasac.config import Experiment, OutputSpec, TrackSpec, Transform
from kerasac.errors import ModelError

Role = Literal["sequence", "profile", "counts", "values", "classification", "regression"]


@dataclass(frozen=True)
class Port:
    """One input or output of a model.

    ``role``: ``sequence`` (width_bp,) uint8 tokens, whose ``n_tracks`` are the four bases; ``profile``
    (width_bp, n_tracks), one value a base; ``counts`` (n_tracks,), one value a window. Of bins: ``values`` (n_tracks,)
    of an input, and ``classification`` or ``regression`` (n_tracks,) labels of an output, NaN where ambiguous.
    ``tasks`` names the tracks.
    """

    name: str
    role: Role
    width_bp: int
    n_tracks: int
    tasks: tuple[str, ...] = ()
    transform: Transform = "none"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one window's values."""
        if self.role == "sequence":
            return (self.width_bp,)
        return (self.width_bp, self.n_tracks) if self.role == "profile" else (self.n_tracks,)


@dataclass(frozen=True)
class Contract:
    """All inputs and outputs of a model, in the experiment's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def input_of(self, role: Role) -> Port | None:
        """Return the input that plays a role, if there is one."""
        return _only(self.inputs, role, "inputs")

    def output_of(self, role: Role) -> Port | None:
        """Return the output that plays a role, if there is one."""
        return _only(self.outputs, role, "outputs")


def contract_of(experiment: Experiment) -> Contract:
    """Derive a model's contract from an experiment: what is aggregated is counts, what is not a profile."""
    return Contract(
        tuple(_port(experiment, spec) for spec in experiment.inputs),
        tuple(_port(experiment, spec) for spec in experiment.outputs),
    )


def _port(experiment: Experiment, spec: TrackSpec) -> Port:
    if spec.is_sequence:
        return Port(spec.name, "sequence", spec.width_bp, 4)
    if spec.is_binned:
        binned: Role = (spec.kind or "values") if isinstance(spec, OutputSpec) else "values"
        return Port(spec.name, binned, 0, len(spec.source), spec.source)
    several = len(experiment.track_datasets(spec)) > 1
    channels = experiment.channels(spec)
    tasks = tuple(f"{dataset}.{attribute}" if several else attribute for dataset, attribute in channels)
    role: Role = "profile" if spec.aggregate == "none" else "counts"
    return Port(spec.name, role, spec.width_bp, len(tasks), tasks, spec.transform)


def _only(ports: tuple[Port, ...], role: Role, where: str) -> Port | None:
    found = [port for port in ports if port.role == role]
    if len(found) > 1:
        names = " and ".join(port.name for port in found)
        raise ModelError(f"{where} has {len(found)} of role {role} ({names}); this architecture takes one")
    return found[0] if found else None
