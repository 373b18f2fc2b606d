"""Read models that Keras 2 saved, as kerasAC's and chrombpnet's are, without running code of their files."""

from kerasac.models.legacy.load import is_legacy, load_legacy

__all__ = ["is_legacy", "load_legacy"]
