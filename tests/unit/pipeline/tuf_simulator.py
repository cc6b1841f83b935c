"""A TUF repository in memory, stepped one request at a time, and other people's client looking at it."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from earshot_pipeline.tuf_repository import (
    METADATA,
    TARGETS,
    Ask,
    Claim,
    Exists,
    File,
    Lifetimes,
    Offer,
    Read,
    Replace,
    Signers,
    Wanted,
    update,
)
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import FetcherInterface, Updater

NOW = datetime.now(UTC).replace(microsecond=0)
LIFETIMES = Lifetimes(timedelta(days=90), timedelta(days=90), timedelta(days=7))
# The client syncs each file to its disk; thousands of refreshes had better not wait for one.
MEMORY = Path("/dev/shm")
BOARDS = ("CY8CPROTO_062_4343W", "CY8CKIT_062S2_43012")


class Files:
    """A bucket, as strict as S3: each write is one of the two conditional ones."""

    def __init__(self):
        self.content, self.writes, self.tag = {}, [], 0
        self.wanted = Wanted(())

    def answer(self, request):
        match request:
            case Ask():
                return self.wanted
            case Read(key):
                return File(*self.content[key]) if key in self.content else None
            case Exists(key):
                return key in self.content
            case Claim(key, data):
                return self._write(key, data) if key not in self.content else False
            case Replace(key, data, known):
                there = self.content[key][1] if key in self.content else None
                return self._write(key, data) if there == known else False

    def _write(self, key, data):
        self.tag += 1
        self.content[key] = (data, self.tag)
        self.writes.append(key)
        return True

    def put_root(self, root):
        """As `earshot keys` does."""
        assert self.answer(Claim(f"{METADATA}{root.signed.version}.root.json", root.to_bytes()))

    def carry_out(self, protocol, writes=None):
        """Run a protocol to its end, or until it has made so many writes and dies; returns what it returns."""
        left, answer = writes, None
        try:
            while True:
                request = protocol.send(answer)
                if isinstance(request, (Claim, Replace)):
                    if left == 0:
                        protocol.close()
                        return None
                    left = None if left is None else left - 1
                answer = self.answer(request)
        except StopIteration as end:
            return end.value


class Fetcher(FetcherInterface):
    def __init__(self, files):
        self.files = files

    def _fetch(self, url):
        key = url.removeprefix("https://releases/")
        if key not in self.files.content:
            raise DownloadHTTPError(f"{key}: no such file", 404)
        yield self.files.content[key][0]


class Client:
    """python-tuf's own client; its state stays from one refresh to the next."""

    def __init__(self, files, root):
        self._temporary = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.folder = Path(self._temporary.name)
        self.files, self.root = files, root

    def refresh(self):
        """Refuses (raises) what breaks a rule of TUF."""
        updater = Updater(
            str(self.folder), f"https://releases/{METADATA}", str(self.folder), f"https://releases/{TARGETS}",
            Fetcher(self.files), bootstrap=self.root,
        )  # fmt: skip
        updater.refresh()
        return updater

    def version(self, path):
        """The version that is offered, after downloading and checking it; None for none."""
        updater = self.refresh()
        target = updater.get_targetinfo(path)
        if target is None:
            return None
        assert Path(updater.download_target(target)).read_bytes() == image(target.custom["version"], path).content
        return target.custom["version"]


class Stack:
    """Keys, a root of them, and the files."""

    def __init__(self, threshold=1, root_keys=1):
        self.roots = [CryptoSigner.generate_ecdsa() for _ in range(root_keys)]
        self.targets, self.online = CryptoSigner.generate_ecdsa(), CryptoSigner.generate_ecdsa()
        self.files = Files()
        self.root = make_root(1, self.roots, threshold, self.targets, self.online)
        self.files.put_root(self.root)

    @property
    def signers(self):
        return Signers((self.targets,), (self.online,))

    @property
    def resigner(self):
        """What the timestamp function holds."""
        return Signers((), (self.online,))

    def publish(self, *offers, now=NOW, **more):
        return update(offers, self.signers, LIFETIMES, now, **more)

    def follow_wishes(self):
        """What a driver of rollouts does."""
        return update(None, self.signers, LIFETIMES, NOW)

    def resign(self, now=NOW):
        return update((), self.resigner, LIFETIMES, now)

    def client(self):
        return Client(self.files, self.root.to_bytes())


def make_root(version, roots, threshold, targets, online, signed_by=()):
    root = Root(version=version, expires=NOW + timedelta(days=365), consistent_snapshot=True)
    for signer in roots:
        root.add_key(signer.public_key, "root")
    root.add_key(targets.public_key, "targets")
    for role in ("snapshot", "timestamp"):
        root.add_key(online.public_key, role)
    root.roles["root"].threshold = threshold
    metadata = Metadata(root)
    for signer in [*roots, *signed_by]:
        metadata.sign(signer, append=True)
    return metadata


def image(version, path=f"{BOARDS[0]}/model.img"):
    """What a version offers under a path."""
    custom = {"board": path.partition("/")[0], "version": version, "frontend": "micro-7b49ead9"}
    return Offer(path, f"image {version} of {path}".encode() * 40, custom)
