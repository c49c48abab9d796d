# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: the NICs of a hardware flowtable have hw-tc-offload on, now and after a reboot.

Every driver in Linux 6.18 that takes flowtables (mlx5, mtk_eth_soc, airoha, mt76) asks tc_can_offload() for each flow,
so with the feature off each flow is refused without a word. On does not prove that a driver takes any.
"""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.finding import Expectation, Finding, Kind
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ladder.scope import existing, judged, ours
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._state import Device, RouterState

FEATURE = "hw-tc-offload"

OFF = Kind(
    "configured.feature-off",
    "error",
    "The feature hw-tc-offload is off on a device of a hardware flowtable",
    "The kernel goes on listing 'flags offload', but drivers refuse every flow while the feature is off, and flows stay"
    " in software.",
    "turn it on with kmod.nft_offload.nic_features (ethtool -K {device} hw-tc-offload on)",
)
FIXED = Kind(
    "configured.feature-fixed",
    "error",
    "The feature hw-tc-offload is off for good on a device of a hardware flowtable",
    "ethtool shows the feature as off [fixed]: this driver, or its present mode, cannot offload flows. Some kernels"
    " accept a hardware flowtable on such a device all the same.",
    "offload in software (flow_offload_mode: software), or leave {device} out of the hardware flowtable; an mlx5 NIC"
    " needs switchdev mode",
)
UNKNOWN = Kind(
    "configured.feature-unknown",
    "info",
    "Whether hw-tc-offload is on could not be read",
    "The feature is read with ethtool. Without it only traffic shows whether the NIC takes flows.",
    "install ethtool with kmod.nft_offload.kernel_support",
)
NOT_AT_BOOT = Kind(
    "configured.feature-not-at-boot",
    "warning",
    "The feature hw-tc-offload is on now, but nothing turns it on at boot",
    "Most drivers start with the feature off, so after a reboot, or when the device is re-created, flows would stay in"
    " software.",
    "keep it with kmod.nft_offload.nic_features",
)
KINDS = (OFF, FIXED, UNKNOWN, NOT_AT_BOOT)


def gates(state: RouterState, expectation: Expectation) -> dict[str, Device]:
    """The devices whose feature decides over the judged hardware flowtables, by name.

    A device on top of another has no say: a DSA port's conduit decides (net/dsa/user.c), a VLAN's NIC.
    """
    if expectation.expect == "software":
        return {}
    found: dict[str, Device] = {}
    for flowtable in judged(state, expectation):
        for device in existing(state, flowtable) if flowtable.hardware else ():
            below = [state.devices[name] for name in device.lowers if name in state.devices]
            found |= {gate.name: gate for gate in below or [device]}
    return found


def features(state: RouterState, expectation: Expectation) -> list[Finding]:
    found = []
    for name, device in gates(state, expectation).items():
        feature = device.hw_tc_offload
        driver = f"driver {device.driver or 'unknown'}"
        if feature is None:
            found.append(UNKNOWN.found(f"{FEATURE} of {name} could not be read ({driver})"))
        elif feature.active:
            continue
        elif feature.fixed:
            found.append(FIXED.found(f"{FEATURE} is fixed off on {name} ({driver})", described(device), device=name))
        else:
            kept = ", though it was requested on" if feature.requested else ""
            found.append(OFF.found(f"{FEATURE} is off on {name}{kept} ({driver})", described(device), device=name))
    return found


def features_at_boot(state: RouterState, expectation: Expectation) -> list[Finding]:
    if not ours(judged(state, expectation), state, expectation):
        return []
    return [
        NOT_AT_BOOT.found(f"nothing turns {FEATURE} on for {name} at boot", described(device))
        for name, device in gates(state, expectation).items()
        if device.hw_tc_offload is not None
        and device.hw_tc_offload.active
        and not device.hw_tc_offload.fixed
        and state.boot.features.get((name, FEATURE)) != "on"
    ]


CHECKS = (features, features_at_boot)


def described(device: Device) -> str:
    """The feature as ethtool -k would print it."""
    feature = device.hw_tc_offload
    if feature is None:
        return f"{device.name}: {FEATURE} unknown"
    asked = "" if feature.requested is None else f" [requested {'on' if feature.requested else 'off'}]"
    return f"{device.name}: {FEATURE}: {'on' if feature.active else 'off'}{' [fixed]' if feature.fixed else asked}"
