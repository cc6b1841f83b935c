"""Rollouts: growing shares of boards, pauses by themselves, and reports in any order."""

import random
from dataclasses import replace

import pytest
from earshot_pipeline.rollout import (
    Abort,
    Action,
    BadGroupsError,
    Outcome,
    Pause,
    Proceed,
    Reissued,
    Resume,
    Rollout,
    RolloutState,
    Settled,
    Superseded,
    Tally,
    Tick,
    actions,
    advance,
    parse_groups,
    selected,
    tally,
    worse,
)
from earshot_pipeline.version import Version
from hypothesis import given
from hypothesis import strategies as st

GROUPS = parse_groups("5,25,100", success=10, errors=0.1, minimum=5)
NEW = Rollout(Version(7), GROUPS, 1.0)


def follow(rollout, *events):
    for event in events:
        rollout, _ = advance(rollout, event)
    return rollout


def test_each_group_must_be_content_before_the_next():
    # GIVEN a rollout WHEN ten boards of each group confirm THEN shares grow, and at the end it is everybody's
    assert NEW.percent == 5
    assert follow(NEW, Tick(Tally(9))).percent == 5
    second = follow(NEW, Tick(Tally(10)))
    assert second.percent == 25
    # AND boards that had confirmed before say nothing about the larger group
    assert follow(second, Tick(Tally(19))) == second
    assert follow(second, Tick(Tally(20))).percent == 100
    assert follow(second, Tick(Tally(20)), Tick(Tally(29))).state is RolloutState.RUNNING
    finished = follow(second, Tick(Tally(20)), Tick(Tally(30)))
    assert finished.state is RolloutState.FINISHED
    assert actions(finished) == (Action.PROMOTE, Action.SETTLE)


@pytest.mark.parametrize(
    ("counted", "state"),
    [
        (Tally(0, 4), RolloutState.RUNNING),  # fewer than the minimum tried it
        (Tally(4, 1), RolloutState.PAUSED),
        (Tally(9, 1), RolloutState.RUNNING),  # just the share that may
        (Tally(8, 1), RolloutState.PAUSED),
        (Tally(100, 12), RolloutState.PAUSED),
    ],
)
def test_too_many_refusals_pause_it(counted, state):
    # GIVEN refusals WHEN there are more than the share that may be THEN nobody more is offered the version
    paused = follow(NEW, Tick(counted))
    assert paused.state is state
    assert (paused.percent == 0) is (state is RolloutState.PAUSED)
    # AND it is withdrawn next, for which the last good model goes out again
    withdrawn = follow(paused, Tick(counted))
    if state is RolloutState.PAUSED:
        assert withdrawn.state is RolloutState.WITHDRAWN
        assert actions(withdrawn) == (Action.OFFER, Action.REISSUE, Action.SETTLE)
        assert "boards refused it; at most 10% may" in withdrawn.reason


def test_people_pause_resume_hurry_and_end_it():
    paused = follow(NEW, Pause())
    assert (paused.state, paused.percent) == (RolloutState.PAUSED, 0)
    assert follow(paused, Tick(Tally(50)), Resume()).percent == 5
    assert follow(NEW, Proceed(0, Tally(1)), Proceed(0, Tally(1))).percent == 25
    assert follow(NEW, Proceed(0, Tally(0, 9))) == NEW
    assert follow(paused, Abort("hums")).reason == "hums"
    # AND who resumes one that boards refuse sees it pause again
    assert follow(NEW, *[Tick(Tally(0, 9)), Resume(), Tick(Tally(0, 9))]).state is RolloutState.PAUSED


def test_a_higher_version_ends_it_and_reaches_its_boards():
    ended = follow(NEW, Superseded(Version(8)))
    assert ended.state is RolloutState.WITHDRAWN
    assert actions(ended) == (Action.OFFER, Action.SETTLE)
    assert follow(NEW, Superseded(Version(6))) == NEW


def test_the_last_good_model_is_released_again_once():
    withdrawn = follow(NEW, Abort("hums"), Reissued("r000009"))
    assert follow(withdrawn, Reissued("r000010")).reissue == "r000009"
    assert actions(follow(withdrawn, Settled())) == ()


reports = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(Outcome)), max_size=80)


def heard(told):
    known = {}
    for device, outcome in told:
        known[device] = worse(known.get(device), outcome)
    return tally(known.values())


@given(reports, st.randoms())
def test_reports_count_once_a_device_whatever_their_order(told, order):
    # GIVEN reports WHEN they come again, late and in another order THEN the tally is the same
    again = [*told, *order.sample(told, len(told) // 2)]
    order.shuffle(again)
    assert heard(again) == heard(told)
    # AND who rejected it once failed, whatever else it says
    assert heard(told).rejected == len({device for device, outcome in told if outcome is Outcome.REJECTED})
    assert heard(told).confirmed + heard(told).rejected == len({device for device, _ in told})


counts = st.builds(Tally, st.integers(0, 60), st.integers(0, 20))
events = st.one_of(
    st.builds(Tick, counts), st.builds(Proceed, st.integers(0, 2), counts), st.just(Pause()),
    st.just(Resume()), st.just(Settled()),
    st.builds(Abort, st.just("by hand"), st.booleans()), st.builds(Superseded, st.builds(Version, st.integers(1, 9))),
    st.builds(Reissued, st.sampled_from(("r000008", "r000009"))),
)  # fmt: skip


@given(st.lists(events, max_size=30))
def test_any_events_in_any_order_keep_the_invariants(told):
    rollout = NEW
    for event in told:
        after, demanded = advance(rollout, event)
        # what is asked for follows from the rollout alone
        assert demanded == actions(after)
        # the share of boards only grows, but for a pause or the end
        assert after.group >= rollout.group
        assert after.percent == (GROUPS[after.group].percent if after.state is RolloutState.RUNNING else 0)
        if not rollout.active:
            assert replace(after, settled=False, reissue="") == replace(rollout, settled=False, reissue="")
            assert not rollout.reissue or after.reissue == rollout.reissue
        # an event that comes twice at once changes nothing, unless it is a look at boards
        if not isinstance(event, Tick):
            assert advance(after, event)[0] == after
        rollout = after


@given(counts)
def test_looking_again_comes_to_rest(counted):
    # GIVEN what boards reported WHEN looked at again and again THEN at most a few steps follow, then none
    rollout = follow(NEW, *[Tick(counted)] * 4)
    assert follow(rollout, Tick(counted)) == rollout
    assert rollout.state is not RolloutState.PAUSED


@pytest.mark.parametrize("text", ["", "5", "5,5,100", "25,5,100", "0,100", "5,25", "5,x,100", "5,25,101", "-1,100"])
def test_groups_that_make_no_rollout_are_refused(text):
    with pytest.raises(BadGroupsError, match="RolloutGroups"):
        parse_groups(text, 1, 0.1, 1)


def test_selection_is_the_contracts():
    # GIVEN digests computed by hand WHEN devices are drawn THEN the first four bytes decide
    # sha256("0123456789abcdef:host-0001") begins with the bytes that `first` shows
    import hashlib

    digest = hashlib.sha256(b"0123456789abcdef:host-0001").digest()
    share = int.from_bytes(digest[:4], "big") * 100 // 2**32
    assert not selected("0123456789abcdef", "host-0001", share)
    assert selected("0123456789abcdef", "host-0001", share + 1)
    # AND nobody is in 0 percent, everybody in 100, and who is in a share is in every larger one
    devices = [f"d{n}" for n in range(2000)]
    assert not any(selected("a", device, 0) for device in devices)
    assert all(selected("a", device, 100) for device in devices)
    five, twenty = ({d for d in devices if selected("a", d, share)} for share in (5, 20))
    assert five < twenty
    assert 60 < len(five) < 140
    # AND another image's draw is another
    assert five != {d for d in devices if selected("b", d, 5)}


def test_the_draw_is_fair():
    # GIVEN random salts WHEN a share is drawn THEN its size is the share's
    drawn = random.Random(1)
    salts = [f"{drawn.getrandbits(64):016x}" for _ in range(50)]
    chosen = sum(selected(salt, f"d{n}", 5) for salt in salts for n in range(400))
    assert abs(chosen / 20_000 - 0.05) < 0.01
