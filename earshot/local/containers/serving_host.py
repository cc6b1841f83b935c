"""The TensorFlow Serving container, as a program of its own: `python serving_host.py PORT REST_PORT`.

Runs under the jobs' interpreter, inside a container's view of the file system,
and imports nothing of this project. Two servers in one process:

- on PORT, what SageMaker calls: `GET /ping`, `POST /invocations`, through
  `handler(data, context)` or `input_handler` and `output_handler` of
  `/opt/ml/model/code/inference.py`; without them the request goes to the model
  as it is.
- on REST_PORT, what the handlers call: TensorFlow Serving's REST interface to
  the SavedModel in `/opt/ml/model/<number>/`.

The process says "ready" only once model and handlers are loaded.
"""

import importlib.util
import json
import os
import re
import sys
import traceback
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple

MODEL_NAME = "model"
LARGEST_REQUEST = 6 * 1024 * 1024
PREDICT = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?(?P<verb>:predict)?")


class Context(NamedTuple):
    """What a handler is told about its request; the names are the container's own."""

    model_name: str
    model_version: str | None
    method: str
    rest_uri: str
    grpc_uri: str
    custom_attributes: str
    request_content_type: str
    accept_header: str
    content_length: int


class ModelServer:
    """The newest SavedModel of a folder, with its serving signature."""

    def __init__(self, folder: Path) -> None:
        """Load it; a folder without a model serves handlers alone."""
        versions = [int(path.name) for path in folder.iterdir() if path.name.isdigit() and path.is_dir()]
        self.version: int | None = max(versions, default=None)
        self._lock = Lock()
        self._signature: Any = None
        if self.version is None:
            return
        import tensorflow as tf

        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        self._tensorflow = tf
        self._model = tf.saved_model.load(str(folder / str(self.version)))
        if "serving_default" not in self._model.signatures:
            raise ValueError(f"the SavedModel in {folder / str(self.version)} has no signature serving_default")
        self._signature = self._model.signatures["serving_default"]

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a predict request in row (`instances`) or column (`inputs`) format."""
        if self._signature is None:
            raise KeyError("no model is loaded: the archive has no numeric folder with a SavedModel")
        names = self._signature.structured_input_signature[1]
        rows = "instances" in request
        if not rows and "inputs" not in request:
            raise ValueError('Missing "inputs" or "instances" key')
        given = request["instances"] if rows else request["inputs"]
        with self._lock:
            outputs = self._signature(**self._tensors(names, given, rows))
        values = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
        if not rows:
            return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
        if len(values) == 1:
            return {"predictions": next(iter(values.values()))}
        count = len(next(iter(values.values())))
        return {"predictions": [{name: value[row] for name, value in values.items()} for row in range(count)]}

    def _tensors(self, names: dict[str, Any], given: Any, rows: bool) -> dict[str, Any]:
        if rows and (not isinstance(given, list) or not given):
            raise ValueError("instances must be a list of at least one example")
        named = isinstance(given[0] if rows else given, dict)
        if not named and len(names) != 1:
            raise ValueError(f"the model has several inputs ({', '.join(names)}): name them")
        tensors = {}
        for name, spec in names.items():
            if not named:
                values = given
            elif rows:
                values = [example[name] for example in given]
            else:
                values = given[name]
            tensors[name] = self._tensorflow.constant(values, dtype=spec.dtype)
            if not spec.shape.is_compatible_with(tensors[name].shape):
                raise ValueError(f"input {name} has shape {tensors[name].shape}; the model takes {spec.shape}")
        return tensors


class Handlers:
    """`inference.py`, or what stands for it where there is none."""

    def __init__(self, script: Path) -> None:
        """Import the script with its own folder (and its `lib`) first on the path."""
        self._module: Any = None
        if script.is_file():
            for folder in (script.parent / "lib", script.parent):
                sys.path.insert(0, str(folder))
            spec = importlib.util.spec_from_file_location("inference", script)
            assert spec is not None
            assert spec.loader is not None
            self._module = importlib.util.module_from_spec(spec)
            sys.modules["inference"] = self._module
            spec.loader.exec_module(self._module)
            if not (hasattr(self._module, "handler") or hasattr(self._module, "input_handler")):
                raise ValueError(f"{script}: must define handler, or input_handler and output_handler")

    def answer(self, data: BytesIO, context: Context) -> Any:
        """Give body and content type."""
        if hasattr(self._module, "handler"):
            return self._module.handler(data, context)
        body = self._module.input_handler(data, context) if self._module else data.read()
        body = body.encode() if isinstance(body, str) else body
        response = _post(context.rest_uri, body)
        if self._module:
            return self._module.output_handler(response, context)
        if response.status_code != 200:
            raise ValueError(response.text)
        return response.content, context.accept_header


class Response:
    """What a handler sees of the model server's answer."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code = status
        self.content = content

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.content)


def _post(address: str, body: bytes) -> Response:
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - the model server beside it
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return Response(answer.status, answer.read())
    except urllib.error.HTTPError as refusal:
        return Response(refusal.code, refusal.read())


class Server(ThreadingHTTPServer):
    """One of the two servers."""

    daemon_threads = True
    request_queue_size = 128


class Request(BaseHTTPRequestHandler):
    """What both servers' requests have in common."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes | None:
        """Read the request's body; None where it is too large to be read."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_REQUEST:
            self.close_connection = True
            return None
        return self.rfile.read(length)

    def reply(self, status: int, content: Any, kind: str | None = "application/json") -> None:
        """Answer."""
        content = content.encode() if isinstance(content, str) else bytes(content)
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def fail(self, status: int, text: str) -> None:
        """Answer with an error as the container words it."""
        self.reply(status, json.dumps({"error": text}))

    def log_message(self, _format: str, *_values: Any) -> None:
        """Stay silent: SageMaker's own front end keeps the access log."""


def _front(handlers: Handlers, rest_port: int) -> type[Request]:
    class Front(Request):
        def do_GET(self) -> None:
            if self.path == "/ping":
                self.reply(200, b"")
            else:
                self.fail(404, f"{self.path}: only /ping and /invocations are served")

        def do_POST(self) -> None:
            body = self.body()
            if body is None:
                self.fail(413, f"the request is larger than {LARGEST_REQUEST} bytes")
                return
            if self.path != "/invocations":
                self.fail(404, f"{self.path}: only /ping and /invocations are served")
                return
            try:
                content, kind = handlers.answer(BytesIO(body), self._context(len(body)))
                self.reply(200, content, kind)
            except Exception as error:
                traceback.print_exc()
                self.fail(500, str(error))

        def _context(self, length: int) -> Context:
            attributes = self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "")
            given = dict(re.findall(r"tfs-(model-name|model-version|method)=([^,\s]+)", attributes))
            name = given.get("model-name", MODEL_NAME)
            version = given.get("model-version")
            method = given.get("method", "predict")
            place = f"/versions/{version}" if version else ""
            return Context(
                name,
                version,
                method,
                f"http://localhost:{rest_port}/v1/models/{name}{place}:{method}",
                f"localhost:{rest_port}",
                attributes,
                self.headers.get("Content-Type") or "application/json",
                self.headers.get("Accept") or "application/json",
                length,
            )

    return Front


def _rest(models: ModelServer) -> type[Request]:
    class Rest(Request):
        def do_GET(self) -> None:
            match = PREDICT.fullmatch(self.path)
            if not match or match["name"] != MODEL_NAME or models.version is None:
                self.fail(404, f"Servable not found for request: {self.path}")
                return
            status = {"error_code": "OK", "error_message": ""}
            told = {"version": str(models.version), "state": "AVAILABLE", "status": status}
            self.reply(200, json.dumps({"model_version_status": [told]}))

        def do_POST(self) -> None:
            body = self.body()
            match = PREDICT.fullmatch(self.path)
            wanted = match and (match["version"] or str(models.version))
            if not match or not match["verb"] or match["name"] != MODEL_NAME or wanted != str(models.version):
                self.fail(404, f"Servable not found for request: {self.path}")
                return
            try:
                self.reply(200, json.dumps(models.predict(json.loads(body or b"{}"))))
            except Exception as error:
                self.fail(400, str(error))

    return Rest


def main(port: int, rest_port: int) -> None:
    """Load, listen, and stay."""
    folder = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
    models = ModelServer(folder)
    rest = Server(("127.0.0.1", rest_port), _rest(models))
    Thread(target=rest.serve_forever, daemon=True).start()
    handlers = Handlers(folder / "code" / "inference.py")
    front = Server(("127.0.0.1", port), _front(handlers, rest_port))
    print(f"ready: model version {models.version}", flush=True)
    front.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
