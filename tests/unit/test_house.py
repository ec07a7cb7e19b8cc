"""Rules of the house that neither ruff nor import-linter can check."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(app.parent for app in ROOT.glob("services/*/app.py"))
MODULES = sorted(
    module
    for folder in ("core/src", "services/*/src", "local/src", "demo/src", "tools")
    for module in ROOT.glob(f"{folder}/**/*.py")
)
LOCKS = sorted([*ROOT.glob("requirements/*.txt"), *ROOT.glob("services/*/requirements.txt")])
# Environments of their own: nothing of them is shipped.
APART = {"checks.txt", "dev.txt", "engine.txt"}
EDGES = {"__init__", "main", "routes", "consumers", "use_cases", "store", "settings", "secrets"}
# The authorizer is an edge and nothing else.
WITH_DOMAIN = [service for service in SERVICES if service.name != "authorizer"]
DOMAIN = [
    module
    for service in WITH_DOMAIN
    for module in MODULES
    if module.is_relative_to(service)
    # Below src/tandem_<name>; an edge is a module or a folder of them.
    and module.relative_to(service).with_suffix("").parts[2] not in EDGES
]
MAX_LINES = 60
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "data", "info"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(), filename=name(module))


def pins(lock: Path) -> Iterator[tuple[str, str]]:
    """The packages of a compiled file: name with its marker, and version."""
    for line in lock.read_text().splitlines():
        if found := re.match(r"([a-z0-9-]+)==(\S+)( ; [^\\]+)?", line):
            package, version, marker = found.groups()
            yield f"{package}{marker or ''}".strip(), version


def test_every_module_says_what_it_owns() -> None:
    silent = [name(module) for module in MODULES if not ast.get_docstring(parsed(module))]
    assert silent == []


def test_every_module_has_a_telling_name() -> None:
    assert [name(module) for module in MODULES if module.stem in VAGUE] == []


def test_every_function_fits_on_a_screen() -> None:
    lengths = {
        f"{name(module)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {function: lines for function, lines in lengths.items() if lines > MAX_LINES} == {}


@pytest.mark.parametrize("service", WITH_DOMAIN, ids=name)
def test_every_service_has_a_domain(service: Path) -> None:
    assert [module for module in DOMAIN if module.is_relative_to(service)]


def test_the_domain_is_told_the_time() -> None:
    clocks = [
        f"{name(module)}:{node.lineno}"
        for module in DOMAIN
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
        if isinstance(node.value, ast.Name) and node.value.id in {"date", "datetime"}
    ]
    assert clocks == []


@pytest.mark.parametrize("service", SERVICES, ids=name)
def test_every_service_has_the_same_shape(service: Path) -> None:
    package = f"tandem_{service.name}"
    shape = {
        ".chalice/config.json",
        "README.md",
        "pyproject.toml",
        "requirements.in",
        "requirements.txt",
        f"src/{package}/main.py",
    }
    assert {part for part in shape if not (service / part).is_file()} == set()
    assert f"from {package}.main import app\n" in (service / "app.py").read_text()


@pytest.mark.parametrize("service", SERVICES, ids=name)
def test_every_service_is_installed_typed_and_under_contract(service: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    package, source = f"tandem_{service.name}", f"services/{service.name}/src"
    layers = settings["importlinter"]["contracts"][0]["layers"]
    assert source in settings["ruff"]["src"]
    assert source in settings["mypy"]["mypy_path"]
    assert package in settings["importlinter"]["root_packages"]
    assert package in " ".join(layers).split()
    assert f"-r ../services/{service.name}/requirements.in" in (
        ROOT / "requirements/run.in"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_requirements_carry_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index-url" not in text
    assert len(list(pins(lock))) == len(re.findall(r"^[^\s#].*\\\n +--hash=sha256:", text, re.M))


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock.name not in APART], ids=name)
def test_what_is_tested_is_what_is_shipped(lock: Path) -> None:
    tested = dict(pins(ROOT / "requirements/dev.txt"))
    assert {pin: tested.get(pin[0]) for pin in pins(lock) if tested.get(pin[0]) != pin[1]} == {}
