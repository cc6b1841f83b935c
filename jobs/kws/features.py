"""Front ends by name: what turns a clip of one second into the features that a model reads.

A front end is a value with an id, a hash of all its settings. Whatever carries features (shards, models,
releases, boards) carries the id, and a different one is refused: two front ends that differ in anything
give different bytes.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kws import micro, native, spectrogram43

Features = npt.NDArray[np.int8]
Clips = npt.NDArray[np.int16]

# Clips computed together: enough to fill vector units, few enough to bound memory to some 20 MB.
_CLIPS_AT_ONCE = 32


class UnknownFrontEndError(ValueError):
    """A front end that this code does not compute."""


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class FeatureStream(Protocol):
    """Signals side by side, fed piece by piece."""

    def feed(self, samples: Clips) -> Features:
        """Takes the next samples, gives the frames that they complete.

        Args:
            samples: int16 (signals, any number).

        Returns:
            int8 (signals, frames, channels); frames may be 0.

        Raises:
            ValueError: the samples are not int16 of shape (signals, n).
        """


@dataclass(frozen=True)
class FrontEnd:
    """A front end.

    Attributes:
        name: its name, such as `micro`.
        settings: all its settings as canonical JSON.
        sample_rate: in Hz.
        clip_samples: samples of a clip.
        window_samples: samples that one frame is made of.
        step_samples: samples from one frame's first to the next one's.
        shape: (frames, channels) of a clip's features.
        stream: so many signals side by side, each from its beginning, to be fed piece by piece. However
            they are cut, the frames are the same.
    """

    name: str
    settings: str
    sample_rate: int
    clip_samples: int
    window_samples: int
    step_samples: int
    shape: tuple[int, int]
    stream: Callable[[int], FeatureStream]

    @property
    def id(self) -> str:
        """`<name>-<8 hex digits>`: the name and a hash of the settings."""
        return f"{self.name}-{hashlib.sha256(self.settings.encode()).hexdigest()[:8]}"

    def features(self, clips: Clips) -> Features:
        """Features of clips.

        Args:
            clips: int16 (n, clip_samples).

        Returns:
            int8 (n, frames, channels).

        Raises:
            ValueError: another type or shape.
        """
        clips = np.asarray(clips)
        if clips.dtype != np.int16 or clips.ndim != 2 or clips.shape[1] != self.clip_samples:
            raise ValueError(
                f"front end {self.name}: clips of {clips.dtype} {clips.shape}; give int16 of shape (n, "
                f"{self.clip_samples}), one second at {self.sample_rate} Hz"
            )
        return self.features_at_end(clips)

    def features_at_end(self, recordings: Clips) -> Features:
        """Features of the last second of recordings, as a stream has them that heard the recording before it.

        Args:
            recordings: int16 (n, clip_samples + any number of steps).

        Returns:
            int8 (n, frames, channels).
        """
        answer = np.empty((recordings.shape[0], *self.shape), np.int8)
        for start in range(0, recordings.shape[0], _CLIPS_AT_ONCE):
            part = slice(start, start + _CLIPS_AT_ONCE)
            answer[part] = self.stream(answer[part].shape[0]).feed(recordings[part])[:, -self.shape[0] :]
        return answer


def _of(settings: micro.MicroSettings | spectrogram43.Spectrogram43Settings, stream: type[FeatureStream]) -> FrontEnd:
    return FrontEnd(
        name=settings.name,
        settings=canonical_json(asdict(settings)),
        sample_rate=settings.sample_rate,
        clip_samples=settings.sample_rate,
        window_samples=settings.window_samples,
        step_samples=settings.step_samples,
        shape=(settings.frames, settings.channels),
        stream=stream,
    )


MICRO = _of(micro.MICRO, micro.MicroStream)
SPECTROGRAM43 = _of(spectrogram43.SPECTROGRAM43, spectrogram43.Spectrogram43Stream)

FRONT_ENDS = {front_end.name: front_end for front_end in (MICRO, SPECTROGRAM43)}


def front_end(name_or_id: str) -> FrontEnd:
    """The front end of a name or an id.

    Raises:
        UnknownFrontEndError: this code computes no such front end.
    """
    for known in FRONT_ENDS.values():
        if name_or_id in (known.name, known.id):
            return known
    raise UnknownFrontEndError(
        f"front end {name_or_id!r} is unknown here; known are {', '.join(f.id for f in FRONT_ENDS.values())}"
    )


def speed_up() -> bool:
    """Has C compute what takes longest, from here on and in processes forked from this one.

    Compiling takes a second: it pays from some thousand clips on. The answers stay the same: a compiler
    whose code gives others is not believed.

    Returns:
        Whether it does; without a compiler numpy goes on.
    """
    noise = np.random.default_rng(0).integers(-32768, 32768, (4, MICRO.clip_samples)).astype(np.int16)
    native.use(None)
    expected = [known.features(noise) for known in FRONT_ENDS.values()]
    try:
        native.use(native.Library())
    except native.NativeError:
        return False
    if all(np.array_equal(a, known.features(noise)) for a, known in zip(expected, FRONT_ENDS.values(), strict=True)):
        return True
    native.use(None)
    return False
