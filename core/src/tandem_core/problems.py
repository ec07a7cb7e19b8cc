"""Every way in which Tandem says no: one tree, stable codes, one rendering (RFC 9457).

Problem                      status
├── Invalid                  400   the request cannot be understood
├── Unauthenticated          401
├── Forbidden                403
├── Missing                  404   unknown, or not the caller's to see
├── Conflict                 409   the request is sound, the state does not allow it
├── VersionConflict          412   If-Match names another version
├── TooLarge                 413
├── Unprocessable            422   understood, and wrong in its fields or against the rules
└── Busy                     503   lost too many races, or the store does not answer

A service's refusals derive from these and set `code` and `title`. Codes are public and stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypedDict


class FieldError(TypedDict):
    """One wrong field of a request: where, a stable code, and a sentence."""

    field: str
    code: str
    detail: str


class Problem(Exception):
    """A refusal that the caller is told about. `extra` members stand beside the standard ones."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    title: ClassVar[str] = "Something broke on our side"

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    @property
    def headers(self) -> dict[str, str]:
        return {}

    def body(self, instance: str) -> dict[str, Any]:
        """Return the members of application/problem+json; `instance` is the request's path."""
        return {
            "type": f"urn:tandem:problem:{self.code.lower().replace('_', '-')}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            **self.extra,
        }


class InternalError(Problem):
    pass


class Invalid(Problem):
    status, code, title = 400, "BAD_REQUEST", "The request cannot be understood"


class MalformedJson(Invalid):
    code, title = "MALFORMED_JSON", "The body is not valid JSON"


class IdempotencyKeyRequired(Invalid):
    code, title = "IDEMPOTENCY_KEY_REQUIRED", "This call needs an Idempotency-Key header"


class IdempotencyKeyInvalid(Invalid):
    code, title = "IDEMPOTENCY_KEY_INVALID", "Idempotency-Key is 1 to 255 printable characters"


class Unauthenticated(Problem):
    status, code, title = 401, "UNAUTHENTICATED", "A valid bearer token is needed"


class Forbidden(Problem):
    status, code, title = 403, "FORBIDDEN", "The token does not allow this"


class Missing(Problem):
    status, code, title = 404, "NOT_FOUND", "There is no such resource"


class Conflict(Problem):
    status, code, title = 409, "CONFLICT", "The current state does not allow this"


class VersionConflict(Problem):
    status, code, title = 412, "VERSION_CONFLICT", "The resource has another version than If-Match"


class TooLarge(Problem):
    status, code, title = 413, "PAYLOAD_TOO_LARGE", "The body is too large"


class Unprocessable(Problem):
    """`field` is what the caller has to look at; "" is the body as a whole."""

    status, code, title = 422, "UNPROCESSABLE", "The request breaks a rule"
    field: ClassVar[str] = ""

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail, **extra)
        wrong: FieldError = {"field": self.field, "code": self.code, "detail": self.detail}
        self.extra = {"errors": [wrong]} | self.extra


class ValidationFailed(Unprocessable):
    code, title = "VALIDATION_FAILED", "One or more fields are wrong"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        names = ", ".join(error["field"] or "body" for error in errors[:5])
        super().__init__(f"Check these fields: {names}", errors=list(errors))


class IdempotencyKeyReused(Unprocessable):
    code, title = "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key came with another request before"
    field = "Idempotency-Key"


class Busy(Problem):
    status, code, title = 503, "TRY_AGAIN", "Too many writers at once; nothing was changed"
    retry_after_seconds: ClassVar[int] = 1

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class StoreUnavailable(Busy):
    code, title = "STORE_UNAVAILABLE", "The store did not answer; repeat with the same key"


def invalid_field(field: str, code: str, detail: str) -> ValidationFailed:
    """Return the refusal of one field for a rule that the schema alone cannot check."""
    return ValidationFailed([{"field": field, "code": code, "detail": detail}])
