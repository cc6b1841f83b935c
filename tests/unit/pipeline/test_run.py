from dataclasses import replace

from earshot_pipeline.gates import Verdict
from earshot_pipeline.run import (
    ENDS,
    Action,
    Announced,
    Approval,
    Decided,
    EndpointRequested,
    EndpointServes,
    Failed,
    FirmwarePublished,
    Frozen,
    Overtaken,
    Preprocessed,
    Registered,
    RunState,
    Trained,
    actions,
    advance,
    bring,
    claim,
)
from earshot_pipeline.version import Version
from hypothesis import given
from hypothesis import strategies as st

PASSED, MISSED = Verdict("accuracy", 0.9, 0.8, True), Verdict("accuracy", 0.7, 0.8, False)


def trained(verdict=PASSED, approval=Approval.APPROVED, at=3.0):
    return Trained(at, "s3://data/models/x/output/model.tar.gz", {"seed": 1}, (verdict,), Version(1), approval)


def follow(*events):
    run = claim("r000001", 0.0)
    for event in events:
        run, _ = advance(run, event)
    return run


FROZEN, PREPROCESSED = Frozen(1.0, 5, 9, "a" * 64), Preprocessed(2.0, 4, 8, "b" * 64)
TO_RELEASING = (FROZEN, PREPROCESSED, trained(), Registered(4.0, "arn:package"))


def test_the_straight_way():
    # GIVEN a claimed run WHEN everything goes well
    run = claim("r000001", 0.0)
    asked = [actions(run)]
    for event in (*TO_RELEASING, EndpointServes(6.0), FirmwarePublished(7.0), Announced(8.0)):
        run, demanded = advance(run, event)
        asked.append(demanded)
    # THEN each state asks for the next thing, and the end is told once
    assert asked == [
        (Action.FREEZE,),
        (Action.START_PREPROCESSING,),
        (Action.START_TRAINING,),
        (Action.REGISTER,),
        (Action.UPDATE_ENDPOINT, Action.PUBLISH_FIRMWARE),
        (Action.PUBLISH_FIRMWARE,),
        (Action.ANNOUNCE,),
        (),
    ]
    assert run.state is RunState.RELEASED
    assert str(run.version) == "1.0.1"
    assert (run.clips_new, run.clips_total, run.dataset_sha256) == (4, 8, "b" * 64)
    assert run.times == {
        "created": 0.0, "preprocess_start": 1.0, "preprocess_end": 2.0, "train_start": 2.0, "train_end": 3.0,
        "release_start": 4.0, "release_end": 7.0, "ended": 7.0,
    }  # fmt: skip


def test_a_model_that_misses_a_gate_has_no_version_and_says_why():
    # GIVEN a model that misses a gate WHEN it is registered
    run = follow(FROZEN, PREPROCESSED, trained(MISSED), Registered(4.0, "arn:package"))
    # THEN the run is rejected, the registry is told so, and the reason names gate and gap
    assert run.state is RunState.REJECTED
    assert run.version is None
    assert run.approval is Approval.REJECTED
    assert run.reason == "gates not passed: accuracy 0.7 misses 0.8 by 0.1"


def test_waiting_for_a_person_keeps_no_other_run_from_starting():
    # GIVEN manual approval WHEN the model passed its gates
    waits = follow(*TO_RELEASING[:2], trained(approval=Approval.PENDING), TO_RELEASING[3])
    # THEN the run waits without the slot, and a person's word ends the waiting either way
    assert waits.state is RunState.AWAITING_APPROVAL
    assert not waits.holds_slot
    assert actions(waits) == ()
    approved, demanded = advance(waits, Decided(9.0, Approval.APPROVED))
    assert demanded == (Action.UPDATE_ENDPOINT, Action.PUBLISH_FIRMWARE)
    assert not approved.holds_slot
    declined, _ = advance(waits, Decided(9.0, Approval.REJECTED))
    assert (declined.state, declined.reason) == (RunState.REJECTED, "its model package was rejected by hand")
    still, _ = advance(waits, Decided(9.0, Approval.PENDING))
    assert still == waits


def test_a_run_whose_clips_were_all_rejected_does_not_train_the_old_dataset_again():
    # GIVEN preprocessing that rejected every new clip WHEN it completes THEN no training is asked for
    run, demanded = advance(follow(FROZEN), Preprocessed(2.0, 0, 4, "b" * 64))
    assert run.state is RunState.FAILED
    assert demanded == (Action.ANNOUNCE,)


def test_stale_failures_change_nothing():
    # GIVEN a run in training WHEN a failure of its preprocessing is told late THEN it trains on
    run = follow(FROZEN, PREPROCESSED)
    late, _ = advance(run, Failed(9.0, frozenset({RunState.PREPROCESSING}), "late"))
    assert late is run


def test_a_higher_version_overtakes():
    # GIVEN a release under way WHEN a higher version is out THEN the run ends without it
    run, _ = advance(follow(*TO_RELEASING), Overtaken(9.0, Version(7)))
    assert (run.state, run.reason) == (RunState.SUPERSEDED, "version 1.0.7 is already out")


def brought():
    base = replace(follow(FROZEN, PREPROCESSED), version=Version(4), champion="s3://data/older")
    return bring(base, "r000002", "5" * 64, "s3://data/champion", 0.0)


def test_an_imported_model_begins_where_training_does():
    # GIVEN an imported model WHEN its run begins THEN it is on its base's dataset, took no clips, and asks for its job
    run = brought()
    assert actions(run) == (Action.START_TRAINING,)
    assert (run.dataset, run.clips_new, run.clips_total, run.dataset_sha256) == ("r000001", 0, 8, "b" * 64)
    assert (run.version, run.champion, run.holds_slot) == (None, "s3://data/champion", True)
    # AND nothing that tells of preprocessing means it
    for event in (FROZEN, PREPROCESSED, Failed(9.0, frozenset({RunState.CLAIMED, RunState.PREPROCESSING}), "late")):
        assert advance(run, event)[0] is run
    # AND the rest is every run's way
    for event in (trained(), Registered(4.0, "arn:package"), EndpointServes(6.0), FirmwarePublished(7.0)):
        run, _ = advance(run, event)
    assert run.state is RunState.RELEASED


def test_the_champion_is_fixed_with_the_dataset():
    # GIVEN a run in training WHEN its preprocessing is told once more, with another champion THEN the first one stays
    run, _ = advance(follow(FROZEN), Preprocessed(2.0, 4, 8, "b" * 64, "s3://data/first"))
    again, _ = advance(run, Preprocessed(3.0, 4, 8, "b" * 64, "s3://data/second"))
    assert again is run
    assert run.champion == "s3://data/first"


moments = st.floats(0, 1e9)
approvals = st.sampled_from(Approval)
anything = st.one_of(
    st.builds(Frozen, moments, st.integers(0, 3), st.integers(0, 9), st.just("a" * 64)),
    st.builds(
        Preprocessed, moments, st.integers(0, 3), st.integers(0, 9), st.just("b" * 64), st.sampled_from(["", "s3://a"])
    ),
    st.builds(
        trained, st.sampled_from([PASSED, MISSED]), st.sampled_from([Approval.APPROVED, Approval.PENDING]), moments
    ),
    st.builds(Registered, moments, st.just("arn:package")),
    st.builds(Decided, moments, approvals),
    st.builds(EndpointRequested, moments),
    st.builds(EndpointServes, moments),
    st.builds(FirmwarePublished, moments),
    st.builds(Overtaken, moments, st.just(Version(9))),
    st.builds(Failed, moments, st.frozensets(st.sampled_from(RunState)), st.just("fault")),
    st.builds(Announced, moments),
)


beginnings = st.sampled_from([claim("r000001", 0.0), brought()])


@given(beginnings, st.lists(anything, max_size=40))
def test_any_events_in_any_order_keep_the_invariants(run, events):
    # GIVEN a run of clips or of an imported model, and any events, in any order, with any duplicates
    trainings = int(run.state is RunState.TRAINING)
    for event in events:
        # WHEN they are told
        after, demanded = advance(run, event)
        # THEN what is asked for depends on the state alone, and the same event again changes nothing
        assert demanded == actions(after)
        assert advance(after, event) == (after, demanded)
        # AND ends absorb: all that may still happen is that they are told
        if run.state in ENDS:
            assert after == replace(run, announced=after.announced)
        # AND times once set stay
        assert run.times.items() <= after.times.items()
        # AND a version, once given, stays, and goes only to a model that passed
        if run.version is not None:
            assert after.version == run.version
        if after.version is not None:
            assert all(verdict.passed for verdict in after.verdicts)
        # AND what it is told to judge, and against what, is fixed from training on
        assert after.imported == run.imported
        if RunState.TRAINING in (run.state, after.state) and run.state is not RunState.PREPROCESSING:
            assert (after.champion, after.dataset, after.dataset_sha256) == (
                run.champion, run.dataset, run.dataset_sha256
            )  # fmt: skip
        # AND the slot, once given up, is never taken back
        assert run.holds_slot or not after.holds_slot
        trainings += after.state is RunState.TRAINING and run.state is not RunState.TRAINING
        run = after
    # AND one run trains at most once
    assert trainings <= 1


@given(beginnings, st.lists(anything, max_size=40), st.lists(anything, max_size=10))
def test_losing_events_only_delays(run, noise, more):
    # GIVEN a run that lost, doubled and reordered events to any extent short of its end
    for event in noise:
        after, _ = advance(run, event)
        if after.state not in ENDS:
            run = after
    # WHEN the reconciler asks the owner of each state again and again, and stale events still trickle in
    answers = {
        Action.FREEZE: FROZEN,
        Action.START_PREPROCESSING: PREPROCESSED,
        Action.START_TRAINING: trained(),
        Action.REGISTER: Registered(4.0, "arn:package"),
        Action.UPDATE_ENDPOINT: EndpointServes(5.0),
        Action.PUBLISH_FIRMWARE: FirmwarePublished(6.0),
        Action.ANNOUNCE: Announced(7.0),
    }
    stale = iter(event for event in more if not isinstance(event, Failed | Overtaken | Decided))
    for _ in range(12):
        for action in actions(run):
            run, _ = advance(run, answers[action])
        if run.state is RunState.AWAITING_APPROVAL:
            run, _ = advance(run, Decided(8.0, Approval.APPROVED))
        late = next(stale, None)
        if late is not None and run.state in ENDS:
            run, _ = advance(run, late)
    # THEN it ends, and its end was told
    assert run.state in ENDS
    assert run.announced
