# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Broken routers: the error has the cause and a remedy, and the router stays as it is."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from lab import routers
from tests.lab.plays import Task
from tests.lab.router import Live
from tests.lab.rulesets import CONTENT, FLOWTABLE

RULESET: dict[str, Any] = {"content": CONTENT, "flowtables": [FLOWTABLE]}
GUEST = {"ansible_user": "guest"}


def refused(router: Live, task: Task, *parts: str) -> None:
    """Assert that the task failed with the router's name, every part and a remedy in its message."""
    assert task.status == "failed", task
    for part in (router.name, *parts, "Remedy"):
        assert part in task.msg


@pytest.mark.router("trixie/offload", "bare")
class TestToolsAreMissing:
    def test_no_nft(self, router: Live) -> None:
        refused(router, router.module("ruleset", **RULESET), "there is no nft", "kernel_support")
        router.is_untouched()

    def test_no_ethtool(self, router: Live) -> None:
        refused(router, router.module("nic_features", devices=["lan0"]), "ethtool is needed", "kernel_support")
        router.is_untouched()

    def test_no_package_source(self, router: Live) -> None:
        router.sh("rm /etc/apt/sources.list.d/lab.sources; rm -rf /var/lib/apt/lists/*")
        with router.unchanged():
            refused(router, router.module("kernel_support"), "nftables")

    def test_nft_too_old(self, router: Live) -> None:
        """The old nft is a stand-in that only prints its version."""
        router.sh("printf '#!/bin/sh\\necho nftables v0.9.8\\n' >/usr/local/bin/nft; chmod +x /usr/local/bin/nft")
        with router.unchanged():
            refused(router, router.module("ruleset", **RULESET), "nft 0.9.8 is too old", "0.9.9")
            failure = router.role().failure
            assert failure.action == "kmod.nft_offload.flow_offload_plan"
            refused(router, failure, "nft 0.9.8 is too old", "0.9.9")

    def test_kernel_without_flowtables(self, router: Live) -> None:
        router.sh(
            "cd /lib/modules/$(uname -r) && mkdir /root/away && "
            "mv $(find . -name 'nf_flow_table*' -o -name 'nft_flow_offload*') /root/away && depmod"
        )
        with router.unchanged():
            failure = router.role().failure
            refused(router, failure, "built without flowtables", "CONFIG_NF_FLOW_TABLE")
            refused(router, router.module("offload_verify"), "supported.modules-missing", "nf_flow_table_inet")


@pytest.mark.parametrize(
    ("module", "options"),
    [("kernel_support", {}), ("nic_features", {"devices": ["lan0"]}), ("ruleset", RULESET), ("offload_verify", {})],
)
def test_not_root(router: Live, module: str, options: dict[str, Any]) -> None:
    task = router.module(module, host=GUEST, **options)
    refused(router, task, "root", "become: true")
    router.is_untouched()


def test_role_without_root(router: Live) -> None:
    refused(router, router.role(host=GUEST).failure, "root", "become: true")
    router.is_untouched()


FULL = """
set -e
cp -a /etc /run/etc
mount -t tmpfs -o size=4m,mode=755 tmpfs /etc
cp -a /run/etc/. /etc
! dd if=/dev/zero of=/etc/ballast bs=512 2>/dev/null
"""
READ_ONLY = "mount --bind /etc /etc && mount -o remount,ro,bind /etc"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")],
    ids=["full", "read-only"],
)
class TestEtc:
    @pytest.mark.router("trixie/offload", "tools")
    def test_modules(self, router: Live, prepare: str, message: str) -> None:
        router.sh(prepare)
        with router.unchanged():
            refused(
                router, router.module("nic_features", devices=["lan0"]), message, "/etc/", "nothing was left changed"
            )
            refused(router, router.module("ruleset", **RULESET), message, "/etc/", "nothing was left changed")

    @pytest.mark.router("trixie/offload", "bare")
    def test_role_on_a_fresh_router(self, router: Live, prepare: str, message: str) -> None:
        router.sh(prepare)
        with router.unchanged():
            refused(router, router.role().failure, message, "/etc/", "nothing was left changed")

    def test_role_on_a_converged_router(self, router: Live, prepare: str, message: str) -> None:
        """Without a change nothing is written, so the run succeeds; a change fails, and the flows go on."""
        router.sh(prepare)
        with router.unchanged():
            assert router.role().worked().changed == []
            refused(router, router.role(flow_offload_counter=True).failure, message, "nothing was left changed")


# A stand-in before nft that is slow to load, so that a test can interrupt it.
SLOW_NFT = """
cat >/usr/local/bin/nft <<'EOT'
#!/bin/sh
case "$*" in "-f load.1") touch /run/applying; sleep 3 ;; esac
exec /usr/sbin/nft "$@"
EOT
chmod +x /usr/local/bin/nft
sync
"""


# By default ssh would wait for hours for a router that has lost its power.
IMPATIENT = {"ansible_ssh_retries": 0, "ansible_ssh_extra_args": "-o ServerAliveInterval=3 -o ServerAliveCountMax=5"}


class TestHalfWay:
    def interrupt(self, router: Live, what: str) -> None:
        """Run a change with the slow nft; cut the connection or the power once nft has begun to load the table."""
        router.sh(SLOW_NFT)
        router.hang_up()  # an existing shared connection would not have these options

        def watch() -> None:
            while not router.succeeds("test -e /run/applying"):
                time.sleep(0.1)
            if what == "connection":
                router.hang_up()
            else:
                routers.get(router.name).machine.monitor("system_reset")

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        # the task waits for the router somewhat longer than this; on a busy machine it boots slowly
        run = router.role(flow_offload_mode="software", flow_offload_confirm_timeout=150, host=IMPATIENT)
        watcher.join(60)
        assert run.failure.status == "failed", run.output
        assert not run.failure.result["change"]["confirmed"]
        assert run.failure.action == "kmod.nft_offload.ruleset"

    def check_converges(self, router: Live) -> None:
        router.role(flow_offload_mode="software").worked()
        assert router.role(flow_offload_mode="software").worked().changed == []
        lines = router.flows("OFFLOAD")
        assert len(lines) >= 4 and all("[OFFLOAD]" in line for line in lines)

    def test_connection_is_cut(self, router: Live) -> None:
        """The router went on to load the table; nothing confirmed it, so the old one is back, live and for boot."""
        self.interrupt(router, "connection")
        assert not router.succeeds("ls /run/nft-offload/pending/*")
        assert "flags offload" in router.nft("list flowtables")
        assert "flags offload" in router.sh("cat /etc/nft-offload/ruleset.nft")
        assert router.sh("find /etc /usr/local -name '*.nft-offload-new'") == ""
        self.check_converges(router)

    def test_power_is_cut(self, router: Live) -> None:
        """The next boot has the old table: no file of the new one was in place yet."""
        console = routers.get(router.name).machine.console
        boots = console.read_bytes().count(b"lab-ready")
        self.interrupt(router, "power")
        routers.get(router.name).login.hang_up()
        routers.get(router.name).machine.wait_ready(boots + 1, 240)
        routers.get(router.name).login.wait_for_login(router.name)
        assert "flags offload" in router.nft("list flowtables")
        router.sh("rm /usr/local/bin/nft")
        self.check_converges(router)


def test_unreachable_is_unreachable(router: Live) -> None:
    """The status is Ansible's own, so that its strategies for unreachable hosts work."""
    task = router.module("offload_info", host={"ansible_port": 1})
    assert task.status == "unreachable"
