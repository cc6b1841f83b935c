"""The device hears clips and streams; the WAV reader takes what it should and nothing else."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import json
import struct
import wave

import numpy as np
import pytest
import tflite_models
from kws import features, recognise

FRONT_ENDS = tuple(features.FRONT_ENDS.values())


@pytest.fixture
def ready_device(device, server, image_maker, board_model):
    server.publish(image_maker(board_model), "1.0.1")
    assert device.poll()[0] == 0
    return device


def _wav(samples: bytes, *, rate=16000, channels=1, bits=16, form=1, data_size=None, riff_size=None, before=b"",
         extra=b"") -> bytes:  # fmt: skip
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", form, channels, rate, rate * block, block, bits) + extra
    size = len(samples) if data_size is None else data_size
    body = (
        b"WAVE"
        + b"fmt "
        + struct.pack("<I", len(header))
        + header
        + before
        + b"data"
        + struct.pack("<I", size)
        + samples
    )
    return b"RIFF" + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


SAMPLES = np.random.default_rng(0).integers(-9000, 9000, 16000).astype("<i2").tobytes()
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
GOOD = {
    "plain": _wav(SAMPLES),
    "with a list before the data": _wav(SAMPLES, before=b"LIST\x05\0\0\0abcde\0"),
    "extensible": _wav(SAMPLES, form=0xFFFE, extra=struct.pack("<HHI", 22, 16, 4) + PCM_GUID),
    "one sample": _wav(SAMPLES[:2]),
    "three seconds": _wav(SAMPLES * 3),
    "with a tail": _wav(SAMPLES) + b"LIST",
}
BAD = {
    "empty": b"",
    "text": b"this is no audio at all, but long enough",
    "cut in the header": _wav(SAMPLES)[:30],
    "cut in the data": _wav(SAMPLES)[:-100],
    "three hours in 1 KB": _wav(SAMPLES[:1000], data_size=345600000),
    "data of 4 GB": _wav(SAMPLES[:1000], data_size=0xFFFFFFFF),
    "no samples": _wav(b""),
    "odd number of bytes": _wav(SAMPLES[:999]),
    "44.1 kHz": _wav(SAMPLES, rate=44100),
    "stereo": _wav(SAMPLES, channels=2),
    "8 bit": _wav(SAMPLES, bits=8),
    "float": _wav(SAMPLES, form=3),
    "compressed": _wav(SAMPLES, form=0xFFFE, extra=struct.pack("<HHI", 22, 16, 4) + bytes(16)),
    "no format": b"RIFF\x2c\0\0\0WAVEdata" + struct.pack("<I", 4) + bytes(4),
    "chunk beyond the end": b"RIFF\x2c\0\0\0WAVEjunk\xf0\xff\xff\xff" + bytes(20),
    "MP3": b"ID3\x03" + bytes(500),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD.keys())
def test_a_wav_file_is_heard(ready_device, tmp_path, data):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    status, events = ready_device.listen(path)
    assert status == 0
    assert events[0]["event"] == "heard"


def test_every_other_file_is_an_error_and_the_rest_is_heard(ready_device, tmp_path):
    paths = []
    for i, data in enumerate(BAD.values()):
        paths.append(tmp_path / f"bad{i}.wav")
        paths[-1].write_bytes(data)
    good = tmp_path / "good é\n.wav"
    good.write_bytes(_wav(SAMPLES))
    status, events = ready_device.listen(*paths, tmp_path / "missing.wav", good)
    assert status == 1
    assert [e["event"] for e in events] == ["error"] * (len(BAD) + 1) + ["heard"]
    assert all(e["reason"] for e in events[:-1])


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda f: f.name)
def test_what_is_heard_is_the_models_answer(device, server, image_maker, library, tmp_path, front_end):
    # GIVEN a model that names its front end
    model = tflite_models.keyword_model(front_end.id, shape=front_end.shape)
    server.publish(image_maker(model, frontend=front_end.id), "1.0.1")
    assert device.poll()[0] == 0
    rng = np.random.default_rng(9)
    for i in range(5):
        size = (16000, 12000, 31000, 16000, 480)[i]
        samples = rng.normal(0, 3000, size).astype("<i2")
        path = tmp_path / f"{i}.wav"
        path.write_bytes(_wav(samples.tobytes()))
        start = library.c.es_clip_start(samples.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(size))
        clip = np.pad(samples[start : start + 16000], (0, max(0, 16000 - size)))
        # WHEN a recording is heard
        (event,) = device.listen(path)[1]
        # THEN it is by the features of that front end
        scores = library.infer(model, front_end.features(clip[None]), 4)
        assert event["scores"] == scores.tolist()
        assert event["label"] == ["yes", "no", "unknown", "silence"][int(np.argmax(scores))]


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda f: f.name)
def test_a_stream_is_fed_by_the_rule_in_the_header(device, server, image_maker, library, tmp_path, front_end):
    # GIVEN a model whose scores vary, and a recogniser that is easily convinced
    settings = {"average_ms": 200, "minimum_count": 2, "suppression_ms": 300, "threshold": 60}
    model = tflite_models.keyword_model(front_end.id, seed=3, recogniser=settings, shape=front_end.shape)
    server.publish(image_maker(model, frontend=front_end.id), "1.0.1")
    assert device.poll()[0] == 0
    rng = np.random.default_rng(4)
    samples = np.concatenate([rng.normal(0, a, 4000) for a in rng.uniform(1, 9000, 20)]).clip(-32768, 32767)
    samples = samples.astype("<i2")
    path = tmp_path / "stream.wav"
    with wave.open(str(path), "wb") as f:
        f.setparams((1, 2, 16000, 0, "NONE", ""))
        f.writeframes(samples.tobytes())
    # WHEN it is listened to
    status, events = device.listen(path, stream=True)
    # THEN the words are those of the rule, computed here
    assert status == 0
    frames = front_end.stream(1).feed(samples[None, :])[0]
    window = np.full(front_end.shape, -128, np.int8)
    rule = recognise.Recogniser(["yes", "no", "unknown", "silence"], recognise.Settings(**settings))
    expected = []
    for number, frame in enumerate(frames, 1):
        window = np.vstack([window[1:], frame])
        if number % 2 == 0:
            word = rule.push(library.infer(model, window, 4), 30 + 20 * (number - 1))
            expected += [word] if word else []
    assert [recognise.Word(e["label"], e["score"], e["at_ms"]) for e in events] == expected
    assert len(expected) > 2


def _card(**settings) -> bytes:
    recogniser = {"average_ms": 1000, "minimum_count": 3, "suppression_ms": 1500, "threshold": 200} | settings
    return json.dumps(
        {"frontend": "micro-x", "labels": ["yes", "no", "unknown", "silence"], "recogniser": recogniser,
         "schema": "earshot.model/1"}
    ).encode()  # fmt: skip


BAD_CARDS = {
    "not JSON": b"yes",
    "nothing": b"{}",
    "other schema": _card().replace(b"model/1", b"model/2"),
    "key twice": _card().replace(b'{"frontend"', b'{"schema": "earshot.model/1", "frontend"'),
    "setting twice": _card().replace(b'"threshold"', b'"threshold": 1, "threshold"'),
    "label twice": _card().replace(b'"no"', b'"yes"'),
    "no labels": _card().replace(b'["yes", "no", "unknown", "silence"]', b"[]"),
    "threshold of 256": _card(threshold=256),
    "negative": _card(suppression_ms=-1),
    "fraction": _card(average_ms=1.5),
    "text after the end": _card() + b"x",
    "cut off": _card()[:-1],
    "too deep": _card().replace(b'{"frontend"', b'{"x": ' + b"[" * 9 + b"]" * 9 + b', "frontend"'),
    "long label": _card().replace(b'"no"', b'"' + b"n" * 33 + b'"'),
    "NUL in a label": _card().replace(b'"no"', b'"n\\u0000"'),
    "lone surrogate": _card().replace(b'"no"', b'"\\ud800"'),
    "broken UTF-8": _card().replace(b'"no"', b'"\xc0\xaf"'),
    "too long": _card() + b" " * 1024,
}


@pytest.mark.parametrize("text", BAD_CARDS.values(), ids=BAD_CARDS.keys())
def test_a_card_out_of_order_is_refused(library, text):
    assert library.c.es_card_parse(ctypes.create_string_buffer(8192), text, ctypes.c_size_t(len(text))) != 0


def test_a_model_of_another_front_end_is_rejected_on_trial(device, server, image_maker):
    model = tflite_models.keyword_model("micro-00000000")
    server.publish(image_maker(model), "1.0.1")
    status, events = device.poll()
    assert status == 2
    assert "front end" in events[-1]["reason"]


def test_a_model_whose_input_is_another_front_ends_is_rejected_on_trial(device, server, image_maker):
    # GIVEN a model that names one front end and reads the features of the other
    one, other = FRONT_ENDS
    server.publish(image_maker(tflite_models.keyword_model(one.id, shape=other.shape)), "1.0.1")
    # WHEN / THEN its trial says so
    status, events = device.poll()
    assert status == 2
    assert "input's size" in events[-1]["reason"]


def test_a_model_without_a_card_is_rejected(device, server, image_maker, library):
    model = tflite_models.conv_model(np.random.default_rng(0))
    server.publish(image_maker(model), "1.0.1")
    assert device.poll()[0] == 2
