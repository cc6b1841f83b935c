"""Counting a model on the emulated Cortex-M4, and judging clips there."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import tflite_models
from kws import count, evaluate, features, firmware, qemu, tflm

pytestmark = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")),
    reason="gcc-arm-none-eabi or qemu-system-arm is not installed",
)


@pytest.fixture(scope="module", autouse=True)
def cortex_build(host_build):
    """The measuring program and the library that describes models."""
    subprocess.run(["make", "-s", "-C", str(host_build.parents[1]), "mps2"], check=True)


@pytest.fixture
def model(tmp_path):
    """A convolution of 7 x 6 x 3 by 4 filters of 3 x 3 x 3, SAME."""
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite_models.conv_model(np.random.default_rng(1)))
    return path


def test_json_holds_what_a_model_costs(model, capsys):
    # WHEN a model is counted
    status = count.main([str(model), "--json"])
    figures = json.loads(capsys.readouterr().out)
    # THEN its answers are TFLM's
    assert (status, figures["identical"], figures["inputs"]) == (0, True, count.INPUTS)
    # AND multiplications are those of the shapes
    assert figures["macs"] == 7 * 6 * 4 * 3 * 3 * 3
    assert [(layer["op"], layer["macs"]) for layer in figures["layers"]] == [("CONV_2D", figures["macs"])]
    # AND the layers are nearly all of an inference, which also copies the input and the output
    spent = sum(layer["instructions"] for layer in figures["layers"])
    assert 0.9 * figures["instructions"] < spent < figures["instructions"]
    # AND an arena holds what is alive at once at least
    assert figures["arena_bytes"] >= 7 * 6 * 4


def test_the_table_names_every_layer(model, capsys):
    assert count.main([str(model)]) == 0
    out = capsys.readouterr().out
    assert "CONV_2D" in out
    assert "answers equal to TensorFlow Lite Micro's on 8 inputs" in out


def test_other_answers_are_seen(model, capsys, monkeypatch):
    # GIVEN a reference that answers otherwise by one step in one value
    real = tflm.Model.answer

    def off_by_one(self, features):
        answers = real(self, features)
        answers[-1, -1] ^= 1
        return answers

    monkeypatch.setattr(tflm.Model, "answer", off_by_one)
    # THEN the count says so, and its status
    assert count.main([str(model), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["identical"] is False
    assert count.main([str(model)]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "too short|ends inside"), (b"\0" * 64, "not a .tflite"), (None, "damaged")],
)
def test_a_file_that_is_no_model_is_refused_in_words(model, capsys, content, reason):
    model.write_bytes(model.read_bytes()[:-200] if content is None else content)
    assert count.main([str(model)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("kws.count: model.tflite: ")
    assert re.search(reason, err)
    assert len(err.splitlines()) == 1


def test_a_missing_file_and_a_missing_program_are_named(model, capsys, monkeypatch, tmp_path):
    assert count.main([str(tmp_path / "none.tflite")]) == 1
    assert "none.tflite: cannot be read" in capsys.readouterr().err
    monkeypatch.setenv(qemu.PROGRAM_VARIABLE, str(tmp_path / "none.elf"))
    assert count.main([str(model)]) == 1
    assert "none.elf: no such program" in capsys.readouterr().err


def test_a_missing_emulator_is_named(model, capsys, monkeypatch):
    monkeypatch.setattr(qemu, "EMULATOR", "qemu-of-nowhere")
    assert count.main([str(model)]) == 1
    assert "install Debian's qemu-system-arm" in capsys.readouterr().err


def test_the_program_refuses_what_does_not_fit(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").write_bytes(bytes(5))
    with pytest.raises(qemu.QemuError, match="not a whole number of inputs"):
        qemu.measure("infer", model.name, "inputs", "outputs")
    with pytest.raises(qemu.QemuError, match="unknown front end"):
        qemu.measure("features", "none-00000000", "inputs", "frames")
    with pytest.raises(qemu.QemuError, match="infer MODEL"):
        qemu.measure("dance")
    with pytest.raises(qemu.QemuError, match=r"2\d\d characters of arguments, the board reads 255"):
        qemu.measure("infer", "m" * 100, "i" * 100, "o" * 40)


@pytest.mark.parametrize("name", features.FRONT_ENDS)
def test_features_are_those_of_the_jobs(name):
    # GIVEN noise, silence and the loudest clip
    front_end = features.FRONT_ENDS[name]
    random = np.random.default_rng(2)
    clips = random.normal(0, [[0], [3000], [30]], (3, 16000)).clip(-32768, 32767).astype(np.int16)
    clips = np.concatenate([clips, np.where(random.random((1, 16000)) < 0.5, -32768, 32767).astype(np.int16)])
    # THEN the Cortex-M4 computes the same bytes
    np.testing.assert_array_equal(qemu.clip_features(clips, front_end), front_end.features(clips))


def test_clips_are_judged_as_on_this_machine(tmp_path, board_model):
    import soundfile

    # GIVEN clips and a model with its card
    model = tmp_path / "model.tflite"
    model.write_bytes(board_model)
    random = np.random.default_rng(4)
    for label in ("yes", "no"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        for n in range(3):
            samples = random.normal(0, 2000, 16000).clip(-32768, 32767).astype(np.int16)
            soundfile.write(tmp_path / "clips" / label / f"{n}.wav", samples, 16000)
    clips = evaluate.find_clips(tmp_path / "clips")
    # WHEN the board's code judges them here and on the Cortex-M4
    judged = {}
    for engine in ("firmware", "qemu"):
        subject = evaluate.open_subject(model.read_bytes(), "model", engine, None)
        judged[engine] = evaluate.evaluate(subject, tmp_path / "clips", clips)
        assert judged[engine].pop("engine") == engine
    # THEN every score is the same
    assert judged["qemu"] == judged["firmware"]
    assert judged["qemu"]["clips"] == 6


def test_many_inputs_are_answered_in_parts(monkeypatch, board_model):
    # GIVEN more inputs than fit the emulated memory at once
    monkeypatch.setattr(qemu, "_BYTES_AT_ONCE", 3 * 1960)
    inputs = count.inputs(1960, 8)
    library = firmware.Library()
    # THEN none is lost or repeated
    emulated = qemu.Model(library, board_model, "model").answer(inputs)
    np.testing.assert_array_equal(emulated, library.open(board_model, "model").answer(inputs))


def test_the_operator_that_the_board_lacks_is_named(model, capsys):
    # GIVEN a model whose second operator no board has
    random = np.random.default_rng(3)
    builder = tflite_models.ModelBuilder()
    given = builder.tensor((1, 4), 0.1)
    middle, out = builder.tensor((1, 3), 0.1), builder.tensor((1, 3), 0.1)
    weights = builder.tensor((3, 4), 0.1, data=random.integers(-9, 9, (3, 4)))
    kinds, options = tflite_models.OPTIONS, tflite_models.schema.FullyConnectedOptionsT
    dense = tflite_models.options(options)
    builder.operator(
        tflite_models.CODES.FULLY_CONNECTED, [given, weights], [middle], dense, kinds.FullyConnectedOptions
    )
    builder.operator(tflite_models.CODES.TANH, [middle], [out])
    model.write_bytes(builder.build([given], [out]))
    # THEN the refusal says which it is
    assert count.main([str(model)]) == 1
    assert "operator 1, TANH: the model uses an operator that the firmware does not have" in capsys.readouterr().err
