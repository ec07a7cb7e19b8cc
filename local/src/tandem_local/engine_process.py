"""Runs ministack, in the engine's own interpreter and for as long as its parent lives.

Started as a script: nothing of this package can be imported here.
"""

import os
import signal
import threading


def main() -> None:
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    from ministack.app import (  # type: ignore[import-not-found]  # noqa: PLC0415
        main as serve,
    )

    serve()


def _stop_with_parent() -> None:
    """Standard input is a pipe that nobody writes to: it ends when the parent does, however.

    The signal is the same as for an orderly stop, so the engine saves its state all the same.
    """
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
