"""What of the installed dependencies goes into a package: what some function may import or read.

Each file costs size, and each file of a large directory costs time when Lambda unpacks it. The
metadata of every distribution stay: scanners of deployed code read the versions there, and the
licences ask to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.packages.roots import FILE_NAME, amazon_roots
from tools.packages.sdk import sdk_data

# What an installation notes for itself, and what type checkers read.
_NAMES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "py.typed"})
_SUFFIXES = frozenset({".pyc", ".pyi", ".h", ".pxd"})
_FOLDERS = (
    "boto3/data",  # of boto3.resource, which nothing may use
    "boto3/examples",
    "botocore/data",  # see sdk.py
    "cffi",  # what it has compiled needs its backend only, a module beside it
    "dateutil/zoneinfo",  # a copy of the time zones; the SDK reads the system's, we tzdata
    "pycparser",  # read by cffi when it compiles
    "pydantic/v1",
)
_FILES = frozenset({"pydantic/mypy.py", "pydantic/_hypothesis_plugin.py"})


def dependency_files(dependencies: Path, sources: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what the package takes from its dependencies; `sources` is our own code in it."""
    for path in sorted(dependencies.rglob("*")):
        name = str(PurePosixPath(path.relative_to(dependencies)))
        if path.is_file() and is_needed(name):
            yield name, path.read_bytes()
    yield from sdk_data(dependencies, sources)
    bundle = dependencies / "botocore/cacert.pem"
    if bundle.is_file():
        yield FILE_NAME, amazon_roots(bundle.read_text())


def is_needed(name: str) -> bool:
    """Tell whether a file of an installation is of use to a function."""
    path = PurePosixPath(name)
    return (
        path.name not in _NAMES
        and path.suffix not in _SUFFIXES
        and name not in _FILES
        and not any(path.is_relative_to(folder) for folder in _FOLDERS)
    )
