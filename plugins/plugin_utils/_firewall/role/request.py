# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What do the role's variables request? Refuses what is wrong whatever the router is. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from ..._core.errors import OffloadError
from .. import spec
from ..conflicts import refuse_conflicts
from ..model import Exclusion
from ..offload import overlay, software_overlay
from ..reader import read_router
from ..restricted_pairs import Pair, restricted_pairs
from ..shared import describe_unplaced
from ..table import render, render_software
from .variables import Values, read_devices, read_guests, refuse_patterns_in_hardware

RULESETS = ("auto", "overlay", "router", "fw4")
"""flow_offload_ruleset; anything else is the path of a template of the user's"""
UNFILTERED = ("auto", "overlay", "fw4")
"""rulesets that leave what comes to the router itself to another firewall"""
Tables = tuple[str, str]
"""the text of our table, and of the second one beside it"""
DESCRIBES_NOTHING: tuple[dict[str, Any], ...] = ({}, {"zones": []})


@dataclass(frozen=True)
class OnController:
    """What the variables name that is on the controller."""

    files: Mapping[str, str | None] = field(default_factory=dict)
    """each of ``named_files`` -> its text, None where it was not found"""
    template: bool = False
    """is flow_offload_ruleset, where it is a path, a file"""
    inventory_dir: str = "/etc/ansible"
    port: str = "22"
    """the port that the play logs in by: one on the path to the router may translate it to its 22"""

    def whole_path(self, folder: str, path: str) -> str:
        """A path from the root that could be meant, for a remedy."""
        return str(PurePosixPath(self.inventory_dir, folder, PurePosixPath(path).name))


@dataclass(frozen=True)
class Request:
    """The role's variables, checked as far as that goes without the router."""

    values: Values
    """all of variables.SPEC, of the documented types"""
    devices: tuple[str, ...] | None
    """None: those that forward"""
    render: Callable[[Sequence[Exclusion]], Tables] = lambda _further: ("", "")
    """where the role renders it, the table with further exclusions, and the second one for devices that hardware does
    not take; that one is empty where one keeps all in software"""
    flush: Sequence[Pair] = ()
    """pairs of devices between which a change of the rules flushes the connections"""
    zoned: Sequence[str] = ()
    """devices in zones of flow_offload_router, where that is loaded"""
    guests: tuple[str, ...] = ()
    """names and patterns of devices to list beside those that forward"""
    warnings: tuple[str, ...] = ()
    """what the description leaves out, maybe without meaning to"""

    @property
    def mode(self) -> str:
        """flow_offload_mode"""
        return str(self.values["flow_offload_mode"])

    @property
    def text(self) -> str:
        """The table as it is for a router that delivers whatever a flowtable takes."""
        return self.render(())[0]

    @property
    def software_text(self) -> str:
        """The second table, likewise."""
        return self.render(())[1]

    @property
    def ruleset(self) -> str:
        """flow_offload_ruleset"""
        return str(self.values["flow_offload_ruleset"])


def named_files(values: Values) -> list[str]:
    """Paths, each once, of the files that flow_offload_router names, where it is loaded."""
    if values["flow_offload_mode"] == "disabled" or values["flow_offload_ruleset"] != "router":
        return []
    router = spec.checked("flow_offload_router", values["flow_offload_router"])
    items = [item for key in ("sets", "maps", "extra") for item in router[key]]
    return list(dict.fromkeys(item["file"] for item in items if item["file"]))


def read_request(values: Values, there: OnController) -> Request:
    """What the values of ``variables.read_variables`` request; raises OffloadError for what no router can have."""
    if values["flow_offload_mode"] == "disabled":
        for name in spec.SPEC:
            spec.checked(name, values[name])
        return Request(values, devices=None)
    devices = read_devices(values["flow_offload_devices"])
    guests = read_guests(values)
    refuse_patterns_in_hardware(values["flow_offload_mode"], [*(devices or ()), *guests])
    ruleset, flush = values["flow_offload_ruleset"], values["flow_offload_flush_connections"]
    _refuse_ruleset(ruleset, there)
    _refuse_absent_files(there)
    if ruleset != "router":
        spec.checked("flow_offload_router", values["flow_offload_router"])
    if ruleset in UNFILTERED and values["flow_offload_router"] not in DESCRIBES_NOTHING:
        raise OffloadError(
            f"flow_offload_router describes a firewall, and flow_offload_ruleset is {ruleset}, which does not use it",
            "set flow_offload_ruleset: router, or leave flow_offload_router out",
        )
    if flush == "restricted" and ruleset != "router":
        raise OffloadError(
            "flow_offload_flush_connections is restricted, and only flow_offload_ruleset: router has zones",
            "use all, or none",
        )
    pairs: list[Pair] = [{"from": [], "to": []}] if flush == "all" else []
    if ruleset == "router":
        files = {path: text or "" for path, text in there.files.items()}
        firewall = read_router(values["flow_offload_router"], values["flow_offload_exclude"], files)
        refuse_conflicts(firewall, list(dict.fromkeys(["ssh", "tcp/22", f"tcp/{there.port}"])))
        if flush == "restricted":
            pairs = restricted_pairs(firewall)
        zoned = firewall.devices(*firewall.zones)

        def render_router(further: Sequence[Exclusion]) -> Tables:
            described = replace(firewall, exclusions=[*further, *firewall.exclusions])
            return render(described), render_software(described)

        render_router(())  # what it refuses is refused before the router is asked anything
        return Request(values, devices, render_router, pairs, zoned, guests, tuple(describe_unplaced(firewall)))
    if ruleset in ("auto", "overlay"):
        exclude = values["flow_offload_exclude"]

        def render_overlay(further: Sequence[Exclusion]) -> Tables:
            return overlay(exclude, further=further), software_overlay(exclude, further)

        render_overlay(())  # likewise
        return Request(values, devices, render_overlay, pairs, guests=guests)
    if spec.checked("flow_offload_exclude", values["flow_offload_exclude"]):
        refuse_exclusions(ruleset)
    if ruleset == "fw4":
        refuse_flush(flush)
    return Request(values, devices, flush=pairs, guests=guests)


def _refuse_ruleset(ruleset: str, there: OnController) -> None:
    if ruleset in RULESETS or there.template:
        return
    raise OffloadError(
        f"flow_offload_ruleset is {ruleset}, which is neither auto, overlay, router or fw4 nor a template that can be "
        "found",
        "correct it; a path from the root is found wherever the play is, such as "
        f"{there.whole_path('templates', ruleset)}",
    )


def _refuse_absent_files(there: OnController) -> None:
    for path, text in there.files.items():
        if text is None:
            raise OffloadError(
                f"flow_offload_router names the file {path}, which cannot be found",
                "correct it; a path from the root is found wherever the play is, such as "
                f"{there.whole_path('files', path)}",
            )


def refuse_exclusions(ruleset: str) -> None:
    """Raise OffloadError that flow_offload_exclude has no effect with this ruleset: fw4, or a template's path."""
    if ruleset == "fw4":
        raise OffloadError(
            "flow_offload_exclude has no effect on the firewall of OpenWrt, which offloads every flow",
            "use flow_offload_ruleset: overlay or router, or no exclusions",
        )
    raise OffloadError(
        f"flow_offload_exclude has no effect on a template of yours ({ruleset})",
        "leave such flows out in the template, before its rule 'flow add @ft'",
    )


def refuse_flush(flush: str) -> None:
    """Raise OffloadError for a flow_offload_flush_connections that fw4 would not heed."""
    if flush != "none":
        raise OffloadError(
            f"flow_offload_flush_connections is {flush}, and the rules are those of OpenWrt's own firewall",
            "use none, or flow_offload_ruleset: overlay or router",
        )
