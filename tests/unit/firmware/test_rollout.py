"""Which boards a rollout reaches: the board's rule against the contract's, in Python."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import ctypes

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from update_repository import selected

many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=64)


def _selects(library, percent: int, salt: str, device: str) -> bool:
    call = library.c.es_rollout_selects
    call.restype = ctypes.c_bool
    return bool(call(ctypes.c_uint32(percent), salt.encode(), device.encode()))


@many
@given(st.integers(0, 100), names, names)
def test_a_board_is_selected_by_the_contracts_rule(library, percent, salt, device):
    assert _selects(library, percent, salt, device) == selected(percent, salt, device)


@many
@given(names, names)
def test_a_rollout_that_grows_keeps_whom_it_has_reached(library, salt, device):
    reached = [_selects(library, percent, salt, device) for percent in range(101)]
    assert reached == sorted(reached)
    assert reached[0] is False
    assert reached[100] is True


def test_a_quarter_is_a_quarter(library):
    reached = sum(_selects(library, 25, "0123456789abcdef", f"host-{n:04d}") for n in range(4000))
    assert 900 < reached < 1100
