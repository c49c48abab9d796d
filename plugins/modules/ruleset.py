# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/ruleset.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ruleset
short_description: Keep one nftables table with its flowtables, live and for boot
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Loads one table in a single transaction, brings devices into its flowtables, and leaves everything that the next
    boot, or a device that comes back, needs to arrive at the same state.
  - A change that locks you out undoes itself. The router arms a timer of its own, loads the table, and puts back what
    it ran before unless a new SSH connection confirms the change in time; a connection that is established already may
    pass a ruleset that lets no new one in. Only then are the files for boot replaced, so a lost controller, a cut cable
    and a power failure within that time all end in the old ruleset.
  - Owns that table only. Other tables are never touched, and nothing is ever flushed but this table.
  - A table that it makes has the comment C(kmod.nft_offload). One of the same name without that comment, and without a
    record in C(/etc/nft-offload) that it is this module's, is somebody else's, and is not replaced, see O(adopt). Where
    the kernel keeps no comments of tables (Linux 5.8 and 5.9), and for a table that an older version made, the record
    alone tells. No run adds the comment to a table that is there, since the kernel takes it only when it makes one.
  - A flowtable that does not change stays in place with its devices and the flows in it; adding or removing a device
    touches that device only. Many drivers could not take a second hardware flowtable while the first one is there.
  - At boot the table is loaded early and without devices, because up to Linux 6.15 a single missing device fails the
    whole file and leaves the router without a firewall. Each device joins when it appears, after its features are set.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
  - kmod.nft_offload._confirmed
attributes:
  check_mode:
    support: full
    details:
      - Has nft on the router check the text as well, where nft is installed.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) keeps the table as O(content) or O(src) have it.
      - V(absent) removes the table, its files, units and the rulesets confirmed before, and nothing else. A table of
        that name that is somebody else's stays, with a warning, see O(adopt).
      - V(restored) goes back to a ruleset that was confirmed on this router before, see O(id).
    type: str
    choices: [present, absent, restored]
    default: present
  id:
    description:
      - The ruleset that O(state=restored) goes back to. The last three are kept on the router, beside the one it runs.
        O(family) and O(table) have to be those of that ruleset.
      - V(previous) is the one before the newest, or none, as with O(state=absent), where the newest is the first. A
        router that runs an older one than the newest has arrived, so a second run changes nothing.
      - V(last) is the one confirmed last, which reverts what was changed by hand since then.
      - Anything else is an id, such as RV(kept) and RV(change.id) show them.
    type: str
    default: previous
  validate:
    description:
      - Whether nft checks the text before the router's timer is armed. It checks it again when it loads it, all or
        nothing, so V(false) only saves time with very large sets.
      - Whether boot will load it is tried in any case, see the notes.
    type: bool
    default: true
  sets:
    description:
      - With V(keep), a set, map, counter or quota that is declared as before stays with what it got at run time, such
        as addresses that rules added. One that is declared differently is created again, empty.
      - V(renew) creates all of them again whenever the table has to be loaded.
    type: str
    choices: [keep, renew]
    default: keep
  keep_firewall:
    description:
      - Whether to refuse a change, before anything is touched, after which the table no longer filters what comes to
        the router, in each family that it did. Such a change passes every check of a connection, and leaves the router
        open where no other table filters, which is not looked at.
      - A table filters when it has a chain of C(type filter) at the hook C(input), as the kernel listed it when it was
        loaded.
      - With O(state=restored) only going back to no ruleset at all is refused.
    type: bool
    default: false
  adopt:
    description:
      - Whether a live table of that name that somebody else made may be replaced, or removed with O(state=absent). With
        C(--diff) the task shows all that it has, what its sets hold too.
      - Without it, such a table is refused before anything is touched. Once it was replaced, this option does nothing.
      - Take the table out of its owner's own file too, such as C(/etc/nftables.conf). Whatever loads that later puts
        its chains beside those of the new table, until boot or C(systemctl restart nft-offload) replaces all of it.
    type: bool
    default: false
  flush_connections:
    description:
      - Pairs of devices between which connections are flushed after a change of the rules, so that the new rules
        re-evaluate them. Rules see no packet of a connection that is offloaded, and accept those that are established.
      - Once the change is confirmed, the entries of these connections are deleted from connection tracking, which takes
        them out of the flowtable within a second or two. The next packet of each is a new connection to the rules. It
        goes on if they accept it, and TCP in the middle of a connection is picked up again unless
        C(net.netfilter.nf_conntrack_tcp_loose) is 0; packets of the side that did not begin are dropped until the other
        side has sent one.
      - Which connections go between the devices follows from the router's routes to their ends, in all of its routing
        tables. A device with a default route, even one that is shared with others, or with more than eight routes
        stands for any address. IPv4 connections with a translated destination are flushed with every pair.
      - Connections that a device with a default route took in and sent back out cannot be distinguished from all others
        of that device, and stay.
      - A V(!) before each device of a list, as in V("!lan0"), stands for all devices but these.
      - When the flush fails or is interrupted, the rules stay confirmed, and the next run with V(present) or
        V(restored) does it, which finds C(/etc/nft-offload/cut). Nothing is flushed where the table is removed.
      - Needs the command C(conntrack) on the router, and Linux 6.4, 6.1.32, 5.15.115 or 5.10.182 for connections that
        are offloaded at that moment.
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: Devices that the connection was opened from; any device when it is empty.
        type: list
        elements: str
        default: []
      to:
        description: Devices that it was opened to; any device when it is empty.
        type: list
        elements: str
        default: []
  family:
    description: Address family of the table. Flowtables exist in these only.
    type: str
    choices: [inet, ip, ip6]
    default: inet
  table:
    description:
      - Name of the table. When it differs from the one of the run before, the old table goes.
    type: str
    default: nft_offload
  content:
    description:
      - Text of the table, as nft reads it, with O(family) and O(table) in its head and without flowtables (see
        O(flowtables)). Several blocks of the same table and C(define) lines may stand beside each other; anything else
        is refused, so that no table but this one is touched.
      - C(include) of nft is refused, because nobody has checked what the router would read, at boot too. In a template
        C(include) of Jinja2, or the lookup P(ansible.builtin.file#lookup), puts the lines of a file in its place.
      - Also refused, with their line, are characters that hide what nft makes of a text. These are controls other than
        tab and line feed, the line ends of Unicode, marks that change the direction of text, and bytes that are not
        UTF-8.
      - Mutually exclusive with O(src).
    type: str
  src:
    description:
      - Path of a Jinja2 template on the controller that renders to such a text. Relative paths are looked for in the
        C(templates) directories of the role and the play.
      - Mutually exclusive with O(content).
    type: path
  flowtables:
    description: The flowtables that the rules feed with C(flow add @NAME).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the flowtable.
        type: str
        required: true
      devices:
        description:
          - The devices that packets of accelerated flows arrive on, of both directions. A device that is left out stays
            slow, and the kernel reports nothing.
          - A device must exist, or have been in the list when it did.
          - A name that ends in C(*), such as V(ppp*), stands for every device whose name begins so, now and whenever
            one appears. Such devices may be of any driver, so a pattern is not for O(flowtables[].offload=hardware),
            and V(auto) takes it for a device that hardware does not take.
        type: list
        elements: str
        required: true
      offload:
        description:
          - V(hardware) makes the NICs forward; the task fails, before anything changes, when one of them refuses.
          - V(software) takes the fast path in the kernel.
          - V(auto) is V(hardware) when every device takes it, else V(software), or with O(software_content) both; the
            result has which and why.
        type: str
        choices: [auto, hardware, software]
        default: auto
      counter:
        description:
          - Whether packets on the fast path count in connection tracking, as far as C(net.netfilter.nf_conntrack_acct)
            is on.
        type: bool
        default: false
      forwards:
        description:
          - What rules see of the devices, where that is another name, as that of a bridge or a VLAN. The keys are these
            names, the values lists of the devices that their packets come in through. For O(software_content) alone.
        type: dict
        default: {}
  software_content:
    description:
      - Text of a second table, named as O(table) with C(_software) at the end, without flowtables. With it, a device
        that refuses hardware does not keep the others from it where O(flowtables[].offload=auto).
      - Where at least two devices can be in hardware, and others refuse, the flowtable has those that can. This table
        is loaded with a software flowtable of the same name, which has all devices. C($software_devices) in its text
        stands for what hardware does not take, as rules see it. When all devices can, or none of this buys anything,
        the table is not there.
      - The flow goes to the flowtable whose rule sees it first, so the chain of this text has to come before that of
        O(content), and to match what comes in or goes out by C($software_devices) alone.
      - Both tables are one change. They are loaded in one transaction, undone, kept, restored and removed together.
      - Needs exactly one flowtable in O(flowtables). The role P(kmod.nft_offload.flow_offload#role) has such a text for
        its own rulesets.
    type: str
    default: ''
notes:
  - Three SSH execs when what is loaded changes, two when only files do, one when nothing does.
  - Only one change at a time can be under way on a router. Another one is refused, with the id, the age and the
    deadline of the one that is pending.
  - The router sees whether the connection that confirms is a new one, because it knows where each SSH connection comes
    from. Through other connection plugins, such as C(local), it does not, and such a confirmation proves little.
  - Boot loads the table through systemd, on OpenWrt through C(procd), and on Alpine through OpenRC. A router with
    another init system, such as sysvinit or runit, is refused, by the name of that, and nothing is changed; so is
    Alpine without a disk, where C(lbu) decides what is kept.
  - With OpenRC nothing tells when a device appears. It joins its flowtable when it is brought up by C(ifup).
  - The router's timer runs apart from the SSH session, as a transient unit where there is systemd. What it needs is in
    C(/run/nft-offload); how the last change ended is there too, and in the router's log.
  - Before a text is loaded, also in check mode, it is tried whether boot would load it, because a name of a device, of
    a host or of a control group may be known now, and not while the router starts. Where the router can make a network
    namespace (C(unshare) of util-linux), the text is loaded into an empty one, without devices but C(lo) and without
    name servers. Elsewhere, as on OpenWrt, it is loaded for a moment as a table that gets no packet (C(flags dormant),
    C(nft_offload_rehearsal_*)), and a host that C(/etc/hosts) does not know is refused, as are C(iif) and C(oif) with
    the name of any device but C(lo); C(iifname) and C(oifname) are what boot can load. A ruleset that is restored is
    tried in the same way. A router that runs such a text already is warned, and refused once the text changes.
  - When nft refuses the text while the router starts all the same, boot loads the newest of the rulesets confirmed
    before that loads. Where there is none and the table filters what comes to the router, boot loads an emergency
    ruleset, C(/etc/nft-offload/emergency.nft), which is the same table with what keeps the router within reach. It
    lets in answers, ICMP, DHCP for the router itself, and SSH at port 22 and at those that SSH servers are configured
    for; nothing is forwarded where the table may drop anything that is. The unit has then failed, the router's log
    says why, M(kmod.nft_offload.offload_verify) reports it, and the next run of this module loads what is desired,
    with a warning. What was loaded is in C(/run/nft-offload/boot). While these are tried, the emergency ruleset is
    there already.
  - Boot, and each later start or reload of the unit, puts the ruleset in the place of a table of that name, in one
    transaction. So nothing stays of what somebody else loaded under it, or of what came into its sets since.
    C(nftables.service) has the unit's script run when it starts, reloads or stops, because it flushes every table.
    An nft that hangs is ended after a minute, and counts as one that refuses the text; the network waits no longer.
  - The files are in C(/etc/nft-offload) and C(/usr/local/lib/nft-offload), the units are C(nft-offload.service) and
    C(nft-offload-flowtable@.service). On OpenWrt C(/etc/init.d/nft-offload) and
    C(/etc/hotplug.d/net/61-nft-offload-flowtable) do what the units do, and sysupgrade keeps all of it; its own
    firewall is the business of M(kmod.nft_offload.fw4_offload), and stopping that one takes every table of the router,
    this one too.
seealso:
  - module: kmod.nft_offload.fw4_offload
  - module: kmod.nft_offload.kernel_support
  - module: kmod.nft_offload.nic_features
  - module: kmod.nft_offload.offload_verify
"""

EXAMPLES = r"""
- name: Add offload beside the firewall that is there
  kmod.nft_offload.ruleset:
    content: |
      table inet nft_offload {
        chain forward {
          type filter hook forward priority filter + 20; policy accept;
          ct state { established, related } meta l4proto { tcp, udp } flow add @ft
        }
      }
    flowtables:
      - name: ft
        devices: [lan0, wan0]

- name: Have the NICs forward what they can, and what goes through a tunnel offloaded in software
  kmod.nft_offload.ruleset:
    content: |
      table inet nft_offload {
        chain forward {
          type filter hook forward priority filter + 20; policy accept;
          ct state { established, related } meta l4proto { tcp, udp } flow add @ft
        }
      }
    software_content: |
      table inet nft_offload_software {
        chain forward {
          type filter hook forward priority filter + 19; policy accept;
          iifname $software_devices ct state { established, related } meta l4proto { tcp, udp } flow add @ft
          oifname $software_devices ct state { established, related } meta l4proto { tcp, udp } flow add @ft
        }
      }
    flowtables:
      - name: ft
        devices: [lan0, wan0, wg0]

- name: Render a whole firewall from a template, offloaded to hardware or not at all
  kmod.nft_offload.ruleset:
    src: firewall.nft.j2
    table: firewall
    flowtables:
      - name: fast
        devices: [eth0, eth1]
        offload: hardware

- name: Replace the firewall, and keep the new one only if the router can still resolve and reach the Internet
  kmod.nft_offload.ruleset:
    src: firewall.nft.j2
    table: firewall
    confirm_timeout: 60
    checks:
      - resolve: www.example.org
      - reach: 2001:db8::1
      - from: controller
        reach: vpn.example.org
        port: 443

- name: Go back to the ruleset before the newest
  kmod.nft_offload.ruleset:
    state: restored
    table: firewall

- name: Take it out
  kmod.nft_offload.ruleset:
    state: absent
"""

RETURN = r"""
table:
  description: Family and name of the table.
  returned: success
  type: str
  sample: inet nft_offload
flowtables:
  description: Each flowtable, and where it offloads. That of the second table comes last, see O(software_content).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the flowtable.
      type: str
    devices:
      description: Its devices.
      type: list
      elements: str
    offload:
      description: V(hardware) or V(software).
      type: str
    reason:
      description: Why it is the one and not the other.
      type: str
    table:
      description: Family and name of its table.
      type: str
    refused:
      description: Device to reason, for each device that does not take a hardware flowtable.
      type: dict
  sample:
    - name: ft
      devices: [lan0, wan0]
      offload: software
      reason: "wan0: hw-tc-offload is off and fixed by its driver (virtio_net)"
      refused:
        wan0: hw-tc-offload is off and fixed by its driver (virtio_net)
      table: inet nft_offload
actions:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample:
    - load table inet nft_offload
    - note how the kernel lists table inet nft_offload
    - write /etc/nft-offload/devices
    - write /etc/nft-offload/ruleset.nft
ruleset:
  description: Id of the ruleset that is confirmed on the router; empty without one.
  returned: success
  type: str
  sample: 7-5b1c0d9e
kept:
  description: Ids of the rulesets confirmed before, oldest first, for O(id).
  returned: success
  type: list
  elements: str
  sample: [5-9d2f6a01, 6-0c77e1b4]
change:
  description: What became of the change of what is loaded.
  returned: when what is loaded changed, or would have
  type: dict
  contains:
    id:
      description: Id of the change.
      type: str
    armed:
      description: Whether the router had its timer armed.
      type: bool
    deadline:
      description: When the router would have undone it, in seconds after its boot; none without a timer, or when it
        did not get so far.
      type: int
    confirmed:
      description: Whether the change was confirmed.
      type: bool
    rolled_back:
      description: Whether the router put back what it ran before.
      type: bool
    reason:
      description: Why it was not confirmed.
      type: str
    traffic:
      description:
        - What users' traffic said, see O(traffic_witness). The C(verdict) is V(kept), V(stopped) with C(reasons),
          V(silent) where nothing more came in to be forwarded after it, V(quiet) where nothing was forwarded before, or
          V(unwatched) where nothing could be counted. The C(warnings) say what it does not show.
        - C(before) and C(after) are what was counted, in packets, by address family and side. The WAN side is that of
          the default route.
      returned: when it was watched
      type: dict
  sample:
    id: 7-5b1c0d9e
    armed: true
    deadline: 86430
    confirmed: true
    rolled_back: false
    reason: ""
    traffic:
      verdict: kept
      reasons: []
      before:
        seconds: 4.1
        ipv4: {to_wan: 1210, to_lan: 1960, from_wan: 1961, from_lan: 1213, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 31, connections_to_router: 0, connections_answered: 30,
          data_to_wan: 340, data_to_lan: 610, data_from_wan: 612, data_from_lan: 341,
          fast_path_taken: 0, fast_path_left: 0}
        ipv6: {to_wan: 0, to_lan: 0, from_wan: 0, from_lan: 0, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 0, connections_to_router: 0, connections_answered: 0,
          data_to_wan: 0, data_to_lan: 0, data_from_wan: 0, data_from_lan: 0,
          fast_path_taken: 0, fast_path_left: 0}
        hardware: {to_wan: 0, to_lan: 0}
        gateways:
          - {family: ipv4, address: 203.0.113.2, device: wan0, answers: true}
      after:
        seconds: 4.1
        ipv4: {to_wan: 1190, to_lan: 1931, from_wan: 1934, from_lan: 1193, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 28, connections_to_router: 0, connections_answered: 28,
          data_to_wan: 331, data_to_lan: 604, data_from_wan: 604, data_from_lan: 333,
          fast_path_taken: 2890, fast_path_left: 2890}
        ipv6: {to_wan: 0, to_lan: 0, from_wan: 0, from_lan: 0, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 0, connections_to_router: 0, connections_answered: 0,
          data_to_wan: 0, data_to_lan: 0, data_from_wan: 0, data_from_lan: 0,
          fast_path_taken: 0, fast_path_left: 0}
        hardware: {to_wan: 0, to_lan: 0}
        gateways:
          - {family: ipv4, address: 203.0.113.2, device: wan0, answers: true}
ran:
  description: What the router ran before, during and after a change that was not confirmed.
  returned: when a change was not confirmed
  type: dict
  contains:
    before:
      description: Before the change.
      type: str
    during:
      description: Until the change was undone.
      type: str
    after:
      description: When the task ended.
      type: str
  sample:
    before: table inet nft_offload as it was before, confirmed as 6-0c77e1b4
    during: "the new one: load table inet nft_offload"
    after: table inet nft_offload as it was before, confirmed as 6-0c77e1b4
pending:
  description: The change that this one met.
  returned: when another change is pending on the router
  type: dict
  contains:
    id:
      description: Id of that change.
      type: str
    age:
      description: Seconds since it began.
      type: int
    deadline:
      description: When the router undoes it by itself, in seconds after its boot; none while it loads.
      type: int
  sample:
    id: 7-5b1c0d9e
    age: 12
    deadline: 86430
failed_step:
  description: The action that the router refused.
  returned: when an action failed
  type: str
  sample: load table inet nft_offload
refused:
  description: Device to reason, where O(flowtables[].offload=hardware) is not possible.
  returned: when a device refuses
  type: dict
  sample:
    wan0: its driver (veth) takes no flowtables
"""
