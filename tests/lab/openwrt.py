# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab router like OpenWrt as the tests see it: no dpkg, no systemd, no Python, and its whole flash is looked at."""

from __future__ import annotations

import time

from lab import routers
from lab.login import hang_up
from lab.machine import Qmp
from tests.lab.router import Live

# Everything on the flash but what the package managers' stand-ins note for themselves, and what is staged in memory.
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
    """One router, with tools of the tests' own only where it has none."""

    FINGERPRINT = FINGERPRINT
    # apk's stand-in makes /etc/apk/world when it is first called, which a real router has from the start
    MAKE_OBSERVER = "! type apk || apk info"
    NFT = "nft"
    ETHTOOL = "/usr/lib/stand-in/ethtool"
    SESSIONS = "grep -c . /tmp/lab/sessions"

    def power_cut(self) -> None:
        """Off and on again in this moment: what is not on the flash by now is lost."""
        self.acts += 1
        self.hang_up()
        router = routers.get(self.name)
        router.login.hang_up()
        boots = router.machine.console.read_bytes().count(b"lab-ready")
        with Qmp(router.machine.qmp) as qmp:
            qmp.execute("system_reset")
        self.boots(boots)

    def boots(self, before: int) -> None:
        """Wait for the boot after ``before`` others, and log in again."""
        router = routers.get(self.name)
        self.hang_up()
        hang_up(router.login.control)
        router.machine.wait_ready(before + 1, router.boot_seconds)
        router.login.wait_for_login(self.name)

    def booted(self) -> int:
        """How often it was started so far."""
        return routers.get(self.name).machine.console.read_bytes().count(b"lab-ready")

    def config(self) -> str:
        return self.sh("cat /etc/config/firewall")

    def flowtable(self) -> str:
        """Its live flowtable as nft lists it; empty where there is none."""
        # nft calls it an error that there is none; every caller asks for something in it, so nothing found fails
        return self.sh("nft list flowtable inet fw4 ft 2>/dev/null || true")

    def settles(self, wanted: str, seconds: float = 20) -> None:
        """Wait until the live flowtable has these words: what hotplug does takes its time."""
        deadline = time.monotonic() + seconds
        while wanted not in self.flowtable() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert wanted in self.flowtable()
