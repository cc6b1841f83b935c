"""The board's program as Cortex-M4 code in QEMU hears what the program of this machine hears."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import subprocess
from pathlib import Path

import numpy as np
import pytest
import tflite_models
from device_runner import events
from kws import features, qemu

EAGER = {"average_ms": 200, "minimum_count": 2, "suppression_ms": 300, "threshold": 60}
FRONT_ENDS = tuple(features.FRONT_ENDS.values())


@pytest.fixture
def emulated(mps2_build, tmp_path, monkeypatch):
    """run(…) -> what the emulated program printed; it reads files by names in this test's folder, which are short."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return qemu.run(mps2_build / "earshot-device.elf", *arguments)

    return run


def _sound(seed: int, seconds: float) -> bytes:
    random = np.random.default_rng(seed)
    parts = [random.normal(0, loudness, 4000) for loudness in random.uniform(1, 9000, int(4 * seconds))]
    return np.concatenate(parts).clip(-32768, 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda f: f.name)
def test_a_stream_gives_the_same_lines_and_lights(
    device, server, image_maker, emulated, wav_file, tmp_path, front_end
) -> None:
    # GIVEN a model that hears words in noise, on both
    model = tflite_models.keyword_model(front_end.id, seed=3, recogniser=EAGER, shape=front_end.shape)
    Path("m.tflite").write_bytes(model)
    server.publish(image_maker(model, frontend=front_end.id), "1.0.1")
    assert device.poll()[0] == 0
    path = wav_file(_sound(4, 5))
    # WHEN both listen
    here = device.done("listen", "--uart", "--stream", str(path))
    there = emulated("--led", "m.tflite", str(path.relative_to(tmp_path)))
    # THEN UART and light say the same, but for the version
    assert (here.returncode, there.returncode) == (0, 0)
    assert here.stderr.decode().replace("earshot 1.0.1 ", "earshot 0.0.0 ") == there.stdout
    # AND the events of this machine are those words
    words = [f"word {e['label']} {e['score']} {e['at_ms']}" for e in events(here)]
    assert [line for line in there.stdout.splitlines() if line.startswith("word")] == words
    assert len(words) > 2


def test_clips_have_the_same_scores(device, server, image_maker, emulated, wav_file, tmp_path) -> None:
    # GIVEN clips that are too short, too long and just right, and what is no clip
    model = tflite_models.keyword_model(features.MICRO.id, seed=5)
    Path("m.tflite").write_bytes(model)
    server.publish(image_maker(model), "1.0.1")
    assert device.poll()[0] == 0
    paths = [wav_file(_sound(seed, 3)[: 2 * size]) for seed, size in enumerate((16000, 12345, 48000, 1, 16001))]
    paths[2].rename(tmp_path / "wav" / "a name with spaces.wav")
    paths[2] = tmp_path / "wav" / "a name with spaces.wav"
    (tmp_path / "wav" / "text.wav").write_text("no sound")
    paths.insert(2, tmp_path / "wav" / "text.wav")
    Path("list").write_text("".join(f"{path.relative_to(tmp_path)}\n" for path in paths) + "\nno such file")
    # WHEN both hear them
    here = device.listen(*paths)[1]
    there = emulated("--clips", "--list", "list", "m.tflite")
    # THEN lines and events say the same
    expected = [
        f"heard {event['label']} {','.join(map(str, event['scores']))} {path.relative_to(tmp_path)}"
        if event["event"] == "heard"
        else f"error ES_ERR_WAV {path.relative_to(tmp_path)}"
        for event, path in zip(here, paths, strict=True)
    ]
    assert there.stdout.splitlines() == [*expected, "error ES_ERR_WAV no such file"]
    assert [line.split()[0] for line in expected].count("heard") == 5
    assert there.returncode == 1


def test_a_model_that_is_refused_is_said_in_one_line(emulated, wav_file, tmp_path) -> None:
    # GIVEN a model without a card
    Path("m.tflite").write_bytes(tflite_models.conv_model(np.random.default_rng(0)))
    clip = str(wav_file(_sound(1, 1)).relative_to(tmp_path))
    # WHEN / THEN it hears nothing, and says why
    done = emulated("--clips", "m.tflite", clip)
    assert done.returncode == 1
    assert done.stdout.startswith("error ES_ERR_CARD_MISSING the model has no metadata entry named earshot")
    assert done.stdout.count("\n") == 1


def test_a_file_larger_than_the_memory_is_an_error_and_the_next_is_heard(emulated, wav_file, tmp_path) -> None:
    # GIVEN a file of 20 MB
    Path("m.tflite").write_bytes(tflite_models.keyword_model(features.MICRO.id))
    with Path("large.wav").open("wb") as file:
        file.truncate(20 << 20)
    clip = str(wav_file(_sound(1, 1)).relative_to(tmp_path))
    # WHEN / THEN
    done = emulated("--clips", "m.tflite", "large.wav", clip)
    first, second = done.stdout.splitlines()
    assert (done.returncode, first) == (1, "error ES_ERR_WAV large.wav")
    assert second.startswith("heard ")


def test_arguments_out_of_order_are_refused(emulated) -> None:
    for arguments in ((), ("m.tflite",), ("--what", "m.tflite", "a.wav"), ("--list",)):
        done = emulated(*arguments)
        assert done.returncode == 2
        assert "MODEL.tflite" in done.stdout
    assert emulated("missing.tflite", "a.wav").stdout == "error ES_ERR_ARGUMENT missing.tflite cannot be read\n"
