# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/offload_verify.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: offload_verify
short_description: Prove that flow offload works on a router
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Climbs the evidence ladder, seven rungs of which each is shown on its own and rests on those below. V(supported)
    the running kernel and nft can; V(loaded) the modules are in, and will be after a reboot; V(configured) flowtable,
    flags, devices and a rule that feeds it are live, equal to what boot will load; V(bound) the ingress hook sits on
    every device; V(offloading) connection tracking shows flows with the offload bit; V(bypassing) forwarded packets
    stay out of the forward chain; V(hardware) connection tracking shows flows with the hardware bit.
  - Fails with every reason and its remedy when a rung does not hold, or when O(require) is not reached. The full
    result is returned in any case.
  - A rung that nothing was seen of is unproven, which is not failed. Without forwarded TCP or UDP traffic
    V(offloading) and the rungs above cannot be shown, and that is a failure only where O(require) demands them.
  - V(bypassing) is measured during O(sample), so not in check mode.
  - What the next boot will do is judged for O(table) as M(kmod.nft_offload.ruleset) keeps it. Another firewall's
    flowtable is judged as it is now.
extends_documentation_fragment:
  - kmod.nft_offload._attributes.info_module
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
attributes:
  check_mode:
    details:
      - Judges the same as without check mode, but measures nothing, because the tables that count packets are not
        created. So V(bypassing) is not proven. It leaves no verdict for the watch.
options:
  expect:
    description:
      - What the router should do. V(any) takes the flowtable as it is, and holds a hardware flowtable to its flag, so
        that flows which the NIC silently leaves in software are an error.
      - With V(disabled) every leftover of this collection is an error, and no rung applies.
    type: str
    choices: [hardware, software, disabled, any]
    default: any
  require:
    description:
      - The rung that must be proven. Each rung below it must be proven too, or not apply to this router, so that
        V(hardware) also needs V(bypassing), which is measured with O(sample) while traffic flows, and where a NIC
        forwards needs something that counts its packets (a flowtable with a counter and
        C(net.netfilter.nf_conntrack_acct=1)). Ignored with O(expect=disabled).
    type: str
    choices: [supported, loaded, configured, bound, offloading, bypassing, hardware]
    default: bound
  devices:
    description:
      - Devices that must be in a flowtable. From Linux 5.13 on a bridge or VLAN counts as listed when the devices are
        that P(kmod.nft_offload.flowtable_devices#filter) would pick for it.
    type: list
    elements: str
    default: []
  sample:
    description:
      - For how many seconds traffic is watched, from 0, which looks once and measures nothing, to 60.
      - Meanwhile a table of the name C(nft_offload_sample_...) counts what traverses the forward chain, and another one
        what comes in before and after the flowtables. They only count, no other table is touched, and they go again
        also when the connection is lost. In check mode and without a flowtable there are none.
    type: int
    default: 3
  slow_share:
    description:
      - How many percent of the packets that could take the fast path may traverse the forward chain before V(bypassing)
        fails. What counts are packets of offloaded flows, and of established TCP and UDP flows that are not offloaded
        and had 10 packets or more. New connections, ICMP, name look-ups and the ends of connections always traverse it,
        and do not count.
      - The same holds of the packets of each family and protocol, such as UDP over IPv6, of which least_packets were
        slow, unless a rule may want them so.
      - With half of them and more, most of what offload is for does not happen. Less than that may be on purpose, such
        as a tunnel outside of the flowtable, or a protocol that the rule leaves out.
    type: int
    default: 50
  least_packets:
    description:
      - Fewer packets than this prove nothing for V(bypassing), and are no ground for a finding. Of 100 packets a share
        is known to within 10 percentage points.
    type: int
    default: 100
  cost_before:
    description:
      - What M(kmod.nft_offload.offload_info), or this module, returned as C(cost) before a change. RV(cost_compared)
        tells what the change bought.
    type: dict
  family:
    description: Address family of O(table).
    type: str
    choices: [inet, ip, ip6]
    default: inet
  table:
    description:
      - The table whose flowtables are judged. Where it does not exist, every flowtable on the router is.
    type: str
    default: nft_offload
notes:
  - One SSH exec, and a second one on a router with M(kmod.nft_offload.watch), where the verdict is left in memory for
    Prometheus. The cost does not grow with the connection tracking table, of which the first 2048 entries are
    looked at. They are a fair sample, because the kernel lists them in the order of a hash, and RV(flows.error) is how
    far a share of them may be off.
  - While traffic is watched, each packet passes a few rules more, in one hook at the forward chain and two at the
    ingress of each device that a flowtable lists. Offloaded flows stay offloaded, and no module is loaded.
  - Up to Linux 6.15 a device's name leaves the flowtable together with its hook. Where hooks cannot be listed there,
    as on Debian 12, the flowtable's own list stands in for them at V(bound), which the evidence shows.
seealso:
  - module: kmod.nft_offload.offload_info
  - plugin: kmod.nft_offload.fleet_report
    plugin_type: callback
  - ref: ansible_collections.kmod.nft_offload.docsite.findings
    description: Every finding, with its severity, what it means and what to do.
"""

EXAMPLES = r"""
- name: Verify that both devices take part and are bound, whatever the traffic
  kmod.nft_offload.offload_verify:
    devices: [lan0, wan0]

- name: Verify that the NIC takes flows and that packets bypass the CPU, which needs traffic and counters
  kmod.nft_offload.offload_verify:
    expect: hardware
    require: hardware
    sample: 10

- name: Look, and decide in the play
  kmod.nft_offload.offload_verify:
  register: verified
  failed_when: verified.rung < 4

- name: What does forwarding cost now?
  kmod.nft_offload.offload_info:
    sample: 10
  register: before

# here comes what turns offload on

- name: Tell what it bought
  kmod.nft_offload.offload_verify:
    sample: 10
    cost_before: "{{ before.cost }}"
  register: verified

- name: Show it
  ansible.builtin.debug:
    var: verified.cost_compared

- name: Verify that nothing is left
  kmod.nft_offload.offload_verify:
    expect: disabled
"""

RETURN = r"""
verdict:
  description:
    - Name of the highest rung that is proven with none below it failed; V(none) where there is none, and with
      O(expect=disabled).
  returned: when the router could be read
  type: str
  sample: hardware
offload:
  description:
    - Devices by where the flowtables offload, V(hardware) or V(software). A device that is in a flowtable of each kind
      is with V(hardware); what goes between it and a device of V(software) is offloaded in software.
  returned: when the router could be read
  type: dict
  contains:
    hardware:
      description: Devices in a hardware flowtable.
      type: list
      elements: str
    software:
      description: Devices in software flowtables only.
      type: list
      elements: str
  sample:
    hardware: [lan0, lan1, wan0]
    software: [wg0]
drivers:
  description: Device to its driver, of those in RV(offload), as far as it is known.
  returned: when the router could be read
  type: dict
  sample: {lan0: mtk_soc_eth, lan1: mtk_soc_eth, wan0: mtk_soc_eth}
expected:
  description: What the task demanded.
  returned: when the router could be read
  type: dict
  contains:
    expect:
      description: O(expect).
      type: str
    require:
      description: O(require).
      type: str
    devices:
      description: O(devices).
      type: list
      elements: str
  sample: {expect: hardware, require: hardware, devices: [lan0, wan0]}
shortfall:
  description:
    - Why what O(require) or O(expect=disabled) demand is not shown, where no finding is an error. The task fails with
      it. Empty where it is shown, and where an error says why not.
  returned: when the router could be read
  type: str
  sample: ""
summary:
  description: RV(offload) in one line, and the verdict.
  returned: when the router could be read
  type: str
  sample: hardware for lan0, lan1, wan0; software for wg0 (hardware)
rung:
  description: Its number, 0 to 7.
  returned: when the router could be read
  type: int
  sample: 7
unproven:
  description: Rungs that were neither shown nor refuted.
  returned: when the router could be read
  type: list
  elements: str
  sample: [hardware]
rungs:
  description: The seven rungs, from the ground up.
  returned: when the router could be read
  type: list
  elements: dict
  contains:
    number:
      description: 1 to 7.
      type: int
    name:
      description: Name of the rung.
      type: str
    status:
      description:
        - V(proven) was seen to hold, V(failed) was seen not to hold, V(unproven) is neither, V(not_applicable) is not
          asked of this router, such as V(hardware) of a software flowtable.
      type: str
    evidence:
      description: What was seen, in the router's words where it has any.
      type: list
      elements: str
    findings:
      description: Ids of the findings at this rung.
      type: list
      elements: str
  sample:
    - number: 7
      name: hardware
      status: proven
      evidence:
        - "of 6 sampled conntrack entries: 4 in hardware, 0 in software, 0 slow, 2 of the router itself"
        - ipv4 2 tcp 6 ESTABLISHED src=192.0.2.9 dst=198.51.100.9 sport=40222 dport=5201 src=198.51.100.9
          dst=198.51.100.1 sport=5201 dport=40222 [HW_OFFLOAD] mark=0 zone=0 use=4
      findings: []
findings:
  description: Everything that is wrong or worth knowing, from the ground up.
  returned: when the router could be read
  type: list
  elements: dict
  contains:
    id:
      description: What kind of finding it is. Ids stay the same in later versions.
      type: str
    severity:
      description:
        - V(error) fails the rung and the task, V(warning) works but not as it should, or will not stay so, V(info) is
          worth knowing.
      type: str
    message:
      description: What is wrong, with the names of this router.
      type: str
    evidence:
      description: Lines of the router's output that show it.
      type: list
      elements: str
    remedy:
      description: What to do about it.
      type: str
  sample:
    - id: configured.feature-off
      severity: error
      message: hw-tc-offload is off on wan0 (driver mtk_soc_eth)
      evidence:
        - "wan0: hw-tc-offload: off"
      remedy: turn it on with kmod.nft_offload.nic_features (ethtool -K wan0 hw-tc-offload on)
flows:
  description: The sample of connection tracking in numbers; null where it could not be read.
  returned: when the router could be read
  type: dict
  contains:
    total:
      description: Entries in the table.
      type: int
    maximum:
      description: Entries that the table can hold.
      type: int
    sampled:
      description: Entries looked at.
      type: int
    seconds:
      description: Seconds for which traffic was watched before the entries were read.
      type: int
    hardware:
      description: Sampled flows that the NIC took.
      type: int
    software:
      description: Sampled flows on the fast path of the kernel.
      type: int
    slow:
      description: Sampled forwarded flows that could be offloaded and are not, also those that passed no packet lately.
      type: int
    recent_slow:
      description: Those of them that passed a packet within those seconds, 5 at most.
      type: int
    local:
      description: Sampled flows of the router itself, which are never offloaded.
      type: int
    error:
      description:
        - Percentage points that a share of the sampled entries may be off by from that of all, in 95 of 100 cases and
          at worst. 0 where all were looked at.
      type: float
    carried:
      description:
        - Class of offloaded flows to what the sampled ones carried meanwhile, with C(flows), and packets in the
          C(original) direction and in the C(reply) direction. Empty without C(net.netfilter.nf_conntrack_acct=1).
      type: dict
    carried_seconds:
      description: Over so many seconds, which are a little more than the sample's.
      type: float
    source:
      description:
        - Where the entries were read, V(proc) for C(/proc/net/nf_conntrack), and V(netlink) for the command
          C(conntrack) on a kernel that has no such file.
      type: str
  sample:
    total: 6
    maximum: 65536
    sampled: 6
    seconds: 3
    hardware: 4
    software: 0
    slow: 0
    recent_slow: 0
    local: 2
    error: 0.0
    carried:
      hardware: {flows: 4, original: 300, reply: 300}
    carried_seconds: 3.11
    source: proc
traffic:
  description: What RV(sample) comes to; null where nothing was measured.
  returned: when the router could be read
  type: dict
  contains:
    seconds:
      description: Seconds that it really took.
      type: float
    slow_share:
      description:
        - Percent of what could take the fast path that did not, as O(slow_share) is compared with it. Null where too
          little was seen to tell.
      type: float
    bypassed:
      description: Packets that the flowtables took before the forward chain.
      type: int
    directions:
      description:
        - By C(family) and the devices where packets come in (C(enters)) and go out (C(leaves)), those with the most
          C(slow) packets first, at most 12. C(listed) is V(hardware) where a hardware flowtable has both devices, or
          what is below them, V(software) where each is in some flowtable, else V(none).
      type: list
      elements: dict
  sample:
    seconds: 3.04
    slow_share: 0.0
    bypassed: 896
    directions:
      - {family: ipv4, enters: lan0, leaves: wan0, listed: hardware, slow: 0}
cost:
  description:
    - What forwarding cost during O(sample); null where no traffic was watched, or nothing could be measured.
    - The processor's time is that of software interrupts, in which the kernel forwards what takes the slow path or the
      one of a flowtable. They do other work too, so that forwarding takes at most that. A number that the traffic or
      the kernel's clock is too little for is null, and RV(cost.unproven) says why.
  returned: when the router could be read
  type: dict
  contains:
    seconds:
      description: Seconds over which the processor was watched.
      type: float
    slow:
      description: What went through the forward chain in a second, C(packets) and C(bits).
      type: dict
    software:
      description: C(packets) and C(bits) of what flowtables took; null where that could not be counted.
      type: dict
    hardware:
      description:
        - The same of what NICs forwarded by themselves. C(bits) are at least those that NICs received and the kernel
          never saw; C(packets) are null where connection tracking does not count them, or is too long to be read.
      type: dict
    bits:
      description: Bits a second, of all of these.
      type: float
    cores:
      description: Cores of the processor.
      type: int
    softirq:
      description:
        - Percent of one core that software interrupts took on all cores together, so that it may be above 100. Null
          where threads take packets (C(threaded) of a device in sysfs), since no counter shows their time.
      type: float
    softirq_error:
      description: Percentage points by which that may be off, in 95 of 100 cases.
      type: float
    busiest_core:
      description: Percent of its time that the core with the most of them spent in software interrupts.
      type: float
    nanoseconds:
      description: Nanoseconds of them for each packet that the kernel forwarded.
      type: float
    nanoseconds_error:
      description: Nanoseconds by which that may be off, in 95 of 100 cases.
      type: float
    dropped:
      description: Packets that found the queue of a core full.
      type: int
    squeezed:
      description: Times that a core stopped with packets left.
      type: int
    unproven:
      description: Why a number is missing; empty where none is.
      type: str
  sample:
    seconds: 3.02
    slow: {packets: 31.1, bits: 83208.0}
    software: {packets: 26104.0, bits: 309114010.0}
    hardware: {packets: null, bits: 0.0}
    bits: 309197218.0
    cores: 4
    softirq: 4.3
    softirq_error: 2.7
    busiest_core: 3.9
    nanoseconds: null
    nanoseconds_error: null
    dropped: 0
    squeezed: 0
    unproven: >-
      software interrupts took 4.3 % of a core, give or take 2.7: too little for the kernel's clock to tell what a
      packet costs; watch for longer (option sample)
cost_compared:
  description: O(cost_before) and RV(cost) in a sentence, or why they are not compared; empty without O(cost_before).
  returned: when the router could be read
  type: str
  sample: forwarding took 71 % of a core at 312 Mbit/s, now 4 % of a core at 309 Mbit/s
sample:
  description:
    - What traversed the forward chain over the sample, and what the flowtables took before it; null where nothing was
      measured, as with O(sample=0), in check mode, without a flowtable, or where nft refused.
    - A packet counts as the kernel handles it, so that what a NIC or GRO has merged is one. Packets that a NIC
      forwards by itself are in none of the counts but RV(sample.nic_bytes) and RV(flows.carried).
  returned: when the router could be read
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
            - Of these, TCP and UDP packets of flows that are offloaded, without SYN, FIN and RST. The fast path should
              have taken them.
          type: int
        slow:
          description:
            - Of these, packets of established TCP and UDP flows that are not offloaded, where a flow had 10 of them or
              more.
          type: int
        bypassed:
          description: Packets that the flowtables took before the forward chain.
          type: int
        share:
          description: Percent that late and slow packets are of them and the bypassed; null where there are none.
          type: float
        error:
          description:
            - Percentage points that the share may be off by in 95 of 100 cases, as if packets were drawn at random (the
              score interval of Wilson).
          type: float
    entrances:
      description:
        - The same by C(family) and the device where packets come in (C(enters)), at most 12, the busiest first.
          C(hook_devices) are those that a flowtable must list for it.
      type: list
      elements: dict
    directions:
      description:
        - The same by C(family) and the devices where packets come in (C(enters)) and go out (C(leaves)), at most 12,
          the slowest first. C(slow_flows) is the number of slow flows, C(late_bytes) are of late packets,
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
      description: Device to those of RV(sample.nic_bytes) that it received, of the busiest ones.
      type: dict
    taken:
      description:
        - Device to packets that came in there and that its flowtables took before the forward chain, of the busiest
          ones.
      type: dict
    classed:
      description:
        - Whether late and slow packets were distinguished, which needs nft_ct to be loaded. The sample loads no module.
      type: bool
    full:
      description: Whether there was more than the counters have room for, so that these are lower bounds.
      type: bool
    unhooked:
      description: Why bypassed packets could not be counted, empty where they were.
      type: str
    deliveries:
      description:
        - Of each C(family) and C(protocol) the packets that the flowtables took (C(packets)), and those of them that
          C(left) again, which are those that devices sent less those that went through postrouting. What leaves inside
          of PPPoE, a tunnel or IPsec is in neither.
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
      - {family: ipv4, protocol: tcp, packets: 896, left: 894}
    exits: [lan0, mgmt0, wan0]
    unwatched: ""
    sent: {lan0: 455, wan0: 453}
    nic_sent: {}
kernel:
  description: Release of the running kernel.
  returned: when the router could be read
  type: str
  sample: 6.12.48+deb13-cloud-amd64
firewall:
  description: Who else is in charge of rules, comma separated.
  returned: when the router could be read
  type: str
  sample: nftables, docker
"""
