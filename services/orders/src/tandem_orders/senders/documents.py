"""Reading documents of others: tolerant of what is missing or new, exact in what is there.

Nothing here knows a sender. Numbers never become floats, texts are cut to what we store, and every
way in which a body can be broken ends in `messages.Unparseable`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree

from tandem_orders.messages import Unparseable

# The longest text of a message, see messages.Text.
_LONGEST = 512

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


def digest(body: bytes) -> str:
    """Name a body that has no name of its own."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def json_document(body: bytes) -> Any:
    """Read JSON. Raises Unparseable."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError) as broken:
        raise Unparseable("the body is not JSON") from broken


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object. Raises Unparseable."""
    document = json_document(body)
    if not isinstance(document, dict):
        raise Unparseable("the body is not a JSON object")
    return document


def glimpse(body: bytes) -> Mapping[str, Any]:
    """Return the body's JSON object, or an empty one for anything else. Never raises."""
    try:
        return json_object(body)
    except Unparseable:
        return {}


def xml_document(body: bytes) -> Element:
    """Read XML; entities and document types are refused. Raises Unparseable."""
    try:
        root: Element = ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError, LookupError, RecursionError) as broken:
        raise Unparseable("the body is not XML that can be trusted") from broken
    return root


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; a lone object is a list of one."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any, longest: int = _LONGEST) -> str | None:
    """Return a text or a number as one line of text, None for nothing or anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    # A lone surrogate is valid JSON and no valid text.
    readable = str(value).encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub(" ", readable).strip()[:longest].rstrip() or None


def local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def elements(parent: Element, name: str) -> list[Element]:
    """Return the children of that name, whatever their namespace."""
    return [child for child in parent if local_name(child) == name]


def descendants(parent: Element, name: str) -> list[Element]:
    return [child for child in parent.iter() if local_name(child) == name]


def element(parent: Element | None, *path: str) -> Element | None:
    """Follow a path of names to its first element."""
    for name in path:
        found = elements(parent, name) if parent is not None else []
        parent = found[0] if found else None
    return parent


def element_text(parent: Element | None, *path: str, longest: int = _LONGEST) -> str | None:
    found = element(parent, *path)
    return None if found is None else text(found.text, longest)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
