# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab router as the tests see it: restored to a known state in a second, inspected, and changed by Ansible."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab import api, routers
from lab.login import hang_up
from tests.lab.plays import ROLE, Run, Task, control_paths, run_playbook

OBSERVER = "/opt/observer"
"""directory on the router for the tests' own nft and ethtool, which the router itself does not have at first"""

# The packages that nft and ethtool need are in the router's own repository, or installed already.
MAKE_OBSERVER = f"""
set -e
mkdir -p {OBSERVER}
for deb in /var/lib/lab/apt/*.deb; do dpkg-deb -x "$deb" {OBSERVER}; done
[ ! -d {OBSERVER}/sbin ] || cp -a {OBSERVER}/sbin/. {OBSERVER}/usr/sbin  # bookworm has ethtool there
for tool in nft ethtool; do
  printf '#!/bin/sh\\nLD_LIBRARY_PATH={OBSERVER}/usr/lib/x86_64-linux-gnu exec {OBSERVER}/usr/sbin/%s "$@"\\n' $tool \\
    >{OBSERVER}/$tool
  chmod +x {OBSERVER}/$tool
done
"""

# What the collection could change on a router, by section. Running nft would load nf_tables.
FINGERPRINT = rf"""
echo '== packages'; dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Abbrev}}\n'
echo '== modules'; cut -d ' ' -f 1 /proc/modules | sort
echo '== files'; find /etc /usr/local /root /home /tmp /var/tmp -xdev ! -path /etc/ld.so.cache \
  -printf '%p %y %m %u %l\n' | sort
echo '== contents'; find /etc /usr/local /root /home -xdev -type f ! -path /etc/ld.so.cache -exec sha1sum {{}} + |
  sort -k 2
echo '== units'; systemctl list-units --no-legend --plain --all 'nft*' '*offload*' | awk '{{ print $1, $3, $4 }}' | sort
echo '== features'; for nic in lan0 wan0 mgmt0; do {OBSERVER}/ethtool -k "$nic"; done
echo '== ruleset'; ! grep -q '^nf_tables ' /proc/modules || {OBSERVER}/nft -s list ruleset
"""

# of a line in /proc/net/nf_conntrack: the first of the two directions, to the lab's port
FLOW = re.compile(r"src=\S+ dst=\S+ sport=\d+ dport=7000")


class Live:
    """One router. ``kind`` is SUITE/NIC; saved states are QEMU's, inside of the running machine."""

    FINGERPRINT = FINGERPRINT
    MAKE_OBSERVER = MAKE_OBSERVER
    NFT = f"{OBSERVER}/nft"
    ETHTOOL = f"{OBSERVER}/ethtool"
    SESSIONS = "journalctl --sync; journalctl -o cat -b _COMM=sshd + _COMM=sshd-session | grep -c 'Starting session:'"

    TRACKED = "[ ! -e /proc/net/nf_conntrack ] || cat /proc/net/nf_conntrack"
    """prints a connection a line"""

    def __init__(self, name: str, kind: str) -> None:
        self._set_up(name, kind)
        api.up([f"{name}={kind}"])
        self.sh(self.MAKE_OBSERVER)
        self.save("bare")

    @classmethod
    def resumed(cls, name: str, kind: str) -> Live:
        """A router that is up already, with states that were saved in it before; it is in none of them."""
        live = cls.__new__(cls)
        live._set_up(name, kind)
        return live

    def _set_up(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.saved: dict[str, dict[str, list[str]]] = {}
        """saved state -> its fingerprint"""
        self.acts = 0
        self.untouched_at = -1
        """value of ``acts`` when the router was last known to be as in its state"""
        self.state = ""

    # --- its states

    def save(self, state: str, *, compare: bool = True) -> None:
        """Save the machine as it is now under this name; ``compare``: for ``is_untouched``."""
        self.saved[state] = self.fingerprint() if compare else {}
        routers.get(self.name).machine.monitor(f"savevm {state}")
        self.state = state
        self.untouched_at = self.acts

    def restore(self, state: str) -> None:
        """Restore a saved state, unless the router is known to be in it. This ends every connection."""
        if self.untouched_at != self.acts or self.state != state:
            router = routers.get(self.name)
            self.hang_up()
            router.login.hang_up()
            router.machine.monitor(f"loadvm {state}")
            router.login.wait_for_login(self.name)
        self.state = state
        self.untouched_at = self.acts

    def is_untouched(self) -> None:
        """Assert that nothing has changed on it since it was brought to its state."""
        same(self.saved[self.state], self.fingerprint())
        self.untouched_at = self.acts

    def reboot(self) -> None:
        """Close Ansible's connections and reboot."""
        self.hang_up()
        api.reboot(self.name)

    def hang_up(self) -> None:
        """Close Ansible's shared connections."""
        for control in control_paths().iterdir():
            hang_up(control)

    # --- reading it and the hosts behind it

    def sh(self, command: str) -> str:
        """Output of a command on the router, which must succeed."""
        self.acts += 1
        done = api.ssh(self.name, command, timeout=180)
        assert done.returncode == 0, f"{command}: exit code {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def succeeds(self, command: str) -> bool:
        self.acts += 1
        return api.ssh(self.name, command, timeout=60).returncode == 0

    def nft(self, command: str) -> str:
        """Output of the tests' own nft, whatever is installed."""
        return self.sh(f"{self.NFT} {command}")

    def run_in_host(self, side: str, command: str) -> tuple[int, str]:
        """Exit code and output of a command in the lan or the wan host."""
        self.acts += 1
        done = api.run_in_host(self.name, side, command, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def feature(self, device: str) -> str:
        """hw-tc-offload of a device as ethtool prints it, such as ``on`` or ``off [fixed]``."""
        found = re.search(r"^hw-tc-offload: (.*)$", self.sh(f"{self.ETHTOOL} -k {device}"), re.MULTILINE)
        assert found, f"ethtool lists no hw-tc-offload for {device}"
        return found[1].strip()

    def flowtable_devices(self) -> list[str]:
        """Names of the devices in its flowtable, sorted."""
        found = re.search(r"devices = \{ (.*) \}", self.nft("list flowtables"))
        return sorted(found[1].replace('"', "").split(", ")) if found else []

    def fingerprint(self) -> dict[str, list[str]]:
        """Section -> lines: everything that the collection could change on it."""
        sections: dict[str, list[str]] = {}
        for line in self.sh(self.FINGERPRINT).splitlines():
            if line.startswith("== "):
                current = sections[line.removeprefix("== ")] = []
            else:
                current.append(line)
        return sections

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Assert that the body changes nothing on the router; for routers that a test has prepared."""
        before = self.fingerprint()
        yield
        same(before, self.fingerprint())

    def sessions(self) -> int:
        """Number of SSH sessions since the boot, including the one of this call."""
        return int(self.sh(self.SESSIONS))

    # --- traffic

    def flows(self, mark: str = "", seconds: float = 10) -> list[str]:
        """Start new flows; conntrack's lines of them once all four have the mark, or as they are after five seconds.

        Marks are OFFLOAD and HW_OFFLOAD; the flows go on for ``seconds`` in the background.
        """
        old = set(self._tracked())
        carried = api.drive_traffic(self.name, seconds, background=True)
        assert all(flow.returned for flow in carried), [str(flow) for flow in carried]
        deadline = time.monotonic() + 5
        while True:
            lines = [line for flow, line in self._tracked().items() if flow not in old]
            if sum(f"[{mark}]" in line for line in lines) >= len(carried) or time.monotonic() > deadline:
                return lines
            time.sleep(0.2)

    def _tracked(self) -> dict[str, str]:
        """Addresses and ports -> conntrack's line, of the lab's flows."""
        lines = self.sh(self.TRACKED).splitlines()
        return {found[0]: line for line in lines if (found := FLOW.search(line))}

    def assert_flows_have(self, mark: str) -> None:
        """Assert that new flows all get this mark of conntrack: OFFLOAD or HW_OFFLOAD."""
        lines = self.flows(mark)
        assert len(lines) >= 4
        assert [line for line in lines if f"[{mark}]" not in line] == []

    def carried(self, seconds: float = 3) -> int:
        """Packets of new flows to the WAN host and back; each counts twice, as the forward chain would count it."""
        flows = api.drive_traffic(self.name, seconds)
        assert all(flow.returned for flow in flows), [str(flow) for flow in flows]
        return 2 * sum(flow.returned for flow in flows)

    def count_forwarded(self) -> None:
        """Load a table that counts the packets that traverse the forward chain, for ``forwarded``."""
        self.nft("'add table inet probe; add chain inet probe seen { type filter hook forward priority -300; }; "
                 "add rule inet probe seen counter'")  # fmt: skip

    def forwarded(self) -> int:
        """Packets that traversed the forward chain since ``count_forwarded``."""
        found = re.search(r"counter packets (\d+)", self.nft("list table inet probe"))
        assert found
        return int(found[1])

    # --- Ansible

    def inventory(self, **variables: Any) -> dict[str, Any]:
        """An inventory with only this router; the variables override the lab's own."""
        inventory = api.make_inventory([self.name])
        inventory["routers"]["hosts"][self.name].update(variables)
        return inventory

    def play(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *,
        check: bool = False,
        host: Mapping[str, Any] | None = None,
        roles: Sequence[Mapping[str, Any]] = (),
        **keywords: Any,
    ) -> Run:
        """Run tasks on it. ``host`` are host variables, such as another user; keywords are the play's own."""
        self.acts += 1
        play = {"hosts": "all", "gather_facts": False, **keywords, "roles": list(roles), "tasks": list(tasks)}
        return run_playbook([play], self.inventory(**(host or {})), _flags(check))

    def role(self, *, check: bool = False, host: Mapping[str, Any] | None = None, **variables: Any) -> Run:
        """Run the role with these variables."""
        return self.play([], check=check, host=host, roles=[{"role": ROLE}], vars=variables)

    def module(self, name: str, *, check: bool = False, host: Mapping[str, Any] | None = None, **options: Any) -> Task:
        """Run one module with these options; returns its task, failed or not."""
        run = self.play([{"name": name, f"kmod.nft_offload.{name}": options}], check=check, host=host)
        assert run.tasks, run.output
        return run.tasks[-1]

    def playbook(self, name: str, *arguments: str, check: bool = False, **variables: Any) -> Run:
        """Run one of the collection's playbooks by its full name."""
        self.acts += 1
        return run_playbook(f"kmod.nft_offload.{name}", self.inventory(**variables), [*_flags(check), *arguments])


def same(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> None:
    """Assert that two fingerprints are the same, and show the difference."""
    lines = [
        f"{section}: {line}"
        for section in before
        for line in difflib.unified_diff(before[section], after[section], "before", "after", lineterm="", n=0)
    ]
    assert not lines, "the router changed:\n" + "\n".join(lines)


def _flags(check: bool) -> list[str]:
    return ["--diff", *(["--check"] if check else [])]


def sweep(prefix: str) -> None:
    """Take down the routers that an earlier test run left: those named PREFIX-PID-... whose process has ended."""
    for router in api.list_routers():
        found = re.match(rf"{prefix}-(\d+)-", router.name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            api.down([router.name])
