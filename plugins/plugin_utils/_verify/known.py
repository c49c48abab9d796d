# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Faults of others that are known: of a kernel, a driver or nft, on certain routers. Data only.

An entry is worth having where it changes what an operator does, and where a router that has the fault can be told from
one that has not. CONTRIBUTING.md says how one is added.
"""

from __future__ import annotations

from dataclasses import dataclass

from .finding import Kind, Severity

Version = tuple[int, ...]


@dataclass(frozen=True)
class Advisory:
    """A fault that is known, and on which routers. All conditions must hold; one that is not set holds everywhere."""

    id: str
    """known.kebab-name; stable, for users name it to overrule it"""
    severity: Severity
    """never an error: what is shown of this router decides over its rungs"""
    title: str
    affected: str
    """who is, and what happens there"""
    signs: str
    """how to tell"""
    remedy: str
    link: str
    """where it was reported, or mended"""
    looked: str
    """YYYY-MM-DD of the last look at the link"""
    since: Version | None = None
    """first kernel that has it"""
    before: Version | None = None
    """first kernel that has it no more"""
    nft_before: Version | None = None
    """first nft that has it no more"""
    hardware: bool | None = None
    """with hardware flowtables only, or with software ones only"""
    drivers: tuple[str, ...] = ()
    """of a device of the flowtables, or of one below it: how their names begin, one of them"""
    needs: tuple[str, ...] = ()
    """names of conditions (advisories.CONDITIONS)"""
    under_fw4: str = ""
    """the remedy where the flowtable is that of OpenWrt's own firewall, where it is another one"""
    forbids_hardware: bool = False
    """hardware offload does harm there, so that ``auto`` keeps to software"""

    @property
    def kind(self) -> Kind:
        """As a finding."""
        explanation = f"{self.affected} {self.signs} See {self.link}, looked at on {self.looked}."
        return Kind(self.id, self.severity, self.title, explanation, self.remedy, self.under_fw4)


MEDIATEK = ("mtk_soc_eth",)

ADVISORIES = (
    Advisory(
        "known.wed-connections-end",
        "warning",
        "Connections of wireless clients end after about 300 seconds in hardware",
        "On MediaTek's processors with Linux 6.18, flows that the wireless part of the hardware forwards (WED) are"
        " taken for idle by connection tracking and end after about five minutes.",
        "Long downloads, calls and streams of wireless clients stop, those over cable go on.",
        "offload in software (flow_offload_mode: software), or run a build with the fix",
        "https://github.com/openwrt/openwrt/pull/23611",
        "2026-11-29",
        since=(6, 18),
        before=(6, 19),
        hardware=True,
        drivers=MEDIATEK,
        needs=("wireless",),
        forbids_hardware=True,
    ),
    Advisory(
        "known.l2tp-hardware",
        "warning",
        "Routers with L2TP restart under load in hardware",
        "On MediaTek's processors a router whose uplink is L2TP was reported to restart when much is sent over it while"
        " flows are offloaded to hardware (OpenWrt 24.10).",
        "The router restarts in the middle of an upload; with software offload it does not.",
        "offload in software (flow_offload_mode: software)",
        "https://github.com/openwrt/openwrt/issues/20869",
        "2026-11-29",
        hardware=True,
        drivers=MEDIATEK,
        needs=("l2tp",),
        forbids_hardware=True,
    ),
    Advisory(
        "known.roaming-hardware",
        "info",
        "Connections of a client that roams hang until their flows time out",
        "A flow in hardware keeps the port that its client was behind. When the client moves from a radio to a port of"
        " the switch, as to another access point, or back, its packets go to the old place until the flow is idle.",
        "Connections of clients that move hang for half a minute and more, new ones work.",
        "offload in software where clients roam between this router and other access points",
        "https://github.com/openwrt/openwrt/issues/13410",
        "2026-11-29",
        hardware=True,
        needs=("wireless beside switch ports",),
    ),
    Advisory(
        "known.bridge-stops-tcp",
        "warning",
        "TCP stops where a software flowtable lists a bridge",
        "With Linux 6.19 TCP through a software flowtable that lists a bridge instead of its ports was reported to"
        " stop, while UDP goes on. 6.18 does not have it, and neither has 7.2.",
        "Name look-ups work, pages do not load; without the flowtable they do.",
        "list the bridge's ports, as the filter kmod.nft_offload.flowtable_devices does",
        "https://github.com/firewalld/firewalld/issues/1555",
        "2026-11-29",
        since=(6, 19),
        before=(7, 2),
        hardware=False,
        needs=("bridge listed",),
        under_fw4="use flow_offload_ruleset: overlay, which lists the bridge's ports",
    ),
    Advisory(
        "known.neighbour-forgotten",
        "warning",
        "Connections stop when the kernel drops the address of an idle host",
        "From Linux 6.18.45 on, the fast path of a software flowtable sends to 00:00:00:00:00:00 once the kernel has"
        " dropped the next hop from its table of neighbours, and no longer asks for its MAC address. What it does not"
        " count as use is the fast path's own traffic: hosts that only have offloaded connections are idle after a"
        " minute, and dropped while there are more than gc_thresh1 of them.",
        "Long connections of single hosts stall until somebody else asks for that host; tcpdump -e shows their packets"
        " with the destination 00:00:00:00:00:00.",
        "set net.ipv4.neigh.default.gc_thresh1 and net.ipv6.neigh.default.gc_thresh1 to more than the hosts that this"
        " router can have, and gc_thresh2 and gc_thresh3 to more than that",
        "https://github.com/openwrt/openwrt/pull/24800",
        "2026-12-01",
        since=(6, 18, 45),
        hardware=False,
        needs=("many neighbours",),
    ),
    Advisory(
        "known.stacked-vlans-ipv6-nat",
        "info",
        "Offloading IPv6 NAT over stacked VLANs to hardware writes past a list",
        "Up to Linux 6.19 a flow that needs NAT of IPv6 and two VLAN tags has more steps than the list that is handed"
        " to the NIC has room for (76522fcdbc3a mends it). Later releases of these kernels may have the fix too.",
        "The kernel crashes, or worse, when such a flow is offloaded.",
        "offload in software if IPv6 is translated on this router, or run a kernel with the fix",
        "https://git.kernel.org/torvalds/c/76522fcdbc3a02b568f5d957f7e66fc194abb893",
        "2026-11-29",
        before=(7, 0),
        hardware=True,
        needs=("stacked vlans",),
    ),
    Advisory(
        "known.listing-of-port-ranges",
        "warning",
        "Maps of port ranges are listed by nft so that they cannot be loaded again",
        "nft 1.0.6 lists the element 5136-5151 of a map as 5136-0. What was saved by 'nft list ruleset' is refused at"
        " the next load.",
        "'nft -c -f' on the saved file fails at an element of a map.",
        "keep the text that the ruleset was loaded from, or run a newer nft",
        "https://github.com/openwrt/openwrt/issues/11972",
        "2026-11-29",
        nft_before=(1, 0, 7),
        needs=("map of port ranges",),
    ),
)
