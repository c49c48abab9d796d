# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which variables do the role and the playbooks have, and may they hold what they hold? Pure: no I/O.

roles/flow_offload/meta/argument_specs.yml documents them; a unit test compares the two. Ansible checks them against
that file too where a play names the role, but hands them on as they were written (without defaults, "no" for false).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..._confirm import checks
from ..._confirm.change import LONGEST_TIMEOUT
from ..._confirm.witness import read_witness
from ..._core.arguments import validate
from ..._core.errors import OffloadError
from ..._core.names import DEVICE, PATTERN, find_overlap, is_pattern
from ..._observe.reading import LONGEST_SAMPLE
from ..._verify.finding import RUNGS
from ..._verify.known import ADVISORIES
from .. import spec

PREFIX = "flow_offload_"
MODES = ("auto", "hardware", "software", "disabled")
FLUSHES = ("none", "restricted", "all")
FLAG: dict[str, Any] = {"type": "bool", "default": False}


def _choice(choices: Iterable[str], default: str) -> dict[str, Any]:
    return {"type": "str", "choices": list(choices), "default": default}


def _number(default: int) -> dict[str, Any]:
    return {"type": "int", "default": default}


SPEC: dict[str, Any] = {
    "flow_offload_mode": _choice(MODES, "auto"),
    "flow_offload_devices": {"type": "raw", "default": "auto"},
    "flow_offload_ignore_advisories": {"type": "list", "elements": "str", "default": []},
    "flow_offload_guests": {"type": "list", "elements": "str", "default": []},
    "flow_offload_ruleset": {"type": "str", "default": "auto"},
    "flow_offload_router": {**spec.SPEC["flow_offload_router"], "default": {"zones": []}},
    "flow_offload_remove_firewall": FLAG,
    "flow_offload_adopt_table": FLAG,
    "flow_offload_exclude": spec.SPEC["flow_offload_exclude"],
    "flow_offload_flush_connections": _choice(FLUSHES, "none"),
    "flow_offload_counter": FLAG,
    "flow_offload_confirm_timeout": _number(30),
    "flow_offload_checks": checks.SPEC,
    "flow_offload_load_pending": FLAG,
    "flow_offload_traffic_witness": {"type": "raw", "default": "auto"},
    "flow_offload_require": _choice(RUNGS, "bound"),
    "flow_offload_sample": _number(3),
    "flow_offload_slow_share": _number(50),
    "flow_offload_measure": FLAG,
    "flow_offload_watch": FLAG,
    "flow_offload_watch_directory": {"type": "str", "default": ""},
    "flow_offload_watch_interval": _number(300),
}
"""the role's variables, as an argument spec"""
FOR_PLAYBOOKS: dict[str, Any] = {
    "flow_offload_hosts": {"type": "raw", "default": "all"},
    "flow_offload_serial": {"type": "raw", "default": [1, "10%", "100%"]},
    "flow_offload_rollback_to": {"type": "str", "default": "previous"},
}
"""variables that only the playbooks read"""
READ_FIRST = ("flow_offload_hosts", "flow_offload_serial")
"""those that a playbook needs before it knows which routers there are"""
DESCRIBING = ("flow_offload_router", "flow_offload_exclude")
"""those that describe a firewall, see spec.py"""
REMEDY = "correct the variable; 'ansible-doc -t role kmod.nft_offload.flow_offload' shows what it takes"

Values = Mapping[str, Any]
"""name of a variable -> its value; after ``read_variables`` of the type that its documentation names, none left out"""


def refuse_unknown(names: Iterable[str]) -> None:
    """Raise OffloadError for a name that begins like ours and is none of ours: it would do nothing."""
    known = sorted(SPEC.keys() | FOR_PLAYBOOKS.keys())
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    if unknown:
        near = [close[0] for name in unknown if (close := difflib.get_close_matches(name, known, n=1, cutoff=0.85))]
        raise OffloadError(
            f"the role flow_offload has no variable {', '.join(unknown)}",
            f"{f'did you mean {near[0]}? ' if near else ''}Its variables are {', '.join(known)}",
        )


def read_variables(values: Values) -> dict[str, Any]:
    """The variables, each checked by itself and completed: SPEC's, and of FOR_PLAYBOOKS those that are given.

    Raises OffloadError naming the variable, and the key in it, that is wrong. Those of DESCRIBING stay as they are
    given, for what reads them checks them.
    """
    options = {name: option for name, option in {**SPEC, **FOR_PLAYBOOKS}.items() if name in values or name in SPEC}
    plain = {name: option for name, option in options.items() if name not in DESCRIBING}
    given = {name: value for name, value in values.items() if name in plain}
    if "flow_offload_checks" in given:
        # Ansible's own check dies of anything but a list of dictionaries
        given["flow_offload_checks"] = spec.normalised(given["flow_offload_checks"], checks.SPEC, "flow_offload_checks")
    read = validate(plain, {}, given, REMEDY)
    _refuse_numbers(read)
    _refuse_checks(read)
    _refuse_unknown_advisories(read)
    return {**read, **{name: values.get(name, SPEC[name]["default"]) for name in DESCRIBING}}


def _refuse_numbers(values: Values) -> None:
    """Raise OffloadError for all numbers that are out of their bounds."""
    problems = []
    if not 0 <= values["flow_offload_confirm_timeout"] <= LONGEST_TIMEOUT:
        problems.append(("flow_offload_confirm_timeout", f"0 to {LONGEST_TIMEOUT} seconds"))
    if not 0 <= values["flow_offload_sample"] <= LONGEST_SAMPLE:
        problems.append(("flow_offload_sample", f"0 to {LONGEST_SAMPLE} seconds"))
    if not 0 <= values["flow_offload_slow_share"] <= 100:
        problems.append(("flow_offload_slow_share", "0 to 100 percent"))
    if problems:
        wrong = [f"{name} must be {bounds}, got {values[name]}" for name, bounds in problems]
        raise OffloadError("; ".join(wrong), "correct the number" if len(wrong) == 1 else "correct the numbers")


def _refuse_checks(values: Values) -> None:
    """Raise OffloadError for checks that cannot be done, or not before the change is undone."""
    listed, timeout = values["flow_offload_checks"], values["flow_offload_confirm_timeout"]
    needed = sum(check["timeout"] for check in listed)
    if listed and needed >= timeout:
        raise OffloadError(
            f"flow_offload_checks may take {needed} s, which is not less than flow_offload_confirm_timeout ({timeout})",
            "raise it, or shorten their timeouts",
        )
    try:
        checks.read_checks(listed, timeout)
    except OffloadError as error:
        problem = error.problem.removeprefix("option checks: ")
        raise OffloadError(f"flow_offload_checks: {problem}", error.remedy) from None
    read_witness(values["flow_offload_traffic_witness"], timeout, needed, "flow_offload_traffic_witness")


def _refuse_unknown_advisories(values: Values) -> None:
    known = [advisory.id for advisory in ADVISORIES]
    if unknown := [name for name in values["flow_offload_ignore_advisories"] if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise OffloadError(
            f"flow_offload_ignore_advisories: there is no advisory {unknown[0]!r}",
            f"{f'did you mean {near[0]}? ' if near else ''}The advisories are {', '.join(known)}",
        )


def read_devices(value: Any) -> tuple[str, ...] | None:
    """flow_offload_devices: names and patterns, None for ``auto``; raises OffloadError for anything else."""
    if value == "auto":
        return None
    if not isinstance(value, list | tuple):
        raise OffloadError(
            f"flow_offload_devices must be auto or a list, got {value}",
            "write a list of names, such as [lan0, wan0], or auto",
        )
    _refuse_names("flow_offload_devices", value, "correct the name, or write auto")
    return tuple(value)


def read_guests(values: Values) -> tuple[str, ...]:
    """flow_offload_guests; raises OffloadError for what it cannot be, or can have no effect."""
    guests = tuple(values["flow_offload_guests"])
    _refuse_names("flow_offload_guests", guests, "correct the name")
    if guests and values["flow_offload_devices"] != "auto":
        raise OffloadError(
            "flow_offload_guests adds devices to those of flow_offload_devices: auto, which is a list here",
            "put them into that list",
        )
    return guests


def refuse_patterns_in_hardware(mode: str, devices: Iterable[str]) -> None:
    """Raise OffloadError for a pattern with flow_offload_mode: hardware."""
    patterns = [name for name in devices if is_pattern(name)]
    if mode == "hardware" and patterns:
        raise OffloadError(
            f"flow_offload_mode is hardware, and {patterns[0]} may stand for devices that cannot",
            "name each device, or use auto or software",
        )


def _refuse_names(variable: str, names: Sequence[Any], remedy: str) -> None:
    """Raise OffloadError for what is neither a name nor a pattern, and for a pattern that stands for another one."""
    for name in names:
        if not isinstance(name, str) or not (DEVICE.match(name) or PATTERN.match(name)):
            raise OffloadError(f"{variable} must name network devices, got {name!r}", remedy)
    if overlap := find_overlap(names):
        raise OffloadError(f"{variable}: {overlap[0]} also stands for {overlap[1]}", "leave one of the two out")
