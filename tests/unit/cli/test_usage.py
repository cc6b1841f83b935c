"""Wrong usage: one clear line on stderr, and a status that scripts can tell from success."""

import json

import pytest

from earshot import cli, localcloud


@pytest.fixture(autouse=True)
def no_cloud(monkeypatch, tmp_path):
    """Neither an AWS account nor a local cloud."""
    monkeypatch.setattr(localcloud, "DIRECTORY", tmp_path / "local")
    monkeypatch.setattr(localcloud.status, "__defaults__", (tmp_path / "local",))
    for variable in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def call(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["earshot", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["bogus"], 2, "No such command 'bogus'"),
        (["evaluate", "model.tflite"], 2, "Missing argument 'CLIPS_DIR'"),
        (["evaluate", "model.tflite", "clips", "--engine", "magic"], 2, "choose tflm, firmware, qemu"),
        (["device", "listen"], 2, "give files, or --microphone"),
        (["device", "listen", "--microphone", "a.wav"], 2, "give files, or --microphone"),
        (["models", "approve"], 2, "Missing argument 'VERSION'"),
        (["models", "import", "model.tflite"], 2, "Missing option '--labels'"),
        (["local", "up", "--port", "70000"], 2, "--port"),
        (["demo", "--keywords", "Yes,no"], 2, "lower-case words"),
        (["--local", "--aws", "runs"], 2, "contradict"),
        (["deploy", "--parameter", "Keywords", "--local"], 2, "No such option"),
        (["--local", "runs"], 1, "the local cloud is down"),
        (["--profile", "nobody", "runs"], 1, "nobody"),
        (["--aws", "runs"], 1, "You must specify a region"),
        (["data", "fetch", "everything"], 1, "neither a data set"),
        (["--aws", "clips", "put", "/nowhere"], 1, "no such folder"),
        (["--aws", "--region", "us-east-1", "runs"], 1, "credentials"),
    ],
)
def test_wrong_usage_is_one_clear_line(monkeypatch, capsys, arguments, status, says):
    code, out, err = call(monkeypatch, capsys, *arguments)
    complaint = [line for line in err.splitlines() if not line.startswith("stack ")]
    assert code == status
    assert says in err
    assert len(complaint) == 1
    assert out == ""


def test_without_a_command_the_help_says_what_there_is(monkeypatch, capsys):
    code, _, err = call(monkeypatch, capsys)
    assert code == 2
    assert "clips" in err


def test_status_of_a_cloud_that_is_down(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "local", "status", "--json")
    assert code == 3
    assert json.loads(out) == {"up": False, "pid": None, "url": None}


def test_doctor_names_what_is_missing_and_the_remedy(monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda tool: None)
    code, out, _ = call(monkeypatch, capsys, "doctor")
    assert code == 1
    assert "apt-get install gcc" in out
