from dataclasses import dataclass, field

from earshot_pipeline.ingest import Clip, Drop, KeyRecord, KeyState, accept, is_news, quarantine
from earshot_pipeline.naming import parse_clip_key
from hypothesis import given
from hypothesis import strategies as st


@dataclass
class Index:
    """What the table holds, with the conditions that its transactions check."""

    keys: dict[str, KeyRecord] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("ingested", "duplicate", "quarantined"), 0))

    def take(self, drop, sha256):
        known = self.keys.get(drop.key)
        if not is_news(drop, known):
            return
        if sha256 is None:
            fate = quarantine(drop, "bad", known)
        else:
            fate = accept(drop, parse_clip_key(drop.key), sha256, known, self.clips.get(sha256))
        self.keys[drop.key] = fate.record
        if fate.demoted:
            former = self.keys[fate.demoted]
            assert former.state is KeyState.CLIP
            self.keys[fate.demoted] = KeyRecord(
                former.key, KeyState.DUPLICATE, former.version_id, former.sequencer, former.sha256, "", former.at
            )
        if fate.released:
            assert self.clips[fate.released].key == drop.key
            del self.clips[fate.released]
        if fate.clip is not None:
            self.clips[fate.clip.sha256] = fate.clip
        for name, change in fate.counts.items():
            self.counts[name] += change


def drop(key, number, at=None):
    return Drop(key, f"v{number}", f"{number:X}", 100, float(number if at is None else at))


A, B = "a" * 64, "b" * 64


def test_the_same_content_under_the_same_label_is_trained_once():
    # GIVEN a clip WHEN its content is dropped under another key THEN that is a duplicate
    index = Index()
    index.take(drop("clips/yes/1.wav", 1), A)
    index.take(drop("clips/yes/2.wav", 2), A)
    assert index.clips[A].key == "clips/yes/1.wav"
    assert index.counts == {"ingested": 1, "duplicate": 1, "quarantined": 0}


def test_the_newest_label_wins_whatever_the_order_of_events():
    # GIVEN a content dropped under `no`, and later under `yes` WHEN the events come in either order
    first, second = drop("clips/no/1.wav", 1), drop("clips/yes/1.wav", 2)
    for order in ((first, second), (second, first)):
        index = Index()
        for each in order:
            index.take(each, A)
        # THEN the later label holds
        assert index.clips[A].label == "yes"
        assert index.counts == {"ingested": 1, "duplicate": 1, "quarantined": 0}


def test_an_overwritten_key_gives_up_its_content():
    # GIVEN a clip WHEN its key is overwritten THEN only the new content is in the index; the late event changes nothing
    index = Index()
    index.take(drop("clips/yes/1.wav", 9), A)
    index.take(drop("clips/yes/1.wav", 16), B)
    index.take(drop("clips/yes/1.wav", 9), A)
    assert set(index.clips) == {B}
    assert index.counts["ingested"] == 1


def test_a_good_file_leaves_quarantine_and_a_bad_one_enters_it():
    # GIVEN a bad file WHEN a good one is dropped under its key, and a bad one again THEN the counters follow
    index = Index()
    for number, content, counts in ((1, None, (0, 1)), (2, A, (1, 0)), (3, None, (0, 1))):
        index.take(drop("clips/yes/1.wav", number), content)
        assert (index.counts["ingested"], index.counts["quarantined"]) == counts
    assert not index.clips


drops = st.lists(
    st.tuples(st.sampled_from(["clips/yes/1.wav", "clips/yes/2.wav", "clips/no/1.wav"]), st.sampled_from([A, B, None])),
    max_size=12,
)


@given(drops, st.randoms())
def test_any_order_of_any_events_keeps_the_invariants(contents, rng):
    # GIVEN objects created one after the other, whose events come in any order and some twice
    events = [(drop(key, number), content) for number, (key, content) in enumerate(contents, start=1)]
    arriving = events + rng.sample(events, len(events) // 2)
    rng.shuffle(arriving)
    index = Index()
    # WHEN they are taken in
    for each, content in arriving:
        index.take(each, content)
    # THEN each key's record is of its newest object
    newest = {each.key: (each, content) for each, content in events}
    assert {key: record.version_id for key, record in index.keys.items()} == {
        key: each.version_id for key, (each, _) in newest.items()
    }
    # AND every key is in exactly one place, and the counters say so
    states = [record.state for record in index.keys.values()]
    assert index.counts == {
        "ingested": states.count(KeyState.CLIP),
        "duplicate": states.count(KeyState.DUPLICATE),
        "quarantined": states.count(KeyState.QUARANTINED),
    }
    # AND clips and the keys that own them are one to one
    owners = {record.sha256: record.key for record in index.keys.values() if record.state is KeyState.CLIP}
    assert owners == {sha256: clip.key for sha256, clip in index.clips.items()}
