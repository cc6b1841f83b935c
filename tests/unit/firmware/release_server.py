"""An HTTP/1.1 server of releases that can be told to misbehave."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOARD = "CY8CPROTO_062_4343W"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *arguments) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.owner.reports.append((self.path, dict(self.headers), body))
        self.send_response(self.server.owner.report_status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append((self.path, dict(self.headers)))
        attack = owner.attacks.get(self.path)
        if attack is not None:
            attack(self)
            return
        body = owner.files.get(self.path)
        if body is None:
            self._answer(404, b"")
            return
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        if self.headers.get("If-None-Match") == tag:
            self._answer(304, b"", {"ETag": tag})
            return
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, body, {"ETag": tag})
            return
        first, last = (int(v) for v in wanted.removeprefix("bytes=").split("-"))
        if first >= len(body):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        part = body[first : last + 1]
        self._answer(206, part, {"ETag": tag, "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(body)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Sends bytes as they are and ends the connection."""
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: "ReleaseServer"

    def handle_error(self, request, client_address) -> None:
        """A device that hangs up is what some tests are about."""


class ReleaseServer:
    """Files by path; `attacks` by path answer instead of them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.attacks: dict = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.reports: list[tuple[str, dict[str, str], bytes]] = []
        self.report_status = 204
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "ReleaseServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def document_path(self) -> str:
        return f"/{BOARD}/ota_update.json"

    def publish(self, image: bytes, version: str, **changes) -> str:
        """Puts an image and its job document; returns the image's path."""
        path = f"/{version}/{BOARD}/model.img"
        self.files[path] = image
        document = {
            "Message": "Update Available", "Manufacturer": "Earshot", "ManufacturerId": "ESHT", "Product": "Earshot",
            "SerialNumber": "0", "Board": BOARD, "Version": version, "Connection": "HTTP", "Server": "127.0.0.1",
            "Port": str(self.port), "File": path, "Size": str(len(image)),
            "Sha256": hashlib.sha256(image).hexdigest(),
        } | changes  # fmt: skip
        self.files[self.document_path] = json.dumps({k: v for k, v in document.items() if v is not None}).encode()
        return path

    def fetched(self, path: str) -> int:
        return sum(1 for seen, _ in self.requests if seen == path)
