# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One router at a time: brought into a topology, given a fault and traffic, and verified.

The verification is that of the action, without Ansible around it: the same script in the same shell, the same parsers
and checks. tests/lab/test_faults.py shows that the module offload_verify has the same result.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import (
    FRAGMENTS,
    list_calls,
    read_state,
    require_whole,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import Verdict, judge

from lab import routers, suites
from lab.login import command_line
from tests.faults.matrix import Cell
from tests.faults.model import Fault, Topology, Traffic, value_for
from tests.faults.plain import fit_fault, fit_topology
from tests.faults.topologies import TOPOLOGIES
from tests.lab.router import Live

SAMPLE = 3
"""seconds that each verification measures"""
WARM_UP = 2.3
"""seconds before it: connection tracking marks a UDP flow as assured after two"""
LASTING = 180
"""seconds that traffic goes on"""

SENDER = """
import ast, sys, time
sys.path.insert(0, "/usr/lib/lab")
import traffic
wanted = ast.literal_eval(sys.argv[1])
traffic.PATIENCE = 8
traffic.WAN_HOST = {4: (traffic.socket.AF_INET, wanted["ipv4"]), 6: (traffic.socket.AF_INET6, wanted["ipv6"])}
flows = [traffic.Flow(kind[:3], int(kind[3])) for kind in wanted["kinds"] for _ in range(wanted["count"])]
until = max(1, min(5, int(wanted["rate"])))
traffic.drive(flows, wanted["rate"], time.monotonic() + wanted["patience"], until=until)
traffic.report(flows)
if traffic.detach():
    traffic.drive(flows, wanted["rate"], time.monotonic() + wanted["lasting"])
"""
"""runs in a host behind the router, on the lab's own traffic.py; Python there may have no json. Prints a line for each
flow once all have got answers, and goes on in the background"""

ELSEWHERE = """
if [ ! -d /tmp/lab/tools ]; then
  mkdir /tmp/lab/tools
  for tool in ip bridge tc ss python3; do
    printf '#!/bin/sh\nexec /usr/lib/lab/inside %s "$@"\n' "$tool" >/tmp/lab/tools/$tool
    chmod +x /tmp/lab/tools/$tool
  done
fi
PATH=/tmp/lab/tools:$PATH
"""
"""sh in front of scripts for a router whose hosts have a disk of their own: programs that it has not, on its network"""
TOOLS: Mapping[str, dict[str, Any]] = {"alpine-3.23": {"packages": ["nftables", "ethtool", "conntrack"]}}
"""suite -> options of kernel_support: where connection tracking has no file, only the command shows it"""


class Bench:
    """A lab router and the states that it can be brought back to."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.suite = live.kind.partition("/")[0].removesuffix("-generic")
        self.prologue = ELSEWHERE if suites.hosts_prefix(self.suite) else ""

    # --- states

    def bring_to(self, topology: Topology) -> None:
        """Bring the router to a healthy topology, which is made the first time."""
        if topology.name in self.live.saved:
            self.live.restore(topology.name)
            return
        self._bring_to_base(topology.base)
        if topology.setup:
            self.run(topology.setup)
        if topology.role is not None:
            self.live.role(**topology.role).worked()
        self._save(topology.name)

    def _bring_to_base(self, name: str) -> None:
        if name in self.live.saved:
            self.live.restore(name)
        elif name == "tools":
            self.live.restore("bare")
            task = self.live.module("kernel_support", state="present", **TOOLS.get(self.suite, {}))
            assert task.status == "ok", task.msg
            self.live.sh("modprobe nft_ct")
            self._save(name)
        else:
            self._bring_to_base("tools")
            self.live.role().worked()
            self._save(name)

    def _save(self, name: str) -> None:
        """Save the state without a fingerprint, which nothing here compares."""
        routers.get(self.live.name).machine.monitor(f"savevm {name}")
        self.live.saved[name] = {}
        self.live.state = name

    # --- cells

    def check_healthy(self, topology: Topology) -> Cell:
        """The cell of a healthy topology with traffic; its findings are those above information."""
        topology = fit_topology(topology, self.suite)
        if topology.impossible:
            return self._cell("none", topology, (), topology.rung, impossible=topology.impossible)
        self.bring_to(topology)
        verdict = self.verify(topology, topology.traffic)
        above = [finding.id for finding in verdict.findings if finding.severity != "info"]
        return self._cell("none", topology, (), topology.rung, above, verdict)

    def check_fault(self, fault: Fault) -> Cell:
        """The cell of a fault on its topology."""
        fault = fit_fault(fault, TOPOLOGIES[fault.topology], self.suite)
        topology = fit_topology(TOPOLOGIES[fault.topology], self.suite)
        ids = value_for(fault.ids, self.suite, ())
        rung = value_for(fault.rung, self.suite, 0)
        inject = value_for(fault.inject, self.suite, "")
        why = value_for(fault.impossible, self.suite, "") or topology.impossible
        if why:
            if inject and not topology.impossible:
                self.bring_to(topology)
                why = f"{why} ({self.read_refusal(inject)})"
            return self._cell(fault.name, topology, ids, rung, impossible=why)
        self.bring_to(topology)
        if inject:
            self.run(inject)
        verdict = self.verify(topology, fault.traffic or topology.traffic, fault)
        return self._cell(fault.name, topology, ids, rung, [finding.id for finding in verdict.findings], verdict)

    def _cell(
        self,
        fault: str,
        topology: Topology,
        expected: Sequence[str],
        rung: int,
        found: Sequence[str] = (),
        verdict: Verdict | None = None,
        impossible: str | None = None,
    ) -> Cell:
        return Cell(
            fault=fault,
            topology=topology.name,
            kernel=routers.get(self.live.name).kernel,
            expected_ids=list(expected),
            found_ids=list(dict.fromkeys(found)),
            rung_expected=rung,
            rung_found=verdict.rung if verdict else None,
            impossible=impossible,
            messages=[f"{finding.id} ({finding.severity}): {finding.message}" for finding in verdict.findings]
            + [f"{rung.name} {rung.status}: {'; '.join(rung.evidence)}" for rung in verdict.rungs]
            if verdict
            else [],
        )

    # --- on the router

    def run(self, script: str) -> None:
        """Run a shell script, every line of which must succeed."""
        done = self._shell(["sh", "-se"], self.prologue + script)
        assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr.strip()}\n{script}"

    def read_refusal(self, script: str) -> str:
        """The router's error message for a script that must fail."""
        done = self._shell(["sh", "-se"], self.prologue + script)
        assert done.returncode, f"it should be impossible, but worked:\n{script}"
        return next((line.strip() for line in done.stderr.splitlines() if line.strip()), "no message")

    def send(self, traffic: Traffic) -> None:
        """Start traffic, which goes on in the background for LASTING seconds."""
        for side, ipv4, ipv6 in traffic.senders:
            wanted = {
                "kinds": list(traffic.kinds), "count": traffic.count, "rate": traffic.rate, "ipv4": ipv4, "ipv6": ipv6,
                "patience": 30 if traffic.arrives else 2, "lasting": LASTING,
            }  # fmt: skip
            inside = suites.hosts_prefix(self.suite).split()
            done = self._shell([*inside, "ip", "netns", "exec", side, "python3", "-", repr(wanted)], SENDER)
            assert done.returncode == 0, done.stderr
            silent = [line for line in done.stdout.splitlines() if line.split()[2] == "0"]
            assert not (silent and traffic.arrives), f"nothing came back: {silent}"

    def verify(self, topology: Topology, traffic: Traffic, fault: Fault | None = None) -> Verdict:
        """Start traffic, inject the rest of the fault, and verify once."""
        if traffic.kinds:
            self.send(traffic)
        began = time.monotonic()
        if fault and fault.during:
            self.run(fault.during)
        if traffic.kinds:
            time.sleep(max(0.0, WARM_UP - (time.monotonic() - began)))
        options = {"expect": topology.expect, **(fault.options if fault else {})}
        expectation = Expectation(**options)
        family, table = expectation.table.split()
        seconds = 0 if expectation.expect == "disabled" else SAMPLE
        nonce = secrets.token_hex(8)
        script = compose(nonce, FRAGMENTS, list_calls(family, table, seconds), counted=True)
        done = self._shell([*(fault.login if fault else ()), "/bin/sh", "-s"], script)
        answer = parse(done.stdout, nonce, counted=True)
        require_whole(answer)
        return judge(Subject(read_state(answer), expectation))

    def _shell(self, words: Sequence[str], script: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the router that reads the script, over the shared connection."""
        self.live.acts += 1
        login = routers.get(self.live.name).login
        return subprocess.run(
            [*login.ssh(), "--", command_line(list(words))],
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )
