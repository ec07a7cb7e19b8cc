"""What a package may weigh, import and leave out; nothing is left out that is asked for."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader
from botocore.session import get_session

from tandem_local.engine import Engine
from tools.cold import run as bench
from tools.cold.store import Store, serving
from tools.cold.subjects import Subject, as_we_ship_it
from tools.packages.lean import is_needed
from tools.packages.package import Package, packages
from tools.packages.roots import AMAZON_ROOTS, FILE_NAME, RootMissing, amazon_roots
from tools.packages.sdk import UnknownNeed, names_used, services_asked_for
from tools.packages.targets import LAMBDA

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = Path(__file__).with_name("imports.json")
STACKS = sorted(package.stack for package in packages(ROOT))
SERVICES = [stack for stack in STACKS if stack != "platform"]
MAX_BYTES = 12_000_000
OWN = ("app", "tandem_")
AARCH64, ELF = 183, b"\x7fELF"
# Names an order that is not there, so its book is looked for.
NO_RETURN = f"ret_{'0' * 36}"


def built(stack: str) -> Package:
    package = next(package for package in packages(ROOT) if package.stack == stack)
    if not package.is_current():
        package.build()
    return package


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {stack: tmp_path_factory.mktemp(stack) for stack in STACKS}
    for stack, folder in folders.items():
        with zipfile.ZipFile(built(stack).archive) as archive:
            archive.extractall(folder)
    return folders


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AWS's runtime client, alone in a folder."""
    folder = tmp_path_factory.mktemp("engine")
    return Engine(ROOT / ".venv-engine/bin/python", folder, folder / "log").runtime_client()


def alone(code: Path, program: str, *path: Path, **environment: str) -> str:
    """Run a program that finds these folders and the standard library; return what it prints."""
    search = [str(code), *map(str, path)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", f"import sys\nsys.path[:0] = {search}\n{program}"],
        cwd=code,
        env={
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SECRET_ACCESS_KEY": "none",
            "PATH": "/usr/bin:/bin",
            "PYDANTIC_DISABLE_PLUGINS": "__all__",
            **{f"TANDEM_{name}": "test" for name in ("SERVICE", "STAGE", "TABLE", "BUS")},
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what a package weighs and where it runs ----------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_a_package_weighs_less_than_twelve_megabytes(stack: str) -> None:
    assert built(stack).archive.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_shipped_that_no_function_reads(stack: str) -> None:
    with zipfile.ZipFile(built(stack).archive) as archive:
        names = archive.namelist()
    ours = ("botocore/data/", *OWN)
    taken = [name for name in names if not name.startswith(ours) and not name.endswith(".pyc")]
    assert len(taken) > 50
    assert [name for name in taken if not is_needed(name)] == []
    heavy = [name for name in names if name.startswith(("cryptography/", "pip/", "setuptools/"))]
    assert not heavy or stack == "platform"


@pytest.mark.skipif(
    not LAMBDA.takes_this_python, reason="only Python 3.13 compiles for Lambda, which runs it"
)
def test_the_package_for_lambda_differs_in_compiled_modules_only() -> None:
    here = built("loyalty")
    there = Package(root=ROOT, source=here.source, target=LAMBDA)
    if not there.is_current():
        there.build()
    with zipfile.ZipFile(here.archive) as ours, zipfile.ZipFile(there.archive) as lambdas:
        compiled = {name for name in lambdas.namelist() if ".so" in name}
        assert compiled
        for name in compiled:
            head = lambdas.read(name)[:20]
            assert head[:4] == ELF
            assert struct.unpack("<H", head[18:20])[0] == AARCH64, name
        # Sets within bytecode lie in no order; WHEEL and sboms tell of the wheel itself.
        same = [
            name
            for name in {*ours.namelist(), *lambdas.namelist()}
            if not (".so" in name or "/sboms/" in name or name.endswith((".pyc", "/WHEEL")))
        ]
        differ = [name for name in same if ours.getinfo(name).CRC != lambdas.getinfo(name).CRC]
    assert not differ
    assert there.archive.stat().st_size < MAX_BYTES
    functions = of_type(json.loads(there.template.read_text()), "AWS::Serverless::Function")
    assert {(*one["Architectures"], one["Runtime"]) for one in functions} == {
        ("arm64", "python3.13")
    }


def of_type(template: Any, kind: str) -> Iterator[Any]:
    for resource in template["Resources"].values():
        if resource["Type"] == kind:
            yield resource["Properties"]


# --- how it starts ------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_aws_own_runtime_client_imports_every_handler_and_the_collector_rests(
    stack: str, unpacked: dict[str, Path], runtime: Path
) -> None:
    template = json.loads(built(stack).template.read_text())
    handlers = [one["Handler"] for one in of_type(template, "AWS::Serverless::Function")]
    assert handlers
    for handler in handlers:
        said = alone(
            unpacked[stack],
            f"""
from awslambdaric.bootstrap import _get_handler
found = _get_handler({handler!r})
import gc
outside = [
    name for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
    and not name.startswith(("awslambdaric", "runtime_client", "simplejson", "snapshot_restore"))
]
assert not outside, outside
print(type(found).__module__, getattr(found, "__module__", ""), gc.isenabled(),
      gc.get_freeze_count())
""",
            runtime,
            _HANDLER=handler,
        )
        # What cannot be imported is told by a handler of the runtime client's own.
        assert "awslambdaric" not in said, handler
        enabled, frozen = said.split()[-2:]
        assert enabled == "True"
        assert stack == "platform" or int(frozen) > 30_000, handler


@pytest.mark.parametrize("stack", SERVICES)
def test_copies_of_a_snapshot_share_no_chance_and_no_connection(
    stack: str, unpacked: dict[str, Path], runtime: Path
) -> None:
    """A start connects to nobody, and what is drawn after a restore was not in the snapshot."""
    said = alone(
        unpacked[stack],
        """
import importlib, json, random, socket

def refuse(*_):
    raise AssertionError("a connection of a start would be in the snapshot")

socket.socket.connect = refuse
importlib.import_module("app")
from awslambdaric import lambda_runtime_hooks_runner as hooks

hooks.run_before_snapshot()
kept, drawn = random.getstate(), []
for _ in range(3):
    random.setstate(kept)
    hooks.run_after_restore()
    drawn.append(random.random())
print(json.dumps(drawn))
""",
        runtime,
        _HANDLER="app.app",
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
    )
    assert len(set(json.loads(said))) == 3


@pytest.mark.skipif(
    not LAMBDA.takes_this_python,
    reason="the list is of Python 3.13, which Lambda runs; others import other modules",
)
def test_imports_are_frozen(unpacked: dict[str, Path], tmp_path: Path) -> None:
    """A module that is new in a cold start is a decision: `imports.json` changes in its commit."""
    expected = json.loads(IMPORTS.read_text())
    found = imports(unpacked, tmp_path)
    for stack, when in found.items():
        for moment, names in when.items():
            assert names == expected[stack][moment], f"{stack}, {moment}: {json.dumps(names)}"


def imports(unpacked: dict[str, Path], folder: Path) -> dict[str, dict[str, list[str]]]:
    """Return what is imported at init and by the first request: not our own modules, and of the
    standard library the top level only, without its private parts."""
    store = Store()
    with serving(store):
        ours = Subject("loyalty: our zip", unpacked["loyalty"], "app.app")
        asked = {
            "loyalty": bench.seeded(store, ours, folder),
            "orders": bench.event("terminal", "GET /v1/orders/{order_id}", order_id="ord_none"),
            "returns": bench.event("terminal", "GET /v1/returns/{return_id}", return_id=NO_RETURN),
        }
        found = {}
        for service in SERVICES:
            subject = Subject(service, unpacked[service], "app.app")
            report = bench.run(subject, store, [asked[service]], folder, 0)
            assert report.answers[0][0] in (201, 404)
            found[service] = {"init": named(report.at_init), "first": named(report.at_first)}
    return found


def named(modules: Any) -> list[str]:
    tops = ((name, name.partition(".")[0]) for name in modules)
    return sorted(
        {
            top if top in sys.stdlib_module_names else name
            for name, top in tops
            if not top.startswith(("_", *OWN))
        }
    )


# --- what of the SDK is there -------------------------------------------------------------------


@pytest.mark.parametrize("stack", SERVICES)
def test_a_client_can_do_all_that_a_role_allows(stack: str, unpacked: dict[str, Path]) -> None:
    """The templates are another list of what the code calls than the one the packager reads."""
    template = json.loads(built(stack).template.read_text())
    allowed = {
        (service, name)
        for service, _, name in (action.partition(":") for action in actions(template["Resources"]))
        if service in ("dynamodb", "events", "sqs", "secretsmanager")
    }
    # Lambda's own mappings do these, with the role of the function.
    allowed -= {("sqs", name) for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
    allowed -= {("dynamodb", name) for name in ("DescribeStream", "GetRecords", "ListStreams")}
    # To the destination of what a mapping gives up; the rule's sending is the bus's own.
    allowed -= {("dynamodb", "GetShardIterator"), ("sqs", "SendMessage")}
    # A transaction is allowed by what it consists of.
    allowed |= {("dynamodb", "TransactWriteItems")}
    wanted = sorted((service, xform_name(name)) for service, name in allowed)
    assert len(wanted) > 5
    alone(
        unpacked[stack],
        f"""
from tandem_core.aws import make_client
for service, method in {wanted!r}:
    client = make_client(service, connect_seconds=1, read_seconds=1, attempts=1)
    assert callable(getattr(client, method)), (service, method)
""",
    )


def actions(node: Any) -> Iterator[str]:
    """Yield every action that a template grants."""
    if isinstance(node, list):
        for child in node:
            yield from actions(child)
    elif isinstance(node, dict):
        granted = node.get("Action", []) if "Effect" in node else []
        yield from [granted] if isinstance(granted, str) else granted
        for child in node.values():
            yield from actions(child)


@pytest.mark.parametrize("stack", SERVICES)
def test_every_service_of_which_a_client_is_made_is_there_and_no_other(
    stack: str, unpacked: dict[str, Path]
) -> None:
    asked = services_asked_for(built(stack).stage / "vendor")
    data = unpacked[stack] / "botocore/data"
    assert asked == sorted(path.name for path in data.iterdir() if path.is_dir())
    assert {"dynamodb", "events", "sqs"} <= set(asked)
    assert ("secretsmanager" in asked) == (stack in ("orders", "returns"))


@pytest.mark.parametrize("stack", SERVICES)
def test_endpoints_are_those_of_the_whole_sdk_in_every_region(
    stack: str, unpacked: dict[str, Path]
) -> None:
    session, loader = get_session(), Loader()
    partitions = loader.load_data("partitions")
    expected = {}
    for service in services_asked_for(built(stack).stage / "vendor"):
        rules = EndpointProvider(
            loader.load_service_model(service, "endpoint-rule-set-1"), partitions
        )
        for partition in ("aws", "aws-cn", "aws-us-gov"):
            for region in session.get_available_regions(service, partition):
                if "fips" not in region and region != "local":
                    resolved = rules.resolve_endpoint(
                        Region=region, UseDualStack=False, UseFIPS=False
                    )
                    expected[f"{service} {region}"] = resolved.url
    assert len(expected) > 60
    said = alone(
        unpacked[stack],
        f"""
import json
from tandem_core.aws import session
found = {{}}
for asked in {sorted(expected)!r}:
    service, region = asked.split()
    found[asked] = session().create_client(service, region_name=region).meta.endpoint_url
print(json.dumps(found))
""",
    )
    assert json.loads(said) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import boto3\nboto3.client('s3')",
        "from boto3.dynamodb.conditions import Key",
        "def f(service):\n    return make_client(service, attempts=3)",
    ],
)
def test_a_client_that_the_packager_cannot_see_stops_the_build(source: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(source)
    with pytest.raises(UnknownNeed):
        services_asked_for(tmp_path)


def test_of_the_kernel_only_what_the_service_leads_to_is_read(tmp_path: Path) -> None:
    kernel = tmp_path / "tandem_core"
    kernel.mkdir()
    (kernel / "queues.py").write_text("make_client('sqs')")
    (kernel / "secrets.py").write_text("make_client('secretsmanager')")
    (kernel / "table.py").write_text("def f():\n    from tandem_core import queues")
    (tmp_path / "app.py").write_text("from tandem_core.table import Table")
    assert services_asked_for(tmp_path) == ["sqs"]
    (tmp_path / "other.py").write_text("from tandem_core.secrets import read_secret")
    assert services_asked_for(tmp_path) == ["secretsmanager", "sqs"]


def test_what_is_called_anywhere_is_kept(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("make_client('sqs').send_message_batch(Entries=[])")
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore/docs.py").write_text("client.purge_queue()")
    assert services_asked_for(tmp_path) == ["sqs"]
    assert names_used(tmp_path) == {"send_message_batch"}


# --- the small CA file --------------------------------------------------------------------------


@pytest.mark.parametrize("stack", SERVICES)
def test_the_roots_of_aws_are_whole_certificates(stack: str, unpacked: dict[str, Path]) -> None:
    said = alone(
        unpacked[stack],
        f"""
import json, ssl
context = ssl.create_default_context(cafile={FILE_NAME!r})
names = [dict(part[0] for part in one["subject"])["commonName"] for one in context.get_ca_certs()]
print(json.dumps(sorted(names)))
""",
    )
    assert json.loads(said) == sorted(AMAZON_ROOTS.values())


def test_a_bundle_without_the_roots_of_aws_stops_the_build() -> None:
    with pytest.raises(RootMissing, match="Amazon Root CA 1"):
        amazon_roots(io.StringIO("# nothing\n").read())


def test_our_zip_is_what_the_benches_measure(tmp_path: Path) -> None:
    subject = as_we_ship_it("loyalty", tmp_path / "zip")
    assert (subject.folder / "tandem_core/__pycache__").is_dir()
    assert (subject.folder / FILE_NAME).is_file()
