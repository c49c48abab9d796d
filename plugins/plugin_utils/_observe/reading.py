# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""How a router is read in one exec: the calls, and the sections of its answer -> RouterState. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from .._core import paths
from .._core.errors import OffloadError
from .._core.sections import HUNG, Answer, Call
from .._systems.init_registry import list_starter_paths, list_state_calls, list_state_scripts
from .forwarding import find_guests
from .parse import boot, policy
from .parse.conntrack import find_lost_line, parse_conntrack
from .parse.devices import TEXTS, describe_unread_gateways, parse_bridged, parse_devices, parse_forwarding
from .parse.ethtool import parse_driver, parse_eswitch, parse_features, parse_netifd
from .parse.fw4 import read_fw4
from .parse.hooks import parse_hooks
from .parse.link import map_shapers, parse_links, parse_tc, parse_tcx, parse_xdp
from .parse.modules import parse_modules
from .parse.nft import parse_flowtables
from .parse.platform import parse_platform
from .parse.ppe import parse_driver_table, parse_work
from .parse.processor import parse_processor
from .parse.rules import mark_first_rules, parse_exclusions, parse_rules
from .parse.ruleset import parse_ruleset
from .parse.sample import parse_sample
from .state import FLOWTABLE_MODULES, Device, Hook, OtherHandlers, Platform, RouterState

FRAGMENTS = (
    "read/platform",
    "read/kernel",
    "read/nic",
    "read/files",
    "read/flowtables",
    "read/nftables",
    "read/devices",
    "read/conflicts",
    "read/conntrack",
    "read/processor",
    "read/sample",
    "read/driver_table",
    "read/boot",
    *list_state_scripts("ruleset", "features"),
    "read/fw4",
)
CHOICE_FRAGMENTS = ("read/platform", "read/nic", "read/files", "read/flowtables", "read/devices", "read/boot")
FEATURE = "hw-tc-offload"
LINES = 2048
"""of conntrack: a share of them is off by 2.2 percentage points at most, and a class that 1 in 500 flows belongs to is
seen with a certainty of 98 %"""
LONGEST_SAMPLE = 60
"""seconds"""
TRUNCATED = "# more"
"""the last line of sh/read/nftables.sh where a ruleset is longer than it reads"""
MOST_FLOWTABLES = 256
UNKNOWN_LINES = 20
"""that are returned at most"""
SERVICES = (
    *("nftables", "firewalld", "ufw", "netfilter-persistent", "docker", "libvirtd", "fail2ban", "shorewall"),
    *("foomuuri", "virtnetworkd", "dockerd"),
)
"""services that load rules of their own, as systemd or procd calls them"""
AGENTS = ("openwisp-config", "openwisp_config", "bridger")
"""those that load settings which rules are made from, or forward by themselves"""


def validate_sample(seconds: int) -> None:
    """Raise OffloadError for an option ``sample``, in seconds, that is out of range."""
    if not 0 <= seconds <= LONGEST_SAMPLE:
        raise OffloadError(
            f"option sample must be 0 to {LONGEST_SAMPLE} seconds, got {seconds}",
            f"choose 0 to {LONGEST_SAMPLE} seconds",
        )


def list_calls(
    family: str = "inet",
    table: str = "nft_offload",
    sample: int = 0,
    measure: Literal["yes", "always", "no"] = "yes",
) -> list[Call]:
    """The calls, for the scripts FRAGMENTS, that read the whole state of a router.

    ``family`` and ``table`` name the table that this collection keeps on the router. Traffic is watched for ``sample``
    seconds. Meanwhile tables of our own count what traverses the forward chain: with ``measure`` "yes" where there is a
    flowtable, with "always" anywhere; with "no" nothing on the router is touched.
    """
    return [
        ("read_platform",),
        ("read_modules", *FLOWTABLE_MODULES),
        ("read_flowtables",),
        ("read_nftables", family, table),
        ("read_devices",),
        ("read_nic_features", FEATURE),
        ("read_conflicts",),
        ("read_boot", paths.RULESET, *list_starter_paths(), paths.WATCH_SCRIPT),
        ("read_boot_record", *paths.BOOT_RECORDS),
        ("read_files", *boot.READ),
        *list_state_calls("ruleset", "features"),
        ("read_services", *SERVICES, *AGENTS),
        ("read_fw4",),
        ("read_sample", str(sample), str(LINES), measure),
        ("read_driver_table", str(LINES), str(sample)),
    ]


def list_choice_calls(family: str = "inet", table: str = "nft_offload") -> list[Call]:
    """The calls, for the scripts CHOICE_FRAGMENTS, that read what a play needs to choose devices and a mode.

    ``family`` and ``table`` name the table that this collection keeps on the router.
    """
    return [
        ("read_platform",),
        ("read_flowtables",),
        ("read_live_table", family, table),
        ("read_devices",),
        ("read_nic_features", FEATURE),
        ("read_boot", paths.RULESET, paths.WATCH_SCRIPT),
        ("read_files", *boot.READ),
    ]


def read_choice(answer: Answer) -> dict[str, Any]:
    """The parts of the state that ``list_choice_calls`` reads, as plain JSON types."""
    state = read_state(answer).as_result()
    chosen = {name: state[name] for name in ("platform", "flowtables", "unseen", "not_understood")}
    return {
        **chosen,
        "devices": {name: omit_keys(seen, "mtu", "qdisc") for name, seen in state["devices"].items()},
        "boot": {name: state["boot"][name] for name in ("ruleset", "filters", "foreign", "attachments", "features")},
    }


def omit_keys(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The values but those of these names."""
    return {name: value for name, value in values.items() if name not in names}


def require_whole(answer: Answer, chosen: bool = False) -> None:
    """Raise OffloadError for an answer without something that ``list_calls`` always prints.

    With ``chosen`` it is one of ``list_choice_calls``. A line or section that is lost would else look like something
    that the router does not have, or that could not be read.
    """
    platform = answer.require("platform")
    if platform.rc == HUNG:
        answer.require_ended()
    commands = parse_platform(platform.text).commands
    always = ["devices", "links", "forwarding", "boot.files"]
    if "nft" in commands:
        always += ["flowtables", "live"] if chosen else ["flowtables", "ruleset", "live"]
    if "ip" in commands:
        always += ["addresses", "routes ipv4", "routes ipv6"]
    if not chosen:
        always += ["modules", "conntrack"]
    features, drivers = answer.each("features "), answer.each("driver ")
    for name in (*always, *(f"features {name}" for name in drivers), *(f"driver {name}" for name in features)):
        answer.require(name)
    for name, part in features.items() if "ethtool" in commands else ():
        if part.rc == 0 and FEATURE not in parse_features(part.text):
            raise _incomplete(f"features {name}", FEATURE)
    if answer.ok("conntrack") and (lost := find_lost_line(answer.text("conntrack"))):
        raise _incomplete("conntrack", lost)
    if answer.ok("sample"):
        first = {line.partition(" ")[0] for line in answer.lines("sample")}
        for word in ("family", "classed", "seconds"):
            if word not in first:
                raise _incomplete("sample", word)


def _incomplete(section: str, line: str) -> OffloadError:
    """The error for a section without a line that it always has."""
    return OffloadError(
        f"section {section!r} of the router's answer has no line {line!r}",
        "run the task again; if it happens again, look for what else writes to the output of the login shell",
    )


def read_state(answer: Answer) -> RouterState:
    """RouterState from the sections of ``list_calls``, or of ``list_choice_calls``.

    What a missing or failed section would have shown is None or empty, and named in ``unseen`` with the reason. Where a
    verdict hangs on it, ``require_whole`` comes first.
    """
    unknown: list[str] = []
    platform = parse_platform(answer.text("platform"))
    readable = answer.ok("flowtables") and answer.ok("ruleset")
    listed = answer.ok("flowtables") and ("ruleset" not in answer or readable)
    flowtables = parse_flowtables(answer.text("flowtables"), unknown) if listed else None
    kept = boot.read_boot(answer)
    rules = parse_rules(answer.text("ruleset"), unknown) if readable else ()
    devices = _read_devices(answer, unknown)
    conntrack = parse_conntrack(answer.text("conntrack"), unknown) if answer.ok("conntrack") else None
    unseen = _collect_errors(answer, platform)
    if flowtables is not None and len(flowtables) > MOST_FLOWTABLES:
        unseen["rules"] = f"there are {len(flowtables)} flowtables, and no more than {MOST_FLOWTABLES} are looked at"
        flowtables = flowtables[:MOST_FLOWTABLES]
    return RouterState(
        platform=platform,
        kernel=parse_modules(answer.text("modules")),
        devices=devices,
        flowtables=flowtables,
        rules=mark_first_rules(rules, kept.live or ""),
        exclusions=parse_exclusions(answer.text("ruleset")) if readable else (),
        forwarding=parse_forwarding(answer.text("forwarding")) if "forwarding" in answer else None,
        bridged=parse_bridged(answer.text("forwarding")),
        hooks=_read_hooks(answer, unknown),
        flows=conntrack,
        driver_table=parse_driver_table(answer.text("ppe"), unknown) if answer.ok("ppe") else None,
        work=parse_work(answer.text("work"), unknown),
        other_handlers=_read_other_handlers(answer),
        sample=parse_sample(answer.text("sample"), devices, unknown) if answer.ok("sample") else None,
        processor=parse_processor(answer.text("processor"), unknown) if answer.ok("processor") else None,
        boot=kept,
        firewalls=tuple(_list_firewalls(answer, platform)),
        fw4=read_fw4(answer),
        unseen=unseen,
        hung=_list_hung(answer),
        not_understood=_limit_lines(unknown),
        ruleset=parse_ruleset(f"{answer.text('ruleset')}\n{answer.text('maps')}") if readable else None,
    )


def _limit_lines(lines: list[str]) -> tuple[str, ...]:
    """Each line once, UNKNOWN_LINES of them at most, and how many are left out."""
    different = list(dict.fromkeys(line[:200] for line in lines))
    left = len(different) - UNKNOWN_LINES
    return tuple(different) if left <= 0 else (*different[:UNKNOWN_LINES], f"... and {left} more")


def _read_devices(answer: Answer, unknown: list[str]) -> dict[str, Device]:
    """Name -> Device, with what the tools show: a driver that sysfs does not name, the feature, MTU and qdisc."""
    texts = {name: answer.text(name) for name in TEXTS}
    features = {device: parse_features(part.text).get(FEATURE) for device, part in answer.each("features ").items()}
    drivers = {device: parse_driver(part.text) for device, part in answer.each("driver ").items()}
    netifd = parse_netifd(answer.text("netifd"), drivers)
    eswitches = {device: parse_eswitch(part.text) for device, part in answer.each("eswitch ").items()}
    links = parse_links(answer.text("link"), unknown)
    devices = parse_devices(texts, unknown)
    guests = find_guests(devices)
    return {
        name: replace(
            device,
            driver=drivers.get(name) or device.driver,
            hw_tc_offload=features.get(name) or netifd.get(name),
            mtu=links.get(name, (0, ""))[0],
            qdisc=links.get(name, (0, ""))[1],
            eswitch=eswitches.get(name, ""),
            guest=name in guests,
        )
        for name, device in devices.items()
    }


def _read_other_handlers(answer: Answer) -> OtherHandlers:
    """What else handles forwarded packets: shapers, policy routing, IPsec, other chains."""
    traffic = parse_tc(answer.text("tc"))
    ruleset = answer.text("ruleset") if answer.ok("ruleset") else ""
    return OtherHandlers(
        shapers=map_shapers(parse_links(answer.text("link")), traffic),
        redirected=traffic.redirected,
        filters=(*traffic.filters, *parse_tcx(answer.text("tcx"))),
        xdp=parse_xdp(answer.text("link")),
        mark_rules=policy.parse_mark_rules(answer.text("rules")),
        ipsec=policy.parse_policy_counts(answer.text("xfrm")) if answer.ok("xfrm") else {},
        ipsec_errors=policy.parse_xfrm_errors(answer.text("xfrm_stat")),
        accelerators=tuple(answer.text("accelerators").split()),
        agents=tuple(name for name in _list_active(answer) if name in AGENTS),
        namespaces=policy.parse_names(answer.text("namespaces")),
        firewalld_devices=policy.parse_firewalld(answer.text("firewalld")),
        legacy_tables=policy.parse_legacy_tables(answer.text("legacy")),
        forward_chains=policy.parse_forward_chains(ruleset),
        queues=policy.parse_queues(ruleset),
        clamps_mss=policy.has_mss_clamp(ruleset),
    )


def _read_hooks(answer: Answer, unknown: list[str]) -> tuple[Hook, ...] | None:
    """None where they cannot be listed; a device that is gone (Linux 6.16 on keeps its name) has none."""
    if not answer.ok("flowtables") or _find_hooks_error(answer):
        return None
    listings = answer.each("hooks ").values()
    return tuple(hook for part in listings if part.rc == 0 for hook in parse_hooks(part.text, unknown))


def _find_hooks_error(answer: Answer) -> str:
    """The error of nft where it could not list the hooks of a device that exists; empty where it could."""
    if "hooks" in answer and not answer.ok("hooks") and not any(part.rc for part in answer.each("hooks ").values()):
        return "nft lists no hook at all, not even a chain's: this kernel has no NETFILTER_NETLINK_HOOK"
    failed = (part.text for part in answer.each("hooks ").values() if part.rc and "No such device" not in part.text)
    return next(failed, "")


def _list_firewalls(answer: Answer, platform: Platform) -> list[str]:
    """Services that are active (one line each, as of systemctl is-active, in order), and OpenWrt's own."""
    return [*(name for name in _list_active(answer) if name in SERVICES), *({"fw4"} & platform.commands)]


def _list_active(answer: Answer) -> list[str]:
    """Of SERVICES and AGENTS."""
    words = zip((*SERVICES, *AGENTS), answer.text("services").split(), strict=False)
    return [name for name, state in words if state == "active"]


def _list_hung(answer: Answer) -> dict[str, tuple[str, ...]]:
    """Tool that did not end in time -> the sections that are missing for it; see sh/hangs.sh."""
    found: dict[str, tuple[str, ...]] = {}
    for name, part in answer.items():
        if part.rc == HUNG:
            tool = part.text.partition(" ")[0]
            found[tool] = (*found.get(tool, ()), name)
    return found


def _collect_errors(answer: Answer, platform: Platform) -> dict[str, str]:
    """Part of the state that could not be read -> the first line of the tool that failed."""
    reasons = {
        name: answer.text(name)
        for name in ("flowtables", "ruleset", "maps", "devices", "addresses", "conntrack", "ppe", "sample")
        if name in answer and not answer.ok(name)
    }
    reasons |= {name: part.text for name, part in answer.items() if part.rc == HUNG}
    if platform.uid == 0 and not answer.ok("live") and not boot.is_no_table(answer.text("live")):
        reasons |= {"live": answer.text("live")} if "live" in answer else {}
    if "flowtables" not in answer:
        reasons["flowtables"] = "nft is not installed"
    if "addresses" not in answer:
        reasons["addresses"] = "ip is not installed"
    if unread := describe_unread_gateways(answer.text("routes ipv4")):
        reasons["gateways"] = unread
    if "ethtool" not in platform.commands:
        reasons["hw_tc_offload"] = "ethtool is not installed"
    if error := _find_hooks_error(answer):
        reasons["hooks"] = error
    if TRUNCATED in (*answer.lines("ruleset"), *answer.lines("maps")):
        reasons["rules"] = "the ruleset is too long to be read whole"
    return {
        name: (text.strip().partition("\n")[0].rstrip() or "no reason given")[:300] for name, text in reasons.items()
    }
