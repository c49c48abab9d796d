# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All broken routers."""

from __future__ import annotations

from tests.unit.helpers import (
    ladder_cases,
    ladder_cases_bridge,
    ladder_cases_filters,
    ladder_cases_hardware,
    ladder_cases_nic,
    ladder_cases_openwrt,
    ladder_cases_software,
    ladder_cases_traffic,
)
from tests.unit.helpers.ladder_cases_ruleset import RULESET_CASES

TABLES = (
    ladder_cases.CASES,
    ladder_cases_traffic.CASES,
    RULESET_CASES,
    ladder_cases_nic.CASES,
    ladder_cases_hardware.CASES,
    ladder_cases_openwrt.CASES,
    ladder_cases_software.CASES,
    ladder_cases_bridge.CASES,
    ladder_cases_filters.CASES,
)
CASES = {name: case for table in TABLES for name, case in table.items()}
