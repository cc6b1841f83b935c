"""The demonstration's clips: nobody whom the board hears is in anything dropped."""

import wave

import pytest

from earshot.demo import broken, drops
from earshot.errors import EarshotError


def test_speakers_never_cross_from_dropped_to_held(tmp_path):
    # GIVEN a folder of 120 speakers with several takes of two words
    for speaker in range(120):
        for word in ("yes", "no"):
            for take in range(2):
                path = tmp_path / word / f"{speaker:08x}_nohash_{take}.wav"
                drops.write_wav(path, drops.np.zeros(160, drops.np.int16), 16000)
    # WHEN it is cut into drops
    cut = drops.from_folder(tmp_path)
    # THEN each speaker is in one of them only
    first, second = ({drops.speaker_of(d.path) for d in part} for part in (cut.first, cut.second))
    held = {drops.speaker_of(path) for path, _ in cut.held}
    assert first
    assert second
    assert held
    assert not first & second
    assert not (first | second) & held
    # AND training loses none of its own: those who are held would only have tested, and most who test are left
    assert all(drops.is_tested_by(speaker) for speaker in held)
    assert len(held) < sum(drops.is_tested_by(speaker) for speaker in first | second)


def test_a_folder_with_one_speaker_is_refused_with_the_reason(tmp_path):
    drops.write_wav(tmp_path / "yes" / "a_nohash_0.wav", drops.np.zeros(160, drops.np.int16), 16000)
    with pytest.raises(EarshotError, match="too few speakers"):
        drops.from_folder(tmp_path)


def test_the_synthesiser_speaks_each_keyword_with_each_voice(tmp_path, monkeypatch):
    # GIVEN three voices a part
    monkeypatch.setattr(drops, "SYNTHETIC_VOICES", {drops.FIRST: 3, drops.SECOND: 3, drops.HELD: 3})
    # WHEN it speaks
    cut = drops.synthesise(tmp_path, ["yes", "no"], lambda done, total: None)
    # THEN every word is there, a second long, and audible
    keys = {drop.key.split("/")[1] for drop in cut.first}
    assert {"yes", "no", drops.NOISE} < keys
    for drop in cut.second:
        with wave.open(str(drop.path)) as file:
            assert file.getnframes() == file.getframerate()
            samples = drops.np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert abs(samples.astype(int)).max() > 3000
    # AND no two clips of a drop are the same
    contents = [drop.path.read_bytes() for drop in cut.first + cut.second]
    assert len(set(contents)) == len(contents)


def test_broken_clips_are_broken_each_in_its_own_way(tmp_path):
    files = {drop.key: drop.path.read_bytes() for drop in broken.broken_clips(tmp_path)}
    assert len(set(files.values())) == len(files)
    assert files["clips/no/broken_empty.wav"] == b""
    three_hours = files["clips/no/broken_three_hours.wav"]
    assert len(three_hours) == 1024
    assert int.from_bytes(three_hours[40:44], "little") == 3 * 3600 * 32000
