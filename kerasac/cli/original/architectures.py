"""Say which architecture here is one of kerasAC's, and what its table of parameters means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerasac.errors import ConfigError, suggest

_OTHER_LOSS = (
    "its loss is not offered; profile_bpnet_chipseq has the multinomial likelihood and squared error of log counts"
)
_OWN = "write it as a model of your own (docs/guide.md, Models), or give its file with --architecture_from_file"


@dataclass(frozen=True)
class Architecture:
    """An architecture of kerasAC: the name and parameters of ours, and what labels of bins are to it."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str | None = None
    bias: bool = False
    profile: bool = False


def _profile(name: str, *, bias: bool = False, **parameters: Any) -> Architecture:
    return Architecture(name, parameters, bias=bias, profile=True)


def _bpnet(filters: int = 300, dilated_layers: int = 6, *, bias: bool = False) -> Architecture:
    return _profile(
        "bpnet", bias=bias, filters=filters, dilated_layers=dilated_layers, first_kernel=21, profile_kernel=75
    )


def _bins(name: str, kind: str, **parameters: Any) -> Architecture:
    return Architecture(name, parameters, kind)


_KINDS = ("classification", "regression")
_BASSET_2D = {"layout": "2d"}
ARCHITECTURES: Mapping[str, Architecture] = {
    "profile_bpnet": _bpnet(),
    "profile_bpnet_chipseq": _bpnet(),
    "profile_bpnet_dnase": _bpnet(),
    "profile_bpnet_dnase_with_bias": _bpnet(500, 8, bias=True),
    "profile_bpnet_dnase_with_bias_masked": _bpnet(500, 8, bias=True),
    "profile_learn_bias": _profile("small_bias"),
    "profile_illumina": _profile("illumina"),
    "profile_illumina_lakss": _profile("illumina"),
    "profile_model": _profile("spliceai"),
    "basset_architecture": _bins("basset", "classification", **_BASSET_2D),
    "basset_architecture_original": _bins("basset", "classification", **_BASSET_2D),
    "basset_architecture_multitask": _bins("basset", "classification", **_BASSET_2D),
    "basset_architecture_single_task": _bins("basset", "classification", **_BASSET_2D),
    "functional_basset": _bins("basset", "classification", **_BASSET_2D),
    "functional_basset_multitask": _bins("basset", "classification", **_BASSET_2D),
    "functional_basset_single_task": _bins("basset", "classification", **_BASSET_2D),
    "functional_basset_singletask": _bins("basset", "classification", **_BASSET_2D),
    "functional_regression": _bins("basset", "regression", **_BASSET_2D),
    "regression": _bins("basset", "regression", **_BASSET_2D),
    **{f"functional_basset_{kind}": _bins("basset", kind, **_BASSET_2D) for kind in _KINDS},
    **{f"functional_basset_{kind}_gc_corrected": _bins("basset", kind, **_BASSET_2D) for kind in _KINDS},
    **{f"functional_basset_{kind}_1D": _bins("basset", kind) for kind in _KINDS},
    **{f"functional_basset_{kind}_1D_renamed": _bins("basset", kind) for kind in _KINDS},
    **{f"functional_basset_{kind}_1D_gc_corrected": _bins("basset", kind) for kind in _KINDS},
    "functional_fbasset": _bins("fbasset", "classification"),
    **{f"tf_chipseq_{kind}": _bins("tf_chipseq", kind) for kind in _KINDS},
    "resnet": _bins("resnet", "classification"),
    "resnet_simple": _bins("resnet_simple", "classification"),
    "resnet_simple_full_preactivation": _bins("resnet_preactivation", "classification"),
    "battnet": _bins("battnet", "classification"),
}
REFUSED: Mapping[str, str] = {
    "profile_bpnet_chipseq_neg_binomial": _OTHER_LOSS,
    "profile_bpnet_chipseq_poisson_loss": _OTHER_LOSS,
    "profile_bpnet_chipseq_poisson_loss_noelu": _OTHER_LOSS,
    "profile_bpnet_dnase_weighted": "windows have no weights of their own here; take profile_bpnet_dnase",
    "functional_basset_classification_1D_frozen": (
        "take functional_basset_classification_1D, and training.initialize with 'freeze' in an experiment file"
    ),
    "profile_bias": _OWN,
    "signal_from_bias": _OWN,
    "resnet_simple_reversed": _OWN,
    "model_test": _OWN,
    "train_profile_model": _OWN,
    "test_generator": _OWN,
}

# Names of kerasAC's table of parameters: ours, and their type.
_PARAMETERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "filters": ("filters", int),
    "n_dil_layers": ("dilated_layers", int),
    "conv1_kernel_size": ("first_kernel", int),
    "profile_kernel_size": ("profile_kernel", int),
}
_WEIGHTS = {"profile_loss_weight": "profile", "counts_loss_weight": "counts"}
_BIAS_MODEL = "pretrained_bias_model"
_UNUSED = {"control_smoothing": "no architecture of kerasAC uses it"}


def find_architecture(name: str) -> Architecture:
    """Return what an architecture of kerasAC is here.

    Raises
    ------
    ConfigError
        For an unknown name, with the nearest known one, or one that is not offered, with what to do instead.
    """
    if name in REFUSED:
        raise ConfigError(f"--architecture_spec {name} is not offered: {REFUSED[name]}")
    if name not in ARCHITECTURES:
        raise ConfigError(f"--architecture_spec {name} is no architecture of kerasAC{suggest(name, ARCHITECTURES)}")
    return ARCHITECTURES[name]


def read_parameters(path: Path) -> dict[str, str]:
    """Read kerasAC's table of parameters: a name and a value a line, with a tab between."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--model_params: cannot read {path} ({error.__class__.__name__})") from None
    found = {}
    for line in filter(str.strip, lines):
        name, tab, value = line.partition("\t")
        if not tab:
            raise ConfigError(f"--model_params: {path} has the line {line!r}; it needs a name, a tab and a value")
        found[name.strip()] = value.strip()
    return found


def model_sections(architecture: Architecture, parameters: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the sections ``model``, ``loss`` and ``bias`` that architecture and parameters mean, and remarks.

    Raises
    ------
    ConfigError
        For an unknown parameter, or a value of the wrong type.
    """
    model: dict[str, Any] = {"architecture": architecture.name, **architecture.parameters}
    loss: dict[str, Any] = {"profile": 1.0, "counts": 1.0} if architecture.profile else {}
    sections: dict[str, Any] = {}
    remarks = []
    known = (*_PARAMETERS, *_WEIGHTS, _BIAS_MODEL, *_UNUSED)
    for name, word in parameters.items():
        if name in _PARAMETERS and _PARAMETERS[name][0] in architecture.parameters:
            ours, kind = _PARAMETERS[name]
            model[ours] = _converted(name, word, kind)
        elif name in _WEIGHTS and architecture.profile:
            loss[_WEIGHTS[name]] = _converted(name, word, float)
        elif name == _BIAS_MODEL and architecture.bias:
            sections["bias"] = {"model_file": word, "form": "mixed"}
        elif name in _UNUSED:
            remarks.append(f"--model_params {name}: no meaning here, {_UNUSED[name]}")
        elif name in known:
            remarks.append(f"--model_params {name}: no meaning here, {architecture.name} has no such parameter")
        else:
            raise ConfigError(f"--model_params has {name!r}, which is no parameter of kerasAC{suggest(name, known)}")
    if architecture.bias and "bias" not in sections:
        raise ConfigError(f"--model_params needs {_BIAS_MODEL}: the model of the bias")
    return {"model": model, **({"loss": loss} if loss else {}), **sections}, remarks


def _converted(name: str, word: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(word)
    except ValueError:
        raise ConfigError(f"--model_params: {name} is {word!r}; it takes a number") from None
