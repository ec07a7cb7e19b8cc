"""One stack's package: staged as a Chalice project, packaged by Chalice, completed here.

Chalice writes the template and the zip of our own code. The dependencies are installed by pip with
their hashes checked, which Chalice's own installer cannot do, and every module gets bytecode that
stays valid in a zip without dates: without it each cold start compiles everything again.

The same package is built for two places: for this machine's local cloud, and for Lambda (see
targets.py). They differ in compiled modules, in nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.packages.archive import write_archive
from tools.packages.lean import dependency_files
from tools.packages.roots import RootMissing
from tools.packages.sdk import UnknownNeed
from tools.packages.targets import THIS_MACHINE, Target
from tools.packages.template import merged_template

# The authorizer's package is the platform's stack; a service's stack is named after the service.
_STACK_OF = {"authorizer": "platform"}


class BuildFailed(Exception):
    """A tool refused. The message is for the person at the terminal."""


def packages(root: Path, target: Target = THIS_MACHINE) -> Iterator[Package]:
    """The platform first: the others import what it exports."""
    found = [
        Package(root=root, source=app.parent, target=target)
        for app in sorted(root.glob("services/*/app.py"))
    ]
    yield from sorted(found, key=lambda package: (package.stack != "platform", package.stack))


@dataclass(frozen=True)
class Package:
    root: Path
    source: Path
    target: Target = THIS_MACHINE

    @property
    def stack(self) -> str:
        return _STACK_OF.get(self.source.name, self.source.name)

    @property
    def stage(self) -> Path:
        return self.root / self.target.folder / self.stack

    @property
    def archive(self) -> Path:
        return self.stage / "package" / "deployment.zip"

    @property
    def template(self) -> Path:
        return self.stage / "package" / "sam.json"

    def is_current(self) -> bool:
        mark = self.stage / "fingerprint"
        return (
            self.archive.is_file()
            and self.template.is_file()
            and mark.is_file()
            and mark.read_text() == self.fingerprint
        )

    def build(self) -> None:
        """Stage, install, package. Raises BuildFailed."""
        if not self.target.takes_this_python:
            raise BuildFailed(f"Lambda runs Python {self.target.python}: `make PYTHON=...` with it")
        dependencies = self.install_dependencies()
        self._stage_project()
        self._run_chalice()
        try:
            write_archive(self.archive, dependency_files(dependencies, self.stage / "vendor"))
        except (RootMissing, UnknownNeed) as failure:
            raise BuildFailed(str(failure)) from failure
        self._complete_template()
        (self.stage / "fingerprint").write_text(self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that the package is made from."""
        digest = hashlib.sha256(self.target.tag.encode())
        own = sorted(Path(__file__).parent.glob("*.py"))
        for path in [*own, *self._templates, *self._inputs()]:
            name = path.relative_to(self.root) if path.is_relative_to(self.root) else path.name
            digest.update(f"{name}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @cached_property
    def _sources(self) -> list[Path]:
        """The roots of our own import packages that go into the zip."""
        project = tomllib.loads((self.source / "pyproject.toml").read_text())["project"]
        needs_core = "tandem-core" in project["dependencies"]
        return [self.source / "src", *([self.root / "core" / "src"] if needs_core else [])]

    @property
    def _templates(self) -> list[Path]:
        infra = self.root / "infra"
        shared = [] if self.stack == "platform" else [infra / "rest-api.yaml"]
        return [*shared, infra / f"{self.stack}.yaml"]

    def _inputs(self) -> Iterator[Path]:
        yield self.source / "app.py"
        yield self.source / "requirements.txt"
        yield from sorted((self.source / ".chalice").glob("*.json"))
        for root in self._sources:
            yield from sorted(path for path in root.rglob("*.*") if _is_source(path))

    def install_dependencies(self) -> Path:
        """Install the pinned requirements into a folder that is kept between builds."""
        requirements = self.source / "requirements.txt"
        key = hashlib.sha256(self.target.tag.encode() + requirements.read_bytes()).hexdigest()
        folder = self.root / self.target.folder / ".dependencies" / f"{self.stack}-{key[:16]}"
        if folder.is_dir():
            return folder
        for outdated in folder.parent.glob(f"{self.stack}-*"):
            shutil.rmtree(outdated)
        unfinished = folder.with_name(f"{self.stack}-unfinished")
        _run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            + ["--no-input", "--no-deps", "--no-compile", "--require-hashes"]
            + self.target.pip_options
            + ["--target", str(unfinished), "--requirement", str(requirements)],
            cwd=self.root,
        )
        shutil.rmtree(unfinished / "bin", ignore_errors=True)
        unfinished.rename(folder)
        return folder

    def _stage_project(self) -> None:
        shutil.rmtree(self.stage, ignore_errors=True)
        self.stage.mkdir(parents=True)
        shutil.copy(self.source / "app.py", self.stage)
        shutil.copytree(self.source / ".chalice", self.stage / ".chalice")
        (self.stage / "requirements.txt").touch()
        for root in self._sources:
            shutil.copytree(
                root,
                self.stage / "vendor",
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "*.pyc"),
            )
        merge = merged_template(self._templates)
        (self.stage / "infra.json").write_text(json.dumps(merge, indent=2))

    def _run_chalice(self) -> None:
        """Let Chalice import the app and write the template and a zip of our own code."""
        _run(
            [sys.executable, "-c", "import sys, chalice.cli; sys.exit(chalice.cli.main())"]
            + ["package", "--merge-template", "infra.json", "package"],
            cwd=self.stage,
            # Chalice asks the SDK for names of the region, and for nothing else.
            AWS_DEFAULT_REGION="us-east-1",
            AWS_ACCESS_KEY_ID="none",
            AWS_SECRET_ACCESS_KEY="none",  # noqa: S106
            PYTHONDONTWRITEBYTECODE="1",
        )

    def _complete_template(self) -> None:
        """Say what Chalice cannot be told: where compiled modules run, and which version serves.

        Chalice says x86-64, and lets the API call the function's newest code. A function that is
        published under an alias is called by the alias.
        """
        template = json.loads(self.template.read_text())
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["Architectures"] = [self.target.architecture]
                if "AutoPublishAlias" in resource["Properties"]:
                    _call_the_alias(template["Resources"]["RestAPI"], name)
        self.template.write_text(json.dumps(template, indent=2))


def _call_the_alias(api: Any, function: str) -> None:
    for operations in api["Properties"]["DefinitionBody"]["paths"].values():
        for operation in operations.values():
            uri = operation["x-amazon-apigateway-integration"].get("uri", {})
            if f"${{{function}.Arn}}" in uri.get("Fn::Sub", ""):
                text = uri["Fn::Sub"].replace(f"${{{function}.Arn}}", "${Alias}")
                uri["Fn::Sub"] = [text, {"Alias": {"Ref": f"{function}.Alias"}}]


def _run(command: list[str], cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        what = " ".join(command[:4])
        raise BuildFailed(f"{what} ... failed:\n{done.stdout[-4000:]}")


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
