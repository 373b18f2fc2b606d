"""Build, compile, save and load the Keras models; importing this loads no Keras, its builders do."""
