"""`python -m tools.deploy WHAT --stage STAGE`, which the targets of the Makefile call."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from tandem_local.deployment import read_packages
from tools.deploy import callers, repairs, stage
from tools.deploy.smoke import smoke
from tools.deploy.target import Refused, Target, stage_parameters


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("what", choices=sorted(_COMMANDS))
    parser.add_argument("--stage", required=True)
    parser.add_argument("--region", default="")
    parser.add_argument("--parameters", type=Path, help="infra/stages/<stage>.json unless told")
    parser.add_argument("--build", type=Path, default=Path("dist"), help="where packages are")
    parser.add_argument("--service", default="")
    parser.add_argument("--queue", default="")
    parser.add_argument("--at", default="", help="an instant with its offset")
    parser.add_argument("--tables", choices=["", "keep", "delete"], default="")
    parser.add_argument(
        "--url", default="", help="what is before /loyalty when not the stage's own"
    )
    parser.add_argument("--sender", default="")
    parser.add_argument("--drop", action="store_true", help="drop the older secrets")
    parser.add_argument("--role", default="", help="of a caller without a person")
    parser.add_argument("--store", default="")
    parser.add_argument("--name", default="")
    asked = parser.parse_args()
    try:
        target = Target(asked.stage, stage.region(asked.region))
        return _COMMANDS[asked.what](target, asked)
    except Refused as refused:
        print(f"\n{refused}", file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(f"\nAWS says: {error}", file=sys.stderr)
    return 1


def _say(line: str) -> None:
    print(line, flush=True)


def _parameters(asked: argparse.Namespace) -> dict[str, str]:
    path = asked.parameters or Path("infra/stages") / f"{asked.stage}.json"
    return stage_parameters(path) | {"Stage": asked.stage}


def _deploy(target: Target, asked: argparse.Namespace) -> int:
    stage.deploy(target, read_packages(asked.build, asked.stage), _parameters(asked), _say)
    return 0


def _diff(target: Target, asked: argparse.Namespace) -> int:
    stage.diff(target, read_packages(asked.build, asked.stage), _parameters(asked), _say)
    return 0


def _destroy(target: Target, asked: argparse.Namespace) -> int:
    stage.destroy(target, asked.tables, _say)
    return 0


def _smoke(target: Target, asked: argparse.Namespace) -> int:
    packages = read_packages(asked.build, asked.stage)
    token = os.environ.get("TOKEN", "")
    return int(smoke(target, packages, asked.url, token, _say) > 0)


def _replay(target: Target, asked: argparse.Namespace) -> int:
    repairs.replay(target, _service(target, asked), asked.at, _say)
    return 0


def _redrive(target: Target, asked: argparse.Namespace) -> int:
    repairs.redrive(target, _service(target, asked), asked.queue, _say)
    return 0


def _restore(target: Target, asked: argparse.Namespace) -> int:
    repairs.restore(target, _service(target, asked), asked.at, _say)
    return 0


def _put_back(target: Target, asked: argparse.Namespace) -> int:
    repairs.put_back(target, _service(target, asked), _say)
    return 0


def _rotate(target: Target, asked: argparse.Namespace) -> int:
    if not asked.sender:
        raise Refused("Say whose secret: SENDER=shopify, or SENDER=tracking")
    is_read = not asked.drop and asked.sender not in repairs.OWN_KEYS
    value = sys.stdin.readline().strip() if is_read else ""
    if is_read and not value:
        raise Refused("The new secret is read from standard input, and there is none")
    made = "" if asked.drop else value or "made here"
    repairs.rotate(target, _service(target, asked), asked.sender, made, _say)
    return 0


def _caller(target: Target, asked: argparse.Namespace) -> int:
    callers.add(target, asked.role, asked.store, asked.name, _say)
    return 0


def _service(target: Target, asked: argparse.Namespace) -> str:
    if not asked.service:
        raise Refused(f"Say of which service: SERVICE= one of {', '.join(target.deployed())}")
    return str(asked.service)


_COMMANDS: dict[str, Callable[[Target, argparse.Namespace], int]] = {
    "deploy": _deploy,
    "diff": _diff,
    "destroy": _destroy,
    "smoke": _smoke,
    "replay": _replay,
    "redrive": _redrive,
    "restore": _restore,
    "put-back": _put_back,
    "rotate": _rotate,
    "caller": _caller,
}


if __name__ == "__main__":
    sys.exit(main())
