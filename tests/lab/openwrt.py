# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab router like OpenWrt as the tests see it: no dpkg, no systemd, no Python; its fingerprint is its whole flash."""

from __future__ import annotations

import time

from lab import routers
from lab.login import hang_up
from lab.machine import Qmp
from tests.lab.router import Live

# Everything on the flash except the records of the stand-ins for package managers; and the staged changes.
FINGERPRINT = r"""
echo '== packages'; sort /etc/stand-in/installed
echo '== modules'; cut -d ' ' -f 1 /proc/modules | sort
echo '== files'; find / -xdev ! -path '/etc/stand-in/*' | sort
echo '== contents'; find /etc /lib/upgrade /lib/modules /usr/lib/lab /usr/local /root -xdev -type f \
  ! -path '/etc/stand-in/*' -exec md5sum {} + 2>/dev/null | sort -k 2
echo '== staged'; uci changes
echo '== features'; for nic in lan0 wan0 mgmt0; do /usr/lib/stand-in/ethtool -k "$nic"; done
echo '== ruleset'; nft -s list ruleset
"""


class OpenWrt(Live):
    """One router. The tests use its own nft and ip, and a stand-in for ethtool."""

    FINGERPRINT = FINGERPRINT
    # The stand-in for apk makes /etc/apk/world at its first call; a real router has it from the start.
    MAKE_OBSERVER = "! type apk || apk info"
    NFT = "nft"
    ETHTOOL = "/usr/lib/stand-in/ethtool"
    SESSIONS = "grep -c . /tmp/lab/sessions"

    def power_cut(self) -> None:
        """Switch it off and on: what is not on the flash yet is lost."""
        self.acts += 1
        self.hang_up()
        router = routers.get(self.name)
        router.login.hang_up()
        boots = router.machine.console.read_bytes().count(b"lab-ready")
        with Qmp(router.machine.qmp) as qmp:
            qmp.execute("system_reset")
        self.wait_for_boot(boots)

    def wait_for_boot(self, before: int) -> None:
        """Wait until it has booted once more than ``before`` times and takes a login."""
        router = routers.get(self.name)
        self.hang_up()
        hang_up(router.login.control)
        router.machine.wait_ready(before + 1, router.boot_seconds)
        router.login.wait_for_login(self.name)

    def count_boots(self) -> int:
        """How often it has booted."""
        return routers.get(self.name).machine.console.read_bytes().count(b"lab-ready")

    def config(self) -> str:
        return self.sh("cat /etc/config/firewall")

    def flowtable(self) -> str:
        """Its live flowtable as nft lists it; empty where there is none."""
        # A missing flowtable is an error for nft. Every caller looks for something in it, and fails if it is empty.
        return self.sh("nft list flowtable inet fw4 ft 2>/dev/null || true")

    def wait_for_flowtable(self, text: str, seconds: float = 20) -> None:
        """Wait until the listing of the live flowtable contains ``text``: hotplug takes some time."""
        deadline = time.monotonic() + seconds
        while text not in self.flowtable() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert text in self.flowtable()
