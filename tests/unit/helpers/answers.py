# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole answers of routers, healthy and broken, as text; how they arrive, and how they can be damaged on the way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section, fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_registry import find_starters

from tests.unit.helpers.captures import answer
from tests.unit.helpers.routers import HARDWARE_LINE, SLOW_LINE, listing, router
from tests.unit.helpers.shells import NONCE

MARKER = f"@@{NONCE}"
_STATE = router()
_BOOT = _STATE.boot
_FLOWTABLE = (_STATE.flowtables or ())[0]
_LISTING = _BOOT.listing or ""
_FILES = "\n".join(path for starter in find_starters("systemd").values() for path in starter.files)
_RULESET = (
    "table inet nft_offload {\nchain forward {\ntype filter hook forward priority filter + 10; policy accept;\n"
    "ct state established,related meta l4proto { tcp, udp } flow add @ft\n}\n}\n"
)
_HOOK = (
    "family netdev {{\n\thook ingress device {} {{\n\t\t 0000000000 nf_flow_offload_inet_hook [nf_flow_table_inet]\n"
    "\t}}\n}}\n"
)
_FLOWTABLES = (
    "table inet nft_offload {\n\tflowtable ft {\n\t\thook ingress priority filter\n\t\tdevices = { lan0, wan0 }\n"
    "\t\tflags offload\n\t}\n}\n"
)
_CONNTRACK = (
    f"waited 3\nexample hardware {HARDWARE_LINE}\ntotal 5\nmaximum 4096\ncount ipv4 tcp hardware 4\n"
    "count ipv4 tcp local 1\nsampled 5\ncounted 5\nrecent 0\n"
)
_SAMPLE = (
    "family inet\nclassed yes\nexits lan0 wan0\nseconds 3.02\ndevice lan0 4000 4000000 4000 4000000\n"
    "device wan0 4000 4000000 4000 4000000\n"
    "traversed4 lan0 wan0 12 900\ntraversed4 wan0 lan0 12 900\n"
    "before4 lan0 tcp 4000 4000000\nbefore4 wan0 tcp 4000 4000000\n"
    "after4 lan0 tcp 12 900\nafter4 wan0 tcp 12 900\n"
    "left4 lan0 tcp 4000 4000000\nleft4 wan0 tcp 4000 4000000\n"
    "sent4 lan0 tcp 12 900\nsent4 wan0 tcp 12 900\n"
)
_FLOWS_BOTH = "198.51.100.9:5201->198.51.100.1:40222"
_PPE = (
    f"flow {HARDWARE_LINE}\n"
    "entry 00e06 BND IPv4 5T orig=192.0.2.9:40222->198.51.100.9:5201 new=198.51.100.1:40222->198.51.100.9:5201\n"
    f"entry 00e07 BND IPv4 5T orig={_FLOWS_BOTH} new=198.51.100.9:5201->192.0.2.9:40222\nbound 8\nlooked 0\n"
)

HEALTHY: dict[str, tuple[str, int]] = {
    name: (part.text + "\n", part.rc)
    for name, part in answer("trixie", "router").items()
    if name in {"platform", "devices", "links", "forwarding", "addresses", "routes ipv4", "routes ipv6", "services"}
    or name.startswith(("features ", "driver "))
} | {
    "modules": (
        answer("trixie", "router").text("modules") + "\nboot=nf_flow_table_inet\nboot=nft_flow_offload\nacct=0\n",
        0,
    ),
    "flowtables": (_FLOWTABLES, 0),
    "ruleset": (_RULESET, 0),
    "live": (listing("inet nft_offload", _FLOWTABLE), 0),
    "hooks lan0": (_HOOK.format("lan0"), 0),
    "hooks wan0": (_HOOK.format("wan0"), 0),
    "link": ("lo 65536 noqueue\nlan0 1500 mq\nwan0 1500 mq\n", 0),
    "rules": ("", 0),
    "tc": ("lan0 qdisc mq 0: root\nwan0 qdisc mq 0: root\n", 0),
    "legacy": ("", 0),
    "boot.ruleset": (_BOOT.ruleset or "", 0),
    "boot.files": (_FILES + "\n", 0),
    "unit": ("UnitFileState=enabled\nActiveState=active\nNeedDaemonReload=no\n", 0),
    f"file.{paths.LISTING}": (_LISTING, 0),
    f"file.{paths.DEVICES}": ("".join(f"{name} {text}\n" for name, text in _BOOT.attachments.items()), 0),
    f"file.{paths.FEATURES}": ("lan0 hw-tc-offload on off\nwan0 hw-tc-offload on off\n", 0),
    "sample": (_SAMPLE, 0),
    "conntrack": (_CONNTRACK, 0),
    "ppe": (_PPE, 0),
}
"""a healthy router: the names of its sections -> (text, exit code)"""


def _changed(**changes: str) -> dict[str, tuple[str, int]]:
    """HEALTHY with the texts of some sections replaced; in a name, __ is a blank."""
    return HEALTHY | {name.replace("__", " "): (text, HEALTHY.get(name, ("", 0))[1]) for name, text in changes.items()}


BROKEN: dict[str, dict[str, tuple[str, int]]] = {
    "feature off": _changed(features__lan0="hw-tc-offload: off\n"),
    "feature fixed off": _changed(features__wan0="hw-tc-offload: off [fixed]\n"),
    "hook missing": _changed(hooks__lan0="family netdev {\n\thook ingress device lan0 {\n\t}\n}\n"),
    "rule shadowed": _changed(
        ruleset=_RULESET.replace("ct state est", "ct state established,related accept\nct state est")
    ),
    "rule unreachable": _changed(
        ruleset=_RULESET.replace("type filter hook forward priority filter + 10; policy accept;\n", "")
    ),
    "one device": _changed(flowtables=_FLOWTABLES.replace("lan0, wan0", "lan0")),
    "two flowtables, one without devices": _changed(
        flowtables=_FLOWTABLES.replace("\t}\n}", "\t}\n\tflowtable idle {\n\t\thook ingress priority filter\n\t}\n}")
    ),
    "live differs": _changed(
        live=listing("inet nft_offload", _FLOWTABLE).replace("flow add @ft", "counter flow add @ft")
    ),
    "none offloaded": _changed(
        conntrack=f"waited 3\nexample slow {SLOW_LINE}\ntotal 5\nmaximum 4096\ncount ipv4 tcp slow 5\n"
        "sampled 5\ncounted 5\nrecent 5\nrecent ipv4 tcp 5\n"
    ),
    "none in hardware": _changed(
        conntrack=_CONNTRACK.replace("hardware", "software").replace("[HW_OFFLOAD]", "[OFFLOAD]"),
        ppe="bound 0\nlooked 0\n",
    ),
    "one direction slow": _changed(sample=_SAMPLE + "late4 lan0 wan0 9000 9000000\n"),
    "much is slow": _changed(sample=_SAMPLE + "slow4 lan0 wan0 6 4 900000 90000000\n"),
    "notrack": _changed(
        ruleset="table ip raw {\nchain pre {\ntype filter hook prerouting priority raw; policy accept;\nnotrack\n}\n}\n"
        "table ip6 raw {\nchain pre {\ntype filter hook prerouting priority raw; policy accept;\nnotrack\n}\n}\n"
        + _RULESET
    ),
    "forwards nothing": _changed(forwarding=""),
    "not root": _changed(platform=HEALTHY["platform"][0].replace("uid=0", "uid=1000")),
    "one direction in the driver's table": _changed(
        ppe="".join(line + "\n" for line in [*_PPE.split("\n")[:2], "bound 8", "looked 0", "bound 8", "looked 0"])
    ),
    "not enabled": _changed(unit="UnitFileState=disabled\nActiveState=active\nNeedDaemonReload=no\n"),
    "device unknown": _changed(flowtables=_FLOWTABLES.replace("lan0, wan0", "lan0, wan0, wan9")),
}
"""what is wrong -> the answer of such a router"""


def to_answer(sections: Mapping[str, tuple[str, int]]) -> Answer:
    """The answer as it is read where nothing happens to it on the way."""
    return Answer({name: Section(text.removesuffix("\n"), rc) for name, (text, rc) in sections.items()})


def to_output(sections: Mapping[str, tuple[str, int]]) -> str:
    """What the router's shell prints, before it is counted."""
    parts = [f"{MARKER} + {name}\n{text}\n{MARKER} - {name} {rc}\n" for name, (text, rc) in sections.items()]
    return "".join(parts) + f"{MARKER} end\n"


def count(output: str) -> str:
    """The output as sh/tally.sh passes it on."""
    done = subprocess.run(
        ["sh", "-c", f"nonce={NONCE}\n{fragment('tally')}\ntally"],
        input=output.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode("utf-8", "surrogateescape")


def damage(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(what was done, lines) for each line: lost, there twice, cut in the middle or by one, moved down."""
    for at, line in enumerate(lines):
        before, after = lines[:at], lines[at + 1 :]
        yield f"line {at} lost: {line}", [*before, *after]
        yield f"line {at} twice: {line}", [*before, line, line, *after]
        if line:
            yield f"line {at} cut: {line}", [*before, line[: len(line) // 2], *after]
            yield f"line {at} cut by one: {line}", [*before, line[:-1], *after]
        if after:
            yield f"line {at} moved: {line}", [*before, after[0], line, *after[1:]]
