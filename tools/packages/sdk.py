"""What a package needs of the SDK's data: the services, operations and endpoints our code asks for.

botocore carries the descriptions of four hundred services, and reads the endpoints of all of them
whenever a process makes its first client. Here the descriptions are cut down to the services that
`tandem_core.aws.make_client` is asked for in a module that is used, and within them to the
operations whose names occur anywhere in our code or in a library that is handed a client. What is
cut is missed by a test before it is missed by anybody else: a client then has no such method.

Without a set of endpoint rules botocore takes a service's endpoint from endpoints.json, once for a
client; with it, it works the rules anew for every request, a tenth of the request. Our services
have the same endpoint either way, in every region: a test compares all of them.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader

_DATA = "botocore/data"
_COMMON = ("_retry.json", "partitions.json", "sdk-default-configuration.json")
_KERNEL = "tandem_core"
_ATTRIBUTE = re.compile(r"\.([a-z][a-z0-9_]+)\b")
# The SDK's own packages name every operation of every service somewhere.
_OF_THE_SDK = frozenset({"boto3", "botocore", "s3transfer"})


class UnknownNeed(Exception):
    """Our code asks for something that cannot be told by reading it, or that is not shipped."""


def services_asked_for(sources: Path) -> list[str]:
    """Return the services of which our code makes clients. Raises UnknownNeed."""
    asked: set[str] = set()
    for path, module in _modules(sources):
        for node in ast.walk(module):
            if isinstance(node, ast.Import | ast.ImportFrom) and "boto3" in _imported(node):
                raise UnknownNeed(f"{path}:{node.lineno}: clients are made by tandem_core.aws")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "make_client":
                if not node.args or not isinstance(node.args[0], ast.Constant):
                    raise UnknownNeed(f"{path}:{node.lineno}: the service must be written out")
                asked.add(str(node.args[0].value))
    return sorted(asked)


def names_used(*folders: Path) -> set[str]:
    """Return every name that follows a dot in the sources: among them all operations called."""
    return {
        name
        for folder in folders
        for path in folder.rglob("*.py")
        if path.relative_to(folder).parts[0] not in _OF_THE_SDK
        for name in _ATTRIBUTE.findall(path.read_text())
    }


def sdk_data(dependencies: Path, sources: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files under botocore/data that the package needs."""
    folder = dependencies / _DATA
    if not folder.is_dir():
        return
    services = services_asked_for(sources)
    names = names_used(sources, dependencies)
    for name in _COMMON:
        yield f"{_DATA}/{name}", (folder / name).read_bytes()
    endpoints = json.loads((folder / "endpoints.json").read_text())
    yield f"{_DATA}/endpoints.json", _dumped(_endpoints_of(endpoints, services))
    loader = Loader(extra_search_paths=[str(folder)], include_default_search_paths=False)
    for service in services:
        version = loader.determine_latest_version(service, "service-2")
        model = loader.load_service_model(service, "service-2", version)
        yield f"{_DATA}/{service}/{version}/service-2.json", _dumped(_model_of(model, names))


def _modules(sources: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield our modules, of the kernel those only that the service's own lead to."""
    kernel = sources / _KERNEL
    waiting = [path for path in sources.rglob("*.py") if not path.is_relative_to(kernel)]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        module = ast.parse(path.read_text())
        yield path, module
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_KERNEL):
                _, _, name = str(node.module).partition(".")
                found = {kernel / f"{one}.py" for one in (name, *(one.name for one in node.names))}
                new = {one for one in found - seen if one.is_file()}
                seen |= new
                waiting += new


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
    return {(name or "").split(".")[0] for name in names}


def _endpoints_of(endpoints: Any, services: list[str]) -> Any:
    """Keep every partition and region, and the endpoints of these services."""
    return endpoints | {
        "partitions": [
            partition
            | {
                "services": {
                    name: endpoint
                    for name, endpoint in partition["services"].items()
                    if name in services
                }
            }
            for partition in endpoints["partitions"]
        ]
    }


def _model_of(model: Any, names: set[str]) -> Any:
    """Keep the operations that are named, the shapes that they reach, and no documentation."""
    operations = {
        name: operation
        for name, operation in model["operations"].items()
        if xform_name(name) in names
    }
    shapes: dict[str, Any] = {}
    _reach(operations, model["shapes"], shapes)
    kept = {**model, "operations": operations, "shapes": shapes}
    return _undocumented(kept)


def _reach(node: Any, shapes: Mapping[str, Any], reached: dict[str, Any]) -> None:
    if isinstance(node, Mapping):
        name = node.get("shape")
        if isinstance(name, str) and name not in reached:
            reached[name] = shapes[name]
            _reach(shapes[name], shapes, reached)
        for child in node.values():
            _reach(child, shapes, reached)
    elif isinstance(node, list):
        for child in node:
            _reach(child, shapes, reached)


def _undocumented(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {
            name: _undocumented(child)
            for name, child in node.items()
            if name != "documentation" or not isinstance(child, str)
        }
    return [_undocumented(child) for child in node] if isinstance(node, list) else node


def _dumped(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
