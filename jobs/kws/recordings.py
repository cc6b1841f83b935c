"""The recordings that streaming evaluation plays: clips and noise of a split, from the `audio` channel."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from kws import audio, noise
from kws.dataset import Clip
from kws.labels import SILENCE, UNKNOWN, class_of

Log = Callable[[str], None]


@dataclass(frozen=True)
class Word:
    """A clip that is spoken in a stream.

    Attributes:
        label: the model's class of it.
        samples: int16 (n,), 0 < n ≤ 16000.
    """

    label: str
    samples: audio.Samples

    @property
    def is_keyword(self) -> bool:
        """Whether it is to be heard."""
        return self.label not in (UNKNOWN, SILENCE)


def in_turn(groups: Sequence[Sequence[Clip]]) -> list[Clip]:
    """The first of each group, then the second of each, and so on."""
    return [clip for row in zip_longest(*groups) for clip in row if clip is not None]


def _order(clips: Sequence[Clip]) -> list[Clip]:
    """Labels in turn, so that the first few of them are of many labels; within one by content."""
    groups: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda c: (c.label, c.sha256, c.key)):
        groups.setdefault(clip.label, []).append(clip)
    return in_turn(list(groups.values()))


class Channel:
    """A folder of recordings of a dataset; what it has not is left out.

    Args:
        folder: with the clips at their keys, or below `clips/`.
        clips: of the dataset.
        labels: of the model.
        log: gets a line for each recording that cannot be used.
    """

    def __init__(self, folder: Path, clips: Sequence[Clip], labels: Sequence[str], log: Log) -> None:
        self._folder, self._labels, self._log = folder, labels, log
        self._paths = {clip: path for clip in clips if (path := self._locate(clip))}

    def _locate(self, clip: Clip) -> Path | None:
        for path in (self._folder / clip.key, self._folder / clip.key.removeprefix("clips/")):
            if path.is_file() and path.resolve().is_relative_to(self._folder.resolve()):
                return path
        return None

    def _samples(self, clip: Clip) -> audio.Samples | None:
        content = self._paths[clip].read_bytes()
        if hashlib.sha256(content).hexdigest() != clip.sha256:
            self._log(f"streaming leaves out {clip.key!r}: its content changed after it was taken in")
            return None
        try:
            return audio.decode(content, clip.key)
        except audio.AudioError as error:
            self._log(f"streaming leaves out a recording: {str(error)!r}")
            return None

    def _read(self, clips: Sequence[Clip], most: int) -> Iterator[Word]:
        read = 0
        for clip in clips:
            label = class_of(clip.label, self._labels)
            if read == most:
                return
            if label is None or (samples := self._samples(clip)) is None:
                continue
            read += 1
            yield Word(label, audio.fit_second(samples)[: len(samples)])

    def words(self, split: str, most: int) -> list[Word]:
        """At most so many keywords and so many other words of a split, the labels of each in turn."""
        spoken = [c for c in self._paths if c.split == split and not c.is_noise]
        keywords = [c for c in spoken if c.label in self._labels and c.label not in (UNKNOWN, SILENCE)]
        others = [c for c in spoken if c not in set(keywords)]
        return [*self._read(_order(keywords), most), *self._read(_order(others), most)]

    def noise(self, split: str) -> list[noise.Signal]:
        """The split's part of each noise recording, at unit power, in the order of their content."""
        parts = []
        for clip in sorted((c for c in self._paths if c.is_noise), key=lambda c: (c.sha256, c.key)):
            samples = self._samples(clip)
            part = None if samples is None else noise.Recording.of(samples, clip.sha256, clip.split).part(split)
            if part is not None and part.any():
                parts.append(part)
        return parts
