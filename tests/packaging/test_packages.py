"""The zip that is deployed holds all that its functions need, and nothing is compiled twice."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.packages.package import Package, packages

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted(package.stack for package in packages(ROOT))


@pytest.fixture(scope="module", params=STACKS)
def package(request: pytest.FixtureRequest) -> Package:
    found = next(package for package in packages(ROOT) if package.stack == request.param)
    if not found.is_current():
        found.build()
    return found


@pytest.fixture(scope="module")
def template(package: Package) -> Any:
    return json.loads(package.template.read_text())


@pytest.fixture(scope="module")
def unpacked(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(package.stack)
    with zipfile.ZipFile(package.archive) as archive:
        archive.extractall(folder)
    return folder


def functions(template: Any) -> Iterator[tuple[str, Any]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            yield name, resource["Properties"]


def test_every_handler_of_the_template_is_imported_from_the_zip_alone(
    template: Any, unpacked: Path
) -> None:
    handlers = [properties["Handler"] for _, properties in functions(template)]
    assert handlers
    run_in_zip(
        unpacked,
        f"""
import importlib
for handler in {handlers!r}:
    module, name = handler.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), name)), handler
""",
    )


def test_what_is_imported_when_it_is_needed_is_in_the_zip_as_well(
    package: Package, unpacked: Path
) -> None:
    own = unpacked / f"tandem_{package.source.name}"
    sources = list(own.rglob("*.py"))
    assert sources
    needed = sorted(
        {name for source in sources for name in imported(ast.parse(source.read_text()))}
    )
    run_in_zip(unpacked, f"import importlib\nfor name in {needed!r}: importlib.import_module(name)")


def test_data_beside_the_modules_are_in_the_zip(package: Package, unpacked: Path) -> None:
    source = package.source / "src"
    found = [path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert any(path.suffix == ".py" for path in found)
    for path in found:
        assert (unpacked / path.relative_to(source)).read_bytes() == path.read_bytes()


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that are imported at run time, wherever in the source."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for other in node.orelse:
            yield from imported(other)
    else:
        for child in ast.iter_child_nodes(node):
            yield from imported(child)


def run_in_zip(unpacked: Path, program: str) -> None:
    """Run a program that finds the zip's contents and the standard library, and nothing else."""
    program = f"""
import sys
sys.path.insert(0, {str(unpacked)!r})
{program}
outside = [
    name for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
]
assert not outside, outside
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        cwd=unpacked,
        env={"PATH": "/usr/bin:/bin", "PYDANTIC_DISABLE_PLUGINS": "__all__"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_module_has_bytecode_that_needs_no_date(unpacked: Path) -> None:
    sources = list(unpacked.rglob("*.py"))
    assert sources
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source)))
        head = compiled.read_bytes()[:16]
        assert head[:4] == importlib.util.MAGIC_NUMBER, source
        assert head[4:8] == b"\x01\0\0\0", f"{source}: not an unchecked hash"
        assert head[8:16] == importlib.util.source_hash(source.read_bytes()), source


def test_functions_share_one_package_and_have_a_role_of_their_own(template: Any) -> None:
    properties = [properties for _, properties in functions(template)]
    assert {entry["CodeUri"] for entry in properties} == {"./deployment.zip"}
    roles = [json.dumps(entry["Role"]) for entry in properties]
    assert len(set(roles)) == len(roles)
    assert all("Fn::GetAtt" in entry["Role"] for entry in properties)


def contents(archive_path: Path) -> dict[str, int]:
    """Return the checksum of every member; what CPython 3.11 compiles differs from run to run."""
    with zipfile.ZipFile(archive_path) as archive:
        return {
            entry.filename: 0 if entry.filename.endswith(".pyc") else entry.CRC
            for entry in archive.infolist()
        }


def test_the_same_inputs_give_the_same_package_wherever_it_is_built(
    package: Package, tmp_path: Path
) -> None:
    elsewhere = Package(ROOT, package.source, replace(package.target, folder=str(tmp_path)))
    installed = Path(".dependencies")
    (tmp_path / installed).symlink_to(ROOT / package.target.folder / installed)
    elsewhere.build()
    before, after = contents(package.archive), contents(elsewhere.archive)
    different = {
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    }
    assert not different
    assert package.is_current()
    assert elsewhere.fingerprint == package.fingerprint


def test_a_zip_is_within_the_limits_of_lambda(package: Package) -> None:
    with zipfile.ZipFile(package.archive) as archive:
        unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
    assert package.archive.stat().st_size < 50 * 1024 * 1024
    assert unpacked_bytes < 250 * 1024 * 1024
