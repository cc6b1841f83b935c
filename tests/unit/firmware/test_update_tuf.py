"""The update client on update metadata: the way of a good image, rollouts, and what an attacker can serve."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import hashlib

import pytest
from device_runner import POWER_CUT_STATUS, DeviceRunner
from tuf_repository import NOW, Key, date
from update_repository import METADATA, UpdateRepository, selected

CURRENT, ERROR, REJECTED = 0, 1, 2
DAY = 86400


def _names(events):
    return [e["event"] for e in events]


def _version(device) -> str:
    """Of the confirmed model, as a poll of a server that is not there says it."""
    there, device.releases = device.releases, "http://127.0.0.1:9"
    events = device.poll()[1]
    device.releases = there
    return events[0]["version"]


@pytest.fixture
def repository(server) -> UpdateRepository:
    made = UpdateRepository()
    made.put_on(server)
    return made


@pytest.fixture
def trusting(device, tmp_path, repository) -> DeviceRunner:
    """A device that was provisioned with the repository's first root."""
    root = tmp_path / "root.json"
    root.write_bytes(repository.files["1.root.json"])
    status, events = device.run("provision", "--key", str(device.folder / "key.der"), "--root", str(root))
    assert (status, events[0]["event"]) == (CURRENT, "provisioned")
    return device


def test_an_offered_model_is_refreshed_to_downloaded_and_confirmed(
    trusting, server, repository, image_maker, board_model
):
    # GIVEN a release by update metadata, and a job document that offers another
    image = image_maker(board_model)
    path = repository.release(server, image, "1.0.1")
    other = server.publish(image_maker(board_model, 9), "1.0.9")
    # WHEN the device polls
    status, events = trusting.poll()
    # THEN it goes through the same states as ever, by the target's path
    assert status == CURRENT
    assert [n for n in _names(events) if n != "downloading"] == ["checking", "verified", "trial", "confirmed"]
    assert next(e for e in events if e["event"] == "verified")["sha256"] == hashlib.sha256(image).hexdigest()
    assert server.fetched(path) == -(-len(image) // 4096)
    # AND whoever has a root looks at no job document any more
    assert server.fetched(server.document_path) == server.fetched(other) == 0
    assert _version(trusting) == "1.0.1"


def test_nothing_new_is_one_conditional_request_until_the_timestamp_ends(
    trusting, server, repository, image_maker, board_model
):
    # GIVEN a device that has seen that it is current
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    assert _names(trusting.poll()[1]) == ["checking", "current"]
    server.requests.clear()
    # WHEN it polls again
    status, events = trusting.poll()
    # THEN that is one request
    assert (status, _names(events)) == (CURRENT, ["checking", "current"])
    assert [path for path, _ in server.requests] == [METADATA + "timestamp.json"]
    assert "If-None-Match" in server.requests[0][1]
    # AND that nothing has changed is no news once the timestamp has expired
    status, events = trusting.poll(EARSHOT_NOW=str(NOW + 31 * DAY))
    assert (status, _names(events)) == (ERROR, ["checking", "error"])
    assert events[-1]["file"] in ("root.json", "timestamp.json")
    assert "expired" in events[-1]["reason"]


def test_a_clock_that_was_right_once_does_not_run_backwards(trusting, server, repository, image_maker, board_model):
    # GIVEN a device that knew the date at a refresh, near the end of that timestamp
    repository.contents["timestamp"]["expires"] = date(NOW + 5 * DAY)
    repository.release(server, image_maker(board_model), "1.0.1")
    later = str(NOW + 4 * DAY)
    assert trusting.poll(EARSHOT_NOW=later)[0] == CURRENT
    assert trusting.poll(EARSHOT_NOW=later)[0] == CURRENT
    # WHEN its clock does not know the date any more, and a timestamp comes that had ended before then
    repository.contents["timestamp"]["expires"] = date(NOW + 3 * DAY)
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    # THEN that is refused
    status, events = trusting.poll(EARSHOT_NOW="-1")
    assert status == ERROR
    assert events[-1]["file"] == "timestamp.json"
    # AND a date of the far future does no lasting harm
    repository.contents["timestamp"]["expires"] = date(NOW + 9 * DAY)
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    assert trusting.poll(EARSHOT_NOW=str(NOW + 9999 * DAY))[0] == ERROR
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.2"


def test_a_root_that_is_lost_is_no_way_back_to_job_documents(trusting, server, repository, image_maker, board_model):
    # GIVEN a device whose metadata banks were wiped
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    flash = trusting.folder / "flash.bin"
    data = flash.read_bytes()
    flash.write_bytes(data[: 544 * 1024] + b"\xff" * (len(data) - 544 * 1024))
    path = server.publish(image_maker(board_model, 2), "1.0.2")
    # WHEN it polls
    status, events = trusting.poll()
    # THEN it says what it lacks
    assert (status, events[-1]["file"]) == (ERROR, "root.json")
    assert server.fetched(path) == 0


def test_a_file_that_is_no_root_is_not_installed(device, tmp_path, repository, server, image_maker, board_model):
    bad = tmp_path / "bad.json"
    bad.write_bytes(repository.files["1.targets.json"])
    status, events = device.run("provision", "--key", str(device.folder / "key.der"), "--root", str(bad))
    assert (status, _names(events)) == (ERROR, ["error"])
    # AND the device follows job documents as before
    server.publish(image_maker(board_model), "1.0.1")
    assert device.poll()[0] == CURRENT
    assert _version(device) == "1.0.1"


def test_a_flash_of_an_older_program_gets_its_banks(device, tmp_path, server, repository, image_maker, board_model):
    # GIVEN a device with a model, whose flash ends behind the journal
    server.publish(image_maker(board_model), "1.0.1")
    assert device.poll()[0] == CURRENT
    flash = device.folder / "flash.bin"
    flash.write_bytes(flash.read_bytes()[: 544 * 1024])
    # WHEN it gets a root THEN it keeps its model and follows the metadata
    root = tmp_path / "root.json"
    root.write_bytes(repository.files["1.root.json"])
    assert device.run("provision", "--key", str(device.folder / "key.der"), "--root", str(root))[0] == CURRENT
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    assert _version(device) == "1.0.1"
    assert device.poll()[0] == CURRENT
    assert _version(device) == "1.0.2"


@pytest.mark.parametrize("kind", ["nor", "rows", "qspi"])
def test_an_update_on_every_kind_of_flash(device, tmp_path, server, repository, image_maker, board_model, kind):
    # GIVEN a device that is made on this flash, with a root
    (device.folder / "flash.bin").unlink(missing_ok=True)
    root = tmp_path / "root.json"
    root.write_bytes(repository.files["1.root.json"])
    provision = ("provision", "--key", str(device.folder / "key.der"), "--root", str(root))
    assert device.run(*provision, EARSHOT_FLASH_KIND=kind)[0] == CURRENT
    # WHEN models come, with a root of new keys between them
    for n in range(1, 5):
        if n == 3:
            repository.keys["timestamp"] = [Key()]
            repository.publish("root")
        repository.release(server, image_maker(board_model + bytes(40000), n), f"1.0.{n}")
        # THEN they are taken
        status, events = device.poll(EARSHOT_FLASH_KIND=kind)
        assert (status, _names(events)[-1], events[-1]["version"]) == (CURRENT, "confirmed", f"1.0.{n}")


# --- rollouts ---


def test_a_candidate_reaches_whom_the_rollout_selects(trusting, server, repository, image_maker, board_model):
    # GIVEN a stable model, and a candidate of a salt whose share this device is in from 1 + u % on
    repository.release(server, image_maker(board_model), "1.0.1")
    candidate = image_maker(board_model, 2)
    salt = hashlib.sha256(candidate).hexdigest()[:16]
    first = next(p for p in range(101) if selected(p, salt, trusting.name))
    assert first > 0
    # WHEN the rollout has not come so far
    repository.release(server, candidate, "1.0.2", "candidate.img", percent=first - 1)
    # THEN the device takes the stable one, and stays there
    assert trusting.poll()[0] == CURRENT
    assert _names(trusting.poll()[1]) == ["checking", "current"]
    assert _version(trusting) == "1.0.1"
    # AND takes the candidate when it has
    repository.release(server, candidate, "1.0.2", "candidate.img", percent=first)
    assert _names(trusting.poll()[1])[-1] == "confirmed"
    assert _version(trusting) == "1.0.2"


def test_a_candidate_that_is_withdrawn_is_left(trusting, server, repository, image_maker, board_model):
    # GIVEN a device on a candidate
    repository.release(server, image_maker(board_model), "1.0.1")
    repository.release(server, image_maker(board_model, 2), "1.0.2", "candidate.img")
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.2"
    # WHEN it is withdrawn: the stable model comes again, as a higher version
    repository.withdraw()
    repository.release(server, image_maker(board_model, 3), "1.0.3")
    # THEN the device goes back to it
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.3"


def test_a_candidate_that_fails_leaves_the_stable_model_to_be_taken(
    trusting, server, repository, image_maker, board_model
):
    # GIVEN a device on 1.0.1, and a candidate that fails its trial beside a newer stable model
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    bad = repository.offer(image_maker(b"TFL3 this is no model" * 50, 3), "1.0.3", "candidate.img")
    server.files[bad] = image_maker(b"TFL3 this is no model" * 50, 3)
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    # WHEN it polls THEN it rejects the candidate, AND at the next poll takes the stable one
    status, events = trusting.poll()
    assert (status, _names(events)[-1], events[-1]["version"]) == (REJECTED, "rejected", "1.0.3")
    fetched = server.fetched(bad)
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.2"
    # AND the candidate is never fetched again
    assert trusting.poll()[0] == CURRENT
    assert server.fetched(bad) == fetched


BAD_CANDIDATES = {
    "another board's": {"board": "CY8CKIT_062S2_43012"},
    "another front end": {"frontend": "micro-00000000"},
    "no custom of ours": {"board": None},
    "percent beyond 100": {"rollout": {"percent": 101, "salt": "0" * 16}},
    "percent of a fraction's text": {"rollout": {"percent": "100", "salt": "0" * 16}},
    "no rollout": {"rollout": None},
    "size limit below its size": {"size_limit": 100},
    "version that is none": {"version": "1.0"},
    "older than the stable one": {"version": "1.0.0"},
}


@pytest.mark.parametrize("changes", BAD_CANDIDATES.values(), ids=BAD_CANDIDATES.keys())
def test_a_candidate_that_is_not_for_this_board_is_passed_over(
    trusting, server, repository, image_maker, board_model, changes
):
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    path = repository.release(server, image_maker(board_model, 2), "1.0.2", "candidate.img", changes=changes)
    assert _names(trusting.poll()[1]) == ["checking", "current"]
    assert _version(trusting) == "1.0.1"
    assert server.fetched(path) == 0


# --- attacks that need the whole client ---


REFUSED = {
    "wrong board": (REJECTED, {"board": "CY8CKIT_062S2_43012"}),
    "wrong front end": (REJECTED, {"frontend": "micro-00000000"}),
    "no version": (ERROR, {"version": None}),
    "no rollout": (ERROR, {"rollout": None}),
    "larger than its limit": (ERROR, {"size_limit": 100}),
}


@pytest.mark.parametrize(("outcome", "changes"), REFUSED.values(), ids=REFUSED.keys())
def test_a_target_that_is_not_for_this_board_is_not_fetched(
    trusting, server, repository, image_maker, board_model, outcome, changes
):
    path = repository.release(server, image_maker(board_model), "1.0.1", changes=changes)
    for _ in range(2):
        status, events = trusting.poll()
        assert (status, _names(events)[0]) == (outcome, "checking")
        assert events[-1]["reason"]
    assert server.fetched(path) == 0


BAD_IMAGES = {
    "image of another board under this board's target": {"board": "CY8CKIT_062S2_43012"},
    "image of another front end": {"frontend": "micro-00000000"},
    "older image under a newer version": {"version": "1.0.1", "counter": 1},
    "security counter rolled back": {"counter": 0},
}


@pytest.mark.parametrize("changes", BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_an_image_that_belies_its_target_is_rejected_and_its_digest_remembered(
    trusting, server, repository, image_maker, board_model, changes
):
    # GIVEN a device on 1.0.1, and metadata that is signed well around an image that is not what it says
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    image = image_maker(board_model + b"x", 2, **changes)
    path = repository.release(server, image, "1.0.2")
    # WHEN it polls THEN the image is rejected
    assert trusting.poll()[0] == REJECTED
    fetched = server.fetched(path)
    # AND not fetched again, under whatever version it is offered
    assert trusting.poll()[0] == REJECTED
    repository.release(server, image, "1.0.3")
    assert trusting.poll()[0] == REJECTED
    assert server.fetched(path) == fetched
    assert _version(trusting) == "1.0.1"


def test_metadata_of_before_is_refused(trusting, server, repository, image_maker, board_model):
    # GIVEN a device that has seen 1.0.2
    repository.release(server, image_maker(board_model), "1.0.1")
    before = dict(server.files)
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    assert trusting.poll()[0] == CURRENT
    # WHEN the server shows all that it had before THEN that is an error, and nothing changes
    server.files = before
    status, events = trusting.poll()
    assert (status, events[-1].get("file")) == (ERROR, "timestamp.json")
    assert _version(trusting) == "1.0.2"


def test_new_targets_beside_an_old_snapshot_do_not_mix(trusting, server, repository, image_maker, board_model):
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    old = repository.files[repository.name("targets")]
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    server.files[METADATA + repository.name("targets")] = old
    status, events = trusting.poll()
    assert (status, events[-1].get("file")) == (ERROR, "targets.json")
    assert _version(trusting) == "1.0.1"


def test_versions_that_a_thief_pushed_up_are_forgotten_with_the_keys(
    trusting, server, repository, image_maker, board_model
):
    # GIVEN a thief of timestamp's and snapshot's keys who has shown the device enormous versions
    repository.release(server, image_maker(board_model), "1.0.1")
    assert trusting.poll()[0] == CURRENT
    true = {role: repository.version(role) for role in ("timestamp", "snapshot")}
    repository.publish("snapshot", "timestamp", step=2_000_000_000)
    repository.put_on(server)
    assert trusting.poll()[0] == CURRENT
    # WHEN a new root takes the keys away, and numbers go on from the true ones
    repository.keys["timestamp"], repository.keys["snapshot"] = [Key()], [Key()]
    repository.publish("root")
    for role, version in true.items():
        repository.contents[role]["version"] = version
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    # THEN the device takes the next release
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.2"


def test_a_server_that_has_another_file_does_not_make_the_image_rejected(
    trusting, server, repository, image_maker, board_model
):
    # GIVEN a server with other bytes under the target's path
    image = image_maker(board_model)
    path = repository.release(server, image, "1.0.1")
    server.files[path] = image[:5000] + bytes([image[5000] ^ 1]) + image[5001:]
    status, events = trusting.poll()
    assert (status, _names(events)[-1]) == (ERROR, "error")
    # WHEN it has the right ones THEN they are taken
    server.files[path] = image
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.1"


# --- downloads that go on ---


@pytest.fixture
def large(image_maker, board_model):
    """An image of three resumable parts; only its first bytes are the model."""
    return image_maker(board_model + bytes(range(256)) * 300)


def _interrupt(trusting, server, path: str, image: bytes, parts: int) -> None:
    """Lets the server vanish in the middle of a download, after so many parts of it."""
    left = [parts]

    def answer(handler):
        first = int(handler.headers["Range"].removeprefix("bytes=").split("-")[0])
        if left[0] == 0:
            handler.raw(b"")
            return
        left[0] -= 1
        part = image[first : first + 4096]
        handler._answer(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(image)}"})

    server.attacks[path] = answer
    assert trusting.poll()[0] == ERROR
    del server.attacks[path]


def test_a_download_goes_on_where_it_was_noted(trusting, server, repository, large):
    # GIVEN a download that ended after 17 of 4096 bytes
    path = repository.release(server, large, "1.0.1")
    _interrupt(trusting, server, path, large, 17)
    server.requests.clear()
    # WHEN the device polls again
    status, events = trusting.poll()
    # THEN it begins at 64 KB, and what was there counts
    assert (status, _names(events)[-1]) == (CURRENT, "confirmed")
    ranges = [h["Range"] for p, h in server.requests if p == path]
    assert ranges[0] == "bytes=65536-69631"
    assert len(ranges) == -(-len(large) // 4096) - 16


def test_content_swapped_between_two_parts_is_found(trusting, server, repository, large):
    # GIVEN a server whose first parts were of another file
    path = repository.release(server, large, "1.0.1")
    _interrupt(trusting, server, path, bytes(len(large)), 17)
    server.requests.clear()
    # WHEN the device goes on
    status, _ = trusting.poll()
    # THEN the whole does not hold, all of it is fetched anew, and that is taken
    assert status == CURRENT
    ranges = [h["Range"] for p, h in server.requests if p == path]
    assert len(ranges) == 2 * -(-len(large) // 4096) - 16
    assert _version(trusting) == "1.0.1"


def test_parts_of_one_image_are_never_parts_of_another(trusting, server, repository, large, image_maker, board_model):
    # GIVEN half a download of an image that is then replaced by another
    path = repository.release(server, large, "1.0.1")
    _interrupt(trusting, server, path, large, 17)
    other = image_maker(board_model + bytes(100000), 2)
    path = repository.release(server, other, "1.0.2")
    server.requests.clear()
    # WHEN the device polls THEN it begins that one at its beginning
    assert trusting.poll()[0] == CURRENT
    assert next(h["Range"] for p, h in server.requests if p == path) == "bytes=0-4095"
    assert _version(trusting) == "1.0.2"


def test_a_slot_that_rotted_meanwhile_is_fetched_anew(trusting, server, repository, large):
    path = repository.release(server, large, "1.0.1")
    _interrupt(trusting, server, path, large, 17)
    flash = trusting.folder / "flash.bin"
    data = bytearray(flash.read_bytes())
    data[2000] ^= 4
    flash.write_bytes(data)
    assert trusting.poll()[0] == CURRENT
    assert _version(trusting) == "1.0.1"


def test_a_power_cut_while_a_root_is_installed_leaves_none_or_it(
    device, tmp_path, server, repository, image_maker, board_model
):
    root = tmp_path / "root.json"
    root.write_bytes(repository.files["1.root.json"])
    repository.release(server, image_maker(board_model, 2), "1.0.2")
    server.publish(image_maker(board_model), "1.0.1")
    flash = device.folder / "flash.bin"
    arguments = ("provision", "--key", str(device.folder / "key.der"), "--root", str(root))
    seen: list[str] = []
    # WHEN the power is cut in operation 0, 1, 2 …
    for cut in range(100):
        flash.unlink(missing_ok=True)
        status, _ = device.run(*arguments, EARSHOT_FLASH_CUT=str(cut))
        if status != POWER_CUT_STATUS:
            break
        # THEN a board without it follows job documents, one with it the metadata
        assert device.poll()[0] == CURRENT
        seen.append(_version(device))
    # AND the root is there from one operation on
    assert seen == sorted(seen)
    assert set(seen) == {"1.0.1", "1.0.2"}
