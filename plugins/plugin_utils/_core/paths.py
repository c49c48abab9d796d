# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Where everything lives that this collection leaves on a router for its next boot.

Each file has one owner: ``kernel_support`` the modules, ``nic_features`` the features, ``ruleset`` the rest. So each
module can be used alone, and takes away exactly what it brought.
"""

from __future__ import annotations

from pathlib import Path

PRIVATE, READABLE, PROGRAM = "0600", "0644", "0755"
"""modes of files; SECURITY.md has them all. Every file in HOME is PRIVATE, and the directories there are 0700: a
ruleset can hold what no other user of the router is told, such as ports to knock at, and the kernel shows it to root"""

HOME = "/etc/nft-offload"
LIBRARY = "/usr/local/lib/nft-offload"

# kernel_support
MODULES_LOAD = "/etc/modules-load.d/nft-offload.conf"
MODULES_D = "/etc/modules.d/90-nft-offload"
"""the same for OpenWrt, where the package of the modules does not list them itself"""
KERNEL_FOUND = f"{HOME}/kernel.found"
"""lines 'package NAME' and 'module NAME': what this collection brought, so that it can be taken back out"""

# nic_features
FEATURES = f"{HOME}/features"
"""lines 'DEVICE FEATURE VALUE FOUND': the value requested, now and when the device appears; the value before"""
FEATURES_SCRIPT = f"{LIBRARY}/features"
FEATURES_UNIT = "/etc/systemd/system/nft-offload-features@.service"
FEATURES_RULES = "/etc/udev/rules.d/80-nft-offload-features.rules"
FEATURES_INIT = "/etc/init.d/nft-offload-features"
FEATURES_RC = "/etc/rc.d/S18nft-offload-features"
"""exists while boot starts it: the firewall, which comes next, may bind a NIC only while its feature is on"""
FEATURES_HOTPLUG = "/etc/hotplug.d/net/60-nft-offload-features"
FEATURES_IF_UP = "/etc/network/if-pre-up.d/nft-offload-features"
FEATURES_KEEP = "/lib/upgrade/keep.d/nft-offload-features"
"""what sysupgrade shall carry over, this list too"""

# fw4_offload
FW4_CONFIG = "/etc/config/firewall"
FW4_FOUND = f"{HOME}/fw4.found"
"""lines 'OPTION VALUE' as they were found, - for an option that did not exist"""
FW4_KEEP = "/lib/upgrade/keep.d/nft-offload-fw4"
"""what sysupgrade shall carry over, this list too"""

# ruleset
RULESET = f"{HOME}/ruleset.nft"
"""our table, its flowtables without devices: a missing device must not fail the load (kernels up to 6.15)"""
LISTING = f"{HOME}/ruleset.listing"
"""how the kernel listed the table right after that text was loaded: a later difference is a change by hand"""
SOFTWARE_LISTING = f"{HOME}/ruleset.software"
"""the same of the second table, for devices that hardware does not take; exists while there is one"""
DEVICES = f"{HOME}/devices"
"""lines 'DEVICE COMMAND': the nft command that adds the device to a flowtable; a device in two has two lines"""
CONFIRMED = f"{HOME}/confirmed"
"""the id of the change that made ruleset and devices, and a digest of them"""
HISTORY = f"{HOME}/history"
"""ID.nft: the rulesets confirmed before, see _ruleset/history.py"""
EMERGENCY = f"{HOME}/emergency.nft"
"""what boot loads in place of our table where that is the router's filter and no text of it loads"""
COMMITTING = f"{HOME}/committing"
"""exists while the files are renamed into place: one path per line; boot finishes what a power failure left"""
PENDING_FLUSH = f"{HOME}/cut"
"""exists from the confirmation until the connections are flushed: lines 'FROM:TO', each end devices or empty"""
RUN = "/run/nft-offload"
"""what is pending, and how the last change ended; gone with a reboot"""
BOOT_RECORDS = (f"{RUN}/boot", f"/var{RUN}/boot")
"""what boot loaded, and what nft complained of: one or the other, as RUN"""
RULESET_SCRIPT = f"{LIBRARY}/ruleset"
RULESET_UNIT = "/etc/systemd/system/nft-offload.service"
NFTABLES_DROP_IN = "/etc/systemd/system/nftables.service.d/nft-offload.conf"
DEVICE_SCRIPT = f"{LIBRARY}/flowtable"
DEVICE_UNIT = "/etc/systemd/system/nft-offload-flowtable@.service"
DEVICE_RULES = "/etc/udev/rules.d/81-nft-offload-flowtable.rules"
RULESET_INIT = "/etc/init.d/nft-offload"
RULESET_RC = "/etc/rc.d/S19nft-offload"
"""exists while OpenWrt's boot starts it: after S19firewall, and before S20network lets anything in"""
DEVICE_HOTPLUG = "/etc/hotplug.d/net/61-nft-offload-flowtable"
NFTABLES_RC = "/etc/rc.conf.d/nft-offload.conf"
DEVICE_IF_UP = "/etc/network/if-up.d/nft-offload-flowtable"
DEVICE_IF_DOWN = "/etc/network/if-post-down.d/nft-offload-flowtable"
RULESET_KEEP = "/lib/upgrade/keep.d/nft-offload"
"""what sysupgrade shall carry over, this list too"""


# watch
WATCH_SCRIPT = f"{LIBRARY}/watch"
WATCH_UNIT = "/etc/systemd/system/nft-offload-watch.service"
WATCH_TIMER = "/etc/systemd/system/nft-offload-watch.timer"
WATCH_RUN = "/run/nft-offload-watch"
"""what was measured last; in memory, as RUN, and for everybody to read"""
CRONTAB = "/etc/crontabs/root"
"""root's table of busybox's cron, where a line of ours stands beside those of others"""


def installed(name: str) -> str:
    """Text of sh/installed/<name>, which goes to the router as it is."""
    return (Path(__file__).parents[1] / "sh" / "installed" / name).read_text(encoding="utf-8")
