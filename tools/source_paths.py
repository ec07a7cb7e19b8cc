"""Makes source folders importable in the environment that runs this: source_paths.py FOLDER...

Writes one .pth file. Its lines are relative, so that a copied or moved repository finds itself.
"""

import os
import sys
import sysconfig
from pathlib import Path


def main() -> None:
    site_packages = Path(sysconfig.get_path("purelib"))
    lines = [os.path.relpath(folder, site_packages) for folder in sys.argv[1:]]
    (site_packages / "tandem.pth").write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
