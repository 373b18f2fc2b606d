"""Train, cross-validate, score and track Keras models of regulatory genomics, on a laptop or a Ray cluster."""

__version__ = "0.1.0"
