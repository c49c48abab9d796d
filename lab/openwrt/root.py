# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the root directory of a router like OpenWrt: busybox ash as the only shell, and OpenWrt's directory layout.

It leaves out: procd, netifd, and whatever this collection does not use. The applets are those that OpenWrt builds by
default. Within an applet Debian's busybox has features that OpenWrt's lacks (character classes in tr, options of sort
and find), so only a reader of a script can notice that it uses one.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.programs import Programs

HERE = Path(__file__).parent


def split_words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


APPLETS = split_words("""
[ ash awk basename brctl cat chgrp chmod chown chroot clear cmp cp crond crontab cut date dd df dirname dmesg du echo
egrep env expr false fgrep find flock free fsync grep gunzip gzip halt head hexdump id ifconfig ip kill killall less
ln lock logger login ls md5sum mkdir mkfifo mknod mktemp mount mv nc netmsg netstat nice nslookup passwd pgrep pidof
ping ping6 pivot_root poweroff printf ps pwd readlink reboot reset rm rmdir route sed seq sh sha256sum sleep sort
start-stop-daemon strings switch_root sync sysctl tail tar tee test time top touch tr traceroute traceroute6 true
udhcpc umount uname uniq uptime vi wc which xargs yes zcat
""")

STAND_INS = {
    "uci.sh": "sbin/uci",
    "uci.awk": "usr/lib/stand-in/uci.awk",
    "ubus.sh": "bin/ubus",
    "fw4.sh": "sbin/fw4",
    "utpl.sh": "usr/bin/utpl",
    "kmodloader.sh": "sbin/kmodloader",
    "opkg.sh": "bin/opkg",
    "apk.sh": "usr/bin/apk",
    "feed.sh": "usr/lib/stand-in/feed.sh",
    "rc_common.sh": "etc/rc.common",
    "firewall_init.sh": "etc/init.d/firewall",
}
LISTS = {"opkg": "usr/lib/opkg/info", "apk": "lib/apk/packages"}
"""directory in which a package manager lists the files of each package"""
KMODLOADER_NAMES = ("insmod", "lsmod", "modinfo", "modprobe", "rmmod")
DIRECTORIES = split_words("""
bin sbin usr/bin usr/sbin lib usr/lib etc/config etc/init.d etc/rc.d etc/hotplug.d/net etc/hotplug.d/iface
etc/modules.d etc/modules-boot.d etc/nftables.d etc/stand-in lib/upgrade/keep.d usr/lib/stand-in proc sys/class/net
dev root tmp/run tmp/lock tmp/lib usr/share/nftables.d
""")

FIREWALL = """\
config defaults
	option syn_flood	1
	option input		REJECT
	option output		ACCEPT
	option forward		REJECT

config zone
	option name		lan
	list   network		'lan'
	option input		ACCEPT
	option output		ACCEPT
	option forward		ACCEPT

config zone
	option name		wan
	list   network		'wan'
	option input		REJECT
	option output		ACCEPT
	option forward		REJECT
	option masq		1
	option mtu_fix		1

config forwarding
	option src		lan
	option dest		wan
"""


@dataclass(frozen=True)
class Release:
    """A release of OpenWrt: ``manager`` is opkg or apk, ``firewall`` fw3 or fw4."""

    version: str
    manager: str
    firewall: str = "fw4"


RELEASES = {
    release.version: release
    for release in (
        Release("21.02.7", "opkg", "fw3"),
        Release("22.03.7", "opkg"),
        Release("23.05.5", "opkg"),
        Release("24.10.4", "opkg"),
        Release("25.12.1", "apk"),
    )
}


THIS_MACHINE = Programs()


def make_root(root: Path, release: Release, kernel: str = "", programs: Programs = THIS_MACHINE) -> None:
    """Make the whole tree in ``root``, an empty directory. ``kernel`` is the release of the router's kernel."""
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / LISTS[release.manager]).mkdir(parents=True, exist_ok=True)
    (root / "var").symlink_to("tmp")
    (root / "run").symlink_to("var/run")
    programs.install(programs.busybox(), root, "bin/busybox")
    built = programs.output("busybox", "--list").split()
    for applet in APPLETS:
        if applet in built:
            (root / "bin" / applet).symlink_to("busybox")
        elif found := programs.find(applet):
            programs.install(found, root, f"bin/{applet}")
    absent = {"fw4.sh", "utpl.sh", "firewall_init.sh"} if release.firewall != "fw4" else set()
    absent |= {"opkg.sh", "apk.sh"} - {f"{release.manager}.sh"}
    for name, place in STAND_INS.items():
        if name not in absent:
            shutil.copy(HERE / name, root / place)
            (root / place).chmod(0o755)
    for name in KMODLOADER_NAMES:
        (root / "sbin" / name).symlink_to("kmodloader")
    (root / "lib/modules" / (kernel or os.uname().release)).mkdir(parents=True)
    (root / "sbin/procd").write_text("#!/bin/sh\n# A stand-in for procd: it only exists.\n")
    (root / "sbin/procd").chmod(0o755)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/ash\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/config/firewall").write_text(FIREWALL)
    (root / "etc/os-release").write_text(
        f'NAME="OpenWrt"\nVERSION="{release.version}"\nID="openwrt"\nID_LIKE="lede openwrt"\n'
        f'PRETTY_NAME="OpenWrt {release.version}"\nVERSION_ID="{release.version}"\n'
    )
    (root / "etc/openwrt_release").write_text(
        f"DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='{release.version}'\nDISTRIB_TARGET='x86/64'\nDISTRIB_ARCH='x86_64'\n"
    )
    if release.firewall == "fw4":
        (root / "sbin/fw3").symlink_to("fw4")
    else:
        (root / "sbin/fw3").write_text("#!/bin/sh\n# A stand-in for fw3: it only exists.\n")
        (root / "sbin/fw3").chmod(0o755)
