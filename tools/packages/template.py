"""The infra templates of a stack, merged into the one document that Chalice merges with its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml


def merged_template(paths: Sequence[Path]) -> dict[str, Any]:
    """Read and merge; where two say different things the later one wins."""
    merged: Any = {}
    for path in paths:
        merged = _merge(merged, yaml.load(path.read_text(), Loader=_TemplateLoader))  # noqa: S506
    document: dict[str, Any] = merged
    return document


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {name: _merge(base.get(name), value) for name, value in over.items()}
    return over


class _TemplateLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref x` is `{"Ref": "x"}`."""


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    function = name if name in ("Ref", "Condition") else f"Fn::{name}"
    value: Any
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        value = text.split(".", 1) if name == "GetAtt" else text
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  the only other kind of node
        value = loader.construct_mapping(node, deep=True)
    return {function: value}


_TemplateLoader.add_multi_constructor("!", _short_form)
