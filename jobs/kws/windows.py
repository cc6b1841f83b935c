"""Signals that come piece by piece, as overlapping windows."""

import numpy as np
import numpy.typing as npt

Int16 = npt.NDArray[np.int16]


def window_count(samples: int, window: int, step: int) -> int:
    """Whole windows in so many samples."""
    return max(0, (samples - window) // step + 1)


class WindowStream:
    """One or more signals side by side. However they are cut, the windows are the same.

    Args:
        signals: how many signals run side by side.
        window: samples in a window.
        step: samples from one window's first to the next one's.
    """

    def __init__(self, signals: int, window: int, step: int) -> None:
        self.signals = signals
        self.window = window
        self.step = step
        self._pending = np.zeros((signals, 0), np.int16)

    def feed(self, samples: Int16) -> Int16:
        """Takes the next samples, gives the windows that they complete.

        Args:
            samples: int16 (signals, any number).

        Returns:
            int16 (signals, windows, samples in a window), read only; windows may be 0.

        Raises:
            ValueError: the samples are not int16 of shape (signals, n).
        """
        if samples.dtype != np.int16 or samples.ndim != 2 or samples.shape[0] != self.signals:
            raise ValueError(
                f"samples of {samples.dtype} {samples.shape} in a stream of {self.signals} signal(s): "
                f"give int16 of shape ({self.signals}, samples)"
            )
        pending = np.concatenate([self._pending, samples], axis=1)
        count = window_count(pending.shape[1], self.window, self.step)
        self._pending = pending[:, count * self.step :].copy()
        if count == 0:
            return np.zeros((self.signals, 0, self.window), np.int16)
        windows: Int16 = np.lib.stride_tricks.sliding_window_view(pending, self.window, axis=1)
        return windows[:, :: self.step][:, :count]
