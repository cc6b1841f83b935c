"""List operations: filters, order and pages, the same for every kind of resource."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from earshot.local.sagemaker.faults import ValidationError

DEFAULT_PAGE = 10

Described = dict[str, Any]


def page(
    resources: Iterable[Described],
    request: dict[str, Any],
    *,
    name: str,
    status: str | None = None,
    descending: bool = False,
    keep: Callable[[Described], bool] = lambda _resource: True,
) -> tuple[list[Described], dict[str, str]]:
    """Choose the resources that one answer of a List operation holds.

    A token remembers the last resource given, not a count: what is created or
    deleted between two pages neither repeats nor hides another resource.

    Args:
        resources: everything of the kind, as described.
        request: the request; `NameContains`, `CreationTimeAfter` and the like, `SortBy`, `SortOrder`, `MaxResults`
            and `NextToken` are understood where the operation has them.
        name: the member that holds the name, such as `TrainingJobName`.
        status: the member that holds the status, where the kind has one.
        descending: the order where the request names none.
        keep: a further filter.

    Returns:
        The page, and `{"NextToken": …}` or `{}`.

    Raises:
        ValidationError: a token that no earlier page gave.
    """

    def order(resource: Described) -> tuple[Any, str]:
        by = request.get("SortBy", "CreationTime")
        key = (
            resource[name]
            if by == "Name"
            else resource.get(status or "")
            if by == "Status"
            else resource["CreationTime"]
        )
        return key, resource[name]

    downwards = request.get("SortOrder", "Descending" if descending else "Ascending") == "Descending"
    chosen = sorted(
        (r for r in resources if _passes(r, request, name, status) and keep(r)), key=order, reverse=downwards
    )
    if "NextToken" in request:
        last = _read_token(request["NextToken"])
        chosen = [r for r in chosen if (order(r) < last if downwards else order(r) > last)]
    size = request.get("MaxResults", DEFAULT_PAGE)
    more = {"NextToken": _token(order(chosen[size - 1]))} if len(chosen) > size else {}
    return chosen[:size], more


def summary(resource: Described, members: Iterable[str]) -> Described:
    """Give the members of a description that a summary has."""
    return {member: resource[member] for member in members if member in resource}


def _passes(resource: Described, request: dict[str, Any], name: str, status: str | None) -> bool:
    wanted = request.get("NameContains")
    if wanted is not None and wanted.lower() not in resource[name].lower():
        return False
    if status and "StatusEquals" in request and resource[status] != request["StatusEquals"]:
        return False
    for member in ("CreationTime", "LastModifiedTime"):
        moment = resource.get(member, resource["CreationTime"])
        if f"{member}After" in request and moment <= request[f"{member}After"]:
            return False
        if f"{member}Before" in request and moment >= request[f"{member}Before"]:
            return False
    return True


def _token(key: tuple[Any, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _read_token(token: str) -> tuple[Any, str]:
    try:
        first, second = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        raise ValidationError("Invalid NextToken: it was not given by an earlier page of this list") from None
    if not isinstance(first, (str, int, float)) or not isinstance(second, str):
        raise ValidationError("Invalid NextToken: it was not given by an earlier page of this list")
    return first, second
