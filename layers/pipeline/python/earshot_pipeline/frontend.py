"""Front ends by name and settings; the id, a hash of the settings, travels with features, models and releases."""

import hashlib
import json
from collections.abc import Mapping

MICRO: Mapping[str, object] = {
    "channels": 40,
    "frames": 49,
    "log_scale_shift": 6,
    "lower_hz": 125,
    "name": "micro",
    "noise_even": 0.025,
    "noise_min_signal": 0.05,
    "noise_odd": 0.06,
    "noise_smoothing_bits": 10,
    "pcan_gain_bits": 21,
    "pcan_offset": 80,
    "pcan_strength": 0.95,
    "quantisation": "(f*256+333)/666-128",
    "sample_rate": 16000,
    "step_ms": 20,
    "upper_hz": 7500,
    "window_ms": 30,
}

SPECTROGRAM43: Mapping[str, object] = {
    "bins_a_channel": 6,
    "channels": 43,
    "feature_max": 127.5,
    "fft_points": 512,
    "frame_bits": 14,
    "frames": 49,
    "name": "spectrogram43",
    "quantisation": "f-128",
    "sample_rate": 16000,
    "step_ms": 20,
    "window": "periodic hann Q15",
    "window_ms": 30,
}

_KNOWN: Mapping[str, Mapping[str, object]] = {"micro": MICRO, "spectrogram43": SPECTROGRAM43}


class UnknownFrontEndError(ValueError):
    """No front end has this name."""


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def frontend_id(name: str) -> str:
    """The front end's id, `<name>-<first 8 hex digits of sha256 of its settings>`.

    Raises:
        UnknownFrontEndError: when no front end has this name.
    """
    settings = _KNOWN.get(name)
    if settings is None:
        raise UnknownFrontEndError(f"front end {name!r} is unknown; known are {', '.join(_KNOWN)}")
    return f"{name}-{hashlib.sha256(canonical_json(settings)).hexdigest()[:8]}"
