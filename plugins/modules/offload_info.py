# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/offload_info.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: offload_info
short_description: Read the state of flow offload on a router
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Returns the state of a router, namely its kernel, network devices, flowtables, the rules that feed them, the
    hooks that they sit on, its connection tracking counted by class, and what the next boot will load.
  - Judges nothing. Use M(kmod.nft_offload.offload_verify) for what that means.
  - What could not be read is null and named with the reason in RV(router.unseen), which is never the same as not
    being there. Without root that is the ruleset and connection tracking.
extends_documentation_fragment:
  - kmod.nft_offload._attributes.info_module
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
attributes:
  check_mode:
    details:
      - Reads the same as without check mode, but measures nothing, because the tables that count packets are not
        created.
options:
  gather_subset:
    description:
      - V(all) is the whole state.
      - V(min) is what a play needs to choose devices and a mode, with less work for a slow router and a slow link.
        RV(router) has only C(platform), C(flowtables), C(unseen), C(not_understood), C(devices) without C(mtu) and
        C(qdisc), and of C(boot) C(ruleset), C(filters), C(foreign), C(attachments) and C(features). Of the other
        options only O(family) and O(table) count then.
    type: str
    choices: [all, min]
    default: all
  sample:
    description:
      - For how many seconds traffic is watched, from 0, which looks once and measures nothing, to 60.
      - Meanwhile a table of the name C(nft_offload_sample_...) counts what traverses the forward chain, and another one
        what comes in before and after the flowtables. They only count, no other table is touched, and they go again
        also when the connection is lost. In check mode there are none; without a flowtable all packets are counted as
        those of the slow path.
    type: int
    default: 0
  family:
    description: Address family of O(table).
    type: str
    choices: [inet, ip, ip6]
    default: inet
  table:
    description:
      - The table that M(kmod.nft_offload.ruleset) keeps on the router, for RV(router.boot). The flowtables and rules
        of every table are returned in any case.
    type: str
    default: nft_offload
notes:
  - One SSH exec. The answer is a few kilobytes, and its cost does not grow with the connection tracking table, of
    which the first 2048 entries are looked at. They are a fair sample, because the kernel lists them in the order of
    a hash, and RV(router.flows.error) is how far a share of them may be off.
seealso:
  - module: kmod.nft_offload.offload_verify
  - plugin: kmod.nft_offload.flowtable_devices
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See the router
  kmod.nft_offload.offload_info:
  register: seen

- name: See as much of it as the next two tasks need
  kmod.nft_offload.offload_info:
    gather_subset: min
  register: seen

- name: Show each flowtable with its devices
  ansible.builtin.debug:
    msg: "{{ item.table }} {{ item.name }}: {{ item.devices | join(', ') }}"
  loop: "{{ seen.router.flowtables or [] }}"

- name: Name the devices that a flowtable should list
  ansible.builtin.debug:
    msg: "{{ seen.router | kmod.nft_offload.flowtable_devices }}"
"""

RETURN = r"""
router:
  description: The state of the router.
  returned: success
  type: dict
  contains:
    platform:
      description: What runs there.
      type: dict
      contains:
        uid:
          description: User id of the login, with become if it is used.
          type: int
        kernel:
          description: Release of the running kernel.
          type: str
        os_id:
          description: C(ID) of C(/etc/os-release).
          type: str
        os_like:
          description: C(ID_LIKE) of C(/etc/os-release), which is what that distribution comes of.
          type: list
          elements: str
        os_version:
          description: C(VERSION_ID) of C(/etc/os-release).
          type: str
        os_name:
          description: C(PRETTY_NAME) of C(/etc/os-release).
          type: str
        init:
          description:
            - V(systemd), V(procd) or V(openrc). Of others, which this collection is not started by, their name where
              it is known, such as V(openrc-diskless) (Alpine without a disk), V(sysvinit), V(runit), V(s6) or
              V(busybox); else that of the first process, or empty.
          type: str
        commands:
          description: Those of the commands that this collection can use that the router has.
          type: list
          elements: str
        conntrack_file:
          description:
            - Whether the kernel shows connection tracking in C(/proc/net/nf_conntrack), as Ubuntu's does not. Null
              where that is not known, as while nothing tracks connections.
          type: bool
        nft_version:
          description: Version of nft, null where there is none.
          type: list
          elements: int
    kernel:
      description: The modules of the fast path, and the kernel's switches around them.
      type: dict
      contains:
        modules:
          description: Module to V(loaded), V(builtin), V(available) (on disk) or V(missing).
          type: dict
        boot_modules:
          description: Those that are loaded at boot by name.
          type: list
          elements: str
        modules_disabled:
          description: Whether C(kernel.modules_disabled) is on, so that no module can be loaded until a reboot.
          type: bool
        flowtable_sysctl:
          description: Whether C(net.netfilter.nf_flowtable_tcp_timeout) exists, null while connection tracking is
            not loaded.
          type: bool
        other_kernels:
          description: Releases of installed kernels that do not run and have the module C(nft_flow_offload) on disk.
          type: list
          elements: str
        accounting:
          description: Whether C(net.netfilter.nf_conntrack_acct) is on, null while connection tracking is not loaded.
          type: bool
        neighbours:
          description:
            - Address family to the number of neighbours that the router knows, and how many of them it keeps when they
              are not used (C(gc_thresh1)).
          type: dict
    devices:
      description:
        - Each network device by name. It has C(name), C(index), C(kind), C(driver), C(up), C(master), C(lowers)
          (devices below it), C(addresses), C(forwarding) and C(default_route) (address families), C(routes),
          C(next_hops), C(tables) and C(ipv6_gateways), and C(hw_tc_offload), C(guest), C(mtu), C(qdisc) (the kind at
          its root) and C(eswitch) (V(legacy) or V(switchdev), of mlx5 only).
        - C(kind) is C(nic), C(veth), C(tun), C(ppp), C(loopback), C(dummy) (C(ifb) too), C(vrf), C(ipip), C(ip6tnl),
          C(sit), C(gre), C(ip6gre), or the kernel's own word such as C(bridge), C(vlan), C(bond), C(wireguard) or
          C(dsa); C(virtual) for all others.
        - Below PPPoE are the devices that its sessions are over, all of them where it is not known which one a session
          is over.
        - C(routes) are the address families of which any route leaves by the device, link-local and multicast ones left
          out, C(next_hops) those of which such a route has a gateway or a neighbor is a router, and C(tables) the
          routing tables of these routes. Of a routing table with more than 4096 routes, these may miss some.
        - C(ipv6_gateways) are IPv6 addresses that are gateways of IPv4 routes by the device, the first two.
        - C(hw_tc_offload) has C(active), C(fixed) and C(requested); null where it was not asked for or ethtool is
          missing.
        - C(guest) is true for a C(veth) or C(tun), by which containers and virtual machines are connected. It is false
          for all where the default route leaves by a C(veth), as in a container, where these are the router's NICs.
      type: dict
    flowtables:
      description: The flowtables of every table, null where the ruleset cannot be read.
      type: list
      elements: dict
      contains:
        family:
          description: Address family of its table.
          type: str
        table:
          description: Its table.
          type: str
        name:
          description: Its name.
          type: str
        devices:
          description: Devices that it lists. From Linux 6.16 on they need not exist.
          type: list
          elements: str
        priority:
          description: Priority of its hook, as nft prints it.
          type: str
        hardware:
          description: Whether it has C(flags offload).
          type: bool
        counter:
          description: Whether its packets count in connection tracking.
          type: bool
    rules:
      description:
        - The rules that feed flowtables, whether packets get to them or not.
        - M(kmod.nft_offload.offload_verify) says which traffic does.
      type: list
      elements: dict
      contains:
        family:
          description: Address family of its table.
          type: str
        table:
          description: Its table.
          type: str
        chain:
          description: Its chain.
          type: str
        flowtable:
          description: The flowtable that it feeds.
          type: str
        text:
          description: The rule as nft prints it.
          type: str
        protocols:
          description: Those out of C(tcp) and C(udp) whose flows it takes.
          type: list
          elements: str
        conditions:
          description: Its other conditions as nft prints them, less C(ct state established) and the like.
          type: str
        first:
          description:
            - Whether it is the first rule of a base chain at the forward hook. Looked for in O(table) only.
          type: bool
    exclusions:
      description:
        - Rules of any table that keep the flows that get to them from being offloaded, a few of each kind in a chain.
      type: list
      elements: dict
      contains:
        family:
          description: Address family of its table.
          type: str
        table:
          description: Its table.
          type: str
        chain:
          description: Its chain.
          type: str
        text:
          description: The rule as nft prints it.
          type: str
        kind:
          description: V(notrack), or V(helper) for C(ct helper set).
          type: str
    forwarding:
      description: Address families that the router forwards at all, null where that could not be read.
      type: list
      elements: str
    bridged:
      description:
        - Address families whose bridged packets pass the rules for IP too (br_netfilter), by bridge, or by V(*) for
          every bridge.
      type: dict
    hooks:
      description: The netfilter hooks on the ingress of each device that a flowtable lists, null where they cannot
        be listed.
      type: list
      elements: dict
      contains:
        device:
          description: The device.
          type: str
        function:
          description: What is called, V(flowtable) where the kernel names the flowtable (Linux 6.17 on).
          type: str
        flowtable:
          description: Family, table and name of the flowtable, empty where the kernel does not name it.
          type: str
    flows:
      description: Connection tracking, sampled; null where it cannot be read.
      type: dict
      contains:
        total:
          description: Entries in the table.
          type: int
        maximum:
          description: Entries that it can hold.
          type: int
        sampled:
          description: Entries that were looked at.
          type: int
        seconds:
          description: Seconds for which traffic was watched before the entries were read.
          type: int
        counts:
          description:
            - Family, protocol and class to the number of entries. V(hardware) and V(software) are offloaded; V(slow)
              could be but are not (established TCP, assured UDP); V(local) are the router's own. Others are not
              counted.
          type: dict
        examples:
          description: Class to at most three entries.
          type: dict
        recent_slow:
          description:
            - Those of class V(slow) that passed a packet within those seconds, 5 at most.
          type: int
        recent:
          description: The same by family and protocol.
          type: dict
        error:
          description:
            - Percentage points that a share of the sampled entries may be off by from that of all, in 95 of 100 cases
              and at worst. 0 where all were looked at.
          type: float
        carried:
          description:
            - Class of offloaded flows to what the sampled ones carried meanwhile, with C(flows), and packets in the
              C(original) direction and in the C(reply) direction. Empty without
              C(net.netfilter.nf_conntrack_acct=1) and RV(router.flowtables.counter).
          type: dict
        carried_seconds:
          description: Over so many seconds, which are a little more than the sample's.
          type: float
        pairs:
          description:
            - The flows but those of the router itself by C(family), C(protocol), class (C(kind)), and the devices whose
              networks their ends are in, C(begins) of the one that sent the first packet, and C(ends). C(-) is an end
              in no network of the router. C(recent) of the C(flows) passed a packet just now.
          type: list
          elements: dict
        source:
          description:
            - Where the entries were read, V(proc) for C(/proc/net/nf_conntrack), and V(netlink) for the command
              C(conntrack) on a kernel that has no such file.
          type: str
        one_way:
          description:
            - Family and class to two numbers, TCP flows of those in RV(router.flows.carried) with 3 packets or more,
              and those of them with packets one way only.
          type: dict
        unresolved:
          description:
            - IPv4 address and device, where ARP looks for the address and does not find it, to the number of sampled
              offloaded flows that have it.
          type: dict
    sample:
      description:
        - What traversed the forward chain over the sample, and what the flowtables took before it; null where nothing
          was measured, as with O(sample=0), in check mode, or where nft refused.
        - A packet counts as the kernel handles it, so that what a NIC or GRO has merged is one. Packets that a NIC
          forwards by itself are in none of the counts but RV(router.sample.nic_bytes) and RV(router.flows.carried).
      type: dict
      contains:
        seconds:
          description: Seconds that it really took.
          type: float
        total:
          description: All of it.
          type: dict
          contains:
            traversed:
              description: Packets through the forward chain, of any kind.
              type: int
            late:
              description:
                - Of these, TCP and UDP packets of flows that are offloaded, without SYN, FIN and RST. The fast path
                  should have taken them.
              type: int
            slow:
              description:
                - Of these, packets of established TCP and UDP flows that are not offloaded, where a flow had 10 of them
                  or more.
              type: int
            bypassed:
              description: Packets that the flowtables took before the forward chain.
              type: int
            share:
              description: Percent that late and slow packets are of them and the bypassed; null where there are none.
              type: float
            error:
              description:
                - Percentage points that the share may be off by in 95 of 100 cases, as if packets were drawn at random
                  (the score interval of Wilson).
              type: float
        entrances:
          description:
            - The same by C(family) and the device where packets come in (C(enters)), at most 12, the busiest first.
              C(hook_devices) are those that a flowtable must list for it.
          type: list
          elements: dict
        directions:
          description:
            - The same by C(family) and the devices where packets come in (C(enters)) and go out (C(leaves)), at most
              12, the slowest first. C(slow_flows) is the number of slow flows, C(late_bytes) are of late packets,
              C(slow_protocols) are slow packets by protocol. Where bypassed packets go out is not known, so that each
              direction from a device has all of them.
          type: list
          elements: dict
        slow_protocols:
          description: Family and protocol, such as C(ipv4 udp), to slow packets.
          type: dict
        slow_bytes:
          description: Bytes of late and slow packets.
          type: int
        traversed_bytes:
          description: Bytes of all packets through the forward chain.
          type: int
        bypassed_bytes:
          description: Bytes of bypassed packets.
          type: int
        nic_bytes:
          description: Bytes, at least, that NICs received and the kernel never saw.
          type: int
        nic_devices:
          description: Device to those of RV(router.sample.nic_bytes) that it received, of the busiest ones.
          type: dict
        taken:
          description:
            - Device to packets that came in there and that its flowtables took before the forward chain, of the busiest
              ones.
          type: dict
        classed:
          description:
            - Whether late and slow packets were distinguished, which needs nft_ct to be loaded. The sample loads no
              module.
          type: bool
        full:
          description: Whether there was more than the counters have room for, so that these are lower bounds.
          type: bool
        unhooked:
          description: Why bypassed packets could not be counted, empty where they were.
          type: str
        deliveries:
          description:
            - Of each C(family) and C(protocol) the packets that the flowtables took (C(packets)), and those of them
              that C(left) again, which are those that devices sent less those that went through postrouting. What
              leaves inside of PPPoE, a tunnel or IPsec is in neither. C(astray) are packets that left for the MAC
              address 00:00:00:00:00:00, and are lost.
          type: list
          elements: dict
        exits:
          description: Devices whose outgoing packets were counted.
          type: list
          elements: str
        unwatched:
          description: Why outgoing packets could not be counted, empty where they were.
          type: str
        sent:
          description: Device of a flowtable to packets that it sent by its own counter, of the busiest ones.
          type: dict
        nic_sent:
          description: Device to bytes, at least, that its NIC sent and the kernel never saw, of the busiest ones.
          type: dict
    processor:
      description:
        - What the processor did while traffic was watched; null with O(sample=0), and where that cannot be seen.
      type: dict
      contains:
        seconds:
          description: Seconds that it really took.
          type: float
        cores:
          description:
            - Its cores, in order, with C(ticks), of which a second has 100; C(busy), those in which it neither was idle
              nor waited for a disk; C(softirq), those of them in software interrupts, where the kernel forwards;
              C(packets) that it took from NICs or other cores, C(dropped) for a full queue, and C(squeezed), how often
              it stopped with packets left.
          type: list
          elements: dict
        threaded:
          description: Devices whose packets are taken by threads, which no software interrupt shows.
          type: list
          elements: str
    driver_table:
      description:
        - The driver's own table of flows, where it publishes one (MediaTek and Airoha, in debugfs); else null.
      type: dict
      contains:
        bound:
          description: Entries that the hardware forwards.
          type: int
        flows:
          description: A few TCP flows that are marked as in hardware.
          type: list
          elements: dict
          contains:
            line:
              description: Their line in connection tracking.
              type: str
            bound:
              description: Whether the table has an entry bound for the original direction, and for the reply.
              type: list
              elements: bool
        orphans:
          description: Entries that connection tracking has no line for.
          type: list
          elements: str
        looked_up:
          description: Entries that were looked for in connection tracking.
          type: int
        looks:
          description: How often the table was looked at.
          type: int
    work:
      description: Work that waits for the driver, by V(add), V(del) and V(stats); empty where the kernel shows none.
      type: dict
    other_handlers:
      description: What else handles forwarded packets. Empty where there is nothing, and where it cannot be read.
      type: dict
      contains:
        shapers:
          description: Device to the kind of its shaping qdisc.
          type: dict
        redirected:
          description:
            - Device to the one that all its incoming packets are redirected to, of devices that a flowtable lists and
              those that stand on them.
          type: dict
        filters:
          description:
            - Filters of tc that take packets, or may, on devices that a flowtable lists, those that stand on them and
              those below them; 64 at most.
          type: list
          elements: dict
          contains:
            device:
              description: Device that it is on.
              type: str
            direction:
              description: V(ingress) or V(egress).
              type: str
            classifier:
              description: Its kind, such as V(flower), V(u32), V(matchall) or V(bpf).
              type: str
            effect:
              description:
                - V(redirect), V(drop), V(police), V(ct) for connection tracking of its own, or V(program) for what a
                  program decides.
              type: str
            target:
              description: Device that packets are redirected to, or name of the program.
              type: str
            whole:
              description: Whether it selects every packet, of one address family at least.
              type: bool
            nic_only:
              description: Whether only the NIC has it (skip_sw).
              type: bool
            by_flow:
              description: Whether it selects by protocol, addresses and ports alone (V(flower)).
              type: bool
            ip_proto:
              description: Protocol that V(flower) selects, V(tcp), V(udp) or a number in hexadecimal.
              type: str
            dst_ip:
              description: Destination that V(flower) selects.
              type: str
        accelerators:
          description: Loaded modules of fast paths other than a flowtable, such as V(ecm) or V(shortcut_fe).
          type: list
          elements: str
        xdp:
          description: Device to how the XDP program on it runs, V(native), V(generic), V(offload) or V(multi).
          type: dict
        mark_rules:
          description: Rules that route by mark, eight of a family at most.
          type: list
          elements: str
        ipsec:
          description: IPsec policies by direction, V(in), V(out) and V(fwd).
          type: dict
        ipsec_errors:
          description: The kernel's counters of IPsec that are not zero.
          type: list
          elements: str
        agents:
          description:
            - Active services that load settings which rules are made from, or that forward by themselves, such as
              V(openwisp-config) or V(bridger).
          type: list
          elements: str
        namespaces:
          description: Network namespaces with a name, but those of containers, 16 at most.
          type: list
          elements: str
        firewalld_devices:
          description: Devices that firewalld.conf names for a flowtable of firewalld's own.
          type: list
          elements: str
        legacy_tables:
          description: Tables of the older iptables, which nft does not list.
          type: list
          elements: str
        forward_chains:
          description: Base chains at the forward hook.
          type: list
          elements: str
        queues:
          description: Chains with a rule that hands packets to a program.
          type: list
          elements: str
        clamps_mss:
          description: Whether a rule sets the MSS of TCP connections.
          type: bool
    boot:
      description: What this collection left for the next boot.
      type: dict
      contains:
        ruleset:
          description: Whether there is a ruleset to load.
          type: bool
        filters:
          description: Whether that ruleset filters what comes to the router itself.
          type: bool
        listing:
          description: Whether it is on record how the kernel listed it when it was loaded.
          type: bool
        live:
          description: Whether the table is there now.
          type: bool
        foreign:
          description:
            - Whether that table was made by somebody else. It has no comment C(kmod.nft_offload) then, and these files
              do not say that it is this collection's.
          type: bool
        table:
          description: Family and name of the table that the ruleset loads, empty where there is none.
          type: str
        differences:
          description:
            - Lines in which the table now differs from that record, marked as a unified diff does, 20 at most. Those of
              the second table follow.
          type: list
          elements: str
        software_table:
          description:
            - Family and name of the second table that the ruleset loads, for what hardware does not take, empty where
              there is none.
          type: str
        software_live:
          description: Whether that table is live, and this collection's.
          type: bool
        loaded:
          description:
            - What boot loaded, or the service when it was started since then. V(confirmed), C(kept ID) for an older
              ruleset, V(emergency) for the emergency ruleset, V(none). Empty where it is not known.
          type: str
        complaint:
          description: What nft said of the ruleset that was confirmed, where it could not be loaded.
          type: str
        attachments:
          description: Device to the nft command that brings it into its flowtables when it appears.
          type: dict
        features:
          description: Device and feature to V(on) or V(off), set when the device appears.
          type: dict
        enabled:
          description:
            - Each unit or rules file that boot starts from, to whether it will. With an init system that is not
              supported, each script that boot would have to run, to V(false).
          type: dict
        watched:
          description: Whether the script of M(kmod.nft_offload.watch) is there.
          type: bool
    firewall:
      description: Services with rules of their own that are active, separated by commas.
      type: str
    fw4:
      description:
        - OpenWrt's firewall, null for any other. C(values) are its options as they are spelt, C(effective) what fw4
          takes them for (null for a value that ends fw4), C(sections) how many sections of defaults there are,
          C(zone_sections) the ids of the sections of zones, C(staged) changes that are not committed, C(desired) and
          C(rule) the flowtable that fw4 would load now and the rule that feeds it, C(complaints) its warnings and
          errors, and C(loaded) which of these hold, C(state) (fw4 takes itself for loaded), C(table) (it is), C(empty)
          (its chains have no rule), C(enabled) (boot starts it) and C(wed-off) (MediaTek's Wi-Fi takes no flows).
      type: dict
    unseen:
      description: Part of the state that could not be read, to the first line of the error.
      type: dict
    hung:
      description:
        - Tool of the router that did not end in time to what could not be read for it, by the names of
          RV(router.unseen).
      type: dict
    not_understood:
      description: Lines of the router's tools that this version does not know.
      type: list
      elements: str
  sample:
    platform:
      uid: 0
      kernel: 6.12.117+deb13-cloud-amd64
      os_id: debian
      os_like: []
      os_version: "13"
      os_name: Debian GNU/Linux 13 (trixie)
      init: systemd
      commands: [apt-get, ethtool, ip, modprobe, nft, systemctl, udevadm]
      conntrack_file: true
      nft_version: [1, 1, 3]
    kernel:
      modules: {nf_flow_table: loaded, nf_flow_table_inet: loaded, nft_flow_offload: loaded}
      boot_modules: [nf_flow_table, nf_flow_table_inet, nft_flow_offload]
      modules_disabled: false
      flowtable_sysctl: true
      other_kernels: []
      accounting: false
      neighbours: {ipv4: [14, 128], ipv6: [9, 128]}
    devices:
      lan0:
        name: lan0
        index: 3
        kind: nic
        driver: mlx5_core
        up: true
        master: ""
        lowers: []
        addresses: [10.10.0.1/24, "fd00:10::1/64"]
        forwarding: [ipv4, ipv6]
        default_route: []
        routes: [ipv4, ipv6]
        next_hops: []
        tables: [main]
        ipv6_gateways: []
        hw_tc_offload: {active: true, fixed: false, requested: null}
        guest: false
        mtu: 1500
        qdisc: mq
        eswitch: switchdev
      wan0:
        name: wan0
        index: 5
        kind: nic
        driver: mlx5_core
        up: true
        master: ""
        lowers: []
        addresses: [203.0.113.1/24, "2001:db8:203::1/64"]
        forwarding: [ipv4, ipv6]
        default_route: [ipv4, ipv6]
        routes: [ipv4, ipv6]
        next_hops: [ipv4, ipv6]
        tables: [main]
        ipv6_gateways: []
        hw_tc_offload: {active: true, fixed: false, requested: null}
        guest: false
        mtu: 1500
        qdisc: mq
        eswitch: switchdev
    flowtables:
      - family: inet
        table: nft_offload
        name: ft
        devices: [lan0, wan0]
        priority: filter
        hardware: true
        counter: false
    rules:
      - family: inet
        table: nft_offload
        chain: forward
        flowtable: ft
        text: ct state { established, related } meta l4proto { tcp, udp } flow add @ft
        protocols: [tcp, udp]
        conditions: ""
        first: true
    exclusions: []
    forwarding: [ipv4, ipv6]
    bridged: {}
    hooks:
      - {device: lan0, function: nf_flow_offload_inet_hook, flowtable: ""}
      - {device: wan0, function: nf_flow_offload_inet_hook, flowtable: ""}
    flows:
      total: 7
      maximum: 65536
      sampled: 7
      seconds: 3
      counts: {ipv4 tcp hardware: 4, ipv4 udp hardware: 1, ipv4 tcp local: 2}
      examples:
        hardware:
          - >-
            ipv4 2 tcp 6 src=10.10.0.2 dst=198.51.100.9 sport=54580 dport=443
            src=198.51.100.9 dst=203.0.113.1 sport=443 dport=54580 [HW_OFFLOAD] mark=0 zone=0 use=3
      recent_slow: 0
      recent: {}
      error: 0.0
      carried: {}
      carried_seconds: 0.0
      source: proc
      pairs:
        - {family: ipv4, protocol: tcp, kind: hardware, begins: lan0, ends: wan0, flows: 4, recent: 0}
      one_way: {}
      unresolved: {}
    sample:
      seconds: 3.04
      total: {traversed: 14, late: 0, slow: 0, bypassed: 896, share: 0.0, error: 0.43}
      entrances:
        - {traversed: 8, late: 0, slow: 0, bypassed: 448, share: 0.0, error: 0.85, family: ipv4, enters: lan0,
           hook_devices: [lan0]}
        - {traversed: 6, late: 0, slow: 0, bypassed: 448, share: 0.0, error: 0.85, family: ipv4, enters: wan0,
           hook_devices: [wan0]}
      directions:
        - traversed: 8
          late: 0
          slow: 0
          bypassed: 448
          share: 0.0
          error: 0.85
          family: ipv4
          enters: lan0
          leaves: wan0
          slow_flows: 0
          late_bytes: 0
      slow_protocols: {}
      slow_bytes: 0
      bypassed_bytes: 1183000
      traversed_bytes: 83208
      nic_bytes: 0
      nic_devices: {}
      taken: {lan0: 448, wan0: 448}
      classed: true
      full: false
      unhooked: ""
      deliveries:
        - {family: ipv4, protocol: tcp, packets: 896, left: 894, astray: 0}
      exits: [lan0, mgmt0, wan0]
      unwatched: ""
      sent: {lan0: 455, wan0: 453}
      nic_sent: {}
    processor:
      seconds: 3.02
      cores:
        - {ticks: 302, busy: 41, softirq: 36, packets: 8211, dropped: 0, squeezed: 0}
      threaded: []
    driver_table: null
    work: {}
    other_handlers:
      shapers: {}
      redirected: {}
      filters: []
      xdp: {}
      accelerators: []
      mark_rules: []
      ipsec: {in: 0, out: 0, fwd: 0}
      ipsec_errors: []
      agents: []
      namespaces: []
      firewalld_devices: []
      legacy_tables: []
      forward_chains: [inet nft_offload forward]
      queues: []
      clamps_mss: false
    boot:
      ruleset: true
      filters: false
      listing: true
      live: true
      foreign: false
      table: inet nft_offload
      differences: []
      software_table: ""
      software_live: false
      loaded: confirmed
      complaint: ""
      attachments:
        lan0: 'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "lan0" }; flags offload; }'
        wan0: 'add flowtable inet nft_offload ft { hook ingress priority 0; devices = { "wan0" }; flags offload; }'
      features: {lan0 hw-tc-offload: "on", wan0 hw-tc-offload: "on"}
      watched: false
      enabled:
        /etc/systemd/system/nft-offload.service: true
        /etc/udev/rules.d/80-nft-offload-features.rules: true
        /etc/udev/rules.d/81-nft-offload-flowtable.rules: true
    firewall: nftables
    fw4: null
    unseen: {}
    not_understood: []
cost:
  description:
    - What forwarding cost during O(sample), with the keys of RV(kmod.nft_offload.offload_verify#module:cost), for
      O(kmod.nft_offload.offload_verify#module:cost_before); null where nothing was measured. What is forwarded without
      a flowtable counts as that of the slow path.
  returned: with O(gather_subset=all)
  type: dict
  sample:
    seconds: 3.02
    slow: {packets: 26104.0, bits: 312114010.0}
    software: {packets: 0.0, bits: 0.0}
    hardware: {packets: null, bits: 0.0}
    bits: 312114010.0
    cores: 4
    softirq: 71.2
    softirq_error: 6.4
    busiest_core: 68.9
    nanoseconds: 27275.5
    nanoseconds_error: 2451.7
    dropped: 0
    squeezed: 3
    unproven: ""
"""
