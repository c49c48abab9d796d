# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live tests that ``make test`` leaves out, for it has to end within 45 minutes; ``make lab-test`` runs them.

Most show of another case what a test beside them, a unit test or a Molecule scenario shows too. Some show what nothing
in ``make test`` shows on a kernel: a run that finds nothing to do after a reboot or a re-plug, a tightened policy that
reaches offloaded flows, a power cut during the commit of OpenWrt's configuration.

A name without brackets means all of the test's cases.
"""

from __future__ import annotations

from collections.abc import Mapping

TWINS: Mapping[str, set[str]] = {
    "test_become": {"test_become[su]", "test_become[sudo]", "test_role_with_become"},
    "test_boot": {
        "test_flushed_by_hand",
        "test_nftables_service[reload]",
        "test_nftables_service[start]",
        "test_replug",
    },
    "test_broken_router": {
        "test_power_is_cut",
        "test_role_on_a_converged_router",
        "test_role_on_a_fresh_router[read-only]",
    },
    "test_bypassing": {
        "test_a_rule_for_tcp_only",
        "test_hardware_without_accounting",
        "test_name_lookups_accuse_nobody",
        "test_one_direction_of_hardware_is_named",
        "test_two_at_once_and_flows_survive",
    },
    "test_confirm": {"test_another_flowtable"},
    "test_converge": {
        "test_a_device_leaves_before_its_feature_does",
        "test_change_of_mind[counter]",
        "test_change_of_mind[disabled]",
        "test_change_of_mind[other devices]",
        "test_change_of_mind[software]",
        "test_fresh_router",
        "test_fresh_router_with_plain_nics",
    },
    "test_drift": {
        "test_put_right[a chain too many]",
        "test_put_right[a module is not loaded at boot]",
        "test_put_right[a rule that lacks]",
        "test_put_right[a rule too many]",
        "test_put_right[a set too many]",
        "test_put_right[no table]",
        "test_put_right[the boot file]",
        "test_put_right[the feature is off]",
        "test_put_right[the unit's file]",
    },
    "test_faults": {
        "test_a_fault_is_found[cake]",
        "test_a_fault_is_found[login-without-root]",
        "test_a_fault_is_found[modules-not-at-boot]",
        "test_a_fault_is_found[nft-not-installed]",
        "test_a_fault_is_found[notrack-everything]",
        "test_a_fault_is_found[one-side-refuses]",
        "test_a_fault_is_found[rule-added-by-hand]",
        "test_the_module_finds_the_same[rule-after-accept]",
        "test_the_module_finds_the_same[wan-dropped-out]",
    },
    "test_firewall": {
        "test_a_tightened_policy_reaches_offloaded_flows",
        "test_every_nft_takes_what_is_rendered[ipv6-trixie/offload]",
        "test_every_nft_takes_what_is_rendered[overlay-trixie/offload]",
        "test_every_nft_takes_what_is_rendered[small-trixie/offload]",
    },
    "test_kernel_and_nic": {
        "test_absent_keeps_the_modules_of_a_live_flowtable",
        "test_absent_waits_for_the_other_modules",
        "test_all_is_there_after_a_reboot",
        "test_become",
        "test_kernel_there_and_back",
        "test_kernel_with_no_room_in_etc",
        "test_kernels_that_cannot",
        "test_nics_with_no_room_in_etc",
        "test_no_ethtool",
        "test_no_package_source",
        "test_not_root",
    },
    "test_labnic": {
        "test_counters_keep_a_flow_alive",
        "test_feature_turned_off_under_way",
        "test_flush",
        "test_no_counters",
        "test_one_way",
        "test_reset",
        "test_stress",
        "test_unbound",
        "test_vlan",
    },
    "test_mixed_fleet": {"test_mixed_fleet"},
    "test_modes": {"test_from_mode_to_mode_and_back"},
    "test_openwrt": {
        "test_a_power_cut_during_the_commit",
        "test_a_power_cut_right_after_the_commit",
        "test_a_reboot_and_a_device_that_comes_back",
        "test_an_upgrade_without_ethtool",
        "test_flash_full",
        "test_fresh_router_and_back",
        "test_fresh_router_with_apk_and_plain_nics",
        "test_hardware_that_is_none",
    },
    "test_openwrt_faults": {
        "test_a_feed_for_another_kernel[apk would replace the kernel]",
        "test_a_feed_for_another_kernel[apk]",
        "test_a_reload_that_loads_nothing[the first reload leaves no table]",
        "test_a_reload_that_loads_nothing[the reload does nothing]",
        "test_feeds_that_nobody_can_reach",
        "test_what_is_staged_for_something_else",
        "test_what_is_staged_for_the_firewall",
        "test_what_is_staged_for_the_firewall_meanwhile",
    },
}


def is_twin(module: str, test: str) -> bool:
    """Is this one of them? ``module`` is a file's name without its end, ``test`` has its case in brackets."""
    return bool({test, test.partition("[")[0]} & TWINS.get(module, set()))
