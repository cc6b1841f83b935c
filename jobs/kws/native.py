"""The front ends' heaviest part in C, for jobs with many clips: the same bytes, in a fraction of the time.

`native.c` is compiled where it is used, for the processor that is there. Without a compiler numpy does the
work. Nothing is compiled unless somebody asks for it; see `features.speed_up`.
"""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

SOURCE = Path(__file__).with_suffix(".c")

_COMPILE = ("cc", "-O3", "-march=native", "-fwrapv", "-shared", "-fPIC")
_SECONDS = 60

Table = npt.NDArray[np.int32]


class NativeError(RuntimeError):
    """There is no compiler, or it fails."""


def _array(kind: type[np.generic]) -> type[np.ctypeslib._ndptr]:
    return np.ctypeslib.ndpointer(kind, flags="C_CONTIGUOUS")


class Library:
    """`native.c`, compiled and loaded.

    Raises:
        NativeError: it cannot be compiled or loaded.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "native.so"
            command = [*_COMPILE, "-o", str(path), str(SOURCE), "-lm"]
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
                library = ctypes.CDLL(str(path))
                self._power_spectrum = library.kws_power_spectrum
                self._channel_levels = library.kws_channel_levels
            except subprocess.CalledProcessError as error:
                reason = error.stderr.decode(errors="replace").strip()
                raise NativeError(f"{' '.join(command)}: {reason}") from error
            except (OSError, AttributeError, subprocess.TimeoutExpired) as error:
                raise NativeError(f"{' '.join(command)}: {error}") from error
        transform = (_array(np.int32),) * 3
        signal, count, table = _array(np.int16), ctypes.c_int64, _array(np.int16)
        self._power_spectrum.argtypes = (*transform, signal, count, _array(np.int32))
        self._power_spectrum.restype = None
        window = (table, ctypes.c_int32, ctypes.c_int32)
        bank = (_array(np.int32), ctypes.c_int32, table, table)
        self._channel_levels.argtypes = (*transform, *window, *bank, signal, count, _array(np.uint32))
        self._channel_levels.restype = None

    def power_spectrum(self, transform: tuple[Table, Table, Table], signal: npt.NDArray[np.int16]) -> Table:
        """`fixed_fft.power_spectrum` by the tables of `fixed_fft.TABLES`."""
        if signal.shape[0] != 2 * len(transform[0]):
            raise ValueError(f"frames of {signal.shape[0]} samples; the transform takes {2 * len(transform[0])}")
        power = np.empty((len(transform[0]) + 1, signal.shape[1]), np.int32)
        self._power_spectrum(*transform, np.ascontiguousarray(signal), signal.shape[1], power)
        return power

    def channel_levels(
        self,
        transform: tuple[Table, Table, Table],
        window: tuple[npt.NDArray[np.int16], int],
        bank: tuple[Table, npt.NDArray[np.int16], npt.NDArray[np.int16]],
        windows: npt.NDArray[np.int16],
    ) -> npt.NDArray[np.uint32]:
        """`micro.channel_levels`.

        Args:
            transform: the tables of `fixed_fft.TABLES`.
            window: the taper, and its fraction bits.
            bank: the filter bank's edges, falling and rising weights.
            windows: int16 (frames, samples of a window).

        Returns:
            uint32 (frames, channels).
        """
        taper, bits = window
        if windows.shape[1] != len(taper):
            raise ValueError(f"windows of {windows.shape[1]} samples; the front end's have {len(taper)}")
        edges, falling, rising = bank
        levels = np.empty((len(windows), len(edges) - 2), np.uint32)
        self._channel_levels(
            *transform, taper, len(taper), bits, edges, len(edges) - 2, falling, rising,
            np.ascontiguousarray(windows), len(windows), levels,
        )  # fmt: skip
        return levels


# The library of this process and of those that it forks, once somebody asked for it.
_library: list[Library] = []


def library() -> Library | None:
    """The library that computes here; None for numpy."""
    return _library[0] if _library else None


def use(chosen: Library | None) -> None:
    """Has a library compute from here on, or with None numpy."""
    _library[:] = [] if chosen is None else [chosen]
