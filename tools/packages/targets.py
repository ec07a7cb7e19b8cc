"""Where a package runs: on this machine's local cloud, or on Lambda.

Lambda is arm64: a fifth cheaper per second than x86-64. `make package` builds for it on any
machine, since pip takes wheels for a platform that it is told; only bytecode needs the runtime's
own Python.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

# Amazon Linux 2023 has glibc 2.34.
_MANYLINUX = (34, 31, 28, 27, 26, 24, 17)


@dataclass(frozen=True)
class Target:
    """`folder` is where packages for it lie, below the repository."""

    folder: str
    architecture: str
    python: str
    platforms: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """What tells two targets' installations apart."""
        return f"{self.python}-{'-'.join(self.platforms) or f'{sys.platform}-{platform.machine()}'}"

    @property
    def takes_this_python(self) -> bool:
        """Whether what this Python compiles is valid there."""
        return self.python == _this_python()

    @property
    def pip_options(self) -> list[str]:
        if not self.platforms:
            return []
        named = [f"--platform={name}" for name in self.platforms]
        return [*named, f"--python-version={self.python}", "--implementation=cp"] + [
            "--only-binary=:all:"
        ]


def _this_python() -> str:
    return ".".join(str(part) for part in sys.version_info[:2])


THIS_MACHINE = Target(
    folder="build",
    architecture="arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
    python=_this_python(),
)
LAMBDA = Target(
    folder="dist",
    architecture="arm64",
    python="3.13",
    platforms=(
        *(f"manylinux_2_{minor}_aarch64" for minor in _MANYLINUX),
        "manylinux2014_aarch64",
    ),
)
