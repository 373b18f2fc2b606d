"""DeepLIFT's rescale rule for a BPNet in float64 NumPy, written out layer by layer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray


class Passed(NamedTuple):
    """What a sequence gives inside a BPNet: values before each ReLU, profile logits (L, T) and log counts (T,)."""

    before: list[Array]
    logits: Array
    counts: Array


class BPNetByHand:
    """A BPNet's weights, and its multipliers."""

    def __init__(self, model: Any, control_profile: Array | None, control_counts: Array | None) -> None:
        def weights(name: str) -> list[Array]:
            return [values.astype(np.float64) for values in model.get_layer(name).get_weights()]

        names = [layer.name for layer in model.layers]
        self.motifs = weights("motifs")
        self.dilated = [
            weights(f"dilated_{i}") for i in range(1, sum(name.startswith("dilated_") for name in names) + 1)
        ]
        self.head = weights("profile_of_sequence" if "profile_of_sequence" in names else "profile")
        self.mixed = weights("profile") if "profile_of_sequence" in names else None
        self.dense = weights("logcount")
        self.profile_bp = model.output["profile"].shape[1]
        self.control_profile, self.control_counts = control_profile, control_counts

    def run(self, x: Array) -> Passed:
        """Run one-hot rows (L, 4) through the model."""
        before = [conv(x, *self.motifs, 1)]
        features = relu(before[0])
        for i, (kernel, bias) in enumerate(self.dilated, start=1):
            before.append(conv(features, kernel, bias, 2**i))
            features = crop(features, len(before[-1])) + relu(before[-1])
        logits = conv(crop(features, self.profile_bp + len(self.head[0]) - 1), *self.head, 1)
        if self.mixed is not None:
            logits = np.concatenate([logits, self.control_profile], axis=1) @ self.mixed[0][0] + self.mixed[1]
        pooled = features.mean(axis=0)
        if self.control_counts is not None:
            pooled = np.concatenate([pooled, self.control_counts])
        return Passed(before, logits, pooled @ self.dense[0] + self.dense[1])

    def multipliers(self, x: Array, reference: Array, task: int | None) -> Array:
        """Return multipliers (L, 4) of a task's log counts, or with None of the profile."""
        window, other = self.run(x), self.run(reference)
        n_filters = self.motifs[0].shape[2]
        back = np.zeros((len(window.before[-1]), n_filters))
        if task is not None:
            back += self.dense[0][:n_filters, task] / len(back)
        else:
            weights = (softmax(window.logits) + softmax(other.logits)) / 2
            of_logits = weights - weights.mean(axis=0)
            if self.mixed is not None:
                of_logits = of_logits @ self.mixed[0][0][: of_logits.shape[1]].T
            of_head = conv_back(of_logits, self.head[0], 1)
            start = (len(back) - len(of_head)) // 2
            back[start : start + len(of_head)] += of_head
        for i in range(len(self.dilated), 0, -1):
            of_layer = conv_back(back * slope(window.before[i], other.before[i]), self.dilated[i - 1][0], 2**i)
            start = (len(of_layer) - len(back)) // 2
            of_layer[start : start + len(back)] += back
            back = of_layer
        return conv_back(back * slope(window.before[0], other.before[0]), self.motifs[0], 1)


def hypothetical(model: BPNetByHand, x: Array, references: Array, task: int | None) -> Array:
    """Return hypothetical contributions (L, 4), the mean over references (r, L, 4)."""
    found = []
    for reference in references.astype(np.float64):
        multipliers = model.multipliers(x.astype(np.float64), reference, task)
        found.append(multipliers - (multipliers * reference).sum(axis=1, keepdims=True))
    return np.mean(found, axis=0)


def conv(x: Array, kernel: Array, bias: Array, dilation: int) -> Array:
    n = len(x) - dilation * (len(kernel) - 1)
    return sum(x[k * dilation : k * dilation + n] @ kernel[k] for k in range(len(kernel))) + bias


def conv_back(back: Array, kernel: Array, dilation: int) -> Array:
    found = np.zeros((len(back) + dilation * (len(kernel) - 1), kernel.shape[1]))
    for k in range(len(kernel)):
        found[k * dilation : k * dilation + len(back)] += back @ kernel[k].T
    return found


def slope(window: Array, reference: Array) -> Array:
    step = window - reference
    level = np.abs(step) < 1e-9
    return np.where(level, reference > 0, (relu(window) - relu(reference)) / np.where(level, 1, step))


def crop(x: Array, n: int) -> Array:
    start = (len(x) - n) // 2
    return x[start : start + n]


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def softmax(logits: Array) -> Array:
    shares = np.exp(logits - logits.max(axis=0))
    return shares / shares.sum(axis=0)
