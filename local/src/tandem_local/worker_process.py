"""What a Lambda worker runs: AWS's runtime client with the package, and nothing else, on the path.

Started as `python -I -S worker_process.py CODE RUNTIME HANDLER` so that the environment's own
packages are out of reach: what the package forgot is missing here as it would be on AWS.
"""

import os
import sys
import threading


def main() -> None:
    code, runtime, handler = sys.argv[1:]
    sys.path[:0] = [code, runtime]
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    from awslambdaric.__main__ import main as run  # noqa: PLC0415  only now on the path

    run(["awslambdaric", handler])


def _leave_with_parent() -> None:
    """Standard input is a pipe that nobody writes to: it ends when the parent does, however."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
