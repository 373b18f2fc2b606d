"""Build, compile, save and load the Keras models."""
