# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What package managers that work on rpm share: dnf and zypper. Pure: no I/O."""

from __future__ import annotations

import re
from typing import ClassVar

from .package_manager import PackageManager
from .reasons import full, read_only

FULL = full(r"(?P<line>[^\n]*(?:No space left on device|more space (?:needed )?on the \S+ filesystem)[^\n]*)")
READ_ONLY = read_only(
    r"(?P<line>[^\n]*(?:[Rr]ead-only file ?system|configured to be read-only|mounted as read-only"
    r"|use transactional-update)[^\n]*)"
)
"""also how image-based systems refuse: bootc and MicroOS"""


class Rpm(PackageManager):
    """Configuration that was edited stays when a package goes, as FILE.rpmsave; rpm knows no other kind of removal."""

    names: ClassVar = {"conntrack": "conntrack-tools"}

    def parse_removal(self, output: str) -> frozenset[str]:
        """``rpm -e --test``, lines such as ``nftables is needed by (installed) firewalld-2.3-1.noarch``."""
        users = re.findall(r" is needed by \(installed\) (\S+)$", output, re.MULTILINE)
        return frozenset(user.rsplit("-", 2)[0] for user in users)
