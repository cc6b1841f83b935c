"""What a board's microphone would hand over: clips as 16 kHz mono 16-bit WAV files of one second.

`python -m kws.microphone DIR` reads paths of clips from standard input, one a line, writes a WAV file for
each into DIR, and prints the new paths in the same order; for a clip that cannot be decoded an empty line, and
why on standard error.
"""

import sys
import wave
from pathlib import Path

from kws import audio


def play(clip: Path, recorded: Path) -> None:
    """Write a clip as the board's microphone would hear it.

    Raises:
        AudioError: The clip cannot be decoded.
    """
    samples = audio.fit_second(audio.read(clip))
    with wave.open(str(recorded), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())


def main(arguments: list[str]) -> int:
    """Command line; 0, or 2 for wrong usage."""
    if len(arguments) != 1:
        print("usage: python -m kws.microphone DIR <paths", file=sys.stderr)
        return 2
    directory = Path(arguments[0])
    for index, line in enumerate(sys.stdin):
        recorded = directory / f"{index:05d}.wav"
        try:
            play(Path(line.rstrip("\n")), recorded)
        except audio.AudioError as error:
            print(error, file=sys.stderr)
            print()
        else:
            print(recorded)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
