# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: the NICs of a hardware flowtable have hw-tc-offload on, now and after a reboot.

Every driver in Linux 6.18 that takes flowtables (mlx5, mtk_eth_soc, airoha, mt76) asks tc_can_offload() for each flow,
so with the feature off each flow is refused without an error. On does not prove that a driver takes any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..._observe.state import Device
from ..finding import Finding, Kind
from ..fw4_remedies import offload_in
from ..subject import Subject

FEATURE = "hw-tc-offload"

TAKES_NONE = frozenset(
    {"ice", "i40e", "iavf", "igb", "igc", "ixgbe", "bnxt_en", "cxgb4", "nfp", "rvu_nicpf", "rvu_nicvf", "sfc", "hns3"}
    | {"mlxsw_spectrum", "mlxsw_spectrum2", "mlxsw_spectrum3", "mlxsw_spectrum4", "sparx5-switch", "lan966x-switch"}
    | {
        "mscc_felix",
        "st_gmac",
        "fsl_dpaa2_eth",
        "fsl_enetc",
        "qede",
        "am65-cpsw-nuss",
        "atlantic",
        "mlx4_en",
        "mlx4_core",
    }
    | {"virtio_net", "veth", "r8169", "e1000", "e1000e", "vmxnet3", "tun", "bonding", "team", "bridge"}
)
"""Drivers that in Linux 6.18 take no flowtable (no TC_SETUP_FT in git grep), some with hw-tc-offload for other uses."""

OFF = Kind(
    "configured.feature-off",
    "error",
    "The feature hw-tc-offload is off on a device of a hardware flowtable",
    "The kernel goes on listing 'flags offload', but drivers refuse every flow while the feature is off, and flows stay"
    " in software.",
    "turn it on with kmod.nft_offload.nic_features (ethtool -K {device} hw-tc-offload on)",
)
CONDUIT_OFF = Kind(
    "configured.conduit-feature-off",
    "error",
    "The feature hw-tc-offload is off on the NIC behind a switch port",
    "A port of a switch (DSA) hands flowtables to the NIC that carries its packets, the conduit. Ports show the feature"
    " as on whatever the conduit can do; the conduit's own feature decides.",
    "turn it on at the conduit with kmod.nft_offload.nic_features (ethtool -K {device} hw-tc-offload on)",
)
NOT_ACTIVE = Kind(
    "configured.feature-not-active",
    "error",
    "The feature hw-tc-offload was asked for, but the driver did not turn it on",
    "ethtool shows the feature as off [requested on]: the kernel notes the wish and reports no error, while the driver,"
    " or another feature that this one depends on, keeps it off.",
    "see the messages of the kernel log about {device} (set_features), and whether the device needs another mode or"
    " firmware; else offload in software",
)
FIXED = Kind(
    "configured.feature-fixed",
    "error",
    "The feature hw-tc-offload is off for good on a device of a hardware flowtable",
    "ethtool shows the feature as off [fixed]: this driver, or its present mode, cannot offload flows. Some kernels"
    " accept a hardware flowtable on such a device all the same.",
    "offload in software (flow_offload_mode: software), or leave {device} out of the hardware flowtable; an mlx5 NIC"
    " needs switchdev mode",
    under_fw4=f"nothing needs to be done where the others take their flows; else {offload_in('software')}; an"
    " mlx5 NIC needs switchdev mode",
)
ABSENT = Kind(
    "configured.feature-absent",
    "info",
    "A device of a hardware flowtable cannot offload, others can",
    "OpenWrt puts all devices of its zones into one hardware flowtable, also those without offload, such as Wi-Fi."
    " Flows from or to them are offloaded in software.",
    "nothing needs to be done",
)
UNKNOWN = Kind(
    "configured.feature-unknown",
    "info",
    "Whether hw-tc-offload is on could not be read",
    "The feature is read with ethtool. Without it only traffic shows whether the NIC takes flows.",
    "install ethtool with kmod.nft_offload.kernel_support",
)
DRIVER_HINT = Kind(
    "configured.driver-hint",
    "info",
    "The driver is not known to take flowtables",
    "Many drivers have hw-tc-offload for tc filters alone. In Linux 6.18 mlx5_core, mtk_soc_eth and airoha_eth take"
    " flowtables. Other kernels have others, so this is a hint: traffic decides.",
    "verify with traffic; where no flow gets into the hardware, offload in software (flow_offload_mode: software)",
)
ESWITCH_LEGACY = Kind(
    "configured.eswitch-legacy",
    "warning",
    "The embedded switch of an mlx5 NIC is in legacy mode",
    "mlx5 takes flowtables in switchdev mode only, on the uplink and on the ports of its virtual functions. In legacy"
    " mode it refuses them, or, where the kernel accepts them anyway, takes no flow.",
    "bring {device} into switchdev mode (devlink dev eswitch set pci/ADDRESS mode switchdev), also at boot: its devices"
    " are created again by that, so have the flowtable's devices attached afterwards",
    under_fw4="bring {device} into switchdev mode (package devlink; devlink dev eswitch set pci/ADDRESS mode"
    " switchdev), also at boot: its devices are created again by that, so run /etc/init.d/firewall reload afterwards",
)
ESWITCH_UNKNOWN = Kind(
    "configured.eswitch-unknown",
    "info",
    "The mode of an mlx5 NIC's embedded switch could not be read",
    "mlx5 takes flowtables in switchdev mode only. devlink, a part of iproute2, shows the mode.",
    "install devlink (iproute2), and see that 'devlink dev eswitch show' shows switchdev for {device}",
    under_fw4="install the package devlink, and see that 'devlink dev eswitch show' shows switchdev for {device}",
)
NOT_AT_BOOT = Kind(
    "configured.feature-not-at-boot",
    "warning",
    "The feature hw-tc-offload is on now, but nothing turns it on at boot",
    "Most drivers start with the feature off, so after a reboot, or when the device is re-created, flows would stay in"
    " software.",
    "keep it with kmod.nft_offload.nic_features",
)
KINDS = (
    OFF,
    CONDUIT_OFF,
    NOT_ACTIVE,
    FIXED,
    ABSENT,
    UNKNOWN,
    DRIVER_HINT,
    ESWITCH_LEGACY,
    ESWITCH_UNKNOWN,
    NOT_AT_BOOT,
)


def find_disabled_features(subject: Subject) -> list[Finding]:
    """Deciding devices whose hw-tc-offload is off, and why it is."""
    found = []
    deciding = subject.deciding_devices
    conduits = {lower for device in subject.devices.values() if device.kind == "dsa" for lower in device.lowers}
    mixed = _may_lack_feature(subject, deciding)
    for name, device in deciding.items():
        feature = device.hw_tc_offload
        driver = f"driver {device.driver or 'unknown'}"
        if feature is None:
            found.append(UNKNOWN.found(f"{FEATURE} of {name} could not be read ({driver})"))
        elif feature.active:
            continue
        elif feature.fixed and mixed:
            found.append(ABSENT.found(f"{name} has no {FEATURE} ({driver})", describe_feature(device)))
        elif feature.fixed and cannot_offload(subject, deciding.values()):
            continue  # see hardware.fake
        elif feature.fixed:
            found.append(
                FIXED.found(f"{FEATURE} is fixed off on {name} ({driver})", describe_feature(device), device=name)
            )
        elif feature.requested:
            message = f"{FEATURE} is off on {name}, though it was requested on ({driver})"
            found.append(NOT_ACTIVE.found(message, describe_feature(device), device=name))
        elif name in conduits:
            ports = [port for port in subject.uppers(name) if port.kind == "dsa"]
            message = f"{FEATURE} is off on {name}, which carries {', '.join(port.name for port in ports)} ({driver})"
            found.append(CONDUIT_OFF.found(message, *map(describe_feature, (device, *ports[:3])), device=name))
        else:
            found.append(OFF.found(f"{FEATURE} is off on {name} ({driver})", describe_feature(device), device=name))
    return found


def list_unread_features(subject: Subject) -> list[str]:
    """Names of the deciding devices whose feature is read, and did not show though ethtool is there."""
    if "ethtool" not in subject.state.platform.commands:
        return []
    return [
        name
        for name, device in subject.deciding_devices.items()
        if device.hw_tc_offload is None and (device.kind == "nic" or name in subject.listed_devices)
    ]


def cannot_offload(subject: Subject, deciding: Iterable[Device]) -> bool:
    """Can none of these devices offload? No flow was seen in hardware, and all have the feature fixed off.

    Where there is no ethtool, as on most OpenWrt routers: all have drivers that take none, and flows are in software.
    """
    devices = list(deciding)
    return (
        bool(devices) and not subject.flows_in_hardware and all(_lacks_feature(subject, device) for device in devices)
    )


def _lacks_feature(subject: Subject, device: Device) -> bool:
    """Is the device without offload, as ethtool or, without it, its driver shows?"""
    if device.hw_tc_offload is not None:
        return device.hw_tc_offload.fixed and not device.hw_tc_offload.active
    return device.driver in TAKES_NONE and subject.state.flows is not None and subject.state.flows.of("software") > 0


def _may_lack_feature(subject: Subject, deciding: Mapping[str, Device]) -> bool:
    """May some devices be without offload?

    Another firewall lists what it has, and offload is on for some. In a table of ours every device was meant to be able
    to, unless flows are in hardware.
    """
    able = any(device.hw_tc_offload and device.hw_tc_offload.active for device in deciding.values())
    return subject.flows_in_hardware > 0 or (able and not subject.is_ours)


def find_driver_hints(subject: Subject) -> list[Finding]:
    """Hints from what is known of drivers; what was seen in hardware is beyond hints."""
    found = []
    for name, device in subject.deciding_devices.items() if not subject.flows_in_hardware else ():
        if device.driver in TAKES_NONE and (device.hw_tc_offload is None or device.hw_tc_offload.active):
            message = f"{device.driver}, the driver of {name}, is not known to take flowtables"
            found.append(DRIVER_HINT.found(message, describe_feature(device), f"{name}: driver {device.driver}"))
        elif device.driver == "mlx5_core" and device.eswitch == "legacy":
            message = f"the embedded switch of {name} is in legacy mode"
            found.append(ESWITCH_LEGACY.found(message, f"{name}: driver mlx5_core, eswitch mode legacy", device=name))
        elif device.driver == "mlx5_core" and not device.eswitch:
            message = f"whether the embedded switch of {name} is in switchdev mode could not be read"
            found.append(ESWITCH_UNKNOWN.found(message, f"{name}: driver mlx5_core, eswitch mode unknown", device=name))
    return found


def find_features_missing_at_boot(subject: Subject) -> list[Finding]:
    """Deciding devices of a table of ours whose feature nothing turns on at boot."""
    if not subject.is_ours:
        return []
    return [
        NOT_AT_BOOT.found(f"nothing turns {FEATURE} on for {name} at boot", describe_feature(device))
        for name, device in subject.deciding_devices.items()
        if device.hw_tc_offload is not None
        and device.hw_tc_offload.active
        and not device.hw_tc_offload.fixed
        and subject.state.boot.features.get((name, FEATURE)) != "on"
    ]


CHECKS = (find_disabled_features, find_driver_hints, find_features_missing_at_boot)


def describe_feature(device: Device) -> str:
    """The feature as ethtool -k would print it."""
    feature = device.hw_tc_offload
    if feature is None:
        return f"{device.name}: {FEATURE} unknown"
    asked = "" if feature.requested is None else f" [requested {'on' if feature.requested else 'off'}]"
    return f"{device.name}: {FEATURE}: {'on' if feature.active else 'off'}{' [fixed]' if feature.fixed else asked}"
