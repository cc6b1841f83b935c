"""Conditions and ranges over one object."""

from hypothesis import given
from hypothesis import strategies as st

from earshot.local.cloudfront import respond
from earshot.local.emulator import Reply

BODY = bytes(range(100))
STORED = Reply(200, {"ETag": '"tag"', "Last-Modified": "Sun, 22 Nov 2026 08:00:00 GMT", "x-amz-id-2": "x"}, BODY)


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_are_slices(body, first, length):
    stored = Reply(200, {"ETag": '"tag"'}, body)
    last = first + length
    answer = respond(stored, {"range": f"bytes={first}-{last}"})
    if first < len(body):
        assert (answer.status, answer.body) == (206, body[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(body)}"
    else:
        assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(body)}")


@given(st.text(max_size=20))
def test_any_header_is_answered(text):
    for name in ("range", "if-none-match", "if-match", "if-modified-since", "if-range"):
        assert respond(STORED, {name: text}).status in {200, 206, 304, 412, 416}


@given(st.integers(0, 200))
def test_suffix_ranges(count):
    answer = respond(STORED, {"range": f"bytes=-{count}"})
    assert answer.body == (BODY[-count:] if count else b"")
    assert answer.status == (206 if count else 416)


def test_entity_tag_comes_before_the_date():
    late = {"if-modified-since": "Mon, 23 Nov 2026 08:00:00 GMT"}
    assert respond(STORED, late).status == 304
    assert respond(STORED, {**late, "if-none-match": '"other"'}).status == 200


def test_s3s_own_headers_stay_behind():
    assert "x-amz-id-2" not in respond(STORED, {}).headers
