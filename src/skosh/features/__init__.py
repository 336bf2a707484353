"""Floor 4: front ends as Graphs, so that one arithmetic makes features where a model is trained and on the device.

front = skosh.features.microfrontend()  # int16 samples of 20 ms in, 40 int8 features out
model = front.then(network)
"""

from skosh.features.audio import microfrontend

__all__ = ["microfrontend"]
