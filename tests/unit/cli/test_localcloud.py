"""The local cloud as a process: found, started, stopped, and never mistaken for another."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from earshot import localcloud
from earshot.errors import EarshotError


def test_without_a_record_nothing_runs(tmp_path):
    assert localcloud.status(tmp_path) is None
    assert localcloud.down(tmp_path) is False


@pytest.mark.parametrize("record", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "port": 2, "more": 3}'])
def test_a_damaged_record_counts_as_none(tmp_path, record):
    (tmp_path / "server.json").write_text(record)
    assert localcloud.status(tmp_path) is None


def test_a_dead_process_of_an_earlier_start_is_forgotten(tmp_path):
    # GIVEN the record of a process that has ended
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "server.json").write_text(json.dumps({"pid": ended.pid, "port": 1}))
    # THEN nothing runs, and stopping it clears the record
    assert localcloud.status(tmp_path) is None
    assert localcloud.down(tmp_path) is False
    assert not (tmp_path / "server.json").exists()


def test_another_program_with_the_recorded_process_id_is_left_alone(tmp_path):
    # GIVEN a record whose process id now belongs to somebody else
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "server.json").write_text(json.dumps({"pid": other.pid, "port": 1}))
        # WHEN the local cloud is stopped
        assert localcloud.down(tmp_path) is False
        # THEN the other program lives
        time.sleep(0.1)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_server_on_the_port_that_is_not_ours_is_not_found(tmp_path):
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"status": "ready", "pid": 1}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "server.json").write_text(json.dumps({"pid": os.getpid(), "port": server.server_port}))
        assert localcloud.status(tmp_path) is None
        server.shutdown()


def test_a_port_in_use_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EarshotError, match=f"port {port} is in use"):
            localcloud.up(port, tmp_path)
