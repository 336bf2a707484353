"""Floor 4: front ends as Graphs, so that one arithmetic makes features where a model is trained and on the device.

front = skosh.features.microfrontend()  # int16 samples of 20 ms in, 40 int8 features out
model = front.then(network)
"""

from skosh.features.audio import microfrontend
from skosh.features.changes import cusum, hysteresis, page_hinkley, refractory
from skosh.features.decisions import recognized, smoothed, voted, wake_word
from skosh.features.filters import fir_filter, sos_filter, without_gravity
from skosh.features.motion import imu, imu_names
from skosh.features.recent import recent
from skosh.features.spectra import log_mel, mfcc, mfe, spectrogram

__all__ = [
    "cusum", "fir_filter", "hysteresis", "imu", "imu_names", "log_mel", "mfcc", "mfe", "microfrontend", "page_hinkley",
    "recent", "recognized", "refractory", "smoothed", "sos_filter", "spectrogram", "voted", "wake_word", "without_gravity",
]  # fmt: skip
