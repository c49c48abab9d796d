# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The typed state of a router: what the parsers return and what the checks judge. Data only.

All of it was read at one moment. A ``None`` means that it could not be read (a tool is missing, a file is unreadable),
which is never the same as no.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from .._core.text import read_number
from .ruleset import Ruleset

ModuleState = Literal["loaded", "builtin", "available", "missing"]
"""loaded; built into the kernel; on disk but not loaded; nowhere"""

FLOWTABLE_MODULES = ("nf_flow_table", "nf_flow_table_inet", "nft_flow_offload")
"""The modules of the fast path since Linux 5.17 (net/netfilter/Makefile; nf_flow_table_ipv4/6 went in c42ba4290b21)."""

OLDEST_KERNEL = (5, 8)
"""flowtables without devices, which is how one is loaded at boot (05abe4456fa3)"""
OLDEST_NFT = (0, 9, 9)
"""'flags offload' can be set and is listed (8e6cc9f3)"""
MOST_DIFFERENCES = 20
"""lines of Boot.differences that a result holds"""


@dataclass(frozen=True)
class Platform:
    """What runs there, before anything of the network is looked at."""

    uid: int
    kernel: str
    """release, such as 6.12.48+deb13-cloud-amd64"""
    os_id: str = ""
    os_like: tuple[str, ...] = ()
    """what it comes of: ID_LIKE of /etc/os-release"""
    os_version: str = ""
    os_name: str = ""
    init: str = ""
    """systemd, procd, or another one by the name of sh/read/platform.sh; empty where it is not known"""
    commands: frozenset[str] = frozenset()
    """those of sh/read/platform.sh that the router has"""
    conntrack_file: bool | None = None
    """does this kernel show connection tracking in /proc/net/nf_conntrack (NF_CONNTRACK_PROCFS); None where it is not
    known, as while nothing tracks on a router without its kernel's configuration"""
    nft_version: tuple[int, ...] | None = None

    @property
    def systems(self) -> tuple[str, ...]:
        """Its distribution, and what that comes of."""
        return (self.os_id, *self.os_like)

    @property
    def kernel_numbers(self) -> tuple[int, ...]:
        """(major, minor, patch) as far as the release has them: ``6.12.86+deb13-amd64`` -> (6, 12, 86)."""
        found = re.match(r"[0-9]{1,18}(\.[0-9]{1,3}){1,2}", self.kernel)
        return tuple(read_number(part) for part in found[0].split(".")) if found else ()

    @property
    def kernel_version(self) -> tuple[int, int]:
        """(major, minor); (0, 0) when the release is not understood."""
        found = re.match(r"([0-9]{1,18})\.([0-9]{1,3})", self.kernel)
        return (read_number(found[1]), read_number(found[2])) if found else (0, 0)


@dataclass(frozen=True)
class Kernel:
    """The fast path's modules, and the kernel's sysctls that bear on it."""

    modules: Mapping[str, ModuleState]
    """for each of FLOWTABLE_MODULES"""
    boot_modules: frozenset[str] = frozenset()
    """names that systemd-modules-load, /etc/modules or OpenWrt's modules.d load at boot"""
    modules_disabled: bool = False
    """kernel.modules_disabled=1: nothing can be loaded until a reboot"""
    flowtable_sysctl: bool | None = None
    """net.netfilter.nf_flowtable_tcp_timeout exists: kernel built with NF_FLOW_TABLE, conntrack loaded (5.14 on)"""
    other_kernels: tuple[str, ...] = ()
    """releases that are installed, do not run, and have the module nft_flow_offload on disk"""
    accounting: bool | None = None
    """net.netfilter.nf_conntrack_acct; None while conntrack is not loaded"""
    neighbours: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """address family -> neighbours that are known, and how many of them are kept unused (net.FAMILY.neigh.default.
    gc_thresh1); left out where that could not be read"""


@dataclass(frozen=True)
class Feature:
    """One ethtool feature of one device (ethtool -k: on/off, [fixed], [requested on/off])."""

    active: bool
    fixed: bool = False
    requested: bool | None = None
    """what was asked for, where it differs from what is active"""


@dataclass(frozen=True)
class Device:
    """One network device in the router's own namespace (/sys/class/net)."""

    name: str
    index: int
    kind: str = "nic"
    """nic (on a bus), veth, tun, ppp, loopback, ipip, ip6tnl, sit, gre, ip6gre; or the kernel's word
    (SET_NETDEV_DEVTYPE): vlan, bridge, bond, wireguard, dsa, wlan, vxlan, ...; dummy (ifb too) and vrf; 'virtual' for
    all others"""
    driver: str = ""
    up: bool = False
    master: str = ""
    """the bridge, bond or VRF it is a port of"""
    lowers: tuple[str, ...] = ()
    """devices below it (sysfs lower_*): a VLAN's NIC, a bridge's ports, a bond's members, a VRF's devices. Of PPPoE
    those that a session is over: all of these where it is not known which session is whose. Of an ip6tnl the device of
    the route to its other end"""
    addresses: tuple[str, ...] = ()
    """addresses with prefix length, link-local ones left out"""
    forwarding: tuple[str, ...] = ()
    """address families it forwards: ipv4, ipv6"""
    default_route: tuple[str, ...] = ()
    """address families whose default route leaves here"""
    routes: tuple[str, ...] = ()
    """address families of which any route leaves here, link-local and multicast ones left out"""
    next_hops: tuple[str, ...] = ()
    """those of which another router is reached here: a route has a gateway, or a neighbour says that it is a router"""
    tables: tuple[str, ...] = ()
    """routing tables that those routes are in"""
    ipv6_gateways: tuple[str, ...] = ()
    """IPv6 addresses that are gateways of IPv4 routes by it, the first two; unknown for one that could not be read"""
    hw_tc_offload: Feature | None = None
    guest: bool = False
    """a container or virtual machine is connected by it (forwarding.py)"""
    mtu: int = 0
    """0: not known"""
    qdisc: str = ""
    """kind of its root qdisc, such as fq_codel, mq or cake"""
    eswitch: str = ""
    """mode of its embedded switch as devlink shows it: legacy or switchdev; empty where it has none, or shows none"""


@dataclass(frozen=True)
class Flowtable:
    """A flowtable in the live ruleset (nft's text listing: its JSON has neither flags nor counter)."""

    family: str
    table: str
    name: str
    devices: tuple[str, ...] = ()
    priority: str = "filter"
    hardware: bool = False
    """flags offload"""
    counter: bool = False

    @property
    def path(self) -> str:
        """'family table name'"""
        return f"{self.family} {self.table} {self.name}"


@dataclass(frozen=True)
class FlowRule:
    """A rule that feeds a flowtable, whether packets get to it or not."""

    family: str
    table: str
    chain: str
    flowtable: str
    text: str
    protocols: frozenset[str] = frozenset({"tcp", "udp"})
    """those out of tcp and udp whose flows it takes"""
    conditions: str = ""
    """its other conditions as nft prints them, less 'ct state established' and the like; empty where it has none"""
    first: bool = False
    """it is the first rule of a base chain at the forward hook; looked for in the table of Boot.live only"""


@dataclass(frozen=True)
class Exclusion:
    """A rule that would keep flows from being offloaded, whichever flowtable they would go to, if they get to it."""

    family: str
    table: str
    chain: str
    text: str
    kind: Literal["notrack", "helper"]


@dataclass(frozen=True)
class Hook:
    """One netfilter hook on a device's ingress, as nft list hooks prints it."""

    device: str
    function: str
    """such as nf_flow_offload_inet_hook, or 'flowtable' where the kernel names it (6.17 on)"""
    flowtable: str = ""
    """'family table name' where the kernel names it (6.17 on)"""


FlowClass = Literal["hardware", "software", "slow", "local"]
"""hardware: [HW_OFFLOAD]; software: [OFFLOAD]; slow: eligible (TCP established or assured UDP) but neither;
local: the router itself is one end"""


@dataclass(frozen=True)
class Carried:
    """What sampled flows carried over the sample's seconds, as connection tracking counts it."""

    flows: int
    """that were there before and after"""
    original: int
    """packets in the original direction, which is that of the first packet"""
    reply: int
    """packets in the reply direction"""


@dataclass(frozen=True)
class FlowPair:
    """Sampled flows of one family, protocol and class between the networks of two devices."""

    family: str
    protocol: str
    kind: FlowClass
    begins: str
    """the device whose network the end is in that sent the first packet; - for an end that is in none"""
    ends: str
    """the same of the other end"""
    flows: int
    recent: int = 0
    """slow ones of them that passed a packet just now (Flows.recent)"""


FlowSource = Literal["proc", "netlink"]
"""where the entries of conntrack were read: /proc/net/nf_conntrack; by the command conntrack, where the kernel has no
such file (NF_CONNTRACK_PROCFS)"""


@dataclass(frozen=True)
class Flows:
    """Conntrack, sampled: it is listed in hash order, so its first entries are a fair sample."""

    total: int | None
    """entries in the table (nf_conntrack_count)"""
    maximum: int | None
    sampled: int
    """lines looked at"""
    seconds: int
    """for which traffic was watched before the entries were read"""
    counts: Mapping[str, int] = field(default_factory=dict)
    """'ipv4 tcp hardware' -> lines; family, protocol and FlowClass"""
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """FlowClass -> a few conntrack lines"""
    recent_slow: int = 0
    """slow ones that passed a packet within those seconds, 5 at most (their timeout shows it)"""
    recent: Mapping[str, int] = field(default_factory=dict)
    """the same by family and protocol: 'ipv4 tcp' -> lines"""
    error: float = 0.0
    """percentage points by which a share of the sampled flows may be off from that of all, in 95 of 100 cases"""
    carried: Mapping[str, Carried] = field(default_factory=dict)
    """FlowClass -> packets; nothing without nf_conntrack_acct, or where the fast path does not count (Flowtable)"""
    carried_seconds: float = 0.0
    """over so many seconds; a little more than the sample's, on a slow router a lot"""
    source: FlowSource = "proc"
    pairs: tuple[FlowPair, ...] = ()
    """the same flows, less local ones, by where their ends are; 128 at most and one for the rest"""
    one_way: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """'ipv4 software' -> TCP flows of carried with 3 packets and more, and those of them with packets one way only"""
    unresolved: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(address, device) of IPv4 that ARP looks for and does not find -> sampled offloaded flows with that address"""

    def of(self, *classes: FlowClass) -> int:
        """Sampled flows of these classes."""
        return sum(count for key, count in self.counts.items() if key.rsplit(" ", 1)[-1] in classes)


@dataclass(frozen=True)
class DriverFlow:
    """One flow of conntrack that has the hardware bit, and which of its directions the driver's own table has."""

    line: str
    """of conntrack"""
    bound: tuple[bool, bool]
    """is an entry bound for the original direction, and for the reply"""


@dataclass(frozen=True)
class DriverTable:
    """The driver's own table of flows (debugfs: ppe*/bind of MediaTek and Airoha), looked at once or twice."""

    bound: int
    """entries that are bound"""
    flows: tuple[DriverFlow, ...] = ()
    """a few TCP flows with the hardware bit, and their directions at any look"""
    orphans: tuple[str, ...] = ()
    """entries that rewrite addresses for which conntrack had no line, at every look"""
    looked_up: int = 0
    """entries that were looked for in conntrack"""
    looks: int = 1


@dataclass(frozen=True)
class PacketFilter:
    """A filter of tc that takes packets, or that may."""

    device: str
    direction: Literal["ingress", "egress"]
    classifier: str
    """flower, u32, matchall, bpf, ..."""
    effect: Literal["redirect", "drop", "police", "ct", "program"]
    """ct: connection tracking of its own, with a flowtable of its own (act_ct); program: whatever a program decides
    (bpf, direct-action)"""
    target: str = ""
    """the device that packets are redirected to; the name of the program"""
    whole: bool = False
    """of every packet, of one address family at least"""
    nic_only: bool = False
    """skip_sw: the NIC has it, the kernel does not"""
    by_flow: bool = False
    """selects by what a flow is known by alone: protocol, addresses and ports (flower)"""
    ip_proto: str = ""
    """the protocol over IP that flower selects: tcp, udp, or a number in hexadecimal"""
    dst_ip: str = ""
    """the destination that flower selects, a network with its prefix length"""


@dataclass(frozen=True)
class OtherHandlers:
    """What else handles forwarded packets. Empty where there is nothing, and where it could not be read."""

    shapers: Mapping[str, str] = field(default_factory=dict)
    """device -> kind of its egress qdisc that shapes or delays: cake, htb, hfsc, tbf, ..."""
    redirected: Mapping[str, str] = field(default_factory=dict)
    """device -> device that its incoming packets are redirected to, such as ifb4wan; of those that a flowtable lists
    and those that stand on them"""
    filters: tuple[PacketFilter, ...] = ()
    """of tc, on devices that flowtables list, those that stand on them and those below them; 64 at most"""
    xdp: Mapping[str, str] = field(default_factory=dict)
    """device -> how the XDP program on it runs: native, generic, offload, or multi for several"""
    mark_rules: tuple[str, ...] = ()
    """'ipv4: from all fwmark 0x1 lookup 100': policy routing by mark"""
    ipsec: Mapping[str, int] = field(default_factory=dict)
    """direction (in, out, fwd) -> IPsec policies"""
    ipsec_errors: tuple[str, ...] = ()
    """counters of /proc/net/xfrm_stat that are not zero: the only trace where policies cannot be listed"""
    accelerators: tuple[str, ...] = ()
    """loaded modules of fast paths other than a flowtable, such as ecm of Qualcomm's NSS, shortcut_fe or natflow"""
    agents: tuple[str, ...] = ()
    """active services that load settings which rules are made from, or that forward by themselves: openwisp-config,
    bridger"""
    namespaces: tuple[str, ...] = ()
    """network namespaces with a name, but those of containers; what is forwarded there is not seen"""
    firewalld_devices: tuple[str, ...] = ()
    """devices that firewalld.conf names for a flowtable of firewalld's own (NftablesFlowtable)"""
    legacy_tables: tuple[str, ...] = ()
    """tables of the older iptables, which nft does not list: 'ip filter'"""
    forward_chains: tuple[str, ...] = ()
    """base chains at the forward hook: 'inet filter forward'"""
    queues: tuple[str, ...] = ()
    """chains that hand packets to a program (NFQUEUE): 'inet filter forward: queue to 0'"""
    clamps_mss: bool = False
    """some rule sets the MSS of TCP connections"""


@dataclass(frozen=True)
class Share:
    """Of packets that could take the fast path, how many did not.

    A packet is one that the kernel handles: what a NIC or GRO has merged counts once, before and after.
    """

    traversed: int
    """packets through the forward chain, of any kind: also those of new connections, ICMP and the like"""
    late: int
    """of these, TCP and UDP packets of flows that are offloaded, and that go out by another device than they came in"""
    slow: int
    """of these likewise, packets of established flows that are not, and that had 10 packets or more"""
    bypassed: int
    """packets that the fast path took before the forward chain"""
    share: float | None
    """percent: late and slow ones, of them and the bypassed; None where there are none"""
    error: float | None
    """percentage points by which it may be off, in 95 of 100 cases: the score interval (Wilson) of packets drawn"""


@dataclass(frozen=True)
class Direction(Share):
    """Packets of one address family that come in by one device and go out by another, as the forward chain sees them.

    Where they come in is known of the bypassed ones, where they go out is not, so that every direction from one device
    has all of its bypassed packets.
    """

    family: str
    enters: str
    leaves: str
    slow_flows: int = 0
    late_bytes: int = 0
    slow_protocols: Mapping[str, int] = field(default_factory=dict)
    """tcp, udp -> slow packets"""


@dataclass(frozen=True)
class Entrance(Share):
    """Packets of one address family that come in by one device."""

    family: str
    enters: str
    hook_devices: tuple[str, ...]
    """the devices that a flowtable must list for it: a bridge's ports, a VLAN's NIC, or itself"""


@dataclass(frozen=True)
class Taken:
    """Packets of one address family and protocol that the fast path took, and those that left again past the slow path.

    What is wrapped on its way (PPPoE, tunnels, IPsec) is in neither, since it is another protocol then.
    """

    family: str
    protocol: str
    """tcp or udp"""
    packets: int
    left: int
    """packets that devices sent to somebody, less those that went through postrouting; 0 where they could not be
    counted"""
    astray: int = 0
    """packets that devices sent to the MAC address 00:00:00:00:00:00, which no host has: they are lost"""


@dataclass(frozen=True)
class Sample:
    """What traversed the forward chain over some seconds, and what took the fast path before it (sh/read/sample.sh)."""

    seconds: float
    total: Share
    entrances: tuple[Entrance, ...] = ()
    """the busiest ones"""
    directions: tuple[Direction, ...] = ()
    """the slowest ones"""
    slow_protocols: Mapping[str, int] = field(default_factory=dict)
    """'ipv4 tcp', a family and a protocol -> slow packets"""
    slow_bytes: int = 0
    """of late and slow packets"""
    bypassed_bytes: int = 0
    traversed_bytes: int = 0
    nic_bytes: int = 0
    """that NICs received and the kernel never saw, at least: more than twice of what it saw, and a header a packet"""
    nic_devices: Mapping[str, int] = field(default_factory=dict)
    """device -> those of nic_bytes that it received; the busiest ones"""
    taken: Mapping[str, int] = field(default_factory=dict)
    """device -> packets that came in there and that something at its ingress took before the forward chain; the busiest
    ones"""
    classed: bool = True
    """False: without nft_ct loaded, late and slow packets cannot be distinguished, and both are 0"""
    full: bool = False
    """there were more flows or devices than the counters have room for, so that the counts are lower bounds"""
    unhooked: str = ""
    """why bypassed packets could not be counted; empty where they were"""
    deliveries: tuple[Taken, ...] = ()
    """by family and protocol, what the fast path took"""
    exits: tuple[str, ...] = ()
    """devices whose outgoing packets were counted: those that are listed, and of the others those at the bottom"""
    unwatched: str = ""
    """why outgoing packets could not be counted; empty where they were"""
    sent: Mapping[str, int] = field(default_factory=dict)
    """device that is listed -> packets that it sent, by its own counter"""
    nic_sent: Mapping[str, int] = field(default_factory=dict)
    """device that is listed -> bytes that its NIC sent and the kernel never saw, at least"""


@dataclass(frozen=True)
class Core:
    """What one core of the processor did, in ticks of USER_HZ, of which a second has 100 (proc_stat(5))."""

    ticks: int
    """all of them"""
    busy: int
    """neither idle nor waiting for a disk"""
    softirq: int
    """of busy: in software interrupts, where the kernel forwards; a tick that finds it there counts whole"""
    packets: int
    """that it took from NICs or from other cores (/proc/net/softnet_stat: processed)"""
    dropped: int
    """packets that found its queue full"""
    squeezed: int
    """times that it stopped with packets left"""


@dataclass(frozen=True)
class Processor:
    """What the processor did while traffic was watched (sh/read/processor.sh)."""

    seconds: float
    cores: tuple[Core, ...]
    """those that were there all the time"""
    threaded: tuple[str, ...] = ()
    """devices whose packets are taken by a thread (sysfs: threaded), which no software interrupt shows"""


@dataclass(frozen=True)
class Boot:
    """What this collection left for the next boot, and whether boot will use it."""

    ruleset: str | None = None
    """text of /etc/nft-offload/ruleset.nft"""
    filters: bool = False
    """does that text filter what comes to the router itself"""
    listing: str | None = None
    """how the kernel listed our table when that text was loaded (ruleset.listing)"""
    live: str | None = None
    """how the kernel lists our table now; None: no such table"""
    foreign: bool = False
    """is that table one that this collection did not make: without its mark, and without a record in these files"""
    table: str = ""
    """'family table' that the ruleset loads; empty for none, and for a text that this collection did not write"""
    differences: tuple[str, ...] = ()
    """lines in which ``live`` differs from ``listing``, as a unified diff marks them, and then those of the second
    table; empty where one to compare is missing"""
    software_table: str = ""
    """'family table' of the second table, for what hardware does not take, that the ruleset loads; empty: none"""
    software_live: str | None = None
    """how the kernel lists that table now; None: it is not there, or is somebody else's"""
    loaded: str = ""
    """what boot, or the service since then, loaded: confirmed, ``kept ID``, emergency, none; empty: not known"""
    complaint: str = ""
    """what nft said of the text that was confirmed, where boot loaded another one"""
    attachments: Mapping[str, str] = field(default_factory=dict)
    """device -> nft command that attaches it when it appears"""
    features: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(device, feature) -> on or off, set when the device appears"""
    enabled: Mapping[str, bool] = field(default_factory=dict)
    """boot piece (unit or rules file) -> will boot use it"""
    watched: bool = False
    """is the script there that measures again and again (sh/installed/watch.sh)"""


@dataclass(frozen=True)
class OpenWrtFirewall:
    """OpenWrt's firewall: the options of UCI about offload, and what fw4 makes of them."""

    values: Mapping[str, str]
    """flow_offloading and flow_offloading_hw as they are spelt, of the first section of defaults, where they are"""
    effective: Mapping[str, bool | None]
    """both -> what fw4 takes that for; None: a value that ends fw4"""
    sections: int = 1
    """of defaults: fw4 uses the first"""
    zone_sections: frozenset[str] = frozenset()
    """ids of the sections of zones: fw4 calls a section by its id where that is a name, and @zone[n] where it is not"""
    staged: tuple[str, ...] = ()
    """changes that are not committed, and that fw4 uses all the same"""
    desired: Flowtable | None = None
    """what it would load now; None: no flowtable"""
    rule: str = ""
    """the rule that feeds it"""
    complaints: tuple[str, ...] = ()
    loaded: frozenset[str] = frozenset()
    """of state (fw4 takes itself for loaded), table (it is), empty (its chains have no rule), enabled (boot starts it),
    wed-off (MediaTek's Wi-Fi takes no flows)"""


@dataclass(frozen=True)
class RouterState:
    """All that was read in one exec (_observe/reading.py: by which scripts, and what becomes of each section)."""

    platform: Platform
    kernel: Kernel
    devices: Mapping[str, Device]
    flowtables: tuple[Flowtable, ...] | None
    """None: the ruleset could not be read"""
    rules: tuple[FlowRule, ...]
    hooks: tuple[Hook, ...] | None
    """None: this kernel or nft cannot list hooks (NETFILTER_NETLINK_HOOK off, as in Debian 12)"""
    flows: Flows | None
    """None: conntrack could not be read"""
    boot: Boot
    sample: Sample | None = None
    """None: nothing was measured"""
    processor: Processor | None = None
    """None: no traffic was watched, or it could not be seen"""
    driver_table: DriverTable | None = None
    """None: no driver publishes one, or debugfs is not mounted"""
    work: Mapping[str, int] = field(default_factory=dict)
    """add, del, stats -> work that waits for the driver (/proc/net/stat/nf_flowtable, where Linux 6.0 on has it)"""
    other_handlers: OtherHandlers = field(default_factory=OtherHandlers)
    exclusions: tuple[Exclusion, ...] = ()
    forwarding: tuple[str, ...] | None = None
    """address families that the router forwards at all; None where that could not be read"""
    bridged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """bridge, or '*' for every one -> address families whose bridged packets pass the rules for IP (br_netfilter)"""
    firewalls: tuple[str, ...] = ()
    """who else loads rules: nftables, firewalld, fw4, docker, ..."""
    fw4: OpenWrtFirewall | None = None
    """None: another firewall, or none"""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """part of the state that could not be read -> the error in the router's own words, such as nft's"""
    hung: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """tool of the router that did not end in time -> what could not be read for it, by the names of ``unseen``"""
    not_understood: tuple[str, ...] = ()
    """lines that no parser understood, for the evidence; never silently dropped"""
    ruleset: Ruleset | None = None
    """every rule that was read, for the packet walk; None: the ruleset could not be read"""

    def as_result(self) -> dict[str, Any]:
        """The state as plain JSON types, without ``ruleset``; of the long texts in ``boot`` whether they are there."""
        result: dict[str, Any] = _plain(asdict(replace(self, ruleset=None)))
        del result["ruleset"]
        result["firewall"] = ", ".join(result.pop("firewalls"))
        result["boot"].update(
            {name: result["boot"][name] is not None for name in ("ruleset", "listing", "live", "software_live")}
        )
        result["boot"]["differences"] = result["boot"]["differences"][:MOST_DIFFERENCES]
        return result


def _plain(value: Any) -> Any:
    """A value as JSON has it: sets sorted, keys that are tuples joined by blanks."""
    if isinstance(value, Mapping):
        return {" ".join(key) if isinstance(key, tuple) else key: _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
