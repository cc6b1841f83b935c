"""Who speaks in a clip, and which split hears them: Speech Commands' own rule.

A speaker's clips all go to one split, so that a model is judged on people that it never heard.
"""

import hashlib
from pathlib import PurePosixPath

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

_VALIDATION_PERCENT = 10
_TEST_PERCENT = 10
# Speech Commands' MAX_NUM_WAVS_PER_CLASS, about 134 million.
_BUCKETS = 2**27 - 1


def speaker_of(name: str, sha256: str) -> str:
    """The speaker of a clip.

    Args:
        name: the clip's key or file name.
        sha256: hex digest of its content, which stands for the speaker when the name tells none.
    """
    speaker, separator, _ = PurePosixPath(name).name.partition("_nohash_")
    return speaker if separator and speaker else sha256[:16]


def split_of(speaker: str) -> str:
    """The split of a speaker: `validation`, `test` or `train`."""
    number = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    percent = number % (_BUCKETS + 1) * (100.0 / _BUCKETS)
    if percent < _VALIDATION_PERCENT:
        return VALIDATION
    return TEST if percent < _VALIDATION_PERCENT + _TEST_PERCENT else TRAIN
