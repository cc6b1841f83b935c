"""The cloud ends with everything it started, also after a crash; and shares neither folder nor port."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["setsid", sys.executable, "-c", "import time; time.sleep(300)"])
print("up", flush=True)
time.sleep(300)
"""


def marked(directory):
    """Give the processes that a cloud of this folder has started."""
    wanted = f"EARSHOT_LOCAL_CLOUD={directory}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def begin(cloud):
    """Start a job that neither listens to SIGTERM nor keeps its child in its own session."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="s.tar.gz", Body=cloud.archive({"t.py": STUBBORN}))
    cloud.client("sagemaker").create_training_job(
        TrainingJobName="stubborn",
        RoleArn=cloud.role(),
        AlgorithmSpecification={"TrainingImage": cloud.image, "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "t.py", "sagemaker_submit_directory": "s3://code/s.tar.gz"},
        OutputDataConfig={"S3OutputPath": "s3://code/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )
    cloud.wait(lambda: len(marked(cloud.directory)) >= 2)


def test_sigterm_leaves_no_process(start_cloud, tmp_path):
    with start_cloud(tmp_path / "local") as cloud:
        begin(cloud)
        cloud.process.send_signal(signal.SIGTERM)
        assert cloud.process.wait(timeout=20) == 0
        assert marked(cloud.directory) == []


def test_next_start_ends_what_a_crash_left(start_cloud, tmp_path):
    with start_cloud(tmp_path / "local") as cloud:
        begin(cloud)
        cloud.process.kill()
        cloud.process.wait()
        # the container itself ends with the cloud; what it had put into another session does not
        cloud.wait(lambda: len(marked(cloud.directory)) == 1)
    with start_cloud(tmp_path / "local") as cloud:
        assert marked(cloud.directory) == []
        # AND a restart is a fresh account
        assert cloud.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_neither_folder_nor_port_is_shared(start_cloud, tmp_path):
    with start_cloud(tmp_path / "local") as cloud:
        port = cloud.url.rsplit(":", 1)[1]
        for directory, said in (
            (tmp_path / "local", "in use by another local cloud"),
            (tmp_path / "b", f"port {port}"),
        ):
            command = [sys.executable, "-m", "earshot.local.server", "--dir", str(directory), "--port", port]
            told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
            assert told.returncode == 1
            assert said in told.stderr
            assert "Traceback" not in told.stderr


def test_missing_interpreter_is_named(tmp_path):
    environment = {**os.environ, "EARSHOT_JOBS_PYTHON": "/nowhere/python"}
    command = [sys.executable, "-m", "earshot.local.server", "--dir", str(tmp_path), "--port", "0"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (told.returncode, "EARSHOT_JOBS_PYTHON" in told.stderr) == (1, True)


def test_listens_on_this_machine_alone(cloud):
    # THEN every listening socket of the cloud is on 127.0.0.1
    sockets = {str(link.readlink()) for link in Path(f"/proc/{cloud.process.pid}/fd").iterdir()}
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = [fields[1] for fields in listening if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets]
    assert own
    assert all(address.startswith("0100007F:") for address in own)


@pytest.mark.parametrize("path", ["/tcp6"])
def test_no_ipv6_listener(cloud, path):
    sockets = {str(link.readlink()) for link in Path(f"/proc/{cloud.process.pid}/fd").iterdir()}
    lines = Path(f"/proc/net{path}").read_text().splitlines()[1:]
    assert not [line for line in lines if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in sockets]
