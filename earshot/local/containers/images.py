"""Container images, by the name of their repository: what stands for each of them here.

An image is an environment: the jobs' interpreter has what the TensorFlow
images have. Registry, account and tag are not looked at, except that they must
be there: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>`.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from earshot.local.account import REGION
from earshot.local.containers.sandbox import TMP

_URI = re.compile(
    r"(?P<registry>\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)/(?P<name>[a-z0-9._/-]+):[\w.-]+"
)


class Role(Enum):
    """What an image does when it is started without an entry point of the caller's."""

    TRAINING = "the SageMaker training toolkit: script mode"
    SERVING = "TensorFlow Serving with inference.py"


IMAGES = {"tensorflow-training": Role.TRAINING, "tensorflow-inference": Role.SERVING}


class ImageError(Exception):
    """An image that cannot be pulled."""


def role_of(uri: str) -> Role:
    """Say what an image is.

    Raises:
        ImageError: in the words SageMaker has for an image it cannot pull.
    """
    match = _URI.fullmatch(uri)
    name = match["name"].rsplit("/", 1)[-1] if match else ""
    if name not in IMAGES:
        known = ", ".join(sorted(IMAGES))
        raise ImageError(
            f"CannotPullContainerError: the image {uri} does not exist here; the local cloud has {known} "
            "(<account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>)"
        )
    return IMAGES[name]


@dataclass
class Interpreter:
    """The interpreter that stands for the images' own `python3`.

    Attributes:
        python: its path, `bin/python` of a virtual environment.
    """

    python: Path
    _folders: list[Path] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def folders(self) -> list[Path]:
        """Give the folders it needs to see, to keep them visible in a container."""
        with self._lock:
            if not self._folders:
                ask = "import sys; print(sys.prefix); print(sys.base_prefix)"
                told = subprocess.run([str(self.python), "-c", ask], capture_output=True, text=True, check=True)
                self._folders = [Path(line) for line in told.stdout.split("\n") if line]
            return self._folders

    def environment(self, port: int) -> dict[str, str]:
        """Give the environment of every container.

        `pip install -r` of what the interpreter holds is satisfied without a
        network; of anything else it fails at once, instead of changing an
        environment that all containers share.
        """
        return {
            "PATH": os.pathsep.join([str(self.python.parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": TMP,
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
