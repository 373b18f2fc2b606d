"""Run a trained model from the one-hot rows of its sequence on, on whatever values its operations are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers, ops

from kerasac.errors import ModelError
from kerasac.interpret.heads import Head, Target, port_of
from kerasac.models.bias_factorised import LogSumExp
from kerasac.models.contract import Contract
from kerasac.models.layers import OneHotDNA

Call = Callable[..., Any]

_MISSING = object()  # stands for an input that was left out, and for what depends on it


class _Tokens:
    """Stands for the sequence until a layer turns it into one-hot rows."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows


class OneHotModel:
    """A model without its first step: rows (n, L, 4) of the sequence go in.

    Nested models are gone through as well. What is counted as an identity while predicting (dropout) is left out, the
    sum of two logarithms (``LogSumExp``) is ``a + softplus(b - a)``, and global max pooling is max pooling over all
    positions: the same functions, of operations that have rules. A classification's last sigmoid is left out where its
    value is explained.

    Raises
    ------
    ModelError
        When the model has no graph of operations, or a classification does not end in a sigmoid.
    """

    def __init__(self, model: keras.Model, contract: Contract, head: Head) -> None:
        sequence = contract.input_of("sequence")
        assert sequence is not None, "every model here takes a sequence"
        self.sequence, self.head, self._model = sequence.name, head, _with_graph(model)
        port = port_of(contract, head)
        self.output, self.n_tasks = port.name, port.n_tracks
        self._sigmoid = _last_sigmoid(self._model, port.name) if port.role == "classification" else None

    @property
    def other_inputs(self) -> tuple[str, ...]:
        """Names of the further inputs that the explained output depends on."""
        names = {name: frozenset({name}) for name in self._model.input}
        found: frozenset[str] = self.run(names, _union)
        return tuple(name for name in self._model.input if name in found and name != self.sequence)

    def run(self, inputs: Mapping[str, Any], call: Call) -> Any:
        """Return the explained output, computed by ``call(operation, *args, **kwargs)`` of each operation.

        ``inputs`` are by name, rows for the sequence; they may be of any type that ``call`` takes. Those that the
        output does not depend on may be left out.
        """
        given = {name: _Tokens(value) if name == self.sequence else value for name, value in inputs.items()}
        given.update((name, _MISSING) for name in self._model.input if name not in given)

        def visit(operation: Any, *args: Any, **kwargs: Any) -> Any:
            return self._visit(operation, call, visit, args, kwargs)

        return _run(self._model, given, visit)[self.output]

    def _visit(self, operation: Any, call: Call, visit: Call, args: Any, kwargs: Any) -> Any:
        if isinstance(operation, keras.Model):  # which may have outputs that do without an input that is missing
            return _run(_with_graph(operation), args[0], visit)
        if any(value is _MISSING for value in keras.tree.flatten((args, kwargs))):
            return _MISSING
        if any(isinstance(value, _Tokens) for value in keras.tree.flatten(args)):
            return _rows(operation, args[0])
        if operation is self._sigmoid:
            return linear_part(operation, call, *args, **kwargs)
        if _is_identity(operation):
            return args[0]
        if isinstance(operation, LogSumExp):
            first, second = args[0]
            difference = call(layers.Subtract(), [second, first])
            return call(layers.Add(), [first, call(layers.Activation("softplus"), difference)])
        if (pooling := _pooling_over_all(operation, args[0])) is not None:
            return call(layers.Flatten(), call(pooling, args[0]))
        return call(operation, *args, **kwargs)


def scalars(output: Any, targets: Collection[Target]) -> list[Any]:
    """Return what is explained of an output, one value a window: (n, 1) each, of Keras operations."""
    return [_scalar(output, target) for target in targets]


def plainly(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Call an operation as it is."""
    return operation(*args, **kwargs)


def linear_part(operation: Any, call: Call, *args: Any, **kwargs: Any) -> Any:
    """Return what a layer gives before its activation."""
    if isinstance(operation, layers.Activation) or not hasattr(operation, "activation"):
        return args[0]
    with _without_activation(operation):
        return call(operation, *args, **kwargs)


def centred(logits: Any) -> Any:
    """Return profile logits (n, positions, T) less their mean over positions."""
    return logits - ops.mean(logits, axis=1, keepdims=True)


def _scalar(output: Any, target: Target) -> Any:
    chosen = output if target.task is None else output[..., target.task : target.task + 1]
    if target.head is not Head.PROFILE:
        return ops.mean(chosen, axis=-1, keepdims=True) if target.task is None else chosen
    logits = centred(chosen)
    weights = ops.softmax(ops.stop_gradient(logits), axis=1)
    return ops.expand_dims(ops.sum(weights * logits, axis=(1, 2)), -1)


def _run(model: keras.Model, given: Any, call: Call) -> Any:
    """Run a graph on values; a dictionary's are matched by name."""
    if isinstance(given, dict) and isinstance(model.input, dict):
        names = {id(tensor): name for name, tensor in model.input.items()}
        given = [given[names[id(tensor)]] for tensor in model.inputs]
    return model._run_through_graph(given, operation_fn=lambda operation: operation, call_fn=call)


def _with_graph(model: keras.Model) -> keras.Model:
    """Return the functional model that a chain is inside."""
    found = model._functional if isinstance(model, keras.Sequential) else model
    if not hasattr(found, "_run_through_graph"):
        raise ModelError(
            f"model {model.name!r} is a class with a call of its own, so it has no graph of operations to explain; "
            "build it of keras.Input and layers"
        )
    return found


def _last_sigmoid(model: keras.Model, name: str) -> Any:
    """Return the operation that gives an output and is a sigmoid."""
    outputs = model.output
    tensor = outputs[name] if isinstance(outputs, dict) else outputs
    operation = tensor._keras_history.operation
    while isinstance(operation, keras.Model):
        tensor = _with_graph(operation).outputs[tensor._keras_history.tensor_index]
        operation = tensor._keras_history.operation
    activation = getattr(operation, "activation", None)
    if activation is keras.activations.sigmoid or type(operation).__name__ == "Sigmoid":
        return operation
    raise ModelError(
        f"output {name} is a classification, but comes of {operation.name!r} ({type(operation).__name__}) rather than "
        "a sigmoid, so it has no logit to explain"
    )


def _rows(operation: Any, tokens: Any) -> Any:
    """Return the rows that an operation makes of tokens; a cast leaves them tokens."""
    kind = type(operation).__name__
    if isinstance(operation, OneHotDNA) or kind == "OneHot":
        return tokens.rows
    if kind == "Cast":
        return tokens
    raise ModelError(
        f"layer {operation.name!r} ({kind}) takes tokens; what is explained starts from one-hot rows, which "
        "kerasac.models.layers.OneHotDNA makes of them"
    )


_IDENTITIES = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
    layers.Identity,
)


def _is_identity(operation: Any) -> bool:
    return isinstance(operation, _IDENTITIES)


def _pooling_over_all(operation: Any, tensor: Any) -> Any:
    """Return max pooling that does what a global one does, if the operation is one and the tensor has a shape."""
    if isinstance(operation, layers.GlobalMaxPooling1D) and not operation.keepdims and hasattr(tensor, "shape"):
        return layers.MaxPooling1D(tensor.shape[1])
    return None


def _union(_: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the names that any argument depends on."""
    flat = keras.tree.flatten((args, kwargs))
    return frozenset().union(*(value for value in flat if isinstance(value, frozenset)))


@contextmanager
def _without_activation(layer: Any) -> Iterator[None]:
    activation = layer.activation
    layer.activation = None
    try:
        yield
    finally:
        layer.activation = activation
