# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the role costs the controller where nothing has to be changed, with one router and with fifty.

    make bench-role ROLE_BENCH="SUITE/NIC [COLLECTIONS]"

One router of the lab is converged, and its answers to one more run are recorded. Then ansible-playbook runs the role on
so many hosts whose ssh is a stand-in that replays these answers, each to its own nonce, so that the controller does all
that it would do for so many routers, but encrypt. Measured are the CPU seconds of ansible-playbook and of all its
processes, as the kernel counts them, less those of the stand-in alone. Each result is the median of three runs.
COLLECTIONS is a directory for ANSIBLE_COLLECTIONS_PATH, to measure another version of the collection.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from lab import api
from lab.host import LabError

SIZES = (1, 50)
RUNS = 3
RESULT = Path(__file__).parents[1] / "build" / "bench" / "role.json"
COLLECTIONS = Path(__file__).parents[1] / "build" / "collections"
NONCE = "@nonce@"
PLAY = [{"hosts": "all", "gather_facts": False, "roles": [{"role": "kmod.nft_offload.flow_offload"}]}]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")

# Both take only what the collection sends: /bin/sh -s with a script on standard input, whose first line has the nonce.
RECORD = f"""#!/bin/sh
case "$*" in *"/bin/sh -s"*) ;; *) exec ssh "$@" ;; esac
cd "$(dirname "$0")" || exit
read -r number <number
echo $((number + 1)) >number
cat >script
nonce=$(sed -n '1s/^nonce=//p' script)
ssh "$@" <script >answer || exit
cat answer
sed "s/$nonce/{NONCE}/g" answer >"answer.$number"
"""
REPLAY = f"""#!/bin/sh
case "$*" in *"/bin/sh -s"*) ;; *) exit 0 ;; esac
cd "${{0%/*}}" || exit
for word; do host=$command command=$word; done
read -r number <"$host"
echo $((number + 1)) >"$host"
IFS== read -r name nonce
cat >/dev/null
exec sed "s/{NONCE}/$nonce/g" "answer.$number"
"""


def make_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def run_play(place: Path, inventory: dict[str, Any], collections: Path) -> tuple[str, float]:
    """(What ansible-playbook printed, CPU seconds of all its processes); raises LabError where it fails."""
    (place / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    (place / "play.yml").write_text(yaml.safe_dump(PLAY), encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(PLAYBOOK), "-i", "inventory.json", "play.yml"],
        cwd=place, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise LabError(f"the play failed: {done.stdout[-2000:]}{done.stderr[-1000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def record(place: Path, kind: str, collections: Path) -> int:
    """Converge a router of the lab and put its answers to one more run into ``place``; how many there are."""
    name = "bench-role"
    api.up([f"{name}={kind}"])
    try:
        inventory = api.make_inventory([name])
        run_play(place, inventory, collections)
        make_program(place / "record", RECORD)
        (place / "number").write_text("0\n", encoding="utf-8")
        inventory["routers"]["hosts"][name]["ansible_ssh_executable"] = str(place / "record")
        printed, _cpu = run_play(place, inventory, collections)
    finally:
        api.down([name])
    if "changed=0" not in printed:
        raise LabError(f"the second run changed something: {printed[-1000:]}")
    return int((place / "number").read_text())


def cost_of_stand_in(place: Path, execs: int) -> float:
    """CPU seconds of so many execs of the stand-in, without Ansible."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = f"nonce=0123456789abcdef\n{'x' * 30_000}\n"
    for number in range(execs):
        (place / "alone").write_text(f"{number % 5}\n", encoding="utf-8")
        command = [str(place / "replay"), "alone", "/bin/sh -s"]
        subprocess.run(command, input=script, stdout=subprocess.DEVNULL, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(place: Path, routers: int, execs: int, collections: Path) -> dict[str, Any]:
    """CPU seconds of a run with so many routers, and the lines that it prints for one."""
    make_program(place / "replay", REPLAY)
    names = [f"r{number}" for number in range(routers)]
    variables = {"ansible_ssh_executable": str(place / "replay"), "ansible_user": "root"}
    inventory = {"all": {"hosts": {name: variables for name in names}}}
    costs = []
    for _run in range(RUNS):
        for name in names:
            (place / name).write_text("0\n", encoding="utf-8")
        printed, cpu = run_play(place, inventory, collections)
        costs.append(cpu)
    ran, skipped = re.findall(r"^r0 .* ok=(\d+) .*skipped=(\d+)", printed, re.MULTILINE)[0]
    alone = statistics.median(cost_of_stand_in(place, execs * routers) for _run in range(3))
    return {
        "routers": routers,
        "lines": int(ran),
        "skipped": int(skipped),
        "cpu_seconds": round(statistics.median(costs), 2),
        "stand_in": round(alone, 2),
        "runs": [round(cost, 2) for cost in costs],
    }


def main(kind: str = "trixie/offload", collections: str = str(COLLECTIONS)) -> int:
    """The exit code: 0."""
    found = []
    with tempfile.TemporaryDirectory(prefix="nft-bench-") as name:
        execs = record(Path(name), kind, Path(collections))
        print(f"{kind}: {execs} execs a router", flush=True)
        for routers in SIZES:
            cost = measure(Path(name), routers, execs, Path(collections))
            found.append(cost)
            lines = f"{cost['lines']} lines a router and {cost['skipped']} skipped"
            net = f"{cost['cpu_seconds'] - cost['stand_in']:.2f} s of CPU"
            print(f"{routers} routers: {lines}, {net}, {cost['stand_in']:.2f} s of the stand-in left out", flush=True)
    few, many = found[0], found[-1]
    each = (many["cpu_seconds"] - many["stand_in"] - few["cpu_seconds"] + few["stand_in"]) / (
        many["routers"] - few["routers"]
    )
    print(f"each further router: {each:.2f} s")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"kind": kind, "execs": execs, "each": round(each, 3), "sizes": found}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except LabError as error:
        sys.exit(f"error: {error}; {error.remedy}")
