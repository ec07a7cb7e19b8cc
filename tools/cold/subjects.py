"""What is measured: folders that hold all that a process may import, and the handler in each."""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tools.packages.package import Package, packages

ROOT = Path(__file__).resolve().parents[2]
_PEERS = ROOT / "bench/peers"
_KEPT = ROOT / "build/.bench"


@dataclass(frozen=True)
class Subject:
    name: str
    folder: Path
    handler: str


def package_of(service: str) -> Package:
    """Return a service's package as it is deployed, built when it must be."""
    package = next(package for package in packages(ROOT) if package.stack == service)
    if not package.is_current():
        package.build()
    return package


def as_we_ship_it(service: str, folder: Path) -> Subject:
    with zipfile.ZipFile(package_of(service).archive) as archive:
        archive.extractall(folder)
    return Subject(f"{service}: our zip", folder, "app.app")


def as_chalice_ships_it(service: str, folder: Path, *, compiled: bool = False) -> Subject:
    """Lay out what `chalice package` puts into its zip: everything installed, no bytecode."""
    package = package_of(service)
    dependencies = package.install_dependencies()
    shutil.copytree(dependencies, folder, ignore=_no_bytecode)
    with zipfile.ZipFile(package.archive) as archive:
        # Our own code, and the part of Chalice that it puts into every package.
        own = [
            name
            for name in archive.namelist()
            if not name.endswith(".pyc") and not (dependencies / name.split("/")[0]).exists()
        ]
        archive.extractall(folder, own)
    if compiled:
        _compile(folder)
    return Subject(f"{service}: plain Chalice{_said(compiled)}", folder, "app.app")


def peer(module: str, name: str, folder: Path, *, compiled: bool) -> Subject:
    """Lay out one of bench/peers, with loyalty's code as the work that it does."""
    shutil.copytree(_installed(), folder, ignore=_no_bytecode)
    for source in (_PEERS, ROOT / "core/src", ROOT / "services/loyalty/src"):
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=_no_bytecode)
    if compiled:
        _compile(folder)
    return Subject(f"{name}{_said(compiled)}", folder, f"{module}.handler")


def _said(compiled: bool) -> str:
    return ", bytecode" if compiled else ", no bytecode"


def _no_bytecode(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in ("__pycache__", "bin") or name.endswith(".pyc")}


def _compile(folder: Path) -> None:
    compileall.compile_dir(
        folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def _installed() -> Path:
    """Install the peers' pinned requirements into a folder that is kept between runs."""
    requirements = _PEERS / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    folder = _KEPT / f"peers-{digest[:16]}"
    if not folder.is_dir():
        unfinished = folder.with_name("peers-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            + ["--no-input", "--no-deps", "--no-compile", "--require-hashes"]
            + ["--only-binary=:all:", "--target", str(unfinished)]
            + ["--requirement", str(requirements)],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )
        unfinished.rename(folder)
    return folder
