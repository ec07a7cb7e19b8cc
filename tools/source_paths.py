"""Makes the packages of this repository importable from source in the environment that runs this.

Writes one .pth file. Its lines are relative, so that a copied or moved repository finds itself.
"""

import os
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core/src", "services/*/src", "local/src", "demo/src")


def main() -> None:
    site_packages = Path(sysconfig.get_path("purelib"))
    sources = sorted(folder for pattern in FOLDERS for folder in ROOT.glob(pattern))
    lines = [os.path.relpath(folder, site_packages) for folder in sources]
    (site_packages / "tandem.pth").write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
