"""Clips that no training saw, heard by the board and by the endpoint."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from earshot import evaluate
from earshot.device import Device
from earshot.errors import EarshotError
from earshot.target import Target

CONTENT_TYPES = {".wav": "audio/wav", ".flac": "audio/flac"}
ENDPOINT_WORKERS = 4


@dataclass(frozen=True)
class Heard:
    """One clip and what was heard in it.

    Attributes:
        path: The clip.
        said: Its label, as the model has it.
        board: What the board heard.
        endpoint: What the endpoint heard.
    """

    path: Path
    said: str
    board: str
    endpoint: str


def said(label: str, keywords: list[str]) -> str:
    """The answer that is right for a clip of this label."""
    return {"_silence_": "silence"}.get(label, label if label in keywords else "unknown")


def hear(
    target: Target, device: Device, clips: list[tuple[Path, str]], keywords: list[str], directory: Path
) -> list[Heard]:
    """Let the board and the endpoint hear the same clips.

    Args:
        target: The cloud.
        device: The board.
        clips: (file, label).
        keywords: The model's words.
        directory: Where clips are laid as a microphone gives them: 16 kHz, mono, 16 bit, one second.

    Returns:
        What was heard; clips that cannot be decoded are left out.

    Raises:
        EarshotError: The board or the endpoint does not answer.
    """
    board = _board(device, [path for path, _ in clips], directory)
    endpoint = _endpoint(target, list(board))
    return [Heard(path, said(label, keywords), board[path], endpoint[path]) for path, label in clips if path in board]


def _board(device: Device, paths: list[Path], directory: Path) -> dict[Path, str]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    made = subprocess.run(
        evaluate.command("kws.microphone", str(directory)),
        input="".join(f"{path.resolve()}\n" for path in paths),
        env=evaluate.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    recorded = made.stdout.split("\n")[:-1]
    if made.returncode or len(recorded) != len(paths):
        raise EarshotError(f"clips cannot be played to the board: {made.stderr.strip()}")
    playable = {Path(record): path for record, path in zip(recorded, paths, strict=True) if record}
    return {
        playable[Path(event["file"])]: event["label"] for event in device.listen(playable) if event["event"] == "heard"
    }


def _endpoint(target: Target, paths: list[Path]) -> dict[Path, str]:
    runtime = target.client("sagemaker-runtime")

    def invoke(path: Path) -> str:
        answer = runtime.invoke_endpoint(
            EndpointName=target.outputs["EndpointName"],
            ContentType=CONTENT_TYPES[path.suffix.lower()],
            Body=path.read_bytes(),
        )
        label: str = json.load(answer["Body"])["label"]
        return label

    with ThreadPoolExecutor(ENDPOINT_WORKERS) as pool:
        return dict(zip(paths, pool.map(invoke, paths), strict=True))
