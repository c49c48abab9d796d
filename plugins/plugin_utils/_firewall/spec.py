# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What flow_offload_router and flow_offload_exclude may hold.

roles/flow_offload/meta/argument_specs.yml documents the same; a unit test compares the two. Ansible does not check
these two variables, and hands them on as they are written: without defaults, with "no" for false.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.arguments import name_kind, validate
from .._core.errors import OffloadError

PLACES = (
    "table",
    "early",
    "dstnat",
    "input",
    "input_last",
    "mangle",
    "forward",
    "forward_last",
    "fast_path",
    "output",
    "srcnat",
)
"""where extra rules can go: ``table`` is beside the chains, the others are chains or their ends"""
FORWARDED = ("tcp", "udp", "sctp", "gre", "esp")
"""protocols of port forwards"""
WEEKDAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}
"""a day -> as nft has it"""
KEYS = {"ipv4": "ipv4_addr", "ipv6": "ipv6_addr", "port": "inet_service", "mark": "mark"}
VALUES = {**KEYS, "verdict": "verdict"}
"""what a map leads from and to -> nft's name of the type"""


def _list(elements: str = "str", **more: Any) -> dict[str, Any]:
    return {"type": "list", "elements": elements, "default": [], **more}


def _choice(first: str, *others: str) -> dict[str, Any]:
    """A word, the first one when it is left out."""
    return {"type": "str", "choices": [first, *others], "default": first}


FAMILY = _choice("both", "ipv4", "ipv6")
TEXT: dict[str, Any] = {"type": "str"}
NEEDED: dict[str, Any] = {"type": "str", "required": True}
FLAG: dict[str, Any] = {"type": "bool", "default": False}
ZONES: dict[str, Any] = {"type": "list", "elements": "str", "required": True}
NARROWS: dict[str, Any] = {"type": "list", "elements": "str"}
"""everything when it is left out; there and empty is refused, which a list that a template made may be by mistake"""
LINES = _list()
"""also a text, whose lines they are"""

# Of a rule, to the router or through it.
RULE: dict[str, Any] = {
    "from": ZONES,
    "services": NARROWS,
    "sources": NARROWS,
    "destinations": NARROWS,
    "family": FAMILY,
    "source_mac": NARROWS,
    "hours": TEXT,
    "weekdays": {**NARROWS, "choices": list(WEEKDAYS)},
    "action": _choice("accept", "drop", "reject"),
    "limit": {
        "type": "dict",
        "options": {"rate": NEEDED, "burst": {"type": "int", "default": 5}, "per": _choice("all", "source")},
    },
    "connections": {
        "type": "dict",
        "options": {"max": {"type": "int", "required": True}, "per": _choice("all", "source")},
    },
    "log": FLAG,
    "counter": TEXT,
    "comment": TEXT,
}

ROUTER: dict[str, Any] = {
    "family": FAMILY,
    "zones": _list(
        "dict",
        options={
            "name": NEEDED,
            "devices": ZONES,
            "subnets": NARROWS,
            "services": _list(),
            "masquerade": FLAG,
            "input": _choice("drop", "reject", "accept"),
            "forward": _choice("drop", "reject", "accept"),
            "antispoof": _choice("none", "loose", "strict"),
            "bogons": FLAG,
            "dhcp_client": {"type": "bool", "default": True},
            "mss": TEXT,
            "log": FLAG,
        },
    ),
    "services": _list("dict", options={"name": NEEDED, "ports": {**ZONES}}),
    "sets": _list(
        "dict",
        options={
            "name": NEEDED,
            "type": _choice("addresses", "ports"),
            "elements": _list(),
            "file": TEXT,
            "timeout": TEXT,
        },
    ),
    "maps": _list(
        "dict",
        options={
            "name": NEEDED,
            "key": {"type": "str", "choices": list(KEYS), "required": True},
            "value": {"type": "str", "choices": list(VALUES), "required": True},
            "elements": _list("dict", options={"key": NEEDED, "value": NEEDED}),
            "file": TEXT,
        },
    ),
    "input": _list("dict", options=RULE),
    "forward": _list("dict", options={**RULE, "to": ZONES}),
    "port_forwards": _list(
        "dict",
        options={
            "name": NEEDED,
            "from": ZONES,
            "to": NEEDED,
            "protocols": {"type": "list", "elements": "str", "choices": list(FORWARDED), "default": ["tcp"]},
            "port": TEXT,
            "address": TEXT,
            "ipv4": TEXT,
            "ipv6": TEXT,
            "target_port": {"type": "int"},
            "sources": NARROWS,
            "hairpin": _list(),
        },
    ),
    "redirect": _list(
        "dict",
        options={
            "from": ZONES,
            "services": {"type": "list", "elements": "str", "required": True},
            "sources": NARROWS,
            "destinations": NARROWS,
            "family": FAMILY,
            "target_port": {"type": "int"},
        },
    ),
    "source_nat": _list(
        "dict",
        options={
            "to": ZONES,
            "sources": NARROWS,
            "destinations": NARROWS,
            "action": _choice("snat", "masquerade", "none"),
            "address": TEXT,
            "ports": NARROWS,
            "map": TEXT,
        },
    ),
    "blocklists": _list("dict", options={"set": NEEDED, "from": _list(), "to": _list(), "log": FLAG}),
    "bogon_exceptions": _list(),
    "log": {
        "type": "dict",
        "options": {
            "prefix": {"type": "str", "default": "nft "},
            "rate": {"type": "str", "default": "10/second"},
            "burst": {"type": "int", "default": 20},
            "level": _choice("warn", "emerg", "alert", "crit", "err", "notice", "info", "debug"),
            "group": {"type": "int"},
        },
    },
    "extra": _list(
        "dict",
        options={
            "place": {"type": "str", "choices": list(PLACES), "required": True},
            "rules": LINES,
            "file": TEXT,
        },
    ),
}

EXCLUDE: dict[str, Any] = _list(
    "dict",
    options={
        "services": _list(),
        "addresses": _list(),
        "marks": _list(),
        "dscp": _list(),
        "zones": _list(),
        "devices": _list(),
        "packets": {"type": "int"},
    },
)

SPEC: dict[str, Any] = {
    "flow_offload_router": {"type": "dict", "default": {}, "options": ROUTER},
    "flow_offload_exclude": EXCLUDE,
}


def checked(name: str, value: Any) -> Any:
    """A variable of SPEC, checked and completed; raises OffloadError naming the key that is wrong."""
    return validate({name: SPEC[name]}, {}, {name: normalised(value, SPEC[name], name)})[name]


def normalised(value: Any, option: Mapping[str, Any], where: str) -> Any:
    """The value of an option, with what Ansible would take for something else put right.

    It takes null for left out, splits a text at its commas, and leaves the blanks around what stood between them.
    Raises OffloadError for anything else where a dictionary belongs, which is a TypeError inside of Ansible.
    """
    options = option.get("options")
    if options and option["type"] == "list":
        if not isinstance(value, list | tuple):
            raise OffloadError(
                f"{where}: a list was expected, not {_shown(value, options)}", "begin each of its items with a dash"
            )
        return [_normalised_keys(item, options, f"{where}[{number}]") for number, item in enumerate(value)]
    if options and value is not None:
        return _normalised_keys(value, options, where)
    if isinstance(value, str) and option is LINES:
        return value.replace("\r\n", "\n").removesuffix("\n").split("\n") if value.strip() else []
    if isinstance(value, str) and option["type"] == "list":
        return [item.strip() for item in value.split(",")]
    narrows = option["type"] == "list" and not {"default", "required"} & option.keys()
    return [] if value is None and narrows else value


def _shown(value: Any, options: Mapping[str, Any]) -> str:
    """A value that stands where these options belong, for a message; only its kind where it may be a secret."""
    return name_kind(value) if any(option.get("no_log") for option in options.values()) else f"{value!r:.60}"


def _normalised_keys(value: Any, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    remedy = f"the options are: {', '.join(sorted(options))}"
    if not isinstance(value, Mapping):
        raise OffloadError(f"{where}: a dictionary was expected, not {_shown(value, options)}", remedy)
    if other := [key for key in value if not isinstance(key, str)]:
        raise OffloadError(f"{where}: there is no option {other[0]!r}", remedy)
    known = {key: normalised(value[key], option, f"{where}.{key}") for key, option in options.items() if key in value}
    return {**value, **known}
