"""Pages of a list: whole, in order, filtered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.local.sagemaker.faults import ValidationError
from earshot.local.sagemaker.listing import page

NAMES = st.text("abcdefgh-", min_size=1, max_size=6)
RESOURCES = st.dictionaries(NAMES, st.integers(0, 5), max_size=30).map(
    lambda told: [{"Name": name, "CreationTime": moment, "Status": "ab"[moment % 2]} for name, moment in told.items()]
)


@given(RESOURCES, st.integers(1, 7), st.sampled_from(["Name", "CreationTime", "Status"]), st.booleans())
def test_pages_give_each_resource_once_in_order(resources, size, by, downwards):
    # WHEN all pages are read THEN together they are the sorted list
    request = {"SortBy": by, "SortOrder": "Descending" if downwards else "Ascending", "MaxResults": size}
    read = []
    while True:
        chosen, more = page(resources, request, name="Name", status="Status")
        assert len(chosen) <= size
        read += chosen
        if not more:
            break
        request |= more
    assert read == sorted(resources, key=lambda one: (one[by], one["Name"]), reverse=downwards)


@given(RESOURCES)
def test_deleting_between_pages_hides_nothing(resources):
    first, more = page(resources, {"MaxResults": 3}, name="Name")
    left = [one for one in resources if one not in first]
    rest, _ = page(left, {"MaxResults": 100, **more}, name="Name")
    assert not more or sorted(first + rest, key=str) == sorted(resources, key=str)


def test_filters():
    resources = [{"Name": f"Run-{n}", "CreationTime": n, "Status": "ab"[n % 2]} for n in range(6)]

    def names(**request):
        chosen, _ = page(resources, request, name="Name", status="Status")
        return [one["Name"] for one in chosen]

    assert names(NameContains="run-3") == ["Run-3"]
    assert names(StatusEquals="a") == ["Run-0", "Run-2", "Run-4"]
    assert names(CreationTimeAfter=3) == ["Run-4", "Run-5"]
    assert names(CreationTimeBefore=2, CreationTimeAfter=0) == ["Run-1"]


@pytest.mark.parametrize("token", ["", "x", "bm9uc2Vuc2U=", "WzFd", "e30=", "W1tdLCBbXV0="])
def test_invented_tokens_are_refused(token):
    with pytest.raises(ValidationError, match="NextToken"):
        page([{"Name": "a", "CreationTime": 1}], {"NextToken": token}, name="Name")
