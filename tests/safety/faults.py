# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that a change of the firewall has to survive, as a table. ``run`` injects them.

Every router starts with the ruleset OLD, live and for boot, and with tables of somebody else; a task loads another one.
In the end its table and its file for boot must be exactly the old or the new ones, the tables of others as they were,
users behind the router must get through, and what the task said must be true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.safety.sabotage import AT_BOOT, CUT_NOW, fill, read_only, restore_tool, small, stand_in, when_reached

TIMEOUT = 7
"""confirm_timeout of a change in seconds, unless the fault has its own: many runs wait for its end"""


def make_table(word: str, rules: str = "", policy: str = "accept", forward: str = "accept") -> str:
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
    type filter hook forward priority filter + 20; policy {forward};
    ct state {{ established, related }} meta l4proto {{ tcp, udp }} flow add @ft
  }}
}}
"""


OLD = make_table("old")
NEW = make_table("new")
OTHERS = """table inet others {
  set known { type ipv4_addr; elements = { 198.51.100.1, 198.51.100.2 }; }
  counter seen { }
  chain input { type filter hook input priority -5; ip saddr @known counter name seen; }
  chain forward { type filter hook forward priority -5; tcp dport 25 reject; }
}
table ip others_nat {
  chain postrouting { type nat hook postrouting priority 100; ip saddr 198.51.100.0/24 masquerade; }
}
"""
"""somebody else's tables"""
DROPS_SSH = make_table("new", "tcp dport 22 drop")
DROPS_NEW = make_table("new", "tcp dport 22 ct state new drop")

DEBIAN = ("trixie", "bookworm", "forky")
EVERYWHERE = (*DEBIAN, "openwrt-24.10")
TRIXIE = ("trixie",)
OPENWRT = ("openwrt-24.10",)
SOME = ("trixie", "openwrt-24.10")
EITHER = ("old", "new")
INTERRUPTIONS = ("controller", "connection", "power", "jump host", "jump host for good")
"""injections after which the task may not know how the change ended"""
REMOTE = (*INTERRUPTIONS, "", "second", "suspended", "suspended hour", "overtaken", "local")
"""all injections that are no commands for the router"""

# For changes that must be confirmed: on a busy machine a short timeout may run out first
PATIENT: Mapping[str, Any] = {"confirm_timeout": 60}
WAITS: Mapping[str, Any] = {
    "checks": [{"from": "controller", "command": "sleep 4", "timeout": 6}],
    "confirm_timeout": 10,
}
LONG: Mapping[str, Any] = {
    "checks": [{"from": "controller", "command": "sleep 12", "timeout": 20}],
    "confirm_timeout": 60,
}


PATIENTLY = {**WAITS, **PATIENT}


@dataclass(frozen=True)
class Fault:
    """``prepare`` runs on the router before the change, ``inject`` when ``after`` holds: see sabotage.STAGES."""

    name: str
    content: str = NEW
    prepare: str = ""
    inject: str = ""
    """one of REMOTE, or what the router does to itself"""
    after: str = "[ -e /root/reached ]"
    options: Mapping[str, Any] = field(default_factory=dict)
    ends: tuple[str, ...] = ("old",)
    """what the router may run in the end: old, new, none"""
    suites: tuple[str, ...] = EVERYWHERE
    start: str = "old"
    """saved state to start from: old, none or ports"""
    module: str = "ruleset"
    heal: str = ""
    """what the router does once it is reachable and runs what it should, before the lock has to be free"""
    cut_at_boot: bool = False
    """the power is cut again in the boot that follows, where a stand-in runs sabotage.CUT_NOW"""
    reboot: bool = False
    """cut the power once more when all is over: what boots must be what ran"""
    litter: bool = False
    """what was staged cannot be cleared away; the next change does that"""
    foreign: str = ""
    """table of somebody else that the fault itself changes, as FAMILY NAME"""
    traffic: bool = False
    """users behind the router are busy meanwhile"""
    within: int = 0
    """seconds that the router may be out of reach at most; 0: as long as the run has patience for"""
    host: Mapping[str, Any] = field(default_factory=dict)
    """variables of the host"""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def goal(self) -> str:
        """what the router runs when the change succeeds: new or none"""
        return "none" if self.options.get("state") == "absent" and self.module == "ruleset" else "new"

    @property
    def loses_router(self) -> bool:
        """the task loses its connection, so that it may not know how the change ended"""
        return self.inject in INTERRUPTIONS


def called(arguments: str, when: str = "true", then: str = "first") -> str:
    """The condition that a tool was called with such arguments (a pattern of sh), and the others."""
    return f'{when} && case "$*" in {arguments}) {then} ;; *) false ;; esac'


# Another administrator's table, which accepts new logins only while ours marks them
MARKED = """nft 'table inet other { chain input {
  type filter hook input priority 10; tcp dport 22 ct state new mark != 1 drop; }; }'"""
EARLY = "  chain early { type filter hook prerouting priority -300; iifname { lan0, br-lan } drop; }"
OUTPUT = "  chain output { type filter hook output priority 0; icmp type echo-request drop; }"
NO_PING = NEW.replace("  chain forward", f"{OUTPUT}\n  chain forward")
PINGS: Mapping[str, Any] = {"checks": [{"reach": "203.0.113.2", "timeout": 4}]}
PORTS = "map ports { type inet_service : interval inet_service; flags interval; elements = { 80 : 5136-6159 }; }"
LOADS = called("*load.1")
"""nft, when it loads the change"""
UNDOES = called('*"-f -"*', when="undoing")


def lower_limit(seconds: int = 10) -> str:
    """A load that hangs is ended after so many seconds, and not after a minute."""
    return when_reached(
        "look; [ -e $pending/tables ]", f"[ ! -e $pending/limit ] || echo {seconds} >$pending/limit", "limit"
    )


HANGS = "sleep 300 & sleep 301"


WITHOUT_FLOWTABLE = "".join(line for line in NEW.splitlines(keepends=True) if "flow add" not in line)
NO_FLOWTABLE: Mapping[str, Any] = {"flowtables": []}


def tricky(character: str) -> str:
    """A text that hides a flush of everything behind what only some readers take for the end of a line."""
    return f"# {character} {{\nflush ruleset\n# {character} }}\n{WITHOUT_FLOWTABLE}"


RULESETS = [
    Fault("drops SSH", DROPS_SSH),
    Fault("drops everything", make_table("new", policy="drop")),
    Fault("drops new connections only", DROPS_NEW),
    Fault("resets SSH", make_table("new", "tcp dport 22 reject with tcp reset")),
    Fault("wrong interface names", make_table("new", 'iifname "mgmt9" accept', "drop")),
    Fault("breaks the path that a check needs", NO_PING, options=PINGS, suites=DEBIAN),
    Fault("breaks the name that a check needs", options={"checks": [{"resolve": "nowhere.invalid", "timeout": 8}]}),
    Fault("a check of the controller fails", options={"checks": [{"from": "controller", "command": "false"}]}),
    Fault("only elements change", OLD.replace("192.0.2.10", '0.0.0.0/0 comment "new"')),
    Fault("syntax error", make_table("new", "tcp dort 22 accept")),
    Fault("syntax error, not validated", make_table("new", "tcp dort 22 accept"), options={"validate": False}),
    Fault("empty before-state", DROPS_SSH, start="none", ends=("none",)),
    Fault("removes the very table", prepare=MARKED, options={"state": "absent"}, foreign="inet other", suites=DEBIAN),
    Fault("nothing is wrong", options=PATIENT, ends=("new",), traffic=True),
    Fault("nothing is wrong, and a restart", options=PATIENT, ends=("new",), reboot=True),
    Fault("cuts users off, not the controller", make_table("new", forward="drop"), traffic=True, options=PATIENT),
    Fault(
        "cuts users off from IPv4 only",
        NEW.replace("    ct state {", "    meta nfproto ipv4 drop\n    ct state {"),
        traffic=True,
        options=PATIENT,
    ),
    Fault(
        "cuts users off before they are routed",
        make_table("new").replace("  chain forward", f"{EARLY}\n  chain forward"),
        traffic=True,
        options=PATIENT,
    ),
    Fault("flushes everything behind U+0085", tricky("\u0085"), options=NO_FLOWTABLE),
    Fault("flushes everything behind a form feed", tricky("\f"), options=NO_FLOWTABLE),
    Fault("flushes everything behind U+2028", tricky("\u2028"), options=NO_FLOWTABLE),
    Fault("flushes somebody else's table", f"flush table inet others\n{WITHOUT_FLOWTABLE}", options=NO_FLOWTABLE),
    Fault(
        "deletes somebody else's table behind a closed brace",
        f"}}\ndelete table inet others\ntable inet x {{\n{WITHOUT_FLOWTABLE}",
        options=NO_FLOWTABLE,
    ),
    Fault(
        "names a device that is away",
        make_table("new", 'iif "lan9" accept'),
        prepare="ip link add lan9 type dummy",
        reboot=True,
        ends=EITHER,
        options=PATIENT,
        suites=DEBIAN,
    ),
    Fault("a check hangs with its children", options={"checks": [{"command": HANGS, "timeout": 3}]}),
    Fault("a check prints without end", options={"checks": [{"command": "yes", "timeout": 3}]}),
    Fault(
        "a check of the controller hangs", options={"checks": [{"from": "controller", "command": HANGS, "timeout": 3}]}
    ),
]

STAGES = {
    "before the load": stand_in("nft", LOADS, "sleep 8"),
    "loaded, unconfirmed": "",
    "confirmed, no file renamed": stand_in("sync", called("*nft-offload-new"), "sleep 8"),
    "during the rename": stand_in("mv", called("*/ruleset.nft"), "sleep 8"),
}
INTERRUPTED = [
    Fault(
        f"{words} {stage}",
        prepare=how,
        inject=act,
        after="[ -e /root/reached ]" if how else "loaded",
        options=WAITS if not how else {} if stage == "before the load" else PATIENT,
        ends=EITHER if stage.startswith(("confirmed", "during")) or act != "power" else ("old",),
        suites=EVERYWHERE if act == "power" else SOME,
    )
    for words, act in {"controller killed": "controller", "connection cut": "connection", "power cut": "power"}.items()
    for stage, how in STAGES.items()
]
CONTROLLERS = [
    Fault("controller suspended beyond the deadline", inject="suspended", after="loaded", options=WAITS),
    Fault(
        "controller suspended, and the clock an hour on",
        prepare="",
        inject="suspended hour",
        after="loaded",
        options=WAITS,
        suites=DEBIAN,
    ),
    Fault(
        "controller suspended before the load",
        prepare=STAGES["before the load"],
        inject="suspended",
        suites=TRIXIE,
        ends=EITHER,
    ),
    Fault(
        "controller suspended, another one changes it",
        inject="overtaken",
        after="loaded",
        options=WAITS,
        ends=("new",),
        suites=SOME,
    ),
    Fault("two controllers at once", inject="second", after="locked", options=PATIENTLY, ends=("new",)),
    Fault(
        "two controllers, and the load hangs",
        DROPS_SSH,
        prepare=stand_in("nft", LOADS, "sleep 20"),
        inject="second",
        after="locked",
        suites=TRIXIE,
    ),
    Fault("the jump host dies", inject="jump host", after="loaded", options=WAITS, ends=EITHER),
    Fault("the jump host dies for good", inject="jump host for good", after="loaded", options=WAITS, suites=TRIXIE),
    Fault(
        "ControlPersist is on",
        DROPS_NEW,
        host={"ansible_ssh_common_args": "-o ControlMaster=auto -o ControlPersist=300"},
    ),
    Fault(
        "the login was lost and comes back",
        inject="connection",
        after="loaded",
        options={**WAITS, "confirm_timeout": 40},
        ends=EITHER,
        host={"ansible_ssh_retries": 3},
        suites=SOME,
    ),
    Fault(
        "connection cut while the text is tried",
        DROPS_SSH,
        prepare=stand_in("nft", called('"-c -f -"'), "sleep 8"),
        inject="connection",
        suites=SOME,
    ),
    Fault(
        "connection cut while a check runs that fails",
        inject="connection",
        after="[ -e /root/checking ]",
        options={
            "checks": [{"command": "true"}, {"command": ": >/root/checking; sleep 4; false"}],
            "confirm_timeout": 40,
        },
        suites=SOME,
    ),
    Fault(
        "sshd restarted in the window",
        inject="systemctl restart ssh || systemctl restart sshd",
        after="loaded",
        options=PATIENTLY,
        ends=("new",),
        suites=DEBIAN,
    ),
    Fault("local connection", make_table("new", policy="drop"), inject="local", ends=("old",), suites=TRIXIE),
]

SIGNAL_GROUP = """one=$(acting)
read -r _pid _name _state _parent group _rest </proc/$one/stat
kill -{0} -- -"$group" || kill -{0} "$one\""""
TAKES_NUMBER = """one=$(acting)
kill -9 "$one"
tries=0
until [ "$new" = "$one" ] || [ $tries = 50 ]; do
  echo $((one - 1)) >/proc/sys/kernel/ns_last_pid
  sleep 1000 &
  new=$!
  tries=$((tries + 1))
done
[ "$new" = "$one" ]"""
# What a session that ends may take with it; from outside of it, or the first one that is killed is the one that kills
KILL_SESSIONS = """echo $$ >/sys/fs/cgroup/cgroup.procs
main=$(systemctl show -p MainPID --value ssh)
for pid in $(cat /sys/fs/cgroup/system.slice/ssh.service/cgroup.procs); do
  # one of them may have ended by itself since they were listed
  [ "$pid" = "$main" ] || kill -9 "$pid" || true
done"""
ENDS_GUARD = {
    "guard killed": ("kill -9 $(watchers)", EVERYWHERE),
    "acting guard killed": ("kill -9 $(acting)", EVERYWHERE),
    "guard asked to end": ("kill $(acting)", EVERYWHERE),
    "guard stopped": ("kill -STOP $(acting)", EVERYWHERE),
    "guard's process group killed": (SIGNAL_GROUP.format(9), EVERYWHERE),
    "guard's process group stopped": (SIGNAL_GROUP.format("STOP"), SOME),
    "guard killed ten times": ("for _round in 1 2 3 4 5 6 7 8 9 10; do kill -9 $(acting); sleep 0.5; done", SOME),
    "guard's unit stopped": ('systemctl stop "nft-offload-guard-*"', DEBIAN),
    "sessions killed": (KILL_SESSIONS, TRIXIE),
    "the guard's number is another's": (TAKES_NUMBER, SOME),
}
LOOKALIKES = """for name in 'guard watch' 'guard supervise' /run/nft-offload/pending/1-0000dead/load.1 load.1; do
  su guest -s /bin/sh -c "exec sh -c 'sleep 999; :' $name" >/dev/null 2>&1 &
done
sleep 0.5"""
SHORT_OF_MEMORY = """for one in $(guards); do echo 1000 >/proc/$one/oom_score_adj; done
echo f >/proc/sysrq-trigger"""
NO_SYSTEMD = "mv /usr/bin/systemd-run /usr/bin/systemd-run.away"
GUARDS = [
    *(
        Fault(name, DROPS_SSH, inject=act, after="loaded", suites=suites, options={"confirm_timeout": 12})
        for name, (act, suites) in ENDS_GUARD.items()
    ),
    *(
        Fault(
            f"{name}, without systemd",
            DROPS_SSH,
            prepare=NO_SYSTEMD,
            inject=ENDS_GUARD[name][0],
            after="loaded",
            suites=TRIXIE,
            options={"confirm_timeout": 12},
        )
        for name in ("guard killed", "guard asked to end", "guard stopped", "guard's process group killed")
    ),
    Fault(
        "guard killed while nft loads",
        DROPS_SSH,
        prepare=stand_in("nft", LOADS, "kill -9 $(acting); sleep 3"),
    ),
    Fault(
        "guard killed while it undoes",
        DROPS_SSH,
        inject="kill -9 $(acting) $(matching '*guardrestore*')",
        after="undoing",
    ),
    Fault(
        "guard stopped while it undoes",
        DROPS_SSH,
        inject="kill -STOP $(acting)",
        after="undoing",
        suites=SOME,
    ),
    Fault(
        "confirming shell killed",
        prepare=stand_in("sync", called("*nft-offload-new"), "kill -9 $PPID"),
        options=PATIENT,
        ends=EITHER,
    ),
    Fault(
        "confirming shell killed in the rename",
        prepare=stand_in("mv", called("*/ruleset.nft"), "kill -9 $PPID"),
        options=PATIENT,
        ends=EITHER,
    ),
    Fault(
        "loading shell killed",
        inject="kill -9 $(matching '*sh-s')",
        after="locked",
        suites=SOME,
        ends=EITHER,
        options=WAITS,
    ),
    Fault(
        "somebody's command line looks like a guard",
        DROPS_SSH,
        prepare=LOOKALIKES,
        suites=DEBIAN,
        within=TIMEOUT + 18,
    ),
    Fault("logger hangs", DROPS_SSH, prepare=stand_in("logger", "true", "sleep 100"), suites=SOME),
    Fault(
        "the guard's pause is stopped",
        DROPS_SSH,
        # in between there is none
        inject="for _try in 1 2 3 4 5 6 7 8 9; do kill -STOP $(child $(acting) sleep) && break; done",
        after="loaded",
        options={"confirm_timeout": 12},
        suites=SOME,
    ),
    Fault("systemd is degraded", DROPS_SSH, prepare="systemd-run --unit=fails /bin/false; sleep 0.5", suites=DEBIAN),
    Fault(
        "systemd's bus is down",
        DROPS_SSH,
        prepare="systemctl stop dbus.socket dbus.service; rm -f /run/systemd/private /run/dbus/system_bus_socket",
        suites=DEBIAN,
    ),
    Fault("systemd-run hangs", DROPS_SSH, prepare=stand_in("systemd-run", "true", "sleep 100"), suites=TRIXIE),
    Fault(
        "systemd-run says yes and does nothing",
        DROPS_SSH,
        prepare=stand_in("systemd-run", "true", "exit 0"),
        suites=TRIXIE,
    ),
    Fault(
        "memory is short",
        DROPS_SSH,
        inject=SHORT_OF_MEMORY,
        after="loaded",
        suites=TRIXIE,
    ),
]

CLOCKS = [
    Fault("clock stepped an hour on", DROPS_SSH, inject="date -s +1hour", after="locked", suites=DEBIAN),
    Fault("clock stepped an hour back", DROPS_SSH, inject="date -s -1hour", after="locked", suites=DEBIAN),
    Fault(
        "clock stepped in a good change",
        inject="date -s -1hour",
        after="loaded",
        options=PATIENTLY,
        ends=("new",),
        suites=TRIXIE,
    ),
]

LOADS_AND_HANGS = '$real "$@"; sleep 300'
NFT = [
    Fault("nft hangs in the load", prepare=lower_limit() + stand_in("nft", LOADS, "sleep 300"), suites=SOME),
    Fault("nft loads and hangs", DROPS_SSH, prepare=lower_limit() + stand_in("nft", LOADS, LOADS_AND_HANGS)),
    Fault(
        "nft loads and hangs, to the limit", DROPS_SSH, prepare=stand_in("nft", LOADS, LOADS_AND_HANGS), suites=TRIXIE
    ),
    Fault(
        "nft loads and hangs with a child",
        DROPS_SSH,
        prepare=lower_limit() + stand_in("nft", LOADS, f"{LOADS_AND_HANGS} & sleep 301"),
        suites=TRIXIE,
    ),
    Fault(
        "nft hangs when it lists",
        prepare=stand_in("nft", called("*list*", when="locked"), "sleep 20"),
        suites=("trixie",),
        ends=EITHER,
    ),
    Fault(
        "nft hangs at the confirmation",
        prepare=stand_in("nft", called("*list*", when="loaded"), "sleep 20"),
    ),
    Fault(
        "nft hangs in the undo",
        DROPS_SSH,
        prepare=stand_in("nft", UNDOES, "sleep 20"),
        suites=("trixie", "bookworm"),
    ),
    Fault(
        "nft hangs in the undo for ever, once",
        DROPS_SSH,
        prepare=stand_in("nft", UNDOES, "sleep 900"),
        suites=SOME,
    ),
    Fault("nft killed mid-way", prepare=stand_in("nft", LOADS, "kill -9 $$"), suites=EVERYWHERE),
    Fault("nft loads and is killed", DROPS_SSH, prepare=stand_in("nft", LOADS, '$real "$@"; kill -9 $$')),
    Fault(
        "nft says yes and loads nothing",
        prepare=stand_in("nft", called("*load.1", then="true"), "exit 0"),
    ),
    Fault(
        "nft says yes and undoes nothing, twice",
        DROPS_SSH,
        prepare=stand_in("nft", called('*"-f -"*', then="at_most 2", when="undoing"), "cat >/dev/null; exit 0"),
    ),
    Fault("nft says no and loads", DROPS_SSH, prepare=stand_in("nft", LOADS, '$real "$@"; exit 1')),
    *(
        Fault(
            f"no memory for nft in the undo, {seconds} s",
            DROPS_SSH,
            prepare=stand_in("nft", f"undoing && for_seconds {seconds}", "echo 'Cannot allocate memory' >&2; exit 1"),
            suites=suites,
        )
        for seconds, suites in {1: EVERYWHERE, 10: EVERYWHERE, 60: ("trixie", "openwrt-24.10")}.items()
    ),
    *(
        Fault(
            f"no memory for nft in the load, {seconds} s",
            prepare=stand_in(
                "nft", f"locked && guarded && for_seconds {seconds}", "echo 'Cannot allocate memory' >&2; exit 1"
            ),
            suites=("trixie",),
            ends=EITHER,
        )
        for seconds in (1, 10)
    ),
    Fault(
        "a listing that nft cannot load", make_table("new", "tcp dport 22 drop"), start="ports", suites=("bookworm",)
    ),
]

LOADED, GUARDED = "by guard && loaded", "by guard"
TOOLS = {
    **dict.fromkeys(("cat", "rm", "mv", "awk", "sleep", "logger"), LOADED),
    # of no use to it but while it loads
    **dict.fromkeys(("head", "tail"), GUARDED),
}
"""external command of the guard, beside nft -> when it fails"""
BROKEN_TOOLS = [
    fault
    for tool, when in TOOLS.items()
    for fault in (
        Fault(
            f"{tool} fails once under the guard",
            DROPS_SSH,
            prepare=stand_in(tool, f"{when} && first"),
            litter=tool == "rm",  # boot takes no notice of it, and the next change clears it away
            suites=SOME if tool in ("mv", "cat", "sleep", "awk", "tail") else TRIXIE,
        ),
        Fault(
            f"{tool} fails for ever under the guard",
            DROPS_SSH,
            prepare=stand_in(tool, when),
            heal=restore_tool(tool),
            litter=tool == "rm",
            suites=SOME if tool in ("mv", "cat", "sleep", "awk", "tail") else TRIXIE,
        ),
    )
]
EXEC_TOOLS = [
    Fault(
        f"{tool} fails for ever once locked",
        prepare=stand_in(tool, "locked"),
        heal=restore_tool(tool),
        ends=EITHER,
        suites=TRIXIE,
        options=PATIENT,
    )
    for tool in ("mv", "sync", "cat", "chmod", "rm", "sed", "grep")
]
COMMIT_TOOLS = [
    Fault(
        f"{tool} fails {words} while the files are put in place",
        prepare=stand_in(tool, f"confirmed && ! by guard && {when}"),
        heal=restore_tool(tool),
        ends=EITHER,
        suites=TRIXIE,
        reboot=True,
        options=PATIENT,
    )
    for tool in ("mv", "sync", "rm")
    for words, when in (("once", "first"), ("three times", "at_most 3"))
]

FILES = [
    Fault("/etc full", prepare=small("/etc/nft-offload"), ends=("old",)),
    Fault(
        "/etc full once loaded",
        inject=small("/etc/nft-offload"),
        after="loaded",
        options=PATIENTLY,
        ends=EITHER,
        suites=DEBIAN,
    ),
    Fault("/etc read-only", prepare=read_only("/etc"), suites=DEBIAN),
    Fault(
        "/etc read-only once locked",
        inject=read_only("/etc"),
        after="locked",
        options=PATIENTLY,
        ends=EITHER,
        heal="umount /etc || true",
        litter=True,
        suites=DEBIAN,
    ),
    Fault(
        "/etc read-only once loaded",
        inject=read_only("/etc"),
        after="loaded",
        options=PATIENTLY,
        heal="umount /etc || true",
        litter=True,
        suites=DEBIAN,
    ),
    Fault(
        "/etc read-only in the undo",
        DROPS_SSH,
        inject=read_only("/etc"),
        after="undoing",
        heal="umount /etc || true",
        litter=True,
        suites=TRIXIE,
    ),
    Fault(
        "a directory where the file should be",
        prepare="mkdir /etc/nft-offload/committing",
        heal="rmdir /etc/nft-offload/committing",
    ),
    Fault("/run full", DROPS_SSH, prepare=fill("/run"), suites=DEBIAN),
    Fault(
        "/run full once locked",
        DROPS_SSH,
        inject=fill("/run"),
        after="locked",
        heal="rm -f /run/ballast",
        suites=TRIXIE,
    ),
    Fault(
        "/run full once loaded",
        DROPS_SSH,
        inject=fill("/run"),
        after="loaded",
        heal="rm -f /run/ballast",
        suites=DEBIAN,
    ),
    Fault(
        "/run full in a good change",
        inject=fill("/run"),
        after="loaded",
        heal="rm -f /run/ballast",
        options=PATIENTLY,
        ends=EITHER,
        suites=TRIXIE,
    ),
    Fault("/run read-only", prepare=f"mkdir -p /run/nft-offload; {read_only('/run/nft-offload')}", suites=DEBIAN),
    Fault(
        "/run read-only once loaded",
        DROPS_SSH,
        inject=read_only("/run/nft-offload"),
        after="loaded",
        heal="umount /run/nft-offload || mount -o remount,rw /run/nft-offload",
        suites=TRIXIE,
    ),
    Fault("/tmp full", DROPS_SSH, prepare=small("/tmp"), suites=("trixie",)),
    Fault(
        "/tmp full once loaded",
        DROPS_SSH,
        inject="[ ! -d /run/systemd ] || mount -t tmpfs -o size=4k tmpfs /tmp; dd if=/dev/zero of=/tmp/full bs=65536; "
        "[ -s /tmp/full ]",
        after="loaded",
        heal="rm -f /tmp/full",
        suites=SOME,
    ),
    Fault("/tmp read-only", DROPS_SSH, prepare=read_only("/tmp"), suites=TRIXIE),
]
REPLUG = "/usr/lib/lab/net replug lan0"
OTHER_RELOADS = "nft 'add rule inet others forward tcp dport 26 reject'"
# a router like OpenWrt has none but fw4's
HAVE_OTHERS = "nft list table inet others || nft 'table inet others { chain forward { }; }'"
GONE = stand_in("nft", LOADS, "ip link set lan0 down; ip link set lan0 name gone0")
SOFTWARE = {"flowtables": [{"name": "ft", "devices": ["lan0", "wan0"], "offload": "software"}]}
DEAD = """cd /run && mkdir -p nft-offload/pending/1-0000dead
echo 1-0000dead begun 4194300 1 1 . >nft-offload/pending/1-0000dead/events"""
"""begun a second after the boot, by a process that is none"""
SURROUNDINGS = [
    # Linux 7.2 takes the name of a device that is away, so that nothing fails
    Fault(
        "a device vanishes before the load", prepare=GONE, options=SOFTWARE, ends=EITHER, suites=("bookworm", "trixie")
    ),
    Fault(
        "a device is re-created before the confirmation",
        inject=REPLUG,
        after="loaded",
        options=LONG,
        ends=EITHER,
        suites=EVERYWHERE,
    ),
    Fault(
        "a device is re-created before the undo",
        DROPS_SSH,
        inject=REPLUG,
        after="loaded",
        options={"confirm_timeout": 16},
        suites=EVERYWHERE,
    ),
    Fault(
        "somebody changes their own table meanwhile",
        prepare=HAVE_OTHERS,
        inject=OTHER_RELOADS,
        after="loaded",
        options=PATIENTLY,
        ends=("new",),
        foreign="inet others",
        suites=EVERYWHERE,
    ),
    Fault(
        "somebody reloads the system's firewall meanwhile",
        inject="systemctl reload nftables || systemctl restart nftables",
        after="loaded",
        options=LONG,
        ends=("old",),
        suites=DEBIAN,
    ),
    Fault(
        "somebody flushes every table meanwhile",
        inject="nft flush ruleset; nft -f /etc/nftables.conf",
        after="loaded",
        options=LONG,
        ends=("old",),
        suites=DEBIAN,
    ),
    Fault(
        "somebody flushes every table in a lock-out",
        DROPS_SSH,
        inject="nft flush ruleset; nft -f /etc/nftables.conf",
        after="loaded",
        suites=("trixie",),
    ),
    Fault("a lock of a dead controller", prepare=DEAD, options=PATIENT, ends=("new",)),
    Fault(
        "a lock of a dead controller, without anything in it",
        prepare="mkdir -p /run/nft-offload/pending/1-0000dead",
        options=PATIENT,
        ends=("new", "old"),
        heal="[ ! -d /run/nft-offload/pending/1-0000dead ] || rmdir /run/nft-offload/pending/1-0000dead",
        suites=TRIXIE,
    ),
]

# A power cut in the middle of the commit, so that the next boot has something to finish
IN_COMMIT = STAGES["during the rename"]
BOOT_TOOLS = ("mv", "sync", "rm", "nft")
"""external commands of the boot script"""
BOOT_STEPS = 7
"""as often as it calls them to finish the commit and to load the ruleset"""


def at_boot(tools: Iterable[str], when: str, act: str = "exit 1") -> str:
    """Stand-ins for the boot script only."""
    return "".join(stand_in(tool, f"by nft-offload/ruleset && {when}", f"{AT_BOOT}\n{act}") for tool in tools)


BOOTS = [
    *(
        Fault(
            f"power cut at boot, step {number}",
            prepare=IN_COMMIT + at_boot(BOOT_TOOLS, f"nth_since_boot {number}", CUT_NOW),
            inject="power",
            cut_at_boot=True,
            options=PATIENT,
            ends=EITHER,
            suites=TRIXIE if number % 3 else SOME,
        )
        for number in range(1, BOOT_STEPS + 1)
    ),
    *(
        Fault(
            f"{tool} fails {word} at boot",
            prepare=IN_COMMIT + at_boot([tool], when),
            inject="power",
            options=PATIENT,
            ends=EITHER,
            litter=tool == "mv",
            suites=suites,
        )
        for tool, word, when, suites in (
            ("nft", "once", "first_since_boot", EVERYWHERE),
            ("rm", "for ever", "true", SOME),
            ("sync", "for ever", "true", SOME),
            ("mv", "once", "first_since_boot", SOME),
        )
    ),
]
SOFT: Mapping[str, Any] = {"offload": "software"}
BREAKS = "uci set firewall.@zone[0].input=REJECT; uci commit firewall"
FW4_LOADS = called("*reload*")
FW4_FAULTS = [
    Fault("nothing is wrong", options=PATIENT, ends=("new",), traffic=True),
    Fault("a check fails", options={"checks": [{"from": "controller", "command": "false"}]}),
    Fault("the reload hangs", prepare=lower_limit(30) + stand_in("fw4", FW4_LOADS, "sleep 300")),
    Fault("it reloads and hangs", prepare=lower_limit(30) + stand_in("fw4", FW4_LOADS, LOADS_AND_HANGS)),
    Fault("the reload does nothing", prepare=stand_in("fw4", FW4_LOADS, "exit 0")),
    Fault("the reload fails", prepare=stand_in("fw4", FW4_LOADS, "exit 1")),
    Fault(
        "nft refuses the ruleset",
        prepare=stand_in("nft", called('"-f /dev/stdin"', when="locked"), "exit 1"),
    ),
    Fault("guard killed", inject="kill -9 $(watchers)", after="loaded", options=WAITS, ends=EITHER),
    Fault("guard stopped", inject="kill -STOP $(acting)", after="loaded", options=WAITS, ends=EITHER),
    *(
        Fault(
            f"{words} once loaded",
            inject=act,
            after="loaded",
            options=WAITS,
            ends=("old",) if act == "power" else EITHER,
            litter=act == "power",
        )
        for words, act in {
            "controller killed": "controller",
            "connection cut": "connection",
            "power cut": "power",
            "controller suspended": "suspended",
        }.items()
    ),
    Fault(
        "power cut in the commit",
        prepare=stand_in("sync", called("*nft-offload-new"), "sleep 8"),
        inject="power",
        options=PATIENT,
        ends=EITHER,
        litter=True,
    ),
    Fault(
        "two controllers at once",
        inject="second",
        after="locked",
        options=PATIENTLY,
        ends=("new",),
    ),
    Fault(
        "an ifup reloads it meanwhile",
        inject="fw4 -q reload",
        after="loaded",
        options=PATIENTLY,
        ends=EITHER,
    ),
    Fault(
        "/etc read-only once loaded",
        inject="mount --bind /etc /etc; mount -o remount,ro,bind /etc",
        after="loaded",
        heal="umount /etc",
        litter=True,
        options=PATIENTLY,
    ),
    Fault("uci fails once", prepare=stand_in("uci", "locked && first"), ends=EITHER),
    Fault(
        "ubus is silent",
        prepare=stand_in("ubus", "locked", "sleep 2; exit 1"),
        ends=EITHER,
        heal=restore_tool("ubus"),
    ),
]

FAULTS = [
    *RULESETS,
    *INTERRUPTED,
    *CONTROLLERS,
    *GUARDS,
    *CLOCKS,
    *NFT,
    *BROKEN_TOOLS,
    *EXEC_TOOLS,
    *COMMIT_TOOLS,
    *FILES,
    *SURROUNDINGS,
    *BOOTS,
    *(
        replace(one, name=f"fw4: {one.name}", module="fw4_offload", suites=OPENWRT, options={**SOFT, **one.options})
        for one in FW4_FAULTS
    ),
]
FEW = ("drops new connections only", "removes the very table", "power cut during the rename", "nothing is wrong")
QUICK = [fault for fault in FAULTS if fault.name in FEW]
