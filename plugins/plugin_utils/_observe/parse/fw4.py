# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""sh/read/fw4.sh -> what UCI, fw4 and the kernel have of offload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..._core import paths
from ..._core.errors import OffloadError
from ..._core.sections import HUNG, Answer
from ..._core.text import iterate_lines, split_lines, split_words
from ..state import Flowtable, OpenWrtFirewall

OPTIONS = ("flow_offloading", "flow_offloading_hw")
TRUE = frozenset({"1", "on", "true", "yes"})
FALSE = frozenset({"", "0", "off", "false", "no"})
"""what fw4 takes for either, in these letters only; anything else ends fw4 (fw4.uc, parse_bool)"""
_DEFAULTS = re.compile(r"firewall\.(\w+)=defaults", re.ASCII)
_ZONE = re.compile(r"firewall\.(\w+)=zone", re.ASCII)
_OPTION = re.compile(r"firewall\.(?P<section>\w+)\.(?P<name>\w+)='(?P<value>.*)'", re.ASCII)


@dataclass(frozen=True)
class Fw4Table:
    """A flowtable as far as it matters here. ``None`` in its place: there is none."""

    devices: tuple[str, ...]
    hardware: bool


@dataclass(frozen=True)
class Fw4Device:
    """One that fw4 lists: what the networks of a zone are on, below bridges and VLANs where fw4 finds that."""

    kind: str
    """DEVTYPE as the kernel has it: dsa, wlan, or ethernet; bridge or vlan: fw4 does not find what is below"""
    target: str
    """the NIC whose hw-tc-offload counts: for a switch port (DSA), the one that the switch hangs on; for a bridge or
    VLAN, what is below"""
    feature: str
    """hw-tc-offload as ethtool prints it, else true or false as netifd does, which is false for a missing one as well;
    empty: neither shows it"""
    has_driver: bool = False
    """is it a real device, whose driver may have the feature?"""

    @property
    def hides_nic(self) -> bool:
        """Does fw4 list it in place of the NIC below? It has no offload of its own."""
        return self.kind in ("bridge", "vlan")

    @property
    def hw_tc_offload(self) -> bool | None:
        """None: not known."""
        if self.hides_nic:
            return False
        return self.feature.partition(" ")[0] in ("on", "true") if self.feature else None

    def may_turn_on(self, has_ethtool: bool) -> bool:
        """Is it off, and not for good, as far as can be seen? Without ethtool, whatever has a driver may have it."""
        return self.feature == "off" or (not has_ethtool and self.has_driver and self.feature != "true")


@dataclass(frozen=True)
class Fw4Config:
    """The section of defaults that counts in UCI, which is the first."""

    section: str = ""
    """its id; empty: there is none"""
    values: Mapping[str, str] = field(default_factory=dict)
    """option -> value as it is spelt"""
    sections: int = 0

    def effective(self, option: str) -> bool | None:
        """What fw4 takes the option's value for; None for a value that ends it."""
        value = self.values.get(option, "")
        return True if value in TRUE else False if value in FALSE else None


def parse_config(text: str) -> Fw4Config:
    """``uci -X show firewall``, lines of sections of defaults -> the section that counts, and how many there are."""
    lines = split_lines(text)
    sections = [found[1] for line in lines if (found := _DEFAULTS.fullmatch(line))]
    if not sections:
        return Fw4Config()
    options = [found for line in lines if (found := _OPTION.fullmatch(line)) and found["section"] == sections[0]]
    values = {found["name"]: found["value"] for found in options if found["name"] in OPTIONS}
    return Fw4Config(sections[0], values, len(sections))


def parse_zone_sections(text: str) -> frozenset[str]:
    """``uci -X show firewall``, lines of sections of zones -> their ids."""
    return frozenset(found[1] for line in split_lines(text) if (found := _ZONE.fullmatch(line)))


def parse_flowtable(text: str) -> Fw4Table | None:
    """The flowtable ft of a ruleset's text or a listing; None where there is none."""
    _before, found, rest = text.partition("flowtable ft {")
    lines: list[str] = []
    for line in iterate_lines(rest):
        if line.strip(" \t").startswith("}"):
            break
        lines.append(line)
    else:
        return None
    block = "\n".join(lines)
    _before, listed, devices = block.partition("devices = {")
    inside, closed, _after = devices.partition("}")
    names = re.findall(r'[^ \t\n,"]+', inside) if found and listed and closed else []
    return Fw4Table(tuple(sorted(names)), "offload" in re.findall(r"flags ([\w, ]+)", block))


def parse_zone_devices(text: str) -> dict[str, Fw4Device]:
    """Lines ``NAME KIND TARGET driver|- FEATURE`` -> name -> Fw4Device; the feature may be several words or none."""
    words = [split_words(line) for line in iterate_lines(text)]
    return {
        name: Fw4Device(kind, target, " ".join(feature), driver == "driver")
        for name, kind, target, driver, *feature in (w for w in words if len(w) >= 4)
    }


def parse_complaints(text: str) -> tuple[str, ...]:
    """What ``fw4 print`` printed besides the ruleset: warnings, and the error that ended it.

    That it includes a file of /usr/share/nftables.d is neither.
    """
    return tuple(
        line.removeprefix("[!] ")
        for line in iterate_lines(text)
        if (line.startswith("[!]") or "rror: " in line) and not line.startswith("[!] Automatically including ")
    )


def read_fw4(answer: Answer) -> OpenWrtFirewall | None:
    """Options of UCI, what fw4 makes of them, and what is loaded, from the sections of read_fw4; None without fw4.

    None too where one of its tools hung: half of it would look like another firewall.

    Raises OffloadError for an incomplete answer.
    """
    if "fw4.uci" not in answer:
        return None
    if any(part.rc == HUNG for part in answer.each("fw4.").values()):
        return None
    if "fw4.print" not in answer and not answer.ok("fw4.uci"):
        # nothing else of it was read then
        raise OffloadError(
            f"uci cannot read {paths.FW4_CONFIG}: {answer.text('fw4.uci').strip()}",
            "see what holds it, such as a 'uci commit' or a LuCI that hangs, then run the play again",
        )
    config = parse_config(answer.text("fw4.uci"))
    printed = answer.require("fw4.print").text
    wanted = parse_flowtable(printed)
    feeding = (line for line in iterate_lines(printed) if "flow offload @ft" in line or "flow add @ft" in line)
    return OpenWrtFirewall(
        values=config.values,
        effective={option: config.effective(option) for option in OPTIONS},
        sections=config.sections,
        zone_sections=parse_zone_sections(answer.text("fw4.uci")),
        staged=tuple(split_lines(answer.require("fw4.staged").text)),
        desired=Flowtable("inet", "fw4", "ft", wanted.devices, "filter", wanted.hardware) if wanted else None,
        rule=next(feeding, "").strip(" \t").removesuffix(";"),
        complaints=parse_complaints(printed),
        loaded=frozenset(answer.require("fw4.loaded").text.split()),
    )
