"""The device hears a live source: words as in a file, and no sample that is neither heard nor told as lost."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import numpy as np
import pytest
import tflite_models
from device_runner import events
from kws import features

EAGER = {"average_ms": 200, "minimum_count": 2, "suppression_ms": 300, "threshold": 60}
RING = 65536  # samples that the microphone's ring holds


@pytest.fixture
def ready_device(device, server, image_maker):
    """A device whose model hears words in noise."""
    server.publish(image_maker(tflite_models.keyword_model(features.MICRO.id, seed=3, recogniser=EAGER)), "1.0.1")
    assert device.poll()[0] == 0
    return device


@pytest.fixture(scope="module")
def sound() -> bytes:
    """Noise of changing loudness, 4 s, which the ring holds whole: nothing of it is ever lost."""
    random = np.random.default_rng(4)
    parts = [random.normal(0, loudness, 4000) for loudness in random.uniform(1, 9000, 16)]
    return np.concatenate(parts).clip(-32768, 32767).astype("<i2").tobytes()


@pytest.fixture
def recorder(tmp_path):
    """make(script) -> PATH on which `arecord` is that shell script."""

    def make(script: str) -> str:
        program = tmp_path / "bin" / "arecord"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return f"{program.parent}:/usr/bin:/bin"

    return make


def _words(said: list[dict]) -> list[dict]:
    return [{key: event[key] for key in ("label", "score", "at_ms")} for event in said if event["event"] == "word"]


def test_standard_input_is_heard_like_a_file(ready_device, sound, tmp_path, wav_file) -> None:
    # GIVEN what a device hears in a file
    in_file = ready_device.listen(wav_file(sound), stream=True)[1]
    # WHEN the same samples come on standard input
    done = ready_device.done("listen", "--microphone", "-", given=sound)
    # THEN so do the words
    said = events(done)
    assert done.returncode == 0
    assert _words(said) == _words(in_file)
    assert len(_words(said)) > 2
    # AND at the end it says how much it heard
    assert said[-1] == {"event": "ended", "samples": len(sound) // 2, "lost": 0}


def test_a_recorder_is_started_where_there_is_one(ready_device, sound, tmp_path, recorder) -> None:
    # GIVEN a recorder that notes what it was asked for and then gives samples
    (tmp_path / "sound").write_bytes(sound)
    path = recorder(f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/sound')
    # WHEN the device listens to the microphone
    done = ready_device.done("listen", "--microphone", PATH=path)
    # THEN it is recorded as the front ends need it
    assert (tmp_path / "asked").read_text().split() == ["-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1"]
    assert done.returncode == 0
    assert _words(events(done))
    assert events(done)[-1] == {"event": "ended", "samples": len(sound) // 2, "lost": 0}


def test_without_a_recorder_it_says_what_to_do(ready_device, tmp_path) -> None:
    status, (event,) = ready_device.run("listen", "--microphone", PATH=str(tmp_path))
    assert status == 1
    assert "install alsa-utils" in event["reason"]
    assert "--microphone -" in event["reason"]


def test_a_recorder_that_fails_is_an_error(ready_device, recorder) -> None:
    status, said = ready_device.run("listen", "--microphone", PATH=recorder("echo no such device >&2; exit 1"))
    assert status == 1
    assert said[0] == {"event": "ended", "samples": 0, "lost": 0}
    assert "arecord -l" in said[1]["reason"]


def test_other_arguments_beside_a_microphone_are_refused(ready_device, sound, wav_file) -> None:
    for arguments in (["--stream"], [str(wav_file(sound))], ["-", "-"], ["--stream", "-"]):
        status, (event,) = ready_device.run("listen", "--microphone", *arguments)
        assert status == 1
        assert "listen --microphone" in event["reason"]


def test_what_a_slow_listener_loses_is_counted_to_the_sample(ready_device) -> None:
    # GIVEN twice as many samples as the ring holds, at once, and an odd byte
    samples = np.random.default_rng(1).integers(-9000, 9000, 2 * RING).astype("<i2")
    # WHEN a listener that needs 2 ms more a step hears them
    done = ready_device.done(
        "listen", "--uart", "--microphone", "-", given=samples.tobytes() + b"\0", EARSHOT_STEP_DELAY_MS="2"
    )
    # THEN it goes on hearing, and each sample was heard or lost
    said = events(done)
    (end,) = (event for event in said if event["event"] == "ended")
    gaps = [event for event in said if event["event"] == "lost"]
    assert done.returncode == 0
    assert end["samples"] + end["lost"] == len(samples)
    assert end["samples"] >= RING
    assert end["lost"] > 0
    # AND gaps add up, on the UART too
    assert np.cumsum([gap["samples"] for gap in gaps]).tolist() == [gap["total"] for gap in gaps]
    assert gaps[-1]["total"] == end["lost"]
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("lost")]
    assert lines == [f"lost {gap['samples']} {gap['total']}" for gap in gaps]


def test_a_byte_at_a_time_is_heard_alike(ready_device, sound, tmp_path, recorder) -> None:
    # GIVEN a recorder whose writes end anywhere, in the middle of a sample too
    (tmp_path / "sound").write_bytes(sound)
    path = recorder(f"cd {tmp_path}; dd if=sound bs=333 status=none")
    # WHEN / THEN no sample is heard otherwise
    whole = ready_device.done("listen", "--microphone", "-", given=sound)
    parts = ready_device.done("listen", "--microphone", PATH=path)
    assert parts.stdout == whole.stdout
