"""Update metadata with model images for its targets, on the server of releases."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import hashlib

from kws import features
from release_server import BOARD, ReleaseServer
from tuf_repository import Repository

METADATA, TARGETS = "/tuf/metadata/", "/tuf/targets/"


def selected(percent: int, salt: str, device: str) -> bool:
    """The rule of docs/contracts.md, section 13."""
    u = int.from_bytes(hashlib.sha256(f"{salt}:{device}".encode()).digest()[:4], "big")
    return u * 100 // 2**32 < percent


class UpdateRepository(Repository):
    """`offer` images, then `publish_to` a server."""

    def offer(
        self, image: bytes, version: str, name: str = "model.img", percent: int = 100, *, changes: dict | None = None
    ) -> str:
        """Lists an image; the path at which a server must have it. `changes`: other members of `custom`."""
        custom: dict = {
            "board": BOARD,
            "version": version,
            "frontend": features.MICRO.id,
            "rollout": {"percent": percent, "salt": hashlib.sha256(image).hexdigest()[:16]},
            "size_limit": 256 * 1024,
        } | (changes or {})
        self.add_target(f"{BOARD}/{name}", image, custom={k: v for k, v in custom.items() if v is not None})
        return self.path(image, name)

    @staticmethod
    def path(image: bytes, name: str = "model.img") -> str:
        return f"{TARGETS}{BOARD}/{hashlib.sha256(image).hexdigest()}.{name}"

    def withdraw(self, name: str = "candidate.img") -> None:
        del self.contents["targets"]["targets"][f"{BOARD}/{name}"]

    def publish_to(self, server: ReleaseServer, *images: tuple[str, bytes]) -> None:
        """Signs targets, snapshot and timestamp anew, and puts everything onto the server."""
        self.publish("targets", "snapshot", "timestamp")
        self.put_on(server)
        server.files.update(images)

    def put_on(self, server: ReleaseServer) -> None:
        server.files.update({METADATA + name: data for name, data in self.files.items()})

    def release(self, server: ReleaseServer, image: bytes, version: str, name: str = "model.img", **more) -> str:
        path = self.offer(image, version, name, **more)
        self.publish_to(server, (path, image))
        return path
