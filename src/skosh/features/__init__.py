"""Floor 4: front ends as Graphs, so that one arithmetic makes features where a model is trained and on the device.

front = skosh.features.microfrontend()  # int16 samples of 20 ms in, 40 int8 features out
model = front.then(network)
"""

from skosh.features.audio import microfrontend
from skosh.features.filters import fir_filter, sos_filter, without_gravity
from skosh.features.motion import imu, imu_names
from skosh.features.recent import recent
from skosh.features.spectra import log_mel, mfcc, mfe, spectrogram

__all__ = [
    "fir_filter", "imu", "imu_names", "log_mel", "mfcc", "mfe", "microfrontend", "recent", "sos_filter", "spectrogram",
    "without_gravity",
]  # fmt: skip
