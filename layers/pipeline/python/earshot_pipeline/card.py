"""What the table keeps of a bundle's card: an item of DynamoDB holds 400 KB, a card of a long training may not fit.

Lists that only people read are left out of a card that is too large, one by one and each named in `left_out`; the
bundle itself has them.
"""

import json
from collections.abc import Mapping
from typing import Any

MAX_CARD_BYTES = 100_000
# In this order; what gates, champions and the command line read is not among them.
_LISTS = (
    ("metrics", "history"),
    ("metrics", "test", "history"),
    ("metrics", "streaming", "by_snr"),
    ("metrics", "champion", "lost"),
    ("metrics", "test", "mistakes"),
    ("metrics", "test", "float"),
)


class CardTooLargeError(ValueError):
    """Even without its lists the card does not fit into the table."""


def kept(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card as the table keeps it: the very same if it is small enough.

    Raises:
        CardTooLargeError: when it is too large even without its lists.
    """
    small: dict[str, Any] = dict(card)
    left_out: list[str] = []
    for path in _LISTS:
        if _size(small) <= MAX_CARD_BYTES:
            break
        if _has(small, path):
            small = _without(small, path)
            left_out.append(".".join(path))
            small["left_out"] = list(left_out)
    if _size(small) > MAX_CARD_BYTES:
        raise CardTooLargeError(
            f"bundle.json: {_size(card)} bytes; the table keeps at most {MAX_CARD_BYTES}; training job must write less"
        )
    return small


def _size(card: Mapping[str, Any]) -> int:
    return len(json.dumps(card).encode())


def _has(card: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(card, Mapping) or name not in card:
            return False
        card = card[name]
    return True


def _without(card: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    name, *rest = path
    if not rest:
        return {key: value for key, value in card.items() if key != name}
    return {**card, name: _without(card[name], tuple(rest))}
