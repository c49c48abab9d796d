# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that a change of the firewall has to survive, as a table. ``run`` injects them.

Every router starts with the ruleset OLD, live and for boot, and a task loads another one. In the end its table and its
file for boot must be exactly the old or the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT = 15
"""confirm_timeout of a change in seconds, unless the fault has its own"""


def make_table(word: str, rules: str = "", policy: str = "accept") -> str:
    """Our table, with ``word`` as a comment; MARKED requires its mark."""
    return f"""table inet nft_offload {{
  set closed {{ type ipv4_addr; flags interval; elements = {{ 192.0.2.10 }}; }}
  chain input {{
    type filter hook input priority 0; policy {policy};
    ip saddr @closed tcp dport 22 drop
    meta mark set 1 comment "{word}"
    {rules}
  }}
  chain forward {{
    type filter hook forward priority filter + 20; policy accept;
    ct state {{ established, related }} meta l4proto {{ tcp, udp }} flow add @ft
  }}
}}
"""


OLD = make_table("old")
NEW = make_table("new")
# Another administrator's table, which accepts new logins only while ours marks them
MARKED = """nft 'table inet other { chain input {
  type filter hook input priority 10; tcp dport 22 ct state new mark != 1 drop; }; }'"""
FULL = """mount -t tmpfs -o size=64k,mode=755 tmpfs {0}
cp -a /var/tmp/kept/. {0}
! dd if=/dev/zero of={0}/ballast bs=512 2>/dev/null"""


def hold_up(tool: str, pattern: str, act: str = "sleep 4") -> str:
    """sh that puts a stand-in before a tool: when its arguments match, once, it leaves a file and runs ``act``."""
    return f"""cat >/usr/local/bin/{tool} <<'EOT'
#!/bin/sh
case "$*" in {pattern}) [ -e /var/tmp/reached ] || {{ touch /var/tmp/reached; {act}; }} ;; esac
exec $(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v {tool}) "$@"
EOT
chmod +x /usr/local/bin/{tool}"""


STAGES = {
    "before the load": hold_up("nft", "*/load.1"),
    "loaded, unconfirmed": "",
    "confirmed, no file renamed": hold_up("sync", "*nft-offload-new"),
    "during the rename": hold_up("mv", "*/ruleset.nft"),
}
INTERRUPTIONS = {"controller killed": "controller", "connection cut": "connection", "power cut": "power"}


@dataclass(frozen=True)
class Fault:
    """``prepare`` runs on the router before the change; ``inject`` when the command ``after`` succeeds there."""

    name: str
    content: str = NEW
    prepare: str = ""
    inject: str = ""
    """controller, connection, power, second, or a command for the router"""
    after: str = "test -e /var/tmp/reached"
    """command that succeeds on the router when it is time to inject"""
    options: Mapping[str, Any] = field(default_factory=dict)
    ends: tuple[str, ...] = ("old",)
    """what the router may run in the end: old, new, none"""
    start: str = "old"
    """saved state to start from: old or tools"""

    @property
    def goal(self) -> str:
        """what the router runs when the change succeeds: new or none"""
        return "none" if self.options.get("state") == "absent" else "new"

    @property
    def loses_router(self) -> bool:
        """the task loses its connection, so that it may not know how the change ended"""
        return self.inject in INTERRUPTIONS.values()


PENDING = "test -e /run/nft-offload/pending/loaded"
# For changes that must be confirmed: on a busy machine the default timeout may run out first
PATIENT = {"confirm_timeout": 60}
WAITS = {"checks": [{"from": "controller", "command": "sleep 4", "timeout": 6}]}
OUTPUT = "  chain output { type filter hook output priority 0; icmp type echo-request drop; }"
NO_PING = NEW.replace("  chain forward", f"{OUTPUT}\n  chain forward")
PINGS = {"checks": [{"reach": "203.0.113.2", "timeout": 4}]}

RULESETS = [
    Fault("drops SSH", make_table("new", "tcp dport 22 drop")),
    Fault("drops everything", make_table("new", policy="drop")),
    Fault("drops new connections only", make_table("new", "tcp dport 22 ct state new drop")),
    Fault("resets SSH", make_table("new", "tcp dport 22 reject with tcp reset")),
    Fault("wrong interface names", make_table("new", 'iifname "mgmt9" accept', "drop")),
    Fault("breaks the path that a check needs", NO_PING, options=PINGS),
    Fault("breaks the name that a check needs", options={"checks": [{"resolve": "nowhere.invalid", "timeout": 8}]}),
    Fault("a check of the controller fails", options={"checks": [{"from": "controller", "command": "false"}]}),
    Fault("only elements change", OLD.replace("192.0.2.10", '0.0.0.0/0 comment "new"')),
    Fault("syntax error", make_table("new", "tcp dort 22 accept")),
    Fault("syntax error, not validated", make_table("new", "tcp dort 22 accept"), options={"validate": False}),
    Fault("empty before-state", make_table("new", "tcp dport 22 drop"), start="tools", ends=("none",)),
    Fault("removes the very table", prepare=MARKED, options={"state": "absent"}),
    Fault("nothing is wrong", options=PATIENT, ends=("new",)),
]
INTERRUPTED = [
    Fault(
        f"{inject} {stage}",
        prepare=how,
        inject=act,
        after="test -e /var/tmp/reached" if how else PENDING,
        options=WAITS if not how else {} if stage == "before the load" else PATIENT,
        ends=("old", "new") if stage.startswith(("confirmed", "during")) or act != "power" else ("old",),
    )
    for inject, act in INTERRUPTIONS.items()
    for stage, how in STAGES.items()
]
DROPS_SSH = make_table("new", "tcp dport 22 drop")
GUARD = "$(cat /run/nft-offload/pending/guard.pid)"
EITHER = ("old", "new")
GONE = hold_up("nft", "*/load.1", "ip link set lan0 down; ip link set lan0 name gone0")
SOFTWARE = {"flowtables": [{"name": "ft", "devices": ["lan0", "wan0"], "offload": "software"}]}
LOCKED = "test -d /run/nft-offload/pending"
DEAD = "mkdir -p /run/nft-offload/pending; echo 1 >/run/nft-offload/pending/began"
ROUTERS = [
    Fault("/etc full", prepare="cp -a /etc/nft-offload /var/tmp/kept; " + FULL.format("/etc/nft-offload")),
    Fault("/etc read-only", prepare="mount --bind /etc /etc; mount -o remount,ro,bind /etc"),
    Fault("a directory where the file should be", prepare="mkdir /etc/nft-offload/confirmed.nft-offload-new"),
    Fault("/run full", prepare="mkdir -p /var/tmp/kept /run/nft-offload; " + FULL.format("/run/nft-offload")),
    Fault("a device vanishes before the load", prepare=GONE, options=SOFTWARE, ends=EITHER),
    Fault("nft killed mid-way", prepare=hold_up("nft", "*/load.1", "kill -9 $$")),
    Fault("guard killed", inject=f"kill -9 {GUARD}", after=PENDING, options=WAITS, ends=EITHER),
    Fault("guard asked to end", inject=f"kill {GUARD}", after=PENDING, options=WAITS),
    Fault("two controllers at once", inject="second", after=LOCKED, options=WAITS | PATIENT, ends=("new",)),
    Fault("clock stepped an hour on", DROPS_SSH, inject="date -s +1hour", after=LOCKED),
    Fault("clock stepped an hour back", DROPS_SSH, inject="date -s -1hour", after=LOCKED),
    Fault(
        "clock stepped in a good change", inject="date -s -1hour", after=PENDING, options=WAITS | PATIENT, ends=("new",)
    ),
    Fault(
        "sshd restarted in the window",
        inject="systemctl restart ssh",
        after=PENDING,
        options=WAITS | PATIENT,
        ends=("new",),
    ),
    Fault("a lock of a dead controller", prepare=DEAD, options=PATIENT, ends=("new",)),
]
FAULTS = [*RULESETS, *INTERRUPTED, *ROUTERS]
POWER = [fault for fault in INTERRUPTED if fault.inject == "power"]
FEW = ("drops new connections only", "removes the very table", "power cut during the rename", "nothing is wrong")
QUICK = [fault for fault in FAULTS if fault.name in FEW]
