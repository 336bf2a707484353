"""Run by the Python that has TensorFlow, as a program of its own: convert.py MODEL.keras MODEL.tflite."""

from __future__ import annotations

import sys


def main(source: str, to: str) -> None:
    """A Keras file as a float .tflite; the batch, where it is open, stays so."""
    import tensorflow as tf

    model = tf.keras.models.load_model(source, compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    with open(to, "wb") as file:  # noqa: PTH123  no imports beside TensorFlow's
        file.write(converter.convert())


if __name__ == "__main__":
    main(*sys.argv[1:])
