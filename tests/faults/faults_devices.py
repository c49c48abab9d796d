# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the devices, their features, their hooks and their queues: the second part of rung 3, and rung 4."""

from __future__ import annotations

from tests.faults.faults_kernel import NO_TC
from tests.faults.model import EVERYWHERE, QUIET, Fault
from tests.faults.rulesets import FEATURES_ON, GUESTS, OURS, add_nic, detach, load_table, set_faults

FLUSH = "nft flush ruleset\n"
REFUSED_TILL_6_15 = {
    "6.1": "up to Linux 6.15 a flowtable does not take the name of a missing device",
    "6.12": "up to Linux 6.15 a flowtable does not take the name of a missing device",
}
NO_HOOKS = "Alpine's kernel lists no hooks"
WITHOUT_TC = {"6.18": NO_TC}
HIDDEN = "on Alpine the lab's namespaces are in a mount namespace of their own, which verify does not see"
NO_RETURN = """rm -f /etc/udev/rules.d/8*-nft-offload-*.rules /etc/network/if-up.d/nft-offload-flowtable
[ ! -e /run/udev/control ] || udevadm control --reload
"""
IFB = """modprobe ifb numifbs=0
ip link add ifb0 type ifb
ip link set ifb0 up
tc qdisc add dev wan0 handle ffff: ingress
tc filter add dev wan0 parent ffff: protocol all matchall action mirred egress redirect dev ifb0
"""
SOME_TO_IFB = IFB.replace("protocol all matchall", "protocol ip u32 match ip dst 192.0.2.77/32")
"""a destination that no traffic has"""
BRIDGE = f"""{add_nic("lan1", "lan2", 11)}
ip address flush dev lan0
ip address flush dev lan1
ip link add br0 type bridge
ip link set lan0 master br0
ip link set lan1 master br0
ip address add 10.10.0.1/24 dev br0
ip address add fd00:10::1/64 dev br0 nodad
ip link set br0 up
"""
BOND = """ip address flush dev lan0
ip link set lan0 down
modprobe bonding max_bonds=0
ip link add bond0 type bond mode active-backup miimon 100
ip link set lan0 master bond0
ip address add 10.10.0.1/24 dev bond0
ip address add fd00:10::1/64 dev bond0 nodad
ip link set bond0 up
sleep 1
"""
NO_DSA = "Debian's cloud kernels have no switch driver (DSA)"
NO_MLX5 = "an mlx5 NIC, which the lab has no stand-in for"

NO_HOOK_LISTING = """modprobe -r nfnetlink_hook
mv $(find /lib/modules/$(uname -r)/ -name 'nfnetlink_hook.ko*') /root/
depmod
"""

FAULTS = (
    Fault("no-devices", ["configured.no-devices"], 2, detach("lan0") + detach("wan0")),
    Fault("unknown-device-asked-for", ["configured.device-unknown"], 2, options={"devices": ("lan0", "wan9")}),
    Fault(
        "misspelt-device",
        ["configured.device-unknown"],
        2,
        f"nft 'add flowtable {OURS} ft {{ hook ingress priority 0; devices = {{ wan9 }}; flags offload; }}'\n",
        impossible={**REFUSED_TILL_6_15, "6.18": "a plain NIC takes no hardware flowtable, and this one is to have it"},
    ),
    Fault("wan-dropped-out", ["configured.device-missing"], 2, detach("wan0")),
    Fault(
        "replugged-and-nobody-attached-it",
        # from Linux 6.16 on a device joins by its name, where the driver takes it; boot's part is gone all the same
        {
            EVERYWHERE: ["configured.device-missing"],
            "6.18": ["configured.boot-disabled"],
            "7.2": ["configured.device-unknown"],
        },
        2,
        # Linux 7.2 refuses a NIC whose feature is off while the flowtable names it
        NO_RETURN + "/usr/lib/lab/net replug wan0 || :\n",
        traffic=QUIET,
    ),
    Fault(
        "one-device-only",
        ["configured.one-direction"],
        2,
        FLUSH + load_table("lan0", flags=""),
        topology="by-hand-software",
    ),
    Fault("one-device-only-hardware", ["configured.one-direction"], 2, FLUSH + load_table("lan0"), topology="by-hand"),
    Fault(
        "default-route-left-out",
        ["configured.default-route-uncovered"],
        4,
        FLUSH + add_nic("lan1", "lan2", 11) + load_table("lan0, lan1", flags=""),
        traffic=QUIET,
        topology="by-hand-software",
    ),
    Fault(
        "network-left-out",
        ["configured.network-uncovered"],
        6,
        add_nic("lan1", "lan2", 11),
        topology="by-hand-software",
    ),
    Fault(
        "bridge-port-left-out",
        ["configured.port-uncovered"],
        6,
        BRIDGE,
        topology="by-hand-software",
    ),
    Fault(
        "containers-left-out",
        ["configured.guests-uncovered"],
        6,
        GUESTS,
        topology="by-hand-software",
    ),
    Fault(
        "containers-are-the-other-direction",
        ["configured.guests-uncovered"],
        4,
        FLUSH + GUESTS + "ip address flush dev lan0\n" + load_table("wan0", flags=""),
        traffic=QUIET,
        topology="by-hand-software",
    ),
    Fault(
        "container-that-nobody-attached",
        ["configured.device-missing"],
        2,
        NO_RETURN
        + "ip link add veth7 type veth peer name veth7p\nip link set veth7 master br-guest\nip link set veth7 up\n",
        topology="containers-by-a-pattern",
    ),
    Fault(
        "bridged-packets-pass-the-rules",
        ["configured.bridge-netfilter"],
        6,
        BRIDGE
        + "modprobe br_netfilter\n"
        + "for version in '' 6; do sysctl -qw net.bridge.bridge-nf-call-ip${version}tables=1; done\n"
        + FLUSH
        + load_table("lan0, lan1, wan0", flags=""),
        topology="by-hand-software",
    ),
    Fault(
        "bridge-listed",
        # Linux 7.2 finds the port behind the bridge, which is not in the flowtable
        {EVERYWHERE: ["configured.bridge-listed"], "7.2": ["configured.bridge-listed", "offloading.none-offloaded"]},
        {EVERYWHERE: 6, "7.2": 4},
        FLUSH + BRIDGE + load_table("br0, wan0", flags=""),
        topology="by-hand-software",
    ),
    Fault(
        "bridge-in-hardware",
        ["configured.bridge-in-hardware"],
        2,
        FLUSH + BRIDGE + FEATURES_ON + "\n" + load_table("br0, wan0"),
        topology="by-hand",
        impossible="a kernel that is not OpenWrt's refuses a bridge in a hardware flowtable",
    ),
    Fault(
        "vlan-in-hardware",
        ["configured.vlan-in-hardware"],
        2,
        FLUSH + "ip link add link lan0 name lan0.7 type vlan id 7\n" + load_table("lan0.7, wan0"),
        topology="by-hand",
        impossible="a kernel that is not OpenWrt's refuses a VLAN in a hardware flowtable",
    ),
    Fault(
        "bridge-and-ports-listed",
        ["configured.upper-and-lower"],
        6,
        FLUSH + BRIDGE + load_table("br0, lan0, lan1, wan0", flags=""),
        topology="by-hand-software",
    ),
    Fault(
        "bond-member-listed",
        ["configured.bond-member"],
        2,
        FLUSH + BOND + load_table("lan0, wan0", flags=""),
        topology="by-hand-software",
    ),
    Fault(
        "pppoe-and-its-nic",
        ["configured.pppoe-and-nic"],
        7,
        "modprobe pppoe\n",
        impossible="Debian's cloud kernels have no PPPoE",
    ),
    Fault("conduit-listed", ["configured.conduit-listed"], 2, "modprobe dsa_loop\n", impossible=NO_DSA),
    Fault("conduit-feature-off", ["configured.conduit-feature-off"], 2, "modprobe dsa_loop\n", impossible=NO_DSA),
    # --- features
    Fault("feature-off", ["configured.feature-off"], 2, "ethtool -K lan0 hw-tc-offload off\n"),
    Fault(
        "feature-off-by-hand",
        ["configured.feature-off", "hardware.refused"],
        2,
        "for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload off; done\n",
        topology="by-hand",
    ),
    Fault(
        "feature-fixed-off",
        ["configured.feature-fixed"],
        2,
        set_faults("lan0", "fixed-off") + set_faults("wan0", "refuse-flows"),
    ),
    Fault(
        "feature-not-active",
        ["configured.feature-not-active"],
        2,
        impossible="the lab's NIC has no state in which it accepts a request for the feature and leaves it off",
    ),
    Fault(
        "one-nic-without-the-feature",
        ["configured.feature-absent"],
        6,
        set_faults("lan0", "fixed-off"),
        topology="by-hand",
    ),
    Fault(
        "feature-not-at-boot", ["configured.feature-not-at-boot"], 7, "sed -i '/^wan0 /d' /etc/nft-offload/features\n"
    ),
    Fault(
        "driver-without-flowtables",
        ["configured.driver-hint"],
        6,
        impossible="drivers that are known to take no flowtable, such as veth, are refused by the kernel",
    ),
    Fault("eswitch-legacy", ["configured.eswitch-legacy"], 7, impossible=NO_MLX5),
    Fault("eswitch-unknown", ["configured.eswitch-unknown"], 7, impossible=NO_MLX5),
    # --- queues
    Fault("cake", ["configured.shaper-bypassed"], 7, "tc qdisc replace dev wan0 root cake bandwidth 50mbit\n"),
    Fault(
        "htb",
        ["configured.shaper-bypassed"],
        7,
        "tc qdisc replace dev lan0 root handle 1: htb default 1\n"
        "tc class add dev lan0 parent 1: classid 1:1 htb rate 50mbit\n",
    ),
    Fault(
        "shaper-in-software",
        ["configured.shaper"],
        6,
        "tc qdisc replace dev wan0 root cake bandwidth 50mbit\n",
        topology="software",
        impossible=WITHOUT_TC,
    ),
    Fault("ifb-on-hardware", ["configured.ingress-redirected"], 7, IFB, impossible=WITHOUT_TC),
    Fault("ifb-on-software", ["configured.ingress-redirected"], 5, IFB, topology="software", impossible=WITHOUT_TC),
    Fault(
        "ifb-above-the-nic",
        ["configured.ingress-bypassed"],
        7,
        "ip link add link wan0 name wan0.7 type vlan id 7\nip link set wan0.7 up\n"
        + IFB.replace("dev wan0 ", "dev wan0.7 "),
        impossible=WITHOUT_TC,
    ),
    Fault("filter-before-hardware", ["configured.filter-bypassed"], 7, SOME_TO_IFB, impossible=WITHOUT_TC),
    Fault(
        "filter-before-software",
        ["configured.ingress-filtered"],
        6,
        SOME_TO_IFB,
        topology="software",
        impossible=WITHOUT_TC,
    ),
    Fault(
        "firewalld-without-its-flowtable",
        ["configured.firewalld-flowtable", "configured.firewall-beside"],
        7,
        impossible="the lab's routers have no firewalld",
    ),
    Fault(
        "settings-of-a-controller",
        ["configured.settings-managed"],
        6,
        impossible="the lab has no controller of OpenWISP's",
    ),
    Fault(
        "network-namespace",
        ["offloading.other-namespaces"],
        4,
        "ip netns add blue\n",
        traffic=QUIET,
        impossible={"6.18": HIDDEN},
    ),
    Fault(
        "tc-conntrack",
        ["configured.tc-conntrack"],
        7,
        impossible="not every kernel of the lab has act_ct",
    ),
    Fault(
        "other-accelerator",
        ["configured.other-accelerator"],
        7,
        impossible="no kernel of the lab has such a module",
    ),
    Fault(
        "xdp-program",
        ["configured.xdp"],
        7,
        impossible="the lab's routers have no program of XDP, and nothing that compiles one",
    ),
    Fault(
        "xdp-program-that-takes-all",
        ["configured.xdp", "offloading.taken-before", "bypassing.taken-before"],
        4,
        impossible="the lab's routers have no program of XDP, and nothing that compiles one",
    ),
    Fault(
        "bridge-flowtable-unfed",
        ["configured.bridge-unfed"],
        7,
        impossible="no kernel of the lab has flowtables of family bridge",
    ),
    Fault("smaller-mtu", ["configured.mtu-differs"], 7, "ip link set wan0 mtu 1400\n"),
    # --- hooks
    Fault(
        "hook-missing",
        ["bound.hook-missing"],
        3,
        impossible={
            EVERYWHERE: "up to Linux 6.15 a name leaves the flowtable together with its hook",
            "6.18": NO_HOOKS,
            "7.2": "the kernel binds a device that comes back, and refuses the device where it cannot",
        },
    ),
    Fault(
        "fewer-hooks",
        ["bound.fewer-hooks"],
        3,
        impossible={
            EVERYWHERE: "up to Linux 6.15 a name leaves the flowtable together with its hook",
            "6.18": NO_HOOKS,
            "7.2": "from Linux 6.17 on the kernel names the flowtable of each hook",
        },
    ),
    Fault(
        "hooks-not-listed",
        ["bound.hooks-unreadable"],
        3,
        {"7.2": NO_HOOK_LISTING},
        impossible=dict.fromkeys(("6.1", "6.12"), "up to Linux 6.15 hooks need not be listed, names are enough"),
        traffic=QUIET,
    ),
)
