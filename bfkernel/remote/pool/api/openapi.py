# SPDX-License-Identifier: BSD-3-Clause
"""The OpenAPI description of the API, made from the routes, the handlers' operations and the messages."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bfkernel import __version__
from bfkernel.remote.messages import Problem
from bfkernel.remote.pool.api.handler import ApiHandler
from bfkernel.remote.pool.api.operations import Operation, operation_of
from bfkernel.remote.pool.api.paths import Path

Json = dict[str, Any]

_METHODS = ("get", "post", "put", "delete")
_SCHEMAS = "#/components/schemas/{model}"
#: What any path may answer: no token, a token that may not, a body or query that is not understood, no such
#: method, and a pool that could not store or is about to change its deciding replica.
_COMMON_PROBLEMS = (400, 401, 403, 404, 405, 422, 500, 503)


def description(paths: Iterable[tuple[Path, type[ApiHandler]]]) -> Json:
    """Return the OpenAPI 3.1 document of all paths whose methods have an operation."""
    found = [
        (path, name, method, said)
        for path, handler in paths
        for name in _METHODS
        if (said := operation_of(method := getattr(handler, name, None)))
    ]
    schemas = _schemas([said for _, _, _, said in found])
    document: Json = {}
    for path, name, method, said in found:
        parameters = [*_in_path(path), *_in_query(said)]
        document.setdefault(path.template, {})[name] = _operation(path, name, method, said, parameters)
    return {
        "openapi": "3.1.0",
        "info": {"title": "bfkernel pool", "version": __version__},
        "paths": document,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(path: Path, name: str, method: Any, said: Operation, parameters: list[Json]) -> Json:
    summary, _, rest = (inspect.getdoc(method) or "").partition("\n")
    found: Json = {
        "operationId": f"{name}{path.identifier}",
        "summary": summary.rstrip("."),
        "description": rest.strip(),
        "parameters": parameters,
        "responses": _responses(said),
    }
    if said.anybody:
        found["security"] = []
    if said.request is not None:
        found["requestBody"] = {"required": True, "content": _content(said.request)}
    return found


def _responses(said: Operation) -> Json:
    content = _content(said.answer) if said.answer else {}
    if said.media_type:
        content[said.media_type] = {"schema": {"type": "string"}}
    answer = {"description": "Done", **({"content": content} if content else {})}
    problem = {
        "description": "One sentence on what was wrong and what to do",
        "content": {"application/problem+json": _content(Problem)["application/json"]},
    }
    statuses = sorted({*_COMMON_PROBLEMS, *said.problems})
    return {str(said.status): answer, **{str(status): problem for status in statuses}}


def _content(model: type[BaseModel]) -> Json:
    return {"application/json": {"schema": {"$ref": _SCHEMAS.format(model=model.__name__)}}}


def _in_path(path: Path) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{pattern}$"},
        }
        for name, pattern in path.parameters.items()
    ]


def _text(pattern: str) -> Json:
    return {"type": "string", "pattern": f"^({pattern})$"}


def _in_query(said: Operation) -> list[Json]:
    if said.query is None:
        return []
    schema = said.query.model_json_schema(ref_template=_SCHEMAS)
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(about)}
        for name, about in schema["properties"].items()
    ]


def _without_null(schema: Json) -> Json:
    """Return a parameter's schema without null: a parameter that is not there is left out."""
    if "anyOf" not in schema:
        return schema
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}


def _schemas(operations: Iterable[Operation]) -> Json:
    asked = {said.request for said in operations if said.request}
    told = {said.answer for said in operations if said.answer} | {Problem}
    modes: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "validation") for model in sorted(asked, key=_name)),
        *((model, "serialization") for model in sorted(told, key=_name)),
    ]
    _, schema = models_json_schema(modes, ref_template=_SCHEMAS)
    return dict(schema["$defs"])


def _name(model: type[BaseModel]) -> str:
    return model.__name__
