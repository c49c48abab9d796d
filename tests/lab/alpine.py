# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab router with Alpine as the tests see it: apk, OpenRC, no Python; its fingerprint is its whole disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.lab.plays import Run
from tests.lab.router import Live

# Everything on the disk except what apk itself keeps; OpenRC's record of what was started.
FINGERPRINT = r"""
echo '== packages'; apk info 2>/dev/null | sort; cat /etc/apk/world
echo '== modules'; cut -d ' ' -f 1 /proc/modules | sort
echo '== files'
find / -xdev ! -path '/lib/apk/*' ! -path '/usr/lib/apk/*' ! -path '/var/cache/*' ! -path '/var/log/*' | sort
echo '== contents'; find /etc /usr/local /root -xdev -type f ! -path /etc/apk/world -exec md5sum {} + | sort -k 2
echo '== started'; ls /run/openrc/started
echo '== ruleset'; ! type nft >/dev/null || nft -s list ruleset
"""


class Alpine(Live):
    """One router. The tests use its own nft and ethtool, which the role installs."""

    FINGERPRINT = FINGERPRINT
    MAKE_OBSERVER = "true"
    NFT = "nft"
    ETHTOOL = "ethtool"
    SESSIONS = "grep -c . /tmp/lab/sessions"
    # where nothing is tracked yet it fails, and there are no lines: whoever asks wants so many of them
    TRACKED = "conntrack -L -o extended 2>/dev/null || true"

    def role(self, *, check: bool = False, host: Mapping[str, Any] | None = None, **variables: Any) -> Run:
        """Run the role; without traffic no more is proven where the kernel cannot list its hooks."""
        return super().role(check=check, host=host, **{"flow_offload_require": "configured", **variables})
