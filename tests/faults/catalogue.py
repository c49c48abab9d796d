# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every fault, in the order of the evidence ladder."""

from __future__ import annotations

from tests.faults import faults_devices, faults_kernel, faults_ruleset, faults_traffic

FAULTS = (*faults_kernel.FAULTS, *faults_ruleset.FAULTS, *faults_devices.FAULTS, *faults_traffic.FAULTS)
