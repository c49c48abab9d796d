# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what a module documents with what its action accepts and returns.

ansible-test does that for modules written in Python. It cannot do it for a module that is only documentation beside an
action plugin. Every function returns the differences as sentences; an empty list means agreement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

# Keys of an argument spec that documentation has no field for.
UNDOCUMENTED_KEYS = {
    "apply_defaults",
    "mutually_exclusive",
    "no_log",
    "required_by",
    "required_if",
    "required_one_of",
    "required_together",
}
# Keys that both have -> their default.
COMPARED_KEYS = {"type": "str", "required": False, "default": None, "choices": None, "elements": None, "aliases": []}

RETURN_TYPES: dict[str, type | tuple[type, ...]] = {
    "bool": bool,
    "complex": (dict, list),
    "dict": dict,
    "float": (float, int),
    "int": int,
    "list": list,
    "str": str,
}


def option_differences(documented: Mapping[str, Any], spec: Mapping[str, Any], path: str = "") -> list[str]:
    """Where the documented options and an argument spec disagree, suboptions included."""
    found = [f"{path}{name}: documented, but not in the spec" for name in documented if name not in spec]
    found += [f"{path}{name}: in the spec, but not documented" for name in spec if name not in documented]
    for name in documented.keys() & spec.keys():
        doc, accepted = documented[name], spec[name]
        where = f"{path}{name}"
        if not doc.get("description"):
            found.append(f"{where}: no description")
        for key, absent in COMPARED_KEYS.items():
            left, right = doc.get(key, absent), accepted.get(key, absent)
            if key == "choices" and isinstance(left, dict):
                left = list(left)  # choices can be documented one by one
            if left != right or type(left) is not type(right):
                found.append(f"{where}: {key} is documented as {left!r}, the spec has {right!r}")
        stray = accepted.keys() - COMPARED_KEYS.keys() - UNDOCUMENTED_KEYS - {"options"}
        found += [f"{where}: the spec has a key that nothing compares: {key}" for key in sorted(stray)]
        found += option_differences(doc.get("suboptions") or {}, accepted.get("options") or {}, f"{where}.")
    return found


def return_differences(documented: Mapping[str, Any], path: str = "", need_sample: bool = True) -> list[str]:
    """Where the documentation of return values is incomplete, or a sample is not of the documented shape.

    A value needs a sample of its own, unless the value that contains it has one or all that it contains have.
    """
    found: list[str] = []
    for name, value in documented.items():
        where = f"{path}{name}"
        kind, sample, inner = value.get("type"), value.get("sample"), value.get("contains") or {}
        if not value.get("description"):
            found.append(f"{where}: no description")
        if not path and not value.get("returned"):
            found.append(f"{where}: no word on when it is returned")
        if kind not in RETURN_TYPES:
            found.append(f"{where}: type is {kind!r}")
        elif sample is not None:
            found += sample_differences(value, sample, where)
        elif need_sample and not inner:
            found.append(f"{where}: no sample")
        found += return_differences(inner, f"{where}.", need_sample and sample is None)
    return found


def sample_differences(value: Mapping[str, Any], sample: Any, where: str) -> Iterator[str]:
    """Where a sample is not what its documentation says, down to the values that it contains."""
    kind = value["type"]
    if not isinstance(sample, RETURN_TYPES.get(kind, object)) or (kind == "int" and isinstance(sample, bool)):
        yield f"{where}: the sample is no {kind}: {sample!r}"
        return
    inner = value.get("contains")
    if not inner:
        return
    for item in sample if isinstance(sample, list) else [sample]:
        if not isinstance(item, dict):
            yield f"{where}: the sample has {item!r} where it should have a dict"
            continue
        for key in item:
            if key not in inner:
                yield f"{where}: the sample has {key!r}, which is not documented"
            elif item[key] is not None:
                yield from sample_differences(inner[key], item[key], f"{where}.{key}")


def module_calls(node: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(short module name, arguments) of every task of this collection, in tasks, blocks and plays."""
    if isinstance(node, list):
        for item in node:
            yield from module_calls(item, prefix)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(key, str) and key.startswith(prefix):
                yield key.removeprefix(prefix), value or {}
            elif isinstance(value, list):
                yield from module_calls(value, prefix)


def argument_errors(arguments: Any, spec: Mapping[str, Any], constraints: Mapping[str, Any]) -> list[str]:
    """Errors that the spec finds in the arguments of an example; a template stands for a value that fits."""
    filled = fill_templates(arguments, spec)
    return list(ArgumentSpecValidator(dict(spec), **constraints).validate(filled).error_messages)


def fill_templates(value: Any, spec: Mapping[str, Any]) -> Any:
    """The arguments with each template replaced by a value that its option takes."""
    if not isinstance(value, dict):
        return value
    filled = {}
    for name, argument in value.items():
        option = spec.get(name, {})
        if isinstance(argument, str) and "{{" in argument:
            plain = {"bool": True, "int": 1, "float": 1.0, "list": [], "dict": {}}.get(
                option.get("type", "str"), "text"
            )
            filled[name] = option["choices"][0] if option.get("choices") else plain
        elif isinstance(argument, list):
            filled[name] = [fill_templates(item, option.get("options", {})) for item in argument]
        else:
            filled[name] = fill_templates(argument, option.get("options", {}))
    return filled
