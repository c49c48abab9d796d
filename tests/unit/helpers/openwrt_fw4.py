# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router like OpenWrt whose firewall runs, and what may happen to it while a change waits for its confirmation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.events import add_event
from tests.unit.helpers.openwrt_root import Execs, OpenWrt

SOFTWARE = {"offload": "software"}
IMPATIENT = {"confirm_timeout": 2}
HARDWARE = {"offload": "hardware"}
STOCK = "config defaults\n\toption syn_flood 1 # ours\n{}\nconfig zone\n\toption name lan\n\tlist network lan\n"


def stocked(root: Path, release: str = "24.10.4") -> OpenWrt:
    """Two ports below a bridge, a WAN port, all of one switch; the firewall runs."""
    router = OpenWrt(root, release)
    router.device("eth0")
    for port in ("lan1", "lan2", "wan"):
        router.device(port, "dsa", ["eth0"])
    router.device("br-lan", "bridge", ["lan1", "lan2"])
    router.write("/etc/stand-in/interfaces", "lan br-lan br-lan static up\nwan wan pppoe-wan pppoe up\n")
    router.write("/etc/stand-in/hw-tc-offload", "eth0 true\nlan1 true\nlan2 true\nwan true\n")
    router.sh("fw4 start; /etc/init.d/firewall enable")
    return router


def flowtable(router: OpenWrt) -> str:
    return router.sh("nft list flowtable inet fw4 ft 2>/dev/null | grep -E 'devices|flags'").replace("\t", "")


def flash(router: OpenWrt) -> dict[str, tuple[str, int]]:
    """Everything on it, with when it was written."""
    files = [path for top in ("etc", "lib", "usr") for path in (router.root / top).rglob("*") if path.is_file()]
    return {
        str(path): (path.read_text(errors="replace"), path.stat().st_mtime_ns)
        for path in files
        if "stand-in" not in str(path)
    }


def find_pending(router: OpenWrt) -> Path:
    """The directory of the change that waits; one that does not exist where none does."""
    changes = router.path("/var/run/nft-offload/pending")
    return next(changes.glob("*"), changes / "none")


def settled(router: OpenWrt, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while find_pending(router).exists() and time.monotonic() < until:
        time.sleep(0.1)
    return not find_pending(router).exists()


def end_window(router: OpenWrt) -> None:
    """It is not confirmed in time, now."""
    add_event(find_pending(router), "deadline 0")


class Lost(Execs):
    """Nothing reaches the router any more once the change is loaded, until it has undone it."""

    def reconnect(self, *, shared: bool = True) -> None:
        super().reconnect(shared=shared)
        if not shared:
            assert settled(self._router)


class Meanwhile(Execs):
    """Somebody does something between the load and the confirmation."""

    script = ""

    def reconnect(self, *, shared: bool = True) -> None:
        super().reconnect(shared=shared)
        if not shared and self.script:
            self._router.sh(self.script)
            self.script = ""


class LostAfter(Lost):
    """Something happens inside the window, and no connection comes any more."""

    script = ""

    def reconnect(self, *, shared: bool = True) -> None:
        if not shared:
            self._router.sh(self.script)
            end_window(self._router)
        super().reconnect(shared=shared)


def undone(router: OpenWrt, wanted: Mapping[str, object], script: str = "") -> str:
    """What a task says whose change was undone; the script has run inside the window."""

    class Way(LostAfter):
        pass

    Way.script = script
    with pytest.raises(OffloadError, match=r"was rolled back") as error:
        router.do(ActionModule, {**wanted, **IMPATIENT}, way=Way)
    return str(error.value)
