# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several live tests load with the module ruleset."""

from __future__ import annotations

CONTENT = """\
table inet nft_offload {
	chain forward {
		type filter hook forward priority filter + 10; policy accept;
		ct state { established, related } meta l4proto { tcp, udp } flow add @ft
	}
}
"""
FLOWTABLE = {"name": "ft", "devices": ["lan0", "wan0"]}
