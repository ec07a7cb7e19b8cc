"""Build every package whose inputs have changed since it was last built.

For this machine's local cloud, in build/; with --lambda for AWS, in dist/.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tools.packages.package import BuildFailed, Package, packages
from tools.packages.targets import LAMBDA, THIS_MACHINE


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.build", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository")
    parser.add_argument("--lambda", dest="for_lambda", action="store_true", help="build for AWS")
    arguments = parser.parse_args()
    target = LAMBDA if arguments.for_lambda else THIS_MACHINE
    try:
        for package in packages(arguments.root.resolve(), target):
            _build(package)
    except BuildFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    return 0


def _build(package: Package) -> None:
    if package.is_current():
        print(f"  {package.stack}: unchanged", flush=True)
        return
    print(f"  {package.stack}: packaging ...", end="", flush=True)
    started = time.monotonic()
    package.build()
    size = package.archive.stat().st_size / 1e6
    print(f" {size:.1f} MB in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
