# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fw4_offload while somebody else works on the same firewall, with changes staged, committed or under way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.openwrt_fw4 import (
    HARDWARE,
    SOFTWARE,
    STOCK,
    Lost,
    Meanwhile,
    end_window,
    flash,
    flowtable,
    settled,
    stocked,
)
from tests.unit.helpers.openwrt_root import Execs, OpenWrt


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    made = stocked(tmp_path / "root")
    yield made
    made.end()


def open_to_lan(router: OpenWrt) -> None:
    """A ruleset in which it shows when the LAN is locked out."""
    router.write(paths.FW4_CONFIG, STOCK.format("") + "\toption input ACCEPT\n")
    router.sh("fw4 reload")
    assert "jump accept_from_lan" in router.sh("nft list table inet fw4")


def during(router: OpenWrt, program: str, command: str, script: str) -> None:
    """Have something else happen at the end of a program's command."""
    router.path(f"/sbin/{program}").rename(router.path(f"/sbin/{program}.real"))
    case = f'case " $* " in *" {command} "*) {script} ;; esac'
    router.write(f"/sbin/{program}", f'#!/bin/sh\n/sbin/{program}.real "$@"\ncode=$?\n{case}\nexit $code\n', 0o755)


def test_what_others_staged_is_not_touched(router: OpenWrt) -> None:
    """fw4 would load it with ours, so nothing is done; what is staged for something else is in nobody's way."""
    router.sh("uci set firewall.@zone[0].input=DROP")
    before = flash(router)
    with pytest.raises(OffloadError, match=r"somebody staged.*firewall\.cfg02dc81\.input='DROP'.*uci commit firewall"):
        router.do(ActionModule, SOFTWARE)
    assert (flash(router), router.sh("uci changes")) == (before, "firewall.cfg02dc81.input='DROP'\n")
    router.write("/etc/config/network", "config interface lan\n")
    router.sh("uci revert firewall; uci set network.lan.proto=static")
    router.do(ActionModule, SOFTWARE)
    assert router.sh("uci changes") == "network.lan.proto='static'\n"
    assert router.read("/etc/config/network") == "config interface lan\n"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("staged", "wanted"), [("1", "software"), ("0", "disabled")])
def test_what_is_only_staged_is_not_configured(router: OpenWrt, staged: str, wanted: str, check: bool) -> None:
    """fw4 uses it, and the next start does not."""
    router.write(paths.FW4_CONFIG, STOCK.format(f"\toption flow_offloading {1 - int(staged)}\n"))
    router.sh(f"uci set firewall.@defaults[0].flow_offloading={staged}; fw4 reload")
    with pytest.raises(OffloadError, match=rf"somebody staged.*flow_offloading='{staged}'.*the next start does not"):
        router.do(ActionModule, {"offload": wanted}, check=check)


def test_what_another_controller_did_not_confirm_yet_is_not_configured(router: OpenWrt) -> None:
    class Second(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            super().reconnect(shared=shared)
            if not shared:
                with pytest.raises(OffloadError, match="is pending"):
                    self._router.do(ActionModule, SOFTWARE)

    result, _execs = router.do(ActionModule, SOFTWARE, way=Second)
    assert result["change"]["confirmed"]


def test_two_at_once(router: OpenWrt) -> None:
    class Second(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            super().reconnect(shared=shared)
            if not shared:
                with pytest.raises(OffloadError, match="is pending"):
                    self._router.do(ActionModule, HARDWARE)

    result, _execs = router.do(ActionModule, SOFTWARE, way=Second)
    assert result["change"]["confirmed"]


@pytest.mark.parametrize(
    "theirs", ["firewall.@zone[0].input=DROP", "firewall.@zone[0].input=DROP firewall.@defaults[0].flow_offloading=0"]
)
def test_what_others_stage_after_the_router_was_read(router: OpenWrt, theirs: str) -> None:
    """It is refused, and refusing loads and reverts nothing either: fw4 would use what they staged."""

    class Staging(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            super().reconnect(shared=shared)
            if shared:
                self._router.sh("".join(f"uci set {option}\n" for option in theirs.split()))

    open_to_lan(router)
    live = router.sh("nft list table inet fw4")
    with pytest.raises(OffloadError, match=r"(?s)somebody staged changes.*since the router was read.*was left changed"):
        router.do(ActionModule, SOFTWARE, way=Staging)
    assert router.sh("nft list table inet fw4") == live
    staged = router.sh("uci changes").splitlines()
    assert len(staged) == len(theirs.split()) and "firewall.cfg02dc81.input='DROP'" in staged
    assert "flow_offloading" not in str(router.read(paths.FW4_CONFIG))


def test_what_others_stage_while_it_is_loaded(router: OpenWrt) -> None:
    """Between the first look and the load, while fw4 checks the ruleset."""
    open_to_lan(router)
    live = router.sh("nft list table inet fw4")
    staging = "/var/run/nft-offload/pending/*/staging"
    during(router, "fw4", "print", f"! ls {staging} >/dev/null 2>&1 || uci set firewall.@zone[0].input=DROP")
    with pytest.raises(OffloadError, match=r"(?s)somebody staged changes.*input='DROP'.*was left changed"):
        router.do(ActionModule, SOFTWARE)
    assert router.sh("nft list table inet fw4; uci changes") == f"{live}firewall.cfg02dc81.input='DROP'\n"


def test_what_others_do_meanwhile_stays_theirs(router: OpenWrt) -> None:
    class Staging(Meanwhile):
        script = "uci set firewall.@zone[0].input=DROP; uci set firewall.@zone[1].name=wan2; uci changes >/tmp/then"

    router.do(ActionModule, SOFTWARE, way=Staging)
    assert "flow_offloading='1'" in str(router.read("/tmp/then")), "until it is confirmed, ours is only staged"
    assert router.sh("uci changes") == "firewall.cfg02dc81.input='DROP'\nfirewall.cfg03dc81.name='wan2'\n"
    text = str(router.read(paths.FW4_CONFIG))
    assert "flow_offloading '1'" in text and "DROP" not in text and "wan2" not in text


class StagingAndLost(Lost):
    """Somebody else works on the firewall when it rolls back, and is not done yet."""

    def reconnect(self, *, shared: bool = True) -> None:
        if not shared:
            self._router.sh("uci set firewall.@zone[0].input=DROP")
            end_window(self._router)
        super().reconnect(shared=shared)


THEIRS = "firewall.cfg02dc81.input='DROP'"


def test_what_others_staged_is_not_loaded_by_a_roll_back(router: OpenWrt) -> None:
    open_to_lan(router)
    live = router.sh("nft list table inet fw4")
    with pytest.raises(OffloadError, match=rf"as it was before.*somebody staged meanwhile: {THEIRS}"):
        router.do(ActionModule, SOFTWARE, way=StagingAndLost)
    assert router.sh("nft list table inet fw4; uci changes") == f"{live}{THEIRS}\n"


def test_others_commit_meanwhile(router: OpenWrt) -> None:
    class Committing(Meanwhile):
        script = "uci set firewall.@zone[0].input=DROP; uci commit firewall"

    router.do(ActionModule, SOFTWARE, way=Committing)
    text = str(router.read(paths.FW4_CONFIG))
    assert "flow_offloading '1'" in text and "DROP" in text


def test_not_confirmed_after_somebody_committed_all_that_was_staged(router: OpenWrt) -> None:
    class CommittingAndLost(Lost):
        def reconnect(self, *, shared: bool = True) -> None:
            if not shared:
                self._router.sh("uci commit firewall")
                end_window(self._router)
            super().reconnect(shared=shared)

    with pytest.raises(OffloadError, match="was rolled back"):
        router.do(ActionModule, SOFTWARE, way=CommittingAndLost)
    assert settled(router)
    assert "flow_offloading" not in str(router.read(paths.FW4_CONFIG))
    assert (flowtable(router), router.sh("uci changes")) == ("", "")
