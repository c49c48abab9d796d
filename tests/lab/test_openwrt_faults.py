# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of routers like OpenWrt only: the role's message, and what it leaves on the router.

Package feeds that are unreachable, or for another kernel; an fw4 that exits with 0 and loads nothing; changes that
somebody else staged and did not commit. test_openwrt*.py below tests/unit/plugins have more of each, without a kernel.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.openwrt import OpenWrt

OPKG, APK = "openwrt-24.10/offload", "openwrt-25.12/offload"
MANAGERS = [
    pytest.param(kind, marks=pytest.mark.router(kind, "bare"), id=kind.partition("/")[0]) for kind in (OPKG, APK)
]

pytestmark = pytest.mark.router(OPKG, "tools")


def refused(router: OpenWrt, *parts: str, **variables: Any) -> None:
    """Assert that the role fails with all these parts and a remedy in its message."""
    task = router.role(**variables).failure
    assert [part for part in (*parts, ". Remedy: ") if part not in task.msg] == [], task.msg


def read_firewall(router: OpenWrt) -> dict[str, str]:
    """The configured, the staged and the live firewall, and fw4's state."""
    return {
        "configured": router.config(),
        "staged": router.sh("uci changes"),
        "live": router.nft("-s list ruleset"),
        "fw4's state": router.sh("cat /var/run/fw4.state"),
    }


# --- package feeds


@pytest.mark.parametrize("lists", ["never fetched", "fetched before"])
@pytest.mark.parametrize("kind", MANAGERS)
def test_unreachable_feeds(router: OpenWrt, kind: str, lists: str) -> None:
    """With lists apk plans the installation and fails in the middle, with the package in its world file already."""
    manager, error = ("opkg", "Failed to download") if kind == OPKG else ("apk", "network error")
    if lists == "fetched before":
        router.sh(f"{manager} update")
    router.sh("touch /etc/stand-in/feed/down")
    with router.unchanged():
        refused(
            router,
            "kmod-nft-offload",
            "the package feeds could not be read: ",
            error,
            "make sure the router can reach its package feeds, or install the packages by hand",
        )


FOREIGN = "6.12.999~feedfeedfeedfeed-r1"
MISMATCHES = {
    "opkg": (OPKG, "true", "the feed's kmod-nf-flow is for the kernel {feed}, and this image has {image}"),
    "apk": (APK, "true", "the feed's kmod-nf-flow is for the kernel {feed}, and this image has {image}"),
    "apk would replace the kernel": (
        APK,
        "touch /etc/stand-in/replaces-kernel",
        "apk would put another kernel's packages in ({feed}; this image has {image}), which leaves the router without "
        "modules at its next start",
    ),
}


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(prepare, message, id=name, marks=pytest.mark.router(kind, "bare"))
        for name, (kind, prepare, message) in MISMATCHES.items()
    ],
)
def test_a_feed_for_another_kernel(router: OpenWrt, prepare: str, message: str) -> None:
    """Once a release has a new kernel, its feed is of no use to earlier images."""
    image = router.sh("sed -n 's/^kernel //p' /etc/stand-in/installed").strip()
    router.sh(f"sed -i 's/{image}/{FOREIGN}/g' /etc/stand-in/feed/index; {prepare}")
    with router.unchanged():
        refused(
            router,
            message.format(feed=FOREIGN, image=image),
            "nothing was changed. Remedy: install an image of the feed's kernel with sysupgrade (attended sysupgrade",
        )


# --- fw4 ends with 0

INSTEAD = """mv {path} {path}.real && cat >{path} <<'EOT'
#!/bin/sh
{script}
exec {path}.real "$@"
EOT
chmod +x {path}"""
NOT_LOADED = "fw4 reload: live is nothing, and not what fw4 print has: device lan0 device wan0 flowtable hardware"
# fault -> (its script, parts of the message)
SILENT = {
    "nft refuses what its check accepted": (
        INSTEAD.format(
            path="/usr/sbin/nft",
            script="""if [ "$*" = "-f /dev/stdin" ]; then
  cat >/tmp/rules
  ! grep -q 'flow offload @' /tmp/rules || { echo 'Error: Could not process rule: Cannot allocate memory' >&2; exit 1; }
  exec /usr/sbin/nft.real -f /tmp/rules
fi""",
        ),
        ["Cannot allocate memory", NOT_LOADED],
    ),
    "the reload does nothing": (
        INSTEAD.format(path="/sbin/fw4", script='case " $* " in *" reload "*) exit 0 ;; esac'),
        [NOT_LOADED],
    ),
    "the first reload leaves no table": (
        INSTEAD.format(
            path="/sbin/fw4",
            script='case " $* " in *" reload "*) [ -e /tmp/1 ] || { >/tmp/1; exec nft delete table inet fw4; } ;; esac',
        ),
        ["fw4 reload: there is no table inet fw4"],
    ),
}


@pytest.mark.parametrize("fault", SILENT)
def test_a_reload_that_loads_nothing(router: OpenWrt, fault: str) -> None:
    """The live ruleset is read back, and differs from what should have been loaded."""
    script, messages = SILENT[fault]
    before = read_firewall(router)
    router.sh(script)
    refused(router, "could not set flow_offloading to 1", *messages, "nothing was left changed", "in logread or dmesg")
    assert read_firewall(router) == before
    assert router.flowtable() == ""
    router.sh("for path in /usr/sbin/nft /sbin/fw4; do [ ! -e $path.real ] || mv $path.real $path; done")
    router.role().worked()
    assert "flags offload" in router.flowtable() and "flow_offloading_hw '1'" in router.config()


# --- what others staged


def test_changes_staged_for_another_package(router: OpenWrt) -> None:
    """They stay staged, and are neither committed nor loaded with ours."""
    router.sh("uci set network.lan.ipaddr=10.99.0.1")
    seen = "cat /tmp/.uci/network /etc/config/network; ip -4 address show br-lan"
    before = router.sh(seen)
    assert router.sh("uci changes") == "network.lan.ipaddr='10.99.0.1'\n"
    router.role().worked()
    assert router.sh(seen) == before
    assert router.sh("uci changes") == "network.lan.ipaddr='10.99.0.1'\n"
    assert "flow_offloading_hw '1'" in router.config() and "flags offload" in router.flowtable()
    assert router.role().worked().changed == []


THEIRS = "firewall.cfg02dc81.input='DROP'"


def test_changes_staged_for_the_firewall(router: OpenWrt) -> None:
    """fw4 would load them with ours, so the run fails; they stay staged."""
    router.sh("uci set firewall.@zone[0].input=DROP")
    before = read_firewall(router)
    assert before["staged"] == f"{THEIRS}\n"
    message = (
        f"somebody staged changes of the firewall and did not commit them ({THEIRS}): fw4 would load them together"
    )
    refused(router, message, "commit them with 'uci commit firewall', or drop them with 'uci revert firewall'")
    assert read_firewall(router) == before
    router.sh("uci revert firewall")
    router.role().worked()
    assert router.role().worked().changed == []


def test_changes_staged_for_the_firewall_during_ours(router: OpenWrt) -> None:
    """Before ours is confirmed: only ours is committed, and theirs are not loaded, now or with the next run."""
    live = "nft list chain inet fw4 input"
    before = router.sh(live)
    router.role(flow_offload_checks=[{"command": "uci set firewall.@zone[0].input=DROP"}]).worked()
    assert router.sh("uci changes") == f"{THEIRS}\n"
    assert "flow_offloading_hw '1'" in router.config() and "DROP" not in router.config()
    assert router.role().worked().changed == []
    assert (router.sh("uci changes"), router.sh(live)) == (f"{THEIRS}\n", before)


# --- what is committed and not loaded

ZONE = "firewall.@zone[2]"  # of mgmt0
SHUTS = f"uci set {ZONE}.input=REJECT; uci commit firewall"
INCLUDE = (
    "printf 'chain early {{\\n type filter hook input priority -5; policy accept;\\n tcp dport 22 drop\\n}}\\n' >{}"
)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        (SHUTS, "+ inet fw4 chain input_mgmt: jump reject_from_mgmt"),
        (INCLUDE.format("/etc/nftables.d/early.nft"), "+ inet fw4 chain early: tcp dport 22 drop"),
        (INCLUDE.format("/usr/share/nftables.d/table-post/early.nft"), "+ inet fw4 chain early: tcp dport 22 drop"),
    ],
    ids=["input=REJECT", "nftables.d", "table-post"],
)
def test_what_was_committed_and_not_loaded(router: OpenWrt, prepare: str, line: str, check: bool) -> None:
    """A load would shut SSH out, with ours or without."""
    router.sh(f"mkdir -p /usr/share/nftables.d/table-post; {prepare}")
    before = read_firewall(router)
    message = router.role(check=check).failure.msg
    assert [part for part in ("was changed and not loaded", line, "load_pending") if part not in message] == [], message
    assert read_firewall(router) == before


@pytest.mark.parametrize(
    "prepare", [SHUTS, INCLUDE.format("/etc/nftables.d/early.nft")], ids=["input=REJECT", "nftables.d"]
)
def test_a_load_that_shuts_ssh_out_does_not_outlast_its_undo(router: OpenWrt, prepare: str) -> None:
    """It is loaded knowingly, with what was committed before."""
    before = read_firewall(router)
    router.sh(prepare)
    configured = router.config()
    message = router.role(flow_offload_load_pending=True, flow_offload_confirm_timeout=10).failure.msg
    assert "was rolled back" in message and "The firewall is now as it was before" in message, message
    assert read_firewall(router) == {**before, "configured": configured}
    router.sh(f"rm -f /etc/nftables.d/early.nft; uci set {ZONE}.input=ACCEPT; uci commit firewall")
    router.role().worked()
    assert "flags offload" in router.flowtable()


def test_a_zone_that_fw4_skips(router: OpenWrt) -> None:
    """fw4 check ends with 0."""
    router.sh(f"uci set {ZONE}.masq=maybe; uci commit firewall; fw4 check")
    before = read_firewall(router)
    refused(
        router,
        "fw4 would leave out zones that are live now (mgmt)",
        "specifies invalid value 'maybe'",
        flow_offload_load_pending=True,
    )
    assert read_firewall(router) == before


def test_an_undo_of_a_removal_in_hardware(router: OpenWrt) -> None:
    """The flowtable comes back with its devices, which the driver gives to one flowtable at a time."""
    router.role().worked()
    before = read_firewall(router)
    locks_out = "nft insert rule inet fw4 input iifname mgmt0 tcp dport 22 ct state new drop"
    checks = [{"command": f"{locks_out}; false"}]
    message = router.role(flow_offload_mode="disabled", flow_offload_checks=checks).failure.msg
    assert "was rolled back" in message, message
    assert read_firewall(router) == before
    router.assert_flows_have("HW_OFFLOAD")
