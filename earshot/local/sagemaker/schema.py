"""Requests held against SageMaker's own service model, as the service does it.

The model is the one botocore ships: required members, types, lengths, ranges,
patterns, enumerations. An unknown member is refused too; AWS's front door
lets some pass, but a misspelt setting that is silently dropped is exactly what
a rehearsal should find.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import botocore.session
import regex
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from earshot.local.sagemaker.faults import UnknownOperation, ValidationError

_MAXIMUM_DEPTH = 60
_SHOWN_CHARACTERS = 200


@functools.cache
def service_model(name: str = "sagemaker") -> ServiceModel:
    """Give botocore's model of a service."""
    return botocore.session.get_session().get_service_model(name)


def operation(name: str) -> OperationModel:
    """Give an operation's model.

    Raises:
        UnknownOperation: where SageMaker has no such operation.
    """
    model = service_model()
    if name not in model.operation_names:
        raise UnknownOperation(f"The operation {name} is not known to SageMaker")
    return model.operation_model(name)


def check_request(name: str, request: Any) -> None:
    """Hold a request against the model of its operation.

    Args:
        name: the operation, such as `CreateTrainingJob`.
        request: its decoded JSON body.

    Raises:
        ValidationError: naming every member at fault, in the wording of the service.
        UnknownOperation: where there is no such operation.
    """
    shape = operation(name).input_shape
    faults = list(_faults(shape, request, "", 0)) if shape is not None else []
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected"
        raise ValidationError(f"{count}: {'; '.join(faults[:10])}")


def check_answer(name: str, answer: dict[str, Any]) -> None:
    """Hold an answer against the model of its operation, so that a client can read it.

    Raises:
        ValidationError: naming every member at fault.
    """
    shape = operation(name).output_shape
    faults = list(_faults(shape, answer, "", 0)) if shape is not None else []
    if faults:
        raise ValidationError(f"{name} would answer what its model does not allow: {'; '.join(faults[:10])}")


def _faults(shape: Shape, value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > _MAXIMUM_DEPTH:
        yield f"Value at '{path}' is nested too deeply"
        return
    kinds = {"structure": _structure, "list": _list, "map": _map, "string": _string, "boolean": _boolean}
    check = kinds.get(shape.type_name, _number)
    yield from check(shape, value, path, depth)


def _structure(shape: StructureShape, value: Any, path: str, depth: int) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _constraint(value, path, "Member must be a structure")
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield _constraint(None, _join(path, name), "Member must not be null")
    given = [name for name, member in value.items() if member is not None]
    if getattr(shape, "is_tagged_union", False) and len(given) != 1:
        yield _constraint(value, path, f"Exactly one of {sorted(shape.members)} must be set")
    for name in given:
        if name not in shape.members:
            where = f" of '{path}'" if path else ""
            yield f"Unknown member '{name}'{where}; known members are {', '.join(shape.members)}"
        else:
            yield from _faults(shape.members[name], value[name], _join(path, name), depth + 1)


def _list(shape: ListShape, value: Any, path: str, depth: int) -> Iterator[str]:
    if not isinstance(value, list):
        yield _constraint(value, path, "Member must be a list")
        return
    yield from _length(shape, value, path)
    for index, member in enumerate(value, start=1):
        yield from _faults(shape.member, member, f"{path}.{index}.member", depth + 1)


def _map(shape: MapShape, value: Any, path: str, depth: int) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _constraint(value, path, "Member must be a map")
        return
    yield from _length(shape, value, path)
    for key, member in value.items():
        yield from _faults(shape.key, key, f"{path}.{key}.key", depth + 1)
        yield from _faults(shape.value, member, f"{path}.{key}.member", depth + 1)


def _string(shape: Shape, value: Any, path: str, _depth: int) -> Iterator[str]:
    if not isinstance(value, str):
        yield _constraint(value, path, "Member must be a string")
        return
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _constraint(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        return
    yield from _length(shape, value, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value, timeout=1.0):
        yield _constraint(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _boolean(_shape: Shape, value: Any, path: str, _depth: int) -> Iterator[str]:
    if not isinstance(value, bool):
        yield _constraint(value, path, "Member must be a boolean")


def _number(shape: Shape, value: Any, path: str, _depth: int) -> Iterator[str]:
    whole = shape.type_name in {"integer", "long"}
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        yield _constraint(value, path, f"Member must be {'an integer' if whole else 'a number'}")
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _constraint(value, path, f"Member must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _constraint(value, path, f"Member must have value less than or equal to {most}")


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield _constraint(value, path, f"Member must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield _constraint(value, path, f"Member must have length less than or equal to {most}")


@functools.cache
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)


def _constraint(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{str(value)[:_SHOWN_CHARACTERS]}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    lowered = name[0].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered
