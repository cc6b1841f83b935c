"""A container's view of the file system, with namespaces and without."""

import subprocess

import pytest

from earshot.local.containers import sandbox
from earshot.local.containers.sandbox import Room, enclosed

SCRIPT = 'cat /opt/ml/in/clip; echo "$WHERE" > /opt/ml/out; echo x > /tmp/mine; pwd; ls /tmp/mine'


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path / "job")
    room.prepare()
    (room.ml / "in").mkdir()
    (room.ml / "in" / "clip").write_text("clip\n")
    return room


def run(room, keep=()):
    command, environment = enclosed(
        ["sh", "-c", SCRIPT], {"PATH": "/usr/bin:/bin", "WHERE": "/opt/ml/in"}, room, "/opt/ml/in", list(keep)
    )
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout.split("\n")


def test_namespaces_show_the_paths_of_a_container(room):
    # WHEN a command runs enclosed THEN it sees its own /opt/ml and /tmp, under those names
    assert run(room) == ["clip", "/opt/ml/in", "/tmp/mine", ""]
    assert (room.ml / "out").read_text() == "/opt/ml/in\n"
    assert (room.tmp / "mine").read_text() == "x\n"


def test_folders_below_tmp_stay_visible_when_asked(room, tmp_path):
    # GIVEN an interpreter's folder below /tmp WHEN kept THEN the container sees it at its own place
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python").write_text("here")
    command, environment = enclosed(
        ["cat", str(tmp_path / "venv" / "python")], {"PATH": "/usr/bin:/bin"}, room, "/", [tmp_path / "venv"]
    )
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "here"


def test_without_namespaces_paths_are_rewritten(room, monkeypatch):
    # GIVEN a machine that allows no namespaces
    monkeypatch.setattr(sandbox, "namespaces_work", lambda: False)
    # WHEN a command runs THEN the paths in its words and environment lead to its own folders
    said = run(room)
    assert said == ["clip", str(room.ml / "in"), str(room.tmp / "mine"), ""]
    assert (room.ml / "out").read_text() == f"{room.ml}/in\n"
    _, environment = enclosed(["true"], {}, room, "/", [])
    assert environment["SAGEMAKER_BASE_DIR"] == str(room.ml)
