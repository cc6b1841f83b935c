"""The update metadata under every order of writers, with crashes, as other people's client sees it."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
from earshot_pipeline.tuf_repository import (
    METADATA,
    TARGETS,
    TIMESTAMP,
    Claim,
    RacedError,
    Replace,
    Signers,
    UntrustedMetadataError,
    Wanted,
    update,
)
from earshot_pipeline.version import Version
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import ExpiredMetadataError
from tuf.api.metadata import Metadata
from tuf_simulator import BOARDS, LIFETIMES, NOW, Files, Stack, image, make_root

ONE, OTHER = (f"{board}/model.img" for board in BOARDS)
STACK = Stack()  # its keys, for tests that begin with empty files of their own


def fresh():
    """The stack with nothing published; making keys anew would take the time of the test."""
    stack = Stack.__new__(Stack)
    stack.__dict__ = {**STACK.__dict__, "files": Files()}
    stack.files.put_root(stack.root)
    return stack


def published(*versions):
    stack = fresh()
    for version in versions:
        stack.files.carry_out(stack.publish(image(version), image(version, OTHER)))
    return stack


def metadata(stack, key):
    return Metadata.from_bytes(stack.files.content[METADATA + key][0]).signed


def reachable(stack):
    """The roles' versions as timestamp.json leads to them."""
    timestamp = metadata(stack, "timestamp.json")
    snapshot = metadata(stack, f"{timestamp.snapshot_meta.version}.snapshot.json")
    return timestamp.version, snapshot.version, snapshot.meta["targets.json"].version


# -- one at a time ---------------------------------------------------------------------------------------------------


def test_without_a_root_nothing_is_written():
    # GIVEN a bucket without a root WHEN a version is published THEN there is no repository, and still no file
    files = Files()
    assert files.carry_out(STACK.publish(image("1.0.1"))) is None
    assert not files.writes


def test_a_client_gets_what_was_published():
    # GIVEN a repository WHEN a version is published THEN a client finds, downloads and checks it
    stack = fresh()
    client = stack.client()
    outcome = stack.files.carry_out(stack.publish(image("1.0.1"), image("1.0.1", OTHER)))
    assert outcome.versions == {"root": 1, "targets": 1, "snapshot": 1, "timestamp": 1}
    assert (client.version(ONE), client.version(OTHER), client.version("X/model.img")) == ("1.0.1", "1.0.1", None)
    # AND files lie where consistent snapshots have them
    sha256 = image("1.0.1").target().hashes["sha256"]
    assert f"{TARGETS}{BOARDS[0]}/{sha256}.model.img" in stack.files.content


def test_metadata_is_compact_and_of_one_kind_of_key():
    # GIVEN two boards WHEN published THEN a board's parser meets sorted members, few bytes and P-256 alone
    stack = published("1.0.1")
    assert len(stack.files.content[TIMESTAMP][0]) < 512
    for key, (data, _) in stack.files.content.items():
        if key.startswith(METADATA):
            assert len(data) < 4096
            assert {len(each["keyid"]) for each in json.loads(data)["signatures"]} == {64}
    assert {key.scheme for key in stack.root.signed.keys.values()} == {"ecdsa-sha2-nistp256"}


def test_publishing_again_writes_nothing():
    # GIVEN what is published WHEN it is published again THEN nothing is written
    stack = published("1.0.1")
    before = len(stack.files.writes)
    outcome = stack.files.carry_out(stack.publish(image("1.0.1"), image("1.0.1", OTHER)))
    assert (outcome.written, outcome.overtaken, len(stack.files.writes)) == ((), {}, before)


def test_a_lower_version_is_overtaken_and_the_rest_is_taken():
    # GIVEN 1.0.5 for one board WHEN 1.0.4 is published for both THEN the first keeps 1.0.5
    stack = fresh()
    stack.files.carry_out(stack.publish(image("1.0.5")))
    outcome = stack.files.carry_out(stack.publish(image("1.0.4"), image("1.0.4", OTHER)))
    assert {path: str(version) for path, version in outcome.overtaken.items()} == {ONE: "1.0.5"}
    client = stack.client()
    assert (client.version(ONE), client.version(OTHER)) == ("1.0.5", "1.0.4")


def test_what_clients_hold_stays_fetchable():
    # GIVEN a client that refreshed before a newer version came
    stack = published("1.0.1")
    updater = stack.client().refresh()
    stack.files.carry_out(stack.publish(image("1.0.2"), image("1.0.2", OTHER)))
    # WHEN it fetches what its metadata names THEN that is still there
    assert updater.download_target(updater.get_targetinfo(ONE))


# -- signing anew ----------------------------------------------------------------------------------------------------


def test_timestamp_is_renewed_by_who_holds_its_key_alone():
    # GIVEN a repository WHEN a day passed THEN one file is written, and the client follows
    stack = published("1.0.1")
    client = stack.client()
    client.refresh()
    outcome = stack.files.carry_out(stack.resign(NOW + timedelta(days=1)))
    assert outcome.written == (TIMESTAMP,)
    assert metadata(stack, "timestamp.json").expires == NOW + timedelta(days=8)
    assert client.version(ONE) == "1.0.1"


def test_the_rest_is_renewed_when_a_third_of_its_life_is_left():
    # GIVEN metadata of 90 days WHEN 59 and then 61 passed THEN only the second time the snapshot is renewed
    stack = published("1.0.1")
    assert stack.files.carry_out(stack.resign(NOW + timedelta(days=59))).written == (TIMESTAMP,)
    outcome = stack.files.carry_out(stack.resign(NOW + timedelta(days=61)))
    assert outcome.written == (f"{METADATA}2.snapshot.json", TIMESTAMP)
    # AND targets wait for somebody who holds their key, who renews them with nothing to offer too
    assert outcome.targets_due
    outcome = stack.files.carry_out(stack.publish(now=NOW + timedelta(days=61)))
    assert not outcome.targets_due
    assert outcome.versions == {"root": 1, "targets": 2, "snapshot": 3, "timestamp": 4}
    assert metadata(stack, "2.targets.json").expires == NOW + timedelta(days=151)
    assert stack.client().version(ONE) == "1.0.1"


def test_a_repository_that_expired_lives_again():
    # GIVEN metadata that expired, so that clients refuse it
    stack = fresh()
    stack.files.carry_out(stack.publish(image("1.0.1"), now=NOW - timedelta(days=400)))
    client = stack.client()
    with pytest.raises(ExpiredMetadataError):
        client.refresh()
    # WHEN it is published or renewed THEN the same client takes it
    stack.files.carry_out(stack.publish(image("1.0.1")))
    assert client.version(ONE) == "1.0.1"


def test_the_timestamp_function_cannot_begin():
    # GIVEN a root and nothing else WHEN timestamp is to be signed THEN it says that targets are due
    stack = fresh()
    outcome = stack.files.carry_out(stack.resign())
    assert outcome.targets_due
    assert not outcome.written


# -- trust -----------------------------------------------------------------------------------------------------------


def forged(stack, key):
    """The file with another content under the old signatures."""
    document = json.loads(stack.files.content[METADATA + key][0])
    document["signed"]["expires"] = "2099-01-01T00:00:00Z"
    return json.dumps(document).encode()


@pytest.mark.parametrize("key", ["1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
@pytest.mark.parametrize("how", ["forged", "garbage", "swapped"])
def test_nothing_is_built_upon_what_others_wrote(key, how):
    # GIVEN somebody who can write into the bucket but holds no key
    stack = published("1.0.1")
    others = {"1.root.json": "timestamp.json"}.get(key, "1.root.json")
    data = {"forged": forged(stack, key), "garbage": b"{", "swapped": stack.files.content[METADATA + others][0]}[how]
    stack.files.content[METADATA + key] = (data, 1000)
    before = len(stack.files.writes)
    # WHEN a version is published, or the timestamp renewed, THEN nothing is signed
    for protocol in (stack.publish(image("1.0.2")), stack.resign()):
        with pytest.raises(UntrustedMetadataError, match=key):
            stack.files.carry_out(protocol)
    assert len(stack.files.writes) == before


@pytest.mark.parametrize("key", ["1.snapshot.json", "1.targets.json"])
def test_old_metadata_under_a_newer_name_is_not_built_upon(key):
    # GIVEN the first version's file, truly signed, in the place of the second's
    stack = published("1.0.1", "1.0.2")
    stack.files.content[METADATA + key.replace("1", "2")] = stack.files.content[METADATA + key]
    with pytest.raises(UntrustedMetadataError, match="says that it is version 1"):
        stack.files.carry_out(stack.resign())
    del stack.files.content[METADATA + key.replace("1", "2")]
    with pytest.raises(UntrustedMetadataError, match="is not there"):
        stack.files.carry_out(stack.resign())


def test_keys_that_the_root_does_not_know_sign_nothing():
    # GIVEN a stack with new keys and the old root WHEN it publishes THEN it is told what to do
    stack = published("1.0.1")
    stack.online = CryptoSigner.generate_ecdsa()
    with pytest.raises(UntrustedMetadataError, match="keys rotate --online"):
        stack.files.carry_out(stack.publish(image("1.0.2")))


# -- several at once -------------------------------------------------------------------------------------------------


def steps(files, protocol):
    """A writer: reads until its first write; then a step is one write and what is read after it."""
    answer = None
    try:
        while True:
            request = protocol.send(answer)
            if isinstance(request, (Claim, Replace)):
                yield
            answer = files.answer(request)
    except StopIteration:
        return


@pytest.mark.parametrize("count", range(5))
def test_a_crash_after_any_write_breaks_nothing(count):
    # GIVEN a publisher that dies after so many writes
    stack = published("1.0.1")
    client = stack.client()
    client.refresh()
    stack.files.carry_out(stack.publish(image("1.0.2")), writes=count)
    # THEN a client takes what is there, the next publishes over it, and the publication can be done again
    assert client.version(ONE) == ("1.0.2" if count == 4 else "1.0.1")
    stack.files.carry_out(stack.publish(image("1.0.3", OTHER)))
    assert client.version(OTHER) == "1.0.3"
    stack.files.carry_out(stack.publish(image("1.0.2")))
    assert (client.version(ONE), client.version(OTHER)) == ("1.0.2", "1.0.3")


@pytest.mark.parametrize("second", ["publisher", "re-signer"])
def test_two_writers_in_every_order(second):
    # GIVEN two publishers, or one and the renewal, and every order of their writes
    count = 5
    for firsts in combinations(range(2 * count), count):
        stack = published("1.0.1")
        client = stack.client()
        other = stack.publish(image("1.0.3", OTHER)) if second == "publisher" else stack.resign()
        writers = [steps(stack.files, stack.publish(image("1.0.2"))), steps(stack.files, other)]
        # WHEN they write in that order, and then to their ends
        for turn in range(2 * count):
            before = len(stack.files.writes)
            next(writers[turn not in firsts], None)
            # THEN no client refuses after any write
            if len(stack.files.writes) > before:
                client.refresh()
        for writer in writers:
            for _ in writer:
                client.refresh()
        # AND nothing is lost
        assert client.version(ONE) == "1.0.2"
        assert client.version(OTHER) == ("1.0.3" if second == "publisher" else "1.0.1")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_many_writers_that_die_and_come_again(data):
    # GIVEN two publishers of versions that go apart, and two renewals; each begins again when it dies
    stack = published("1.0.1")
    client = stack.client()
    jobs = [
        lambda: stack.publish(image("1.0.3"), image("1.0.3", OTHER)),
        lambda: stack.publish(image("1.0.2"), image("1.0.2", OTHER)),
        lambda: stack.resign(NOW + timedelta(hours=1)),
        lambda: stack.resign(NOW + timedelta(days=70)),
    ]
    running = {index: (job(), None) for index, job in enumerate(jobs)}
    seen = [reachable(stack)]
    # WHEN any of them does one request, or dies, at any time
    turns = data.draw(st.lists(st.tuples(st.sampled_from(range(len(jobs))), st.integers(0, 19)), max_size=90))
    ended = set()
    for index, fate in [*turns, *((index, 1) for _ in range(300) for index in range(len(jobs)))]:
        if index in ended:
            continue
        protocol, answer = running[index]
        if fate == 0:
            protocol.close()
            running[index] = (jobs[index](), None)
            continue
        before = len(stack.files.writes)
        try:
            running[index] = (protocol, stack.files.answer(protocol.send(answer)))
        except StopIteration:
            ended.add(index)
        # THEN no client refuses, no version falls, no file changes but the timestamp
        if len(stack.files.writes) > before:
            client.refresh()
            seen.append(reachable(stack))
            assert all(now >= then for now, then in zip(seen[-1], seen[-2], strict=True))
    assert ended == set(range(len(jobs)))
    once = [key for key in stack.files.writes if key != TIMESTAMP]
    assert len(once) == len(set(once))
    assert (client.version(ONE), client.version(OTHER)) == ("1.0.3", "1.0.3")


def test_who_always_loses_gives_up_in_words():
    # GIVEN a bucket where somebody else is always faster
    stack = published("1.0.1")

    class Busy(Files):
        def answer(self, request):
            return False if isinstance(request, Replace) else super().answer(request)

    busy = Busy()
    busy.content = stack.files.content
    with pytest.raises(RacedError, match="try again"):
        busy.carry_out(stack.publish(image("1.0.2")))


# -- new roots -------------------------------------------------------------------------------------------------------


def test_online_keys_are_exchanged_without_a_moment_of_refusal():
    # GIVEN clients with the state of the old keys
    stack = published("1.0.1")
    clients = [stack.client(), stack.client()]
    for client in clients:
        client.refresh()
    old = stack.signers
    targets, online = CryptoSigner.generate_ecdsa(), CryptoSigner.generate_ecdsa()
    both = Signers((stack.targets, targets), (stack.online, online))
    # WHEN the functions hold both keys, and sign everything anew
    stack.files.carry_out(update((), both, LIFETIMES, NOW, renew=True))
    clients[0].refresh()
    # AND a root names the new ones alone
    stack.files.put_root(make_root(2, stack.roots, 1, targets, online))
    clients[0].refresh()
    # AND the old keys are gone
    new = Signers((targets,), (online,))
    stack.files.carry_out(update([image("1.0.2")], new, LIFETIMES, NOW))
    # THEN nobody refuses, whichever of the steps it saw, and the old keys sign no more
    assert [client.version(ONE) for client in [*clients, stack.client()]] == ["1.0.2"] * 3
    with pytest.raises(UntrustedMetadataError):
        stack.files.carry_out(update([image("1.0.3")], old, LIFETIMES, NOW))


def test_after_a_theft_the_metadata_begins_anew():
    # GIVEN a thief of the old keys who offers something of his own, far ahead
    stack = published("1.0.1")
    client = stack.client()
    client.refresh()
    stack.files.carry_out(stack.publish(image("1.0.9000")))
    client.refresh()
    # WHEN a root takes the keys away, and what was released is published anew
    targets, online = CryptoSigner.generate_ecdsa(), CryptoSigner.generate_ecdsa()
    stack.files.put_root(make_root(2, stack.roots, 1, targets, online))
    new = Signers((targets,), (online,))
    with pytest.raises(UntrustedMetadataError):
        stack.files.carry_out(update([image("1.0.1")], new, LIFETIMES, NOW))
    stack.files.carry_out(update([image("1.0.1")], new, LIFETIMES, NOW, anew=True))
    # THEN clients that saw the thief's take the true one again
    assert client.version(ONE) == "1.0.1"


@pytest.mark.parametrize("lost", ["2.snapshot.json", "2.targets.json"])
def test_what_is_lost_is_made_anew_and_no_version_falls(lost):
    # GIVEN metadata of which a file was lost, and clients from before
    stack = published("1.0.1", "1.0.2")
    client = stack.client()
    client.refresh()
    del stack.files.content[METADATA + lost]
    # WHEN what was released is published anew THEN clients from before and new ones take it
    outcome = stack.files.carry_out(stack.publish(image("1.0.2"), anew=True))
    assert outcome.versions == {"root": 1, "targets": 3, "snapshot": 3, "timestamp": 3}
    assert (client.version(ONE), stack.client().version(ONE)) == ("1.0.2", "1.0.2")


def test_two_of_three_root_keys_make_a_root():
    # GIVEN a root of three keys, two of which are needed, and a client with its state
    stack = Stack(threshold=2, root_keys=3)
    stack.files.carry_out(stack.publish(image("1.0.1")))
    client = stack.client()
    client.refresh()
    # WHEN two of them and new ones sign the next THEN writers and clients take it
    new = [CryptoSigner.generate_ecdsa() for _ in range(3)]
    stack.files.put_root(make_root(2, new, 2, stack.targets, stack.online, signed_by=stack.roots[1:]))
    outcome = stack.files.carry_out(stack.resign())
    assert outcome.versions["root"] == 2
    assert client.refresh()
    # AND one is not enough
    stack.files.put_root(make_root(3, new[:1], 1, stack.targets, stack.online))
    with pytest.raises(UntrustedMetadataError, match=r"3\.root\.json"):
        stack.files.carry_out(stack.resign())


def test_a_root_under_another_number_is_refused():
    stack = fresh()
    stack.files.content[f"{METADATA}2.root.json"] = stack.files.content[f"{METADATA}1.root.json"]
    with pytest.raises(UntrustedMetadataError, match="says that it is version 1"):
        stack.files.carry_out(stack.resign())


def test_targets_of_others_stay():
    # GIVEN a target that is no model of ours WHEN a model is published THEN it is still there
    stack = published("1.0.1")
    candidate = replace(image("1.0.7"), path=f"{BOARDS[0]}/candidate.img")
    stack.files.carry_out(stack.publish(candidate))
    stack.files.carry_out(stack.publish(image("1.0.2")))
    assert set(metadata(stack, f"{reachable(stack)[2]}.targets.json").targets) == {
        ONE, OTHER, candidate.path,
    }  # fmt: skip


# -- candidates ------------------------------------------------------------------------------------------------------

CANDIDATE = f"{BOARDS[0]}/candidate.img"


def candidate(version, percent):
    offer = image(version, CANDIDATE)
    return replace(offer, custom={**offer.custom, "rollout": {"percent": percent, "salt": "0" * 16}})


def follow(stack, *offers, leaving=None):
    stack.files.wanted = Wanted(offers, leaving or {})
    return stack.files.carry_out(stack.follow_wishes())


def percent(stack):
    """What clients are told, who refuse what breaks a rule; None without a candidate."""
    target = stack.client().refresh().get_targetinfo(CANDIDATE)
    return target and target.custom["rollout"]["percent"]


def test_a_percentage_changes_and_nothing_else():
    # GIVEN a candidate for few WHEN it is for more, and then for none THEN metadata alone is written
    stack = published("1.0.1")
    assert len(follow(stack, candidate("1.0.2", 5)).written) == 3
    content = [key for key in stack.files.content if key.startswith(TARGETS)]
    for share in (25, 0):
        follow(stack, candidate("1.0.2", share))
        assert percent(stack) == share
    assert [key for key in stack.files.content if key.startswith(TARGETS)] == content
    # AND saying it again writes nothing
    assert follow(stack, candidate("1.0.2", 0)).written == ()


def test_other_content_of_the_same_version_is_not_taken():
    stack = published("1.0.1")
    follow(stack, candidate("1.0.2", 5))
    assert follow(stack, replace(candidate("1.0.2", 50), content=b"another image")).written == ()
    assert percent(stack) == 5


def test_a_candidate_leaves_and_a_newer_one_stays():
    stack = published("1.0.1")
    follow(stack, candidate("1.0.4", 5))
    follow(stack, leaving={CANDIDATE: Version(3)})
    assert percent(stack) == 5
    # AND what leaves can be fetched by who still holds older metadata
    follow(stack, leaving={CANDIDATE: Version(4)})
    assert percent(stack) is None
    assert stack.client().version(ONE) == "1.0.1"
    assert (
        f"{TARGETS}{BOARDS[0]}/{candidate('1.0.4', 5).target().hashes['sha256']}.candidate.img" in stack.files.content
    )


def test_a_candidate_becomes_the_stable_one_in_one_commit():
    stack = published("1.0.1")
    follow(stack, candidate("1.0.2", 100))
    outcome = follow(stack, image("1.0.2"), leaving={CANDIDATE: Version(2)})
    assert [key.split(".", 1)[1] for key in outcome.written] == ["targets.json", "snapshot.json", "json"]
    assert (percent(stack), stack.client().version(ONE)) == (None, "1.0.2")


@pytest.mark.parametrize("newer", [(), (candidate("1.0.2", 0),)])
def test_no_order_of_two_writers_brings_an_older_wish_back(newer):
    # GIVEN a writer that was told 25 percent, and one that is told 0, or none, afterwards, in every order of writes
    count = 4
    for firsts in combinations(range(2 * count), count):
        stack = published("1.0.1")
        follow(stack, candidate("1.0.2", 5))
        stack.files.wanted = Wanted((candidate("1.0.2", 25),))
        slow = steps(stack.files, stack.follow_wishes())
        next(slow)
        stack.files.wanted = Wanted(newer, {} if newer else {CANDIDATE: Version(2)})
        writers = [slow, steps(stack.files, stack.follow_wishes())]
        for turn in range(2 * count):
            next(writers[turn not in firsts], None)
        for writer in writers:
            list(writer)
        # THEN the newer wish stands
        assert percent(stack) == (0 if newer else None)
