# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that a change of the firewall has to survive, as a table. ``run`` drives them.

Every router starts with the text OLD, live and for boot, and is told to load another one. Which one it runs in the end
is seen by a comment, ``old`` or ``new``; an element of a set that says ``new`` counts first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT = 15
"""confirm_timeout of a change, unless the fault says otherwise, in seconds"""


def text(word: str, rules: str = "", policy: str = "accept") -> str:
    """Our table: the mark is what MARKED asks for."""
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


OLD = text("old")
NEW = text("new")
# A table of somebody else's, which lets new logins in only while ours marks them
MARKED = """nft 'table inet other { chain input {
  type filter hook input priority 10; tcp dport 22 ct state new mark != 1 drop; }; }'"""
FULL = """mount -t tmpfs -o size=64k,mode=755 tmpfs {0}
cp -a /var/tmp/kept/. {0}
! dd if=/dev/zero of={0}/ballast bs=512 2>/dev/null"""


def slow(tool: str, pattern: str, act: str = "sleep 4") -> str:
    """A tool that does something first when its arguments match, and says that it is there, once."""
    return f"""cat >/usr/local/bin/{tool} <<'EOT'
#!/bin/sh
case "$*" in {pattern}) [ -e /var/tmp/struck ] || {{ touch /var/tmp/struck; {act}; }} ;; esac
exec $(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v {tool}) "$@"
EOT
chmod +x /usr/local/bin/{tool}"""


STAGES = {
    "before the load": slow("nft", "*/load.1"),
    "loaded, unconfirmed": "",
    "confirmed, no file renamed": slow("sync", "*nft-offload-new"),
    "during the rename": slow("mv", "*/ruleset.nft"),
}
BLOWS = {"controller killed": "controller", "connection cut": "connection", "power cut": "power"}


@dataclass(frozen=True)
class Fault:
    """``prepare`` is run on the router before. ``blow`` is struck when the router shows that a stage is reached."""

    name: str
    content: str = NEW
    prepare: str = ""
    blow: str = ""
    """controller, connection, power, second, or a command for the router"""
    after: str = "test -e /var/tmp/struck"
    """command that succeeds on the router when it is time for the blow"""
    options: Mapping[str, Any] = field(default_factory=dict)
    ends: tuple[str, ...] = ("old",)
    """what it may run in the end: old, new, none"""
    start: str = "old"
    """saved state to start from: old or tools"""

    @property
    def goal(self) -> str:
        """what it runs when the change comes to its end: new or none"""
        return "none" if self.options.get("state") == "absent" else "new"

    @property
    def cuts(self) -> bool:
        """does the task lose the router, so that it may have to say that it knows no more?"""
        return self.blow in BLOWS.values()


PENDING = "test -e /run/nft-offload/pending/loaded"
# For changes that are to be confirmed: on a busy machine the router may undo them before they are
PATIENT = {"confirm_timeout": 60}
WAITS = {"checks": [{"from": "controller", "command": "sleep 4", "timeout": 6}]}
OUTPUT = "  chain output { type filter hook output priority 0; icmp type echo-request drop; }"
NO_PING = NEW.replace("  chain forward", f"{OUTPUT}\n  chain forward")
PINGS = {"checks": [{"reach": "203.0.113.2", "timeout": 4}]}

RULESETS = [
    Fault("drops SSH", text("new", "tcp dport 22 drop")),
    Fault("drops everything", text("new", policy="drop")),
    Fault("drops new connections only", text("new", "tcp dport 22 ct state new drop")),
    Fault("resets SSH", text("new", "tcp dport 22 reject with tcp reset")),
    Fault("wrong interface names", text("new", 'iifname "mgmt9" accept', "drop")),
    Fault("breaks the way a check needs", NO_PING, options=PINGS),
    Fault("breaks the name a check needs", options={"checks": [{"resolve": "nowhere.invalid", "timeout": 8}]}),
    Fault("a check of the controller fails", options={"checks": [{"from": "controller", "command": "false"}]}),
    Fault("only elements change", OLD.replace("192.0.2.10", '0.0.0.0/0 comment "new"')),
    Fault("syntax error", text("new", "tcp dort 22 accept")),
    Fault("syntax error, not validated", text("new", "tcp dort 22 accept"), options={"validate": False}),
    Fault("empty before-state", text("new", "tcp dport 22 drop"), start="tools", ends=("none",)),
    Fault("removes the very table", prepare=MARKED, options={"state": "absent"}),
    Fault("nothing is wrong", options=PATIENT, ends=("new",)),
]
CUTS = [
    Fault(
        f"{blow} {stage}",
        prepare=how,
        blow=act,
        after="test -e /var/tmp/struck" if how else PENDING,
        options=WAITS if not how else {} if stage == "before the load" else PATIENT,
        ends=("old", "new") if stage.startswith(("confirmed", "during")) or act != "power" else ("old",),
    )
    for blow, act in BLOWS.items()
    for stage, how in STAGES.items()
]
DROPS_SSH = text("new", "tcp dport 22 drop")
GUARD = "$(cat /run/nft-offload/pending/guard.pid)"
EITHER = ("old", "new")
GONE = slow("nft", "*/load.1", "ip link set lan0 down; ip link set lan0 name gone0")
SOFTWARE = {"flowtables": [{"name": "ft", "devices": ["lan0", "wan0"], "offload": "software"}]}
LOCKED = "test -d /run/nft-offload/pending"
DEAD = "mkdir -p /run/nft-offload/pending; echo 1 >/run/nft-offload/pending/began"
ROUTERS = [
    Fault("/etc full", prepare="cp -a /etc/nft-offload /var/tmp/kept; " + FULL.format("/etc/nft-offload")),
    Fault("/etc read-only", prepare="mount --bind /etc /etc; mount -o remount,ro,bind /etc"),
    Fault("a directory where the file should be", prepare="mkdir /etc/nft-offload/confirmed.nft-offload-new"),
    Fault("/run full", prepare="mkdir -p /var/tmp/kept /run/nft-offload; " + FULL.format("/run/nft-offload")),
    Fault("a device vanishes before the load", prepare=GONE, options=SOFTWARE, ends=EITHER),
    Fault("nft killed mid-way", prepare=slow("nft", "*/load.1", "kill -9 $$")),
    Fault("guard killed", blow=f"kill -9 {GUARD}", after=PENDING, options=WAITS, ends=EITHER),
    Fault("guard told to end", blow=f"kill {GUARD}", after=PENDING, options=WAITS),
    Fault("two controllers at once", blow="second", after=LOCKED, options=WAITS | PATIENT, ends=("new",)),
    Fault("clock stepped an hour on", DROPS_SSH, blow="date -s +1hour", after=LOCKED),
    Fault("clock stepped an hour back", DROPS_SSH, blow="date -s -1hour", after=LOCKED),
    Fault(
        "clock stepped in a good change", blow="date -s -1hour", after=PENDING, options=WAITS | PATIENT, ends=("new",)
    ),
    Fault(
        "sshd restarted in the window",
        blow="systemctl restart ssh",
        after=PENDING,
        options=WAITS | PATIENT,
        ends=("new",),
    ),
    Fault("a lock of a dead controller", prepare=DEAD, options=PATIENT, ends=("new",)),
]
FAULTS = [*RULESETS, *CUTS, *ROUTERS]
POWER = [fault for fault in CUTS if fault.blow == "power"]
FEW = ("drops new connections only", "removes the very table", "power cut during the rename", "nothing is wrong")
QUICK = [fault for fault in FAULTS if fault.name in FEW]
