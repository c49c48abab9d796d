# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of fw4_offload that end otherwise than confirmed, and what is left of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call

from tests.unit.helpers.openwrt_fw4 import (
    HARDWARE,
    SOFTWARE,
    Lost,
    end_window,
    find_pending,
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


def test_not_confirmed_in_time(router: OpenWrt) -> None:
    before = {path: text for path, (text, _when) in flash(router).items()}
    with pytest.raises(
        OffloadError,
        match=r"was rolled back.*not confirmed within 2 s.*The firewall is now as it was before, on flash too",
    ):
        router.do(ActionModule, {**SOFTWARE, "confirm_timeout": 2}, way=Lost)
    assert settled(router)
    assert ({path: text for path, (text, _when) in flash(router).items()}, flowtable(router)) == (before, "")
    assert router.sh("uci changes") == ""


@pytest.mark.parametrize("then", [SOFTWARE, HARDWARE, {"state": "absent"}])
def test_a_change_that_nobody_guards_any_more(router: OpenWrt, then: dict[str, str]) -> None:
    """Its guard and the controller were killed: what is staged is its own, and the next task undoes it."""

    class Killed(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            super().reconnect(shared=shared)
            if not shared:
                self._router.end()
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        router.do(ActionModule, SOFTWARE, way=Killed)
    assert "flow_offloading" in router.sh("uci changes")
    end_window(router)
    with pytest.raises(OffloadError, match=r"it was rolled back just now.*run the play again"):
        router.do(ActionModule, then)
    assert (flowtable(router), router.sh("uci changes")) == ("", "")
    assert router.do(ActionModule, then)[0]["changed"] is ("offload" in then)


@pytest.mark.parametrize(
    ("refuses", "remedy"), [("check @ft", "complains of"), ("text @ft", "fw4 exits with 0 .* logread")]
)
def test_a_ruleset_that_nft_refuses(router: OpenWrt, refuses: str, remedy: str) -> None:
    """Known before, or only when fw4 reload has ended with 0."""
    before = {path: text for path, (text, _when) in flash(router).items()}
    router.write("/etc/stand-in/nft-refuses", f"{refuses}\n")
    says = rf"(?s)could not set flow_offloading to 1.*nothing was left changed.*{remedy}"
    with pytest.raises(OffloadError, match=says):
        router.do(ActionModule, SOFTWARE)
    assert settled(router)
    router.path("/etc/stand-in/nft-refuses").unlink()
    assert ({path: text for path, (text, _when) in flash(router).items()}, router.sh("uci changes")) == (before, "")
    assert router.sh("nft list tables; ls /var/run/fw4.state") == "table inet fw4\n/var/run/fw4.state\n"


def test_a_reload_that_is_killed(router: OpenWrt) -> None:
    """As for lack of memory, each time: fw4 has removed its state by then, and every later reload would do nothing."""
    router.path("/sbin/fw4").rename(router.path("/sbin/fw4.real"))
    killed = 'case $* in *print | *check) exec /sbin/fw4.real "$@" ;; esac\nrm -f /var/run/fw4.state\n'
    router.write("/sbin/fw4", f"#!/bin/sh\n{killed}", 0o755)
    with pytest.raises(OffloadError, match=r"(?s)nothing was left changed"):
        router.do(ActionModule, SOFTWARE)
    assert router.path("/var/run/fw4.state").exists()
    assert (flowtable(router), router.sh("uci changes")) == ("", "")


def test_a_full_flash_shows_before_anything_is_loaded(router: OpenWrt) -> None:
    text = str(router.read(paths.FW4_CONFIG))
    full = f"mkdir /f; mount -t tmpfs -o size=8k none /f; cp -a /etc/config/. /f; mount --move /f /etc/config; {FILL}"
    with pytest.raises(OffloadError, match=r"No space left on device.*nothing was left changed.*free space"):
        router.do(ActionModule, SOFTWARE, before=full)
    assert (flowtable(router), router.sh("uci changes"), router.read(paths.FW4_CONFIG)) == ("", "", text)
    assert not list(router.path("/etc/nft-offload").glob("*"))


FILL = "head -c 4096 /dev/zero >/etc/config/.fill"


def test_a_power_cut_before_the_confirmation(router: OpenWrt) -> None:
    """/tmp is memory: what is left of it is nothing."""

    class Cut(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            if not shared:
                self._router.end()
                self._router.sh("rm -rf /tmp/.uci /var/run/nft-offload /var/run/fw4.state /var/run/nft; fw4 start")
            super().reconnect(shared=shared)

    before = {path: text for path, (text, _when) in flash(router).items()}
    with pytest.raises(OffloadError, match="as after a restart"):
        router.do(ActionModule, SOFTWARE, way=Cut)
    assert router.sh("ls -A /etc/config | grep -F firewall") == "firewall\n", "nothing that uci would list"
    gone, _execs = router.do(ActionModule, {"offload": "disabled"})
    staged = [re.sub(r"[.]\d+-\w{8}[.]nft-offload-new$", "", action) for action in gone["actions"]]
    assert staged == [f"remove {path}" for path in (paths.FW4_FOUND, paths.FW4_KEEP)]
    assert {path: text for path, (text, _when) in flash(router).items()} == before
    assert not router.do(ActionModule, {"offload": "disabled"})[0]["changed"]
    assert (flowtable(router), router.sh("uci get firewall.@defaults[0].flow_offloading")) == (
        "",
        "uci: Entry not found\n",
    )


class CutWhileConfirmed(Execs):
    """The power goes once the configuration is renamed into place, and with it the answer."""

    left = ""

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
        answer = super().run(fragments, calls)
        if self.execs == 3:
            self._router.end()
            memory = "/tmp/.uci /var/run/nft-offload /var/run/fw4.state /var/run/nft"
            self._router.sh(f"{self.left}\nrm -rf {memory}; fw4 start")
            raise AnsibleConnectionFailure("the router is gone")
        return answer


def test_a_power_cut_after_the_configuration_was_written(router: OpenWrt) -> None:
    result, _execs = router.do(ActionModule, SOFTWARE, way=CutWhileConfirmed)
    assert result["change"]["confirmed"] and not result["change"]["rolled_back"]
    assert not router.do(ActionModule, SOFTWARE)[0]["changed"]
    gone, _execs = router.do(ActionModule, {"state": "absent"}, way=CutWhileConfirmed)
    assert gone["change"]["confirmed"]
    assert "flow_offloading" not in str(router.read(paths.FW4_CONFIG))


def test_a_power_cut_with_something_left_to_do(router: OpenWrt) -> None:
    class Half(CutWhileConfirmed):
        left = f"mv {paths.FW4_KEEP} {paths.FW4_KEEP}.1-0badcafe.nft-offload-new"

    with pytest.raises(OffloadError, match=rf"it is confirmed, and this is left to do: write {paths.FW4_KEEP}"):
        router.do(ActionModule, SOFTWARE, way=Half)
    assert router.do(ActionModule, SOFTWARE)[0]["changed"]
    assert not router.do(ActionModule, SOFTWARE)[0]["changed"]


def test_a_commit_that_fails_half_way(router: OpenWrt) -> None:
    """The configuration is in place by then; a roll back takes the record with it."""
    before = {path: text for path, (text, _when) in flash(router).items()}
    router.path("/bin/sync").unlink()
    fails = 'case $1 in /etc/config | "") [ "$(wc -l </tmp/syncs)" -gt 2 ] || { echo >>/tmp/syncs; exit 1; } ;; esac'
    router.write("/bin/sync", f'#!/bin/sh\n>>/tmp/syncs\n{fails}\nexec busybox sync "$@"\n', 0o755)
    with pytest.raises(OffloadError, match=r"write /etc/config/firewall.*as it was before, on flash too"):
        router.do(ActionModule, SOFTWARE)
    router.path("/bin/sync").unlink()
    router.path("/bin/sync").symlink_to("busybox")
    left = {path: text for path, (text, _when) in flash(router).items()}
    assert router.read(paths.FW4_FOUND) is None
    assert left.keys() == before.keys() and "flow_offloading" not in str(router.read(paths.FW4_CONFIG))
    assert (flowtable(router), router.sh("uci changes")) == ("", "")


class WithoutUci(Execs):
    """From when the change is loaded on, uci does nothing; over the new connection a guard is seen to try it again."""

    begun: ClassVar[dict[int, int]] = {}
    """attempt -> when it ended, in seconds since boot"""

    def reconnect(self, *, shared: bool = True) -> None:
        super().reconnect(shared=shared)
        if shared:
            return
        self._router.sh(": >/tmp/no-uci")
        end_window(self._router)
        until = time.monotonic() + 60
        while 3 not in self.begun and time.monotonic() < until:
            file = find_pending(self._router) / "outcome"
            outcome = file.read_text(encoding="utf-8") if file.exists() else ""
            if found := re.match(r"\S+ broken (\d+) .* after attempt (\d+),", outcome):
                self.begun.setdefault(int(found[2]), int(found[1]))
            time.sleep(0.1)


def test_an_uci_that_fails_for_a_while(router: OpenWrt) -> None:
    """The undo goes on with growing pauses, nobody is told that it is done, and then it is."""
    router.path("/sbin/uci").rename(router.path("/sbin/uci.real"))
    router.write("/sbin/uci", '#!/bin/sh\n[ ! -e /tmp/no-uci ] || exit 1\nexec /sbin/uci.real "$@"\n', 0o755)
    before = {path: text for path, (text, _when) in flash(router).items()}
    with pytest.raises(OffloadError) as error:
        router.do(ActionModule, SOFTWARE, way=WithoutUci)
    attempts = WithoutUci.begun
    assert attempts[2] - attempts[1] >= 1 and attempts[3] - attempts[2] >= 2
    told = str(error.value)
    assert re.search(r"is pending: .* being undone: .* tried again: uci -q changes firewall: exit code 1", told), told
    assert "The firewall is not as it was before yet" in told and "was rolled back" not in told
    assert flowtable(router) == "", "what the kernel ran does not wait for uci"
    router.path("/tmp/no-uci").unlink()
    assert settled(router)
    assert " rolled_back " in str(router.read("/var/run/nft-offload/last"))
    assert ({path: text for path, (text, _when) in flash(router).items()}, router.sh("uci changes")) == (before, "")
    assert router.do(ActionModule, SOFTWARE)[0]["changed"]


def test_a_check_that_fails(router: OpenWrt) -> None:
    checks = [{"command": "false"}]
    with pytest.raises(OffloadError, match=r"check from the router: command: .*as it was before"):
        router.do(ActionModule, {**SOFTWARE, "checks": checks})
    assert (flowtable(router), router.sh("uci changes")) == ("", "")
