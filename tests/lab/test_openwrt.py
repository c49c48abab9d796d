# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role on a router like OpenWrt (lab/openwrt), over dropbear: what needs a kernel, a flash or a boot.

test_openwrt_faults.py has package feeds, staged changes and fw4's exit codes; test_openwrt*.py below tests/unit/plugins
have more of these, in OpenWrt's shell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab import api
from tests.lab.openwrt import OpenWrt
from tests.lab.plays import Run, Task, predicted

MOST_EXECS_FRESH = 12
MOST_EXECS = 6
IMPATIENT = {"ansible_ssh_retries": 0, "ansible_ssh_extra_args": "-o ServerAliveInterval=2 -o ServerAliveCountMax=3"}

Record = Callable[[str, object], None]

pytestmark = pytest.mark.router("openwrt-24.10/offload", "offloading")


def record_execs(run: Run, record: Record, title: str) -> None:
    for task in run.ours:
        execs = "; ".join(f"{up} up, {down} down" for up, down in task.execs)
        record(f"{title}: {task.action.rsplit('.', 1)[-1]}", execs)


def findings(router: OpenWrt, **options: Any) -> tuple[Task, set[str]]:
    task = router.module("offload_verify", **options)
    return task, {finding["id"] for finding in task.result.get("findings", ())}


def set_up(router: OpenWrt, record: Record) -> None:
    """Turn offload on on a new router, twice, in few execs."""
    assert not router.succeeds("type python3 || type sftp-server || type scp")
    checked = router.role(check=True)
    router.is_untouched()
    before = router.sessions()
    first = router.role().worked()
    opened = router.sessions() - before - 1
    record_execs(first, record, "first run")
    predicted(checked, first)
    assert first.execs <= MOST_EXECS_FRESH and opened <= MOST_EXECS_FRESH, (first.execs, opened)

    before = router.sessions()
    second = router.role().worked()
    opened = router.sessions() - before - 1
    record_execs(second, record, "second run")
    assert second.changed == []
    assert second.execs <= MOST_EXECS and opened <= MOST_EXECS, (second.execs, opened)


@pytest.mark.router("openwrt-24.10/offload", "bare")
def test_fresh_router_and_back(router: OpenWrt, record_property: Record) -> None:
    set_up(router, record_property)
    router.assert_flows_have("HW_OFFLOAD")
    router.role(flow_offload_mode="disabled").worked()
    router.is_untouched()
    assert router.role(flow_offload_mode="disabled").worked().changed == []


@pytest.mark.router("openwrt-25.12/plain", "bare")
def test_fresh_router_with_apk_and_plain_nics(router: OpenWrt, record_property: Record) -> None:
    set_up(router, record_property)
    router.assert_flows_have("OFFLOAD")
    router.role(flow_offload_mode="disabled").worked()
    router.is_untouched()


def test_a_reboot_and_a_device_that_comes_back(router: OpenWrt) -> None:
    router.reboot()
    assert router.role().worked().changed == []
    router.assert_flows_have("HW_OFFLOAD")
    api.replug(router.name, "wan0")
    router.wait_for_flowtable('"lan0", "wan0"' if '"lan0' in router.flowtable() else "lan0, wan0")
    assert router.feature("wan0") == "on"
    assert "flags offload" in router.flowtable()
    router.assert_flows_have("HW_OFFLOAD")


@pytest.mark.router("openwrt-24.10/offload", "tools")
def test_a_table_of_ours_that_boot_does_not_load(router: OpenWrt) -> None:
    """In its place comes the one confirmed before, else the emergency ruleset; the next run puts it right."""

    def load(port: int) -> Task:
        rules = f"type filter hook input priority 10; policy accept;\n  tcp dport {port} drop"
        text = f"table inet nft_offload {{\n chain input {{\n  {rules}\n }}\n}}\n"
        task = router.module("ruleset", content=text)
        assert task.status == "ok", task.msg
        return task

    refused = 'add rule inet nft_offload input iif "lan9" accept'
    load(1)
    load(2)
    router.sh(f"echo '{refused}' >>/etc/nft-offload/ruleset.nft; sync")
    router.power_cut()
    assert "tcp dport 1 drop" in router.nft("list table inet nft_offload")
    assert "confirmed before, runs in its place" in router.sh("dmesg")
    assert "configured.boot-fallback" in findings(router, sample=0)[1]

    router.sh("rm -r /etc/nft-offload/history; sync")
    router.power_cut()
    assert "chain emergency_input" in router.nft("list table inet nft_offload")
    assert "configured.emergency" in findings(router, sample=0)[1]

    assert load(2).changed
    assert "chain emergency_input" not in router.nft("list table inet nft_offload")
    assert not load(2).changed
    router.power_cut()
    assert "tcp dport 2 drop" in router.nft("list table inet nft_offload")
    assert "configured.emergency" not in findings(router, sample=0)[1]


def test_the_firewall_is_stopped(router: OpenWrt) -> None:
    """Its init script deletes every table of the router."""
    router.sh("/etc/init.d/firewall stop")
    task, ids = findings(router, sample=0)
    assert task.status == "failed"
    assert "configured.openwrt-not-loaded" in ids
    router.sh("/etc/init.d/firewall start")
    assert router.role().worked().changed == []


@pytest.mark.router("openwrt-24.10/offload", "tools")
def test_an_upgrade_without_ethtool(router: OpenWrt) -> None:
    """sysupgrade keeps the configuration but no packages: without kmod-nft-offload nft refuses fw4's whole ruleset."""
    router.sh("for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload off; done")
    router.role().worked()
    assert router.feature("lan0") == "on"
    boots = router.count_boots()
    router.sh("sysupgrade >/dev/null 2>&1 &")
    router.wait_for_boot(boots)
    assert not router.succeeds("type ethtool")
    assert router.succeeds("test -s /etc/nft-offload/features && test -x /etc/init.d/nft-offload-features")
    assert "flow_offloading_hw" in router.config()
    assert "nft-offload" not in router.sh("cat /tmp/boot.log"), "the features are skipped silently"
    task, ids = findings(router, expect="hardware", sample=0)
    assert task.status == "failed" and "configured.openwrt-not-loaded" in ids
    assert router.role().worked().changed
    router.assert_flows_have("HW_OFFLOAD")
    assert router.role().worked().changed == []


# A power cut during the commit: `sync` comes after the new file is written, `mv` puts it in place.
POWER_CUT = """rm /bin/{tool} && cat >/bin/{tool} <<'EOT'
#!/bin/sh
case "$*" in *{pattern}*) {before} echo b >/proc/sysrq-trigger; sleep 60 ;; esac
exec busybox {tool} "$@"
EOT
chmod +x /bin/{tool}"""
MOMENTS = {
    "before the file is in place": POWER_CUT.format(tool="sync", pattern="firewall.*.nft-offload-new", before=""),
    "when the file is in place": POWER_CUT.format(
        tool="mv", pattern="firewall.*.nft-offload-new*/etc/config/firewall", before='busybox mv "$@";'
    ),
}


@pytest.mark.router("openwrt-24.10/offload", "tools")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_power_cut_during_the_commit(router: OpenWrt, moment: str) -> None:
    """The configuration is exactly the old or the new one, and the next run completes the change."""
    before = router.config()
    boots = router.count_boots()
    router.sh(MOMENTS[moment])
    run = router.role(host=IMPATIENT)
    assert run.code != 0
    router.wait_for_boot(boots)
    router.sh("for tool in sync mv; do ln -sf busybox /bin/$tool; done")
    after = router.config()
    assert (after == before) is (moment == "before the file is in place"), after
    assert "config forwarding" in after
    router.sh("nft list table inet fw4")
    router.role().worked()
    router.assert_flows_have("HW_OFFLOAD")
    assert router.role().worked().changed == []
    assert not router.succeeds("ls /etc/config/*nft-offload-new*")


@pytest.mark.router("openwrt-24.10/offload", "tools")
def test_a_power_cut_right_after_the_commit(router: OpenWrt) -> None:
    router.role().worked()
    router.power_cut()
    assert router.role().worked().changed == []
    router.assert_flows_have("HW_OFFLOAD")


@pytest.mark.router("openwrt-24.10/offload", "bare")
def test_flash_full(router: OpenWrt) -> None:
    router.sh("! dd if=/dev/zero of=/root/ballast bs=1k 2>/dev/null")
    with router.unchanged():
        failure = router.role().failure
        assert "No space left on device; nothing was left changed. Remedy" in failure.msg, failure.msg


def test_flash_full_at_the_commit(router: OpenWrt) -> None:
    router.sh("! dd if=/dev/zero of=/root/ballast bs=1k 2>/dev/null")
    config = router.config()
    failure = router.role(flow_offload_mode="software").failure
    assert "space" in failure.msg, failure.msg
    assert router.config() == config
    router.sh("rm /root/ballast")
    router.role(flow_offload_mode="software").worked()
    router.assert_flows_have("OFFLOAD")


def test_an_old_dropbear_truncates_long_answers(router: OpenWrt) -> None:
    """A stand-in: the output of a session ends after 4 kB; real ones cut it near 14."""
    router.sh("sed -i 's/^exec \\(.* -c .*\\)$/\\1 | head -c 4000/' /usr/lib/lab/session")
    failure = router.role().failure
    assert "cut off after" in failure.msg and "dropbear" in failure.msg, failure.msg


@pytest.mark.router("openwrt-24.10/offload", "tools")
def test_nics_that_do_not_offload(router: OpenWrt) -> None:
    """OpenWrt's kernel accepts a NIC without offload in a hardware flowtable; only traffic shows that."""
    for device in ("lan0", "wan0"):
        api.set_faults(router.name, device, "fixed-off", "fake")
    run = router.role().worked()
    assert run.task("fw4_offload").result["offload"] == "software", "auto considers the NICs"
    failure = router.role(flow_offload_mode="hardware").failure
    assert "hardware.fake" in failure.msg and "lan0 (labnic), wan0 (labnic)" in failure.msg, failure.msg
    assert "flags offload" in router.flowtable(), "fw4 and the kernel accept it"
