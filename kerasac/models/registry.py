"""List the architectures by name, check their parameters, and build them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasac.errors import ModelError, suggest
from kerasac.models.basset_parameters import BassetParameters
from kerasac.models.battnet_parameters import BattNetParameters
from kerasac.models.bpnet_parameters import BPNetParameters
from kerasac.models.contract import Contract
from kerasac.models.illumina_parameters import IlluminaParameters
from kerasac.models.own_model import OwnParameters, is_own, read_own
from kerasac.models.parameters import Kind, Parameters, check_type
from kerasac.models.resnet_parameters import ResNetParameters

if TYPE_CHECKING:
    import keras

__all__ = ["ARCHITECTURES", "Architecture", "BPNetParameters", "Parameters", "build_model", "read_parameters"]


@dataclass(frozen=True)
class Architecture:
    """An entry of the registry: what it is, where it is from, its parameters' class, and where the builder is.

    A preset is an entry with other ``defaults`` of the same class. ``explainable``: DeepSHAP can follow its graph.
    """

    summary: str
    source: str
    parameters: type[Parameters]
    builder: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    explainable: bool = True

    @property
    def kind(self) -> Kind:
        """What it predicts."""
        return self.parameters.kind

    def parameter_defaults(self) -> dict[str, Any]:
        """Return every parameter's default, those of the architecture itself before those of its kind."""
        inherited = {item.name for base in self.parameters.__mro__[1:] for item in _fields(base)}
        ordered = sorted(_fields(self.parameters), key=lambda item: item.name in inherited)
        return {item.name: self.defaults.get(item.name, item.default) for item in ordered}

    def read(self, values: Mapping[str, Any]) -> Parameters:
        """Return the parameters that are the defaults but for these values; their names are checked before."""
        return self.parameters(**{**self.defaults, **values})

    def build(self, contract: Contract, parameters: Parameters) -> keras.Model:
        """Build the model; imports Keras."""
        module, _, function = self.builder.partition(":")
        return getattr(import_module(module), function)(contract, parameters)


_BPNET = "kerasac.models.bpnet:build_bpnet"
_ILLUMINA = "kerasac.models.illumina:build_illumina"
_BASSET = "kerasac.models.basset:build_basset"
_RESNET = "kerasac.models.resnet:build_resnet"
_SIMPLE: dict[str, Any] = {"filters": (300,), "kernels": (11,), "blocks": (1,), "inner": ((9, 7),), "pools": (4,)}

ARCHITECTURES: dict[str, Architecture] = {
    "bpnet": Architecture(
        "profile and counts of accessibility or binding, with optional control tracks",
        "Avsec et al. 2021; ChromBPNet, Pampari et al. 2023",
        BPNetParameters,
        _BPNET,
    ),
    "bias": Architecture(
        "ChromBPNet's model of an enzyme's bias: a shallower BPNet, for background windows",
        "ChromBPNet, Pampari et al. 2023: 128 filters, 4 dilated layers",
        BPNetParameters,
        _BPNET,
        {"filters": 128, "dilated_layers": 4},
    ),
    "small_bias": Architecture(
        "the smallest model of an enzyme's bias: one filter over the cut site",
        "kerasAC, profile_learn_bias, whose kernel is 6: odd kernels alone see both strands alike",
        BPNetParameters,
        _BPNET,
        {"filters": 1, "dilated_layers": 0, "first_kernel": 7, "profile_kernel": 1},
    ),
    "illumina": Architecture(
        "profile and counts by residual blocks of growing dilation, of a wide context",
        "Jaganathan et al. 2019; kerasAC, profile_illumina",
        IlluminaParameters,
        _ILLUMINA,
    ),
    "spliceai": Architecture(
        "illumina with the sixteen blocks of SpliceAI-10k",
        "Jaganathan et al. 2019; kerasAC, profile_model",
        IlluminaParameters,
        _ILLUMINA,
        {
            "kernels": (11,) * 8 + (21,) * 4 + (41,) * 4,
            "dilations": (1,) * 4 + (4,) * 4 + (10,) * 4 + (25,) * 4,
        },
    ),
    "basset": Architecture(
        "labels of bins, classes or values, from the sequence and further values of the bin",
        "Kelley et al. 2016; kerasAC, functional_basset_*",
        BassetParameters,
        _BASSET,
    ),
    "fbasset": Architecture(
        "Basset with each convolution factorised into several of short kernels",
        "kerasAC, functional_fbasset",
        BassetParameters,
        _BASSET,
        {
            "filters": (48, 64, 100, 150, 300, 200, 200, 200, 200),
            "kernels": (3, 3, 3, 7, 7, 7, 3, 3, 7),
            "pools": (1, 1, 1, 1, 3, 1, 1, 4, 4),
            "dropout": 0.0,
        },
    ),
    "deepsea": Architecture(
        "three wide convolutions without normalisation, dropout after each",
        "Zhou & Troyanskaya 2015, but for its penalties on weights",
        BassetParameters,
        _BASSET,
        {
            "filters": (320, 480, 960),
            "kernels": (8, 8, 8),
            "pools": (4, 4, 1),
            "block_dropout": (0.2, 0.2, 0.5),
            "dense": (925,),
            "dropout": 0.0,
            "batch_norm": False,
        },
    ),
    "tf_chipseq": Architecture(
        "a small model of one transcription factor: three convolutions, one wide pooling",
        "kerasAC, tf_chipseq_classification and tf_chipseq_regression",
        BassetParameters,
        _BASSET,
        {
            "filters": (50, 50, 50),
            "kernels": (15, 15, 13),
            "pools": (1, 1, 40),
            "dense": (50,),
            "dropout": 0.2,
            "padding": "same",
            "max_norm": 7.0,
        },
    ),
    "resnet": Architecture(
        "a deep residual network: eighteen padded convolutions in eight blocks",
        "He et al. 2016; kerasAC, resnet",
        ResNetParameters,
        _RESNET,
    ),
    "resnet_simple": Architecture(
        "a residual network of a single block",
        "kerasAC, resnet_simple",
        ResNetParameters,
        _RESNET,
        _SIMPLE,
    ),
    "resnet_preactivation": Architecture(
        "resnet_simple with normalisation and ReLU before the convolutions",
        "He et al. 2016b; kerasAC, resnet_simple_full_preactivation",
        ResNetParameters,
        _RESNET,
        {**_SIMPLE, "preactivation": True},
    ),
    "battnet": Architecture(
        "a recurrent network with attention over positions",
        "kerasAC, battnet",
        BattNetParameters,
        "kerasac.models.battnet:build_battnet",
        explainable=False,
    ),
}


def read_parameters(architecture: str, values: Mapping[str, Any]) -> Parameters:
    """Check an architecture's name and parameters; ``path/to/my_model.py:build`` names a user's own.

    Raises
    ------
    ModelError
        For an unknown name or parameter (with the nearest known one) or a value of the wrong type.
    """
    if is_own(architecture):
        return read_own(architecture, values)
    entry = find_architecture(architecture)
    defaults = entry.parameter_defaults()
    values = {name: _as_tuple(value) for name, value in values.items()}
    for name, value in values.items():
        if name not in defaults:
            raise ModelError(f"unknown parameter {name!r} of model {architecture}{suggest(name, defaults)}")
        check_type(name, value, defaults[name])
    return entry.read(values)


def find_architecture(name: str) -> Architecture:
    """Return an entry of the registry, or raise ModelError with the nearest known name."""
    if name not in ARCHITECTURES:
        hint = "a model of your own is path/to/my_model.py:build"
        raise ModelError(f"unknown architecture {name!r}{suggest(name, ARCHITECTURES)} ({hint})")
    return ARCHITECTURES[name]


def build_model(architecture: str, contract: Contract, parameters: Parameters) -> keras.Model:
    """Build an architecture for these inputs and outputs; imports Keras, and runs a user's own file."""
    parameters.check(contract)
    if isinstance(parameters, OwnParameters):
        return import_module("kerasac.models.own_build").build_own(contract, parameters)
    return ARCHITECTURES[architecture].build(contract, parameters)


def register_classes(parameters: Parameters) -> None:
    """Run a user's own file, if the model is one, so that Keras knows its classes when it loads a saved model."""
    if isinstance(parameters, OwnParameters):
        import_module("kerasac.models.own_build").load_own(parameters)


def _fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()


def _as_tuple(value: Any) -> Any:
    """Make tuples of lists, also of those in lists."""
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value
