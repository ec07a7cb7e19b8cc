"""Writes docs/openapi and docs/events from what the code says: routes, models, problems.

Run by `make documents`; never imported by a service. A service is named by its package; its
`routes.routes`, `facts.PUBLISHED` and `contracts` are read.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tandem_core.auth import ROLE_SCOPES
from tandem_core.events import data_schema
from tandem_core.http import MAX_BODY_BYTES, Endpoint
from tandem_core.problems import (
    Busy,
    Forbidden,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
    InternalError,
    Invalid,
    MalformedJson,
    Missing,
    Problem,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
    ValidationFailed,
)

SERVICES = ("loyalty", "orders", "returns")
VERSION = "1"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EVERYWHERE = (Unauthenticated, Forbidden, Busy, StoreUnavailable, InternalError)
_CONVENTIONS = f"""\
JSON in snake_case. Money is integer minor units with an ISO 4217 code; points are integers; times
are RFC 3339 with an offset and answered in UTC. A body has at most {MAX_BODY_BYTES} bytes, a
purchase at most 500 lines. Every POST that writes takes `Idempotency-Key`: a repeat answers the
first status and body with `Idempotent-Replayed: true`, at any later time. Errors are
`application/problem+json` (RFC 9457); `code` is stable. Unknown fields are refused by name."""

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def openapi(service: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Describe the routes of a service as OpenAPI 3.1."""
    endpoints = sorted(endpoints, key=lambda one: (one.path, one.method))
    inputs = {model for one in endpoints for model in (one.body, one.query) if model}
    outputs = {one.answer for one in endpoints}
    requested, definitions = _schemas(inputs, "validation")
    answered, answers = _schemas(outputs, "serialization")
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        operation = _operation(one, requested, answered, definitions)
        paths.setdefault(one.path, {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Tandem {service}",
            "version": VERSION,
            "description": _CONVENTIONS,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"/{service}", "description": "Below the base URL"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "schemas": {
                "Problem": _PROBLEM_SCHEMA,
                **dict(sorted({**definitions, **answers}.items())),
            },
        },
    }


def asyncapi(service: str, published: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Describe the events that a service publishes as AsyncAPI 3.0."""
    messages = {
        kind: {
            "name": kind,
            "title": _summary(model),
            "contentType": "application/json",
            "payload": {"$ref": f"./{kind}.json"},
        }
        for kind, model in sorted(published.items())
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Events of Tandem {service}",
            "version": VERSION,
            "description": "CloudEvents 1.0 on the event bus: source "
            f"`tandem.{service}`, detail-type = type, at least once, in no promised order; "
            "`tandemseq` numbers the events of one subject without gaps.",
        },
        "channels": {"bus": {"address": "tandem-bus", "messages": messages}},
        "operations": {
            "publish": {"action": "send", "channel": {"$ref": "#/channels/bus"}},
        },
    }


def event_schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of an event: the envelope with its data."""
    data = model.model_json_schema(mode="serialization", ref_template="#/$defs/{model}")
    definitions = data.pop("$defs", {})
    text = {"type": "string"}
    attributes: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": text,
        "source": text,
        "type": {"const": kind},
        "subject": text,
        "time": {"type": "string", "format": "date-time"},
        "dataschema": {"const": data_schema(kind)},
        "datacontenttype": {"const": "application/json"},
        "tandemseq": {"type": "integer", "minimum": 1},
        "actor": text,
        "channel": text,
    }
    return {
        "$schema": _DIALECT,
        "title": kind,
        "description": _summary(model),
        "type": "object",
        "required": [*attributes, "data"],
        "properties": {**attributes, "causationid": text, "traceparent": text, "data": data},
        "$defs": definitions,
    }


def _schemas(models: set[type[BaseModel]], mode: Any) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return references to models and their definitions, for one direction."""
    ordered = sorted(models, key=lambda model: model.__name__)
    references, schema = models_json_schema(
        [(model, mode) for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    return {model: references[model, mode] for model in ordered}, schema.get("$defs", {})


def _operation(
    one: Endpoint,
    requested: Mapping[Any, Any],
    answered: Mapping[Any, Any],
    definitions: Mapping[str, Any],
) -> dict[str, Any]:
    roles = [role.value for role, scopes in ROLE_SCOPES.items() if one.scope in scopes]
    operation: dict[str, Any] = {
        "operationId": one.view.__name__,
        "summary": (one.view.__doc__ or "").strip(),
        "description": f"Scope `{one.scope}`; roles: {', '.join(roles)}."
        if one.scope
        else "Open: no token.",
        "parameters": _parameters(one, definitions),
        "responses": _responses(one, answered),
    }
    if one.scope is None:
        operation["security"] = []
    if one.body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": requested[one.body]}},
        }
    if one.takes_raw:
        operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": {}}}}
    return operation


def _parameters(one: Endpoint, definitions: Mapping[str, Any]) -> list[dict[str, Any]]:
    text = {"type": "string"}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    if one.query:
        query = definitions[one.query.__name__]
        parameters += [
            {"name": name, "in": "query", "schema": schema}
            for name, schema in query["properties"].items()
        ]
    if one.writes and one.method == "POST":
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        parameters.append(
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": key}
        )
    if one.writes:
        parameters.append({"name": "If-Match", "in": "header", "schema": text})
    return parameters


def _responses(one: Endpoint, answered: Mapping[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(one.status): {
            "description": HTTPStatus(one.status).phrase,
            "headers": {
                "ETag": {"schema": {"type": "string"}},
                "Idempotent-Replayed": {"schema": {"type": "string", "const": "true"}},
            },
            "content": {
                "application/json": {"schema": answered[one.answer]},
                **({"text/html": {"schema": {"type": "string"}}} if one.page else {}),
            },
        }
    }
    problems: list[type[Problem]] = [*_EVERYWHERE, *one.refusals]
    if one.scope is None:
        problems = [kind for kind in problems if kind not in (Unauthenticated, Forbidden)]
    if one.body or one.takes_raw:
        problems += [MalformedJson, TooLarge]
    if one.body or one.query:
        problems.append(ValidationFailed)
    if one.writes and one.method == "POST":
        problems += [IdempotencyKeyRequired, IdempotencyKeyInvalid]
    if one.writes:
        problems.append(Invalid)
    if "{" in one.path:
        problems.append(Missing)
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    for status, kinds in sorted(by_status.items()):
        codes = sorted({kind.code for kind in kinds})
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
    return responses


def _summary(model: type[BaseModel]) -> str:
    """Return a model's own docstring, in one paragraph."""
    text = model.__dict__.get("__doc__") or ""
    return " ".join(text.split())


def write(root: Path) -> list[Path]:
    """Write the documents of all services below `root`; files that are no longer made go."""
    written: dict[Path, dict[str, Any]] = {}
    for service in SERVICES:
        routes = importlib.import_module(f"tandem_{service}.routes").routes
        published = importlib.import_module(f"tandem_{service}.facts").PUBLISHED
        written[root / "openapi" / f"{service}.json"] = openapi(service, routes.endpoints)
        folder = root / "events" / service
        written[folder / "asyncapi.json"] = asyncapi(service, published)
        for kind, model in published.items():
            written[folder / f"{kind}.json"] = event_schema(kind, model)
    for folder_name in ("openapi", "events"):
        for stale in (root / folder_name).rglob("*.json"):
            if stale not in written:
                stale.unlink()
    for path, document in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return sorted(written)


if __name__ == "__main__":
    paths = write(Path("docs"))
    sys.stdout.write(f"{len(paths)} documents written below docs\n")
