# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live tests that ``make test`` leaves out, because it must end within 45 minutes; ``make lab-test`` runs them.

Most are further cases of what another live test, a unit test or a Molecule scenario shows. Some show what nothing else
in ``make test`` shows on a kernel: a run that changes nothing after a reboot or a re-plug, a tightened policy that
reaches offloaded flows, a power cut during the commit of OpenWrt's configuration, a gateway as a check, limits for each
source of IPv6, and of the lab's NIC how many flows it takes and its refusal on one side.

A name without brackets means all of the test's cases.
"""

from __future__ import annotations

from collections.abc import Mapping

TWINS: Mapping[str, set[str]] = {
    "test_bad_input": {
        "test_check_mode_fails_alike[hardware where a NIC refuses]",
        "test_check_mode_fails_alike[unknown flowtable in a rule]",
    },
    "test_become": {"test_become[su]", "test_become[sudo]", "test_role_with_become"},
    "test_boot": {
        "test_a_text_that_boot_would_not_load_is_refused[a control group]",
        "test_a_text_that_boot_would_not_load_is_refused[a set of devices]",
        "test_boot_falls_back_to_the_emergency_ruleset[a host]",
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
        "test_a_killed_shell_leaves_nothing",
        "test_a_rule_for_tcp_only",
        "test_hardware_without_accounting",
        "test_name_lookups_are_no_slow_flows",
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
        "test_drift_is_undone[an extra chain]",
        "test_drift_is_undone[a module is not loaded at boot]",
        "test_drift_is_undone[a missing rule]",
        "test_drift_is_undone[an extra rule]",
        "test_drift_is_undone[an extra set]",
        "test_drift_is_undone[no table]",
        "test_drift_is_undone[the boot file]",
        "test_drift_is_undone[the feature is off]",
        "test_drift_is_undone[the unit's file]",
    },
    "test_edge": {
        "test_connections_for_each_source[6-trixie/offload]",
        "test_rate_for_each_source[6-trixie/offload]",
        "test_segment_size[6-trixie/offload]",
        "test_similar_packets_are_not_refused[6-trixie/offload]",
        "test_translated_and_offloaded[no translation-trixie/offload]",
        "test_translated_and_offloaded[static source-trixie/offload]",
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
        "test_every_nft_accepts_what_is_rendered[hours-trixie/offload]",
        "test_every_nft_accepts_what_is_rendered[ipv6-trixie/offload]",
        "test_every_nft_accepts_what_is_rendered[overlay-trixie/offload]",
        "test_every_nft_accepts_what_is_rendered[small-trixie/offload]",
        "test_every_nft_accepts_what_is_rendered[subnets-trixie/offload]",
    },
    "test_kernel_and_nic": {
        "test_absent_keeps_the_modules_of_a_live_flowtable",
        "test_absent_waits_for_the_other_modules",
        "test_absent_with_a_read_only_etc[nic_features]",
        "test_become",
        "test_everything_is_back_after_a_reboot",
        "test_kernel_set_up_and_undone",
        "test_kernel_with_no_room_in_etc",
        "test_kernels_that_cannot",
        "test_nics_with_no_room_in_etc",
        "test_no_ethtool",
        "test_no_package_source",
        "test_not_root",
    },
    "test_labnic": {
        "test_counters_keep_a_flow_alive",
        "test_feature_turned_off_with_flows",
        "test_flush",
        "test_max_flows",
        "test_no_counters",
        "test_one_way",
        "test_refuse_flows_on_one_side",
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
        "test_nics_that_do_not_offload",
    },
    "test_openwrt_faults": {
        "test_a_feed_for_another_kernel[apk would replace the kernel]",
        "test_a_feed_for_another_kernel[apk]",
        "test_a_load_that_shuts_ssh_out_does_not_outlast_its_undo[nftables.d]",
        "test_a_reload_that_loads_nothing[the first reload leaves no table]",
        "test_a_reload_that_loads_nothing[the reload does nothing]",
        "test_changes_staged_for_another_package",
        "test_changes_staged_for_the_firewall",
        "test_changes_staged_for_the_firewall_during_ours",
        "test_unreachable_feeds",
        "test_what_was_committed_and_not_loaded[nftables.d-True]",
        "test_what_was_committed_and_not_loaded[table-post-False]",
        "test_what_was_committed_and_not_loaded[table-post-True]",
    },
    "test_playbooks": {
        "test_only_the_named_hosts",
    },
    "test_witness": {
        "test_a_check_of_the_gateway",
        "test_off",
    },
}


def is_twin(module: str, test: str) -> bool:
    """Is this one of them? ``module`` is a file's name without its end, ``test`` has its case in brackets."""
    return bool({test, test.partition("[")[0]} & TWINS.get(module, set()))
