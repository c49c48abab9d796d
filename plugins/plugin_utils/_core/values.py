# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Plain values, as JSON has them, into dataclasses. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST = 2**63 - 1
"""of whole numbers"""


def build(kind: Any, value: Any, where: str) -> Any:
    """A value of ``kind`` from what JSON has for it; raises ValueError, with ``where`` for its place.

    Kinds are dataclasses, whose fields may be left out where they have a default, ``tuple[X, ...]``,
    ``Mapping[str, X]``, ``X | None``, ``Literal`` of strings, datetime with its zone, and str, int, float, of which
    numbers are finite and not negative. Texts become plain ones: from ansible-core 2.19 on they carry tags that a
    format must not see.
    """
    origin = get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _build_fields(kind, value, where)
    if origin in (Union, UnionType):
        return None if value is None else build(get_args(kind)[0], value, where)
    if origin is Literal:
        return _require(str(value), isinstance(value, str) and value in get_args(kind), value, where, get_args(kind))
    if origin is tuple:
        _require(value, isinstance(value, list | tuple), value, where, "a list")
        return tuple(build(get_args(kind)[0], item, f"{where}[{number}]") for number, item in enumerate(value))
    if origin is Mapping:
        _require(value, isinstance(value, Mapping), value, where, "an object")
        return {_name(name, where): build(get_args(kind)[1], item, f"{where}.{name}") for name, item in value.items()}
    if kind is datetime:
        return _build_time(value, where)
    if kind is str:
        return _require(f"{value}", isinstance(value, str), value, where, "a text")
    if kind is int:
        whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST
        return _require(value, whole, value, where, "a whole number")
    finite = isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    return float(_require(value, finite, value, where, "a number"))


def prune(kind: Any, value: Any) -> Any:
    """A value without what ``kind`` has no field for, at any depth."""
    origin = get_origin(kind)
    if is_dataclass(kind) and isinstance(value, Mapping):
        hints = get_type_hints(kind)
        return {name: prune(hints[name], value[name]) for name in hints if name in value}
    if origin in (Union, UnionType):
        return prune(get_args(kind)[0], value)
    if origin is tuple and isinstance(value, list | tuple):
        return [prune(get_args(kind)[0], item) for item in value]
    return value


def _build_fields(kind: type, value: Any, where: str) -> Any:
    _require(value, isinstance(value, Mapping), value, where, "an object")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    for name in value:
        if name not in known:
            raise ValueError(f"{where} has {name!r:.80}, which is not of this form")
    for name, field in known.items():
        if name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where} lacks {name!r}")
    return kind(**{str(name): build(hints[name], item, f"{where}.{name}") for name, item in value.items()})


def _build_time(value: Any, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        time = None
    wanted = "a time with its zone, such as 2026-11-30T22:30:05+00:00"
    found: datetime = _require(
        time, time is not None and time.tzinfo is not None and time.year > 1970, value, where, wanted
    )
    return found


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value) and 0 <= value <= LARGEST
    except OverflowError:
        return False


def _name(name: Any, where: str) -> str:
    return str(
        _require(name, isinstance(name, str) and name != "", name, where, "an object with a name for each of its parts")
    )


def _require(found: Any, fits: bool, value: Any, where: str, wanted: Any) -> Any:
    """``found``; raises ValueError unless it fits."""
    if not fits:
        words = f"one of {', '.join(filter(None, wanted))}" if isinstance(wanted, tuple) else wanted
        raise ValueError(f"{where} must be {words}, got {value!r:.80}")
    return found
