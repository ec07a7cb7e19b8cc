"""The zip of a package: Chalice's, with the dependencies and the bytecode of every module added.

The same inputs give the same bytes, so an unchanged package is seen to be unchanged.
"""

from __future__ import annotations

import importlib.util
import marshal
import zipfile
from collections.abc import Iterable
from pathlib import Path

_UNCHECKED_HASH = (0b01).to_bytes(4, "little")
_UNDATED = (1980, 1, 1, 0, 0, 0)


def write_archive(archive: Path, dependencies: Iterable[tuple[str, bytes]]) -> None:
    """Rewrite the zip in place, with the files of its dependencies."""
    with zipfile.ZipFile(archive) as packaged:
        contents = {name: packaged.read(name) for name in packaged.namelist()}
    contents |= {name: data for name, data in dependencies if name not in contents}
    unfinished = archive.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as complete:
        for name in sorted(contents):
            _write(complete, name, contents[name])
            if name.endswith(".py"):
                _write(complete, _bytecode_name(name), bytecode(contents[name], name))
    unfinished.replace(archive)


def bytecode(source: bytes, name: str) -> bytes:
    """Compile to a .pyc that is never compared with its source (PEP 552, unchecked hash)."""
    code = compile(source, f"/var/task/{name}", "exec", dont_inherit=True)
    return (
        importlib.util.MAGIC_NUMBER
        + _UNCHECKED_HASH
        + importlib.util.source_hash(source)
        + marshal.dumps(code)
    )


def _bytecode_name(name: str) -> str:
    return importlib.util.cache_from_source(name)


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _UNDATED)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, data)
