"""What begins and ends the start of a process on Lambda: the collector's part, and a snapshot's.

The collector is off while modules are imported, and is then told to leave them be. Imports make a
few hundred thousand objects that all stay. Looking through them again and again takes a tenth of an
initialisation, and one more look takes tens of milliseconds of the first request. So the collector
is off until the module that Lambda was told to import is complete; then everything there is counts
as permanent, and the collector goes on with what requests leave behind.

With SnapStart (docs/operations.md) many processes go on from one that was started before. What is
made at a start may be shared by them: no id, time, secret or connection is made there. Python's
random numbers are, from one seed, so every copy takes a seed of its own.

Anywhere but on Lambda, whose runtime names the handler in _HANDLER, this module does nothing.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import Any

_ENTRY = os.environ.get("_HANDLER", "").rpartition(".")[0]

if _ENTRY:
    gc.disable()


def complete(module: str, *prepare: Callable[[], Any]) -> None:
    """Say that a module that may be the entry is complete: the last line of that module.

    `prepare` makes what the first request would wait for. Lambda initialises on a whole processor
    whatever the function's memory, and answers on the share that the memory buys.
    """
    if module != _ENTRY:
        return
    for make in prepare:
        make()
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        import random

        # Lambda's runtime brings it. All copies would pause equally long before they try again.
        from snapshot_restore_py import register_after_restore  # type: ignore[import-not-found]

        register_after_restore(random.seed)
    gc.freeze()
    gc.enable()
