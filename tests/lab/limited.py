# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's variables for a full firewall that limits SSH per source, for a live test and a Molecule scenario."""

from __future__ import annotations

from typing import Any

LIMITED: dict[str, Any] = {
    "flow_offload_ruleset": "router",
    "flow_offload_router": {
        "zones": [
            {"name": "lan", "devices": ["lan0"], "services": ["ssh", "dns"]},
            {"name": "wan", "devices": ["wan0"], "masquerade": True},
            {"name": "mgmt", "devices": ["mgmt0"]},
        ],
        "forward": [{"from": "lan", "to": ["wan"]}],
        "input": [
            {
                "from": "mgmt",
                "services": "ssh",
                "limit": {"rate": "20/minute", "burst": 20, "per": "source"},
                "connections": {"max": 30, "per": "source"},
            }
        ],
    },
}
"""The login that confirms it is the first element of two sets."""
