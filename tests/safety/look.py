# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router runs at one moment, and whether users behind it get through."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import routers, suites
from tests.lab.router import Live


@dataclass(frozen=True)
class Subject:
    """What a module changes: a table, and the file that boot makes it from."""

    table: str
    boot: str


SUBJECTS = {
    "ruleset": Subject("inet nft_offload", "/etc/nft-offload/ruleset.nft"),
    "fw4_offload": Subject("inet fw4", "/etc/config/firewall"),
}


@dataclass(frozen=True)
class Firewall:
    """The table as the router lists it, without its devices, which come and go; and the file that boot would load."""

    live: str
    boot: str


@dataclass(frozen=True)
class Look:
    """What was seen on a router at one moment."""

    firewall: Firewall
    others: dict[str, str]
    """table -> its listing"""
    devices: list[str]
    in_flowtable: list[str]
    pending: bool
    acted: set[str]
    """what of the fault has happened: reached, acted, at-boot"""
    left: str
    """what is left of a change: staged files, processes"""


@dataclass
class Known:
    """What routers of one suite can run: for each module word -> firewall."""

    firewalls: dict[str, dict[str, Firewall]] = field(default_factory=dict)
    before: dict[tuple[str, str], Look] = field(default_factory=dict)
    """saved state and module -> what a router in it looks like"""

    def write(self) -> dict[str, dict[str, list[str]]]:
        return {
            module: {word: [one.live, one.boot] for word, one in firewalls.items()}
            for module, firewalls in self.firewalls.items()
        }

    @classmethod
    def read(cls, written: Mapping[str, Mapping[str, Sequence[str]]]) -> Known:
        return cls(
            {
                module: {word: Firewall(live, boot) for word, (live, boot) in firewalls.items()}
                for module, firewalls in written.items()
            }
        )


LOOK = """
exec 2>/dev/null
section() {{ echo "@@@ $1"; }}
section pending; ls -d /run/nft-offload/pending/* /var/run/nft-offload/pending/*
section devices; for device in lan0 wan0; do [ ! -e /sys/class/net/$device ] || echo $device; done
section boot
file={boot}
[ ! -e ${{file%/*}}/committing ] || for staged in $file.*.nft-offload-new; do [ ! -e $staged ] || file=$staged; done
cat $file
section acted
for word in reached acted; do [ ! -e /root/$word ] || echo $word; done
[ ! -e /run/at-boot ] && [ ! -e /var/run/at-boot ] || echo at-boot
section left; find /etc /usr/local /lib/upgrade -name '*.nft-offload-new'
for process in /proc/[0-9]*; do
  line=
  read -r line <$process/cmdline
  case $line in sleep30[01]) echo process ${{process#/proc/}} ;; esac
done
section ruleset; nft -s list ruleset
"""
USERS = """for address in 203.0.113.2 2001:db8:203::2; do
  exec 3<>/dev/tcp/$address/7000 && echo hello >&3 && read -t 5 answer <&3 && echo "answer $answer"
done"""
COUNTS = re.compile(r"packets \d+ bytes \d+| # count \d+")
DEVICES = re.compile(r"^\t\tdevices = .*\n", re.MULTILINE)


def look(router: Live, module: str = "ruleset") -> Look:
    """What the router runs and would boot, in one exec."""
    subject = SUBJECTS[module]
    sections = re.split(r"^@@@ (\w+)\n", router.sh(LOOK.format(boot=subject.boot) + "true"), flags=re.MULTILINE)
    text = dict(zip(sections[1::2], sections[2::2], strict=True))
    tables = split_tables(text["ruleset"])
    listing = tables.pop(f"table {subject.table}", "")
    return Look(
        firewall=Firewall(DEVICES.sub("", listing), text["boot"]),
        others={name: DEVICES.sub("", COUNTS.sub("", one)) for name, one in tables.items()},
        devices=text["devices"].split(),
        in_flowtable=sorted(set(re.findall(r"[a-z]+[0-9]", " ".join(DEVICES.findall(listing)))) & {"lan0", "wan0"}),
        pending=bool(text["pending"].strip()),
        acted={*text["acted"].split()},
        left=" ".join(text["left"].split()),
    )


def split_tables(listing: str) -> dict[str, str]:
    """Head of each table of a ruleset, without its bracket -> its listing."""
    parts = re.split(r"^(table \w+ \S+) \{", listing, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def users_get_through(router: Live) -> str:
    """What keeps users behind the router from the world over IPv4 and IPv6, or nothing."""
    machine = routers.get(router.name)
    until = time.monotonic() + 20
    while True:
        command = machine.host_command("lan", f"timeout 15 bash -c {shlex.quote(USERS)}")
        done = machine.login.run(command, timeout=60)
        if done.stdout.count("answer") == 2:
            return ""
        if time.monotonic() > until:
            return f"users do not get through: {done.stdout.strip()} {done.stderr.strip()[-200:]}"
        time.sleep(1)


def keep_users_busy(router: Live) -> None:
    """Users who go on in the background; returns once they are answered.

    They are hosts of the same emulated machine: the router's own programs come first, or it would not get to its work.
    """
    machine = routers.get(router.name)
    run = machine.host_command(
        "lan", "echo $$ >/tmp/users.pid; exec nice -n 19 python3 /tmp/users.py steady 3600 203.0.113.2 2001:db8:203::2"
    )
    users = Path(__file__).parents[1].joinpath("lab/users.py").read_text(encoding="utf-8")
    wait = "for _try in $(seq 120); do grep -q ready /tmp/users && exit; sleep 0.5; done; exit 1"
    prefix = suites.hosts_prefix(machine.suite)
    router.sh(f"{prefix}sh -c 'cat >/tmp/users.py' <<'END'\n{users}END\n({run} </dev/null >/tmp/users 2>&1 &)\n{wait}")


def end_users(router: Live) -> bool:
    """Whether users were there to the end. Those who left first bear witness of nothing."""
    machine = routers.get(router.name)
    return machine.login.run(machine.host_command("lan", "kill $(cat /tmp/users.pid)")).returncode == 0
