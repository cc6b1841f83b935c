"""The champion: the model released last, held against a new one on the clips that both answered.

Its bundle is read from the archive member by member; nothing is unpacked to disk. A bundle that cannot be used
is no fault of the new model: it is judged without a comparison, and the log says why.
"""

import io
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kws.evaluation import Answer

Log = Callable[[str], None]

ARCHIVE = "model.tar.gz"
MOST_LOST = 20

_WANTED = ("bundle.json", "answers.jsonl", "weights.npz")
# A line of answers is some 250 bytes: room for a few hundred thousand test clips.
_MOST_BYTES = 1 << 27
_WEIGHT = re.compile(r"w(\d{1,6})")


class ChampionError(ValueError):
    """A bundle that cannot be compared with; the message says why."""


@dataclass(frozen=True)
class Champion:
    """A released model.

    Attributes:
        uri: of its bundle.
        card: its bundle.json.
        answers: label answered and truth, by the clip's sha256; empty for a bundle that keeps none.
        weights: of its Keras model, in order; None for a bundle that keeps none.
    """

    uri: str
    card: dict[str, Any]
    answers: dict[str, tuple[str, str]]
    weights: list[npt.NDArray[np.generic]] | None


def read(folder: Path, uri: str, log: Log) -> Champion | None:
    """The champion of a channel's folder; None, with a line in the log, where there is none to use.

    Args:
        folder: with `model.tar.gz`; need not exist.
        uri: of the bundle, for the record.
        log: gets the reason.
    """
    if not folder.is_dir():
        log("champion: none yet")
        return None
    try:
        return parse(_members(folder / ARCHIVE), uri)
    except ChampionError as error:
        log(f"champion {uri}: no comparison, {error}")
        return None


def _members(archive: Path) -> dict[str, bytes]:
    """The wanted files of an archive, by name."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for member in opened:
                name = member.name.removeprefix("./")
                if name not in _WANTED or not member.isreg():
                    continue
                if member.size > _MOST_BYTES:
                    raise ChampionError(f"its {name} is {member.size} bytes")
                content = opened.extractfile(member)
                found[name] = content.read() if content else b""
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ChampionError(f"its archive cannot be read ({error})") from error
    return found


def parse(files: dict[str, bytes], uri: str) -> Champion:
    """A champion of the files of its bundle.

    Raises:
        ChampionError: bundle.json is missing, or one of the files is damaged.
    """
    if "bundle.json" not in files:
        raise ChampionError("it has no bundle.json")
    try:
        card = json.loads(files["bundle.json"])
        answers = [json.loads(line) for line in files.get("answers.jsonl", b"").splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise ChampionError(f"its files are damaged ({error})") from error
    if not isinstance(card, dict) or not isinstance(card.get("labels"), list):
        raise ChampionError("its bundle.json names no labels")
    return Champion(uri, card, dict(map(_answer, answers)), _weights(files.get("weights.npz")))


def _answer(line: Any) -> tuple[str, tuple[str, str]]:
    fields = [line.get(name) if isinstance(line, dict) else None for name in ("sha256", "truth", "answer")]
    if not all(isinstance(field, str) for field in fields):
        raise ChampionError("a line of its answers.jsonl is no answer")
    sha256, truth, answer = map(str, fields)
    return sha256, (answer, truth)


def _weights(content: bytes | None) -> list[npt.NDArray[np.generic]] | None:
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files if _WEIGHT.fullmatch(name)}
            others = set(opened.files) - set(arrays)
    except Exception as error:  # What numpy and zipfile make of a damaged file is anything.
        raise ChampionError(f"its weights.npz is damaged ({error})") from error
    names = [f"w{index}" for index in range(len(arrays))]
    if others or set(names) != set(arrays):
        raise ChampionError("its weights.npz holds something else than weights in order")
    return [arrays[name] for name in names]


def save_weights(path: Path, weights: Sequence[npt.NDArray[np.generic]]) -> None:
    """Writes weights.npz; the same weights give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for index, array in enumerate(weights):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"w{index}.npy", (1980, 1, 1, 0, 0, 0)), entry.getvalue())


def compare(champion: Champion | None, labels: Sequence[str], given: Sequence[Answer], log: Log) -> Any:
    """What bundle.json says of the champion.

    Args:
        champion: if there is one.
        labels: of the new model.
        given: the new model's answers.
        log: gets a line, also on why there is no comparison.

    Returns:
        A dictionary, or None: no champion, one of other keywords, or no clip that both answered to one truth.
    """
    if champion is None:
        return None
    if sorted(map(str, champion.card["labels"])) != sorted(labels):
        log(f"champion {champion.uri}: no comparison, its labels are {','.join(map(str, champion.card['labels']))}")
        return None
    known = champion.answers
    common = [a for a in given if a.sha256 in known and known[a.sha256][1] == a.truth]
    if not common:
        log(f"champion {champion.uri}: no comparison, it answered none of these test clips")
        return None
    before = [known[a.sha256][0] == a.truth for a in common]
    now = [a.answer == a.truth for a in common]
    lost = [a.key for a, was, is_ in zip(common, before, now, strict=True) if was and not is_]
    content = {
        "bundle": champion.uri,
        "clips": len(common),
        "accuracy": sum(before) / len(common),
        "challenger": sum(now) / len(common),
        "lost": lost[:MOST_LOST],
    }
    log(f"champion accuracy={content['accuracy']:.4f} challenger={content['challenger']:.4f} clips={len(common)}")
    return content
