"""Resource policies, as far as a service principal is concerned.

Answers one question: may the AWS service `cloudfront.amazonaws.com` (or
`events.amazonaws.com`, …), acting for one resource of the account, do this
action? Statements for other principals are not considered; conditions other
than those on the source are taken as not met for Allow, and as met for Deny.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from earshot.local.account import ACCOUNT_ID

_EQUALITY = {"ArnEquals", "ArnLike", "StringEquals", "StringLike"}


def allows_service(policy: str | dict[str, Any] | None, service: str, action: str, resource: str, source: str) -> bool:
    """Say whether a resource policy lets a service act.

    Args:
        policy: the policy document, or None when the resource has none.
        service: the service principal, such as `events.amazonaws.com`.
        action: the action, such as `sqs:SendMessage`.
        resource: ARN of what is acted upon.
        source: ARN the service acts for (`aws:SourceArn`).
    """
    if not policy:
        return False
    document = json.loads(policy) if isinstance(policy, str) else policy
    verdict = False
    for statement in _listed(document.get("Statement")):
        if not _concerns(statement, service, action, resource):
            continue
        met = _conditions_met(statement.get("Condition") or {}, source)
        if statement.get("Effect") == "Deny":
            if met is not False:
                return False
        elif met is True:
            verdict = True
    return verdict


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _concerns(statement: dict[str, Any], service: str, action: str, resource: str) -> bool:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        named = service in _listed(principal.get("Service")) or "*" in _listed(principal.get("AWS"))
    else:
        named = principal == "*"
    actions = [str(name).lower() for name in _listed(statement.get("Action"))]
    acts = any(fnmatchcase(action.lower(), name) for name in actions)
    resources = _listed(statement.get("Resource"))
    return named and acts and any(fnmatchcase(resource, str(name)) for name in resources)


def _conditions_met(conditions: dict[str, Any], source: str) -> bool | None:
    """Say whether the conditions hold; None where they ask for what is not modelled here."""
    known = {"aws:sourcearn": source, "aws:sourceaccount": ACCOUNT_ID, "aws:securetransport": "true"}
    verdict: bool | None = True
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            actual = known.get(key.lower())
            if actual is None or operator not in _EQUALITY | {"Bool"}:
                verdict = None
                continue
            if not any(
                fnmatchcase(actual, str(value).lower() if operator == "Bool" else str(value))
                for value in _listed(wanted)
            ):
                return False
    return verdict
