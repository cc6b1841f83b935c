"""Listening live: the board program's events as they come, and its end in words."""

import sys

import pytest

from earshot import device
from earshot.errors import EarshotError


@pytest.fixture
def board(tmp_path, monkeypatch):
    """board(source) -> a device whose program is a Python script."""

    def make(source):
        program = tmp_path / "program"
        program.write_text(f"#!{sys.executable}\nimport sys\n{source}\n")
        program.chmod(0o755)
        monkeypatch.setattr(device, "DEVICE_PROGRAM", program)
        return device.Device(tmp_path, "BOARD", "id", "http://releases", "http://reports")

    return make


WORD = 'print(\'{"event":"word","label":"yes","score":231,"at_ms":12340}\', flush=True)'


def test_words_come_as_they_are_heard(board):
    # GIVEN a program that says a word and then listens on for a long time
    heard = board(f"{WORD}\n__import__('time').sleep(60)").microphone()
    # THEN the word is there at once
    assert next(heard) == {"event": "word", "label": "yes", "score": 231, "at_ms": 12340}
    # AND who stops looking stops the program
    heard.close()


def test_the_program_is_told_where_samples_come_from(board):
    say = 'print(__import__("json").dumps({"event": "arguments", "of": sys.argv[1:]}))'
    (event,) = board(say).microphone(raw=True)
    assert event["of"][-3:] == ["listen", "--microphone", "-"]
    (event,) = board(say).microphone()
    assert event["of"][-2:] == ["listen", "--microphone"]


def test_a_machine_without_a_microphone_says_so(board):
    heard = board('print(\'{"event":"error","reason":"no microphone: install alsa-utils"}\'); sys.exit(1)').microphone()
    assert next(heard)["event"] == "error"
    with pytest.raises(EarshotError, match="stopped listening: no microphone"):
        next(heard)
