"""What SageMaker refuses, under the codes that its clients see: the classes are called as the codes are."""

# ruff: noqa: N818

from __future__ import annotations


class SageMakerError(Exception):
    """A refused request.

    Attributes:
        code: SageMaker's own error code.
        status: the HTTP status that carries it.
    """

    code = "InternalFailure"
    status = 500


class ValidationError(SageMakerError):
    """The request is malformed, names what does not exist, or asks for what the resource's state forbids."""

    code = "ValidationException"
    status = 400


class ResourceInUse(SageMakerError):
    """The name is taken, or the resource is busy."""

    code = "ResourceInUse"
    status = 400


class ResourceNotFound(SageMakerError):
    """A resource that the request builds on does not exist."""

    code = "ResourceNotFound"
    status = 400


class ResourceLimitExceeded(SageMakerError):
    """The account's quota is used up."""

    code = "ResourceLimitExceeded"
    status = 400


class Conflict(SageMakerError):
    """The request conflicts with what is there."""

    code = "ConflictException"
    status = 409


class UnknownOperation(SageMakerError):
    """There is no such operation, or the local cloud does not offer it."""

    code = "UnknownOperationException"
    status = 400


class Serialization(SageMakerError):
    """The body is not what the protocol asks for."""

    code = "SerializationException"
    status = 400
