# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every parser of a router's text, with a text that it is made for; texts that are hard for any of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import sections
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse import (
    boot,
    conntrack,
    devices,
    ethtool,
    fw4,
    fw4_pending,
    hooks,
    link,
    modules,
    nft,
    nft_errors,
    platform,
    policy,
    ppe,
    processor,
    rules,
    ruleset,
    sample,
)
from hypothesis import strategies as st

from tests.unit.helpers.answers import BROKEN, HEALTHY, to_answer, to_output
from tests.unit.helpers.shells import NONCE

_TEXTS = {name: text for name, (text, _rc) in HEALTHY.items()}
_FW4 = (
    'table inet fw4 {\n\tflowtable ft {\n\t\thook ingress priority 0;\n\t\tdevices = { "lan0", "wan0" };\n'
    "\t\tflags offload;\n\t}\n\tmeta l4proto { tcp, udp } flow offload @ft;\n}\n[!] Warning: x\n"
)
_FILTERS = """\
wan filter protocol all pref 1 bpf chain 0 handle 0x1 dae:[3] direct-action not_in_hw id 3 name dae tag x jited
wan egress filter protocol ip pref 4 flower chain 0 handle 0x1
wan egress   eth_type ipv4
wan egress   skip_sw
wan egress 	action order 1:  police 0xc8 rate 100Mbit burst
wan egress 	action order 2: mirred (Egress Redirect to device lan1) stolen
"""
_TC = (
    "wan0 filter parent ffff: protocol all u32\nwan0   match 00000000/00000000 at 0\n"
    "wan0 action order 1: mirred (Egress Redirect to device ifb4wan) stolen\n"
)


def _parse_sections(text: str) -> None:
    """Both kinds of answers, where a refusal is as good as a result."""
    for counted in (False, True):
        with contextlib.suppress(OffloadError):
            sections.parse(text, NONCE, counted)


def _parse_devices(section: str) -> Callable[[str], Any]:
    """The parser of one of the sections of read_devices, the others being as they should."""
    return lambda text: devices.parse_devices({**{name: _TEXTS.get(name, "") for name in devices.TEXTS}, section: text})


def _read_fw4(text: str) -> Any:
    names = ("fw4.uci", "fw4.print", "fw4.staged", "fw4.loaded")
    return fw4.read_fw4(Answer({name: Section(text, 0) for name in names}))


PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "sections": (_parse_sections, to_output(dict(list(HEALTHY.items())[:3]))),
    "platform": (platform.parse_platform, _TEXTS["platform"]),
    "modules": (modules.parse_modules, _TEXTS["modules"]),
    "conntrack": (conntrack.parse_conntrack, _TEXTS["conntrack"]),
    "conntrack, lost lines": (conntrack.find_lost_line, _TEXTS["conntrack"]),
    "features": (ethtool.parse_features, "hw-tc-offload: off [requested on]\nrx: on [fixed]\n"),
    "driver": (ethtool.parse_driver, _TEXTS["driver lan0"]),
    "eswitch": (ethtool.parse_eswitch, "pci/0000:03:00.0: mode legacy inline-mode none\n"),
    "feature record": (ethtool.parse_feature_record, "lan0 hw-tc-offload on off\n"),
    "netifd": (lambda text: ethtool.parse_netifd(text, {}), "lan0 true\nwan0 false\n"),
    "fw4 flowtable": (fw4.parse_flowtable, _FW4),
    "fw4 config": (fw4.parse_config, "firewall.cfg01=defaults\nfirewall.cfg01.flow_offloading='1'\n"),
    "fw4 zones": (fw4.parse_zone_sections, "firewall.cfg02=zone\nfirewall.guest=zone\n"),
    "fw4 devices": (fw4.parse_zone_devices, "lan0 dsa eth0 driver off [fixed]\n"),
    "fw4 complaints": (fw4.parse_complaints, _FW4),
    "fw4 pending": (
        fw4_pending.parse_pending,
        "seen 0123abcd -\ntable inet fw4\n+ inet fw4 chain c: accept\nzone wan\n? x\n",
    ),
    "fw4": (_read_fw4, _FW4),
    "hooks": (hooks.parse_hooks, _TEXTS["hooks lan0"] + "+0000000020 chain netdev nd in [nf_tables]\n"),
    "bridged": (devices.parse_bridged, "bridge/bridge-nf-call-iptables:1\n./br0/bridge/nf_call_ip6tables:1\n"),
    "xdp": (link.parse_xdp, "lan0 nic up xdpgeneric\nwan0 nic up xdp\n"),
    "links": (link.parse_links, _TEXTS["link"]),
    "tc": (link.parse_tc, _TEXTS["tc"] + _TC),
    "nft statements": (lambda text: list(nft.parse_statements(text)), _TEXTS["live"] + _TEXTS["ruleset"]),
    "nft flowtables": (nft.parse_flowtables, _TEXTS["flowtables"]),
    "nft objects": (nft.parse_objects, _TEXTS["live"]),
    "nft listing": (nft.normalise_listing, _TEXTS["live"] + "set x { # count 3\n}\n"),
    "nft differences": (lambda text: nft.diff_listings(text, text[::-1]), _TEXTS["live"]),
    "nft filters": (nft.parse_filtered_families, _TEXTS["ruleset"]),
    "nft errors": (nft_errors.parse_errors, "/dev/stdin:3:5-9: Error: syntax error, unexpected }\nnft: x\n"),
    "rules": (rules.parse_rules, BROKEN["rule shadowed"]["ruleset"][0] + "jump feed\nvmap @verdicts\ngoto other\n"),
    "whole ruleset": (
        ruleset.parse_ruleset,
        BROKEN["rule shadowed"]["ruleset"][0] + "limit rate 1/second\nmeta mark set 0x1\niifname . oifname { a . b }\n",
    ),
    "exclusions": (rules.parse_exclusions, BROKEN["notrack"]["ruleset"][0]),
    "conditions": (
        lambda text: rules.parse_conditions(tuple(text.split())),
        "ct state { established , related } meta l4proto { tcp , udp } ip saddr != 192.0.2.1 flow add @ft",
    ),
    "first rules": (lambda text: rules.mark_first_rules(rules.parse_rules(_TEXTS["ruleset"]), text), _TEXTS["live"]),
    "mark rules": (policy.parse_mark_rules, "ipv4 from all fwmark 0x1 lookup 100\n"),
    "policy counts": (policy.parse_policy_counts, "\t SPD IN  0 OUT 1 FWD 1\n"),
    "xfrm errors": (policy.parse_xfrm_errors, "XfrmInNoStates 3\n"),
    "namespaces": (policy.parse_names, "blue\nvrf-7\n"),
    "firewalld": (policy.parse_firewalld, "eth0 eth1\n"),
    "tcx": (link.parse_tcx, "wan0 ingress tproxy_lan_ingress\nwan0 egress dae\n"),
    "filters": (link.parse_tc, _FILTERS),
    "legacy tables": (policy.parse_legacy_tables, "ip filter\n"),
    "forward chains": (policy.parse_forward_chains, _TEXTS["ruleset"]),
    "queues": (policy.parse_queues, _TEXTS["ruleset"] + "queue to 0\n"),
    "mss": (policy.has_mss_clamp, _TEXTS["ruleset"]),
    "driver table": (ppe.parse_driver_table, _TEXTS["ppe"]),
    "driver entry": (ppe.parse_entry, _TEXTS["ppe"].split("\n")[1].removeprefix("entry ")),
    "tuples": (ppe.parse_tuples, _TEXTS["ppe"].split("\n")[0]),
    "work": (ppe.parse_work, "wq_add wq_del wq_stats\n1 2 3\n"),
    "sample": (lambda text: sample.parse_sample(text, {}), _TEXTS["sample"]),
    "processor": (processor.parse_processor, "seconds 3.02\ncore 0 302 41 36\nbefore 1a 0 0 0\nafter 2f 0 1 0\n"),
    "boot record": (boot.parse_boot_record, "kernel=6.12.1\nruleset=loaded\n"),
    "attachments": (boot.parse_attachments, _TEXTS["file./etc/nft-offload/devices"]),
    "our table": (boot.parse_our_table, _TEXTS["boot.ruleset"]),
    "forwarding": (devices.parse_forwarding, _TEXTS["forwarding"]),
    **{f"devices, {name}": (_parse_devices(name), _TEXTS.get(name) or "session lan0 1\n") for name in devices.TEXTS},
    "boot": (lambda text: boot.read_boot(to_answer({**HEALTHY, "boot.ruleset": (text, 0)})), _TEXTS["boot.ruleset"]),
}
"""what is parsed -> (function, a text that it is made for)"""

ODD = [
    "²",
    "٣",
    "9" * 5000,
    "\0",
    "\x1b[2K",
    "\r",
    "\x85",
    "\u2028",
    "\ud800",
    "\udcff",
    "\x1c",
    "é",
    "-1",
    "0x",
    "\u202e",
]
"""digits that are none or too many, and characters that end lines, hide, or are no text"""
BLANKS = [
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    " \n",
    '"',
    '" ',
    "{",
    "}",
    "{ ",
    "a",
    "1",
    "a ",
    "1,",
    "->",
    ":",
    "/",
    "x\x85",
]
"""of which a regular expression may try every part"""

SMALL, LARGE = 4_000, 16_000
"""characters: enough for what is quadratic to show"""
MOST = 9.0
"""times as long for four times as much: linear is 4, quadratic 16; what else runs here takes its share too"""
SHORTEST = 0.012
"""seconds: what takes less for LARGE is no danger, and cannot be measured"""


def seconds(function: Callable[[str], object], text: str) -> float:
    """Processor time of one call."""
    start = time.process_time()
    function(text)
    return time.process_time() - start


def is_linear(function: Callable[[str], object], head: str, unit: str, tail: str) -> bool:
    """Does ``unit`` repeated four times as often take at most MOST times as long? The best of some tries counts."""
    small, large = (head + unit * (size // len(unit)) + tail for size in (SMALL, LARGE))
    if seconds(function, large) < SHORTEST:
        return True
    for tries in (1, 3, 7, 15):
        least = min(seconds(function, small) for _try in range(tries))
        most = min(seconds(function, large) for _try in range(tries))
        if most < SHORTEST or most <= MOST * max(least, 0.0005):
            return True
    return False


@st.composite
def hard_texts(draw: st.DrawFn, sample_text: str) -> tuple[str, str, str]:
    """(head, unit, tail) of a text in which the unit is repeated, from what a parser is made for."""
    lines = list(dict.fromkeys(line for line in sample_text.split("\n") if line.strip()))
    line = draw(st.sampled_from(lines))
    words = line.split()
    unit = draw(st.sampled_from(BLANKS) | st.sampled_from(words) | st.sampled_from(lines))
    end = draw(st.sampled_from(["", "", " ", "\n", ",", "\t"]))
    head = draw(
        st.sampled_from(["", "", line, line + "\n", sample_text])
        | st.integers(1, len(line)).map(lambda end: line[:end])
    )
    if draw(st.booleans()):
        head = line[: draw(st.integers(0, len(line)))]
    return head, unit + end, draw(st.sampled_from(["", "", "x", "\n", "}", line]))


@st.composite
def odd_texts(draw: st.DrawFn, sample_text: str) -> str:
    """A text that a parser is made for, with parts lost, doubled, in other places, and replaced by what is odd."""
    pieces = [piece for line in sample_text.split("\n") for piece in (*line.split(" "), "\n")]
    taken = draw(st.lists(st.sampled_from(pieces) | st.sampled_from(ODD) | st.text(max_size=4), max_size=30))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(sample_text)))
        return sample_text[:at] + draw(st.sampled_from(ODD)) + sample_text[at:]
    return draw(st.sampled_from([" ", "", "\n"])).join(taken)
