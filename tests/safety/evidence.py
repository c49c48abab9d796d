# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a run that was lost, or whose fault was not injected: the play's log, and what the router tells."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from lab import routers
from lab.host import LabError, tail
from tests.lab.router import Live
from tests.safety.matrix import PLACE

EVIDENCE = PLACE / "evidence"

# The file of events goes with its change. A second name in the same file system keeps it, until a reboot.
RECORDER = """cat >/root/recorder <<'EOT'
while sleep 0.5; do
  . /root/stages
  if [ -e $pending/events ]; then
    read -r id _rest <$pending/events
    [ -e $home/../.events.$id ] || ln $pending/events $home/../.events.$id
  fi
done
EOT
if command -v setsid >/dev/null; then
  setsid sh /root/recorder </dev/null >/dev/null 2>&1 &
else
  (trap '' HUP; sh /root/recorder </dev/null >/dev/null 2>&1 &)
fi
"""
TELL = r"""
exec 2>&1
. /root/stages
cd /root && for file in saboteur.log limit.log times since reached acted begun; do
  [ ! -e $file ] || { echo "== /root/$file"; head -c 4000 $file; }
done
for file in $home/../.events.* $home/../times $home/../at-boot $home/boot $home/last $pending/*; do
  [ ! -f "$file" ] || { echo "== $file"; head -c 6000 "$file"; echo; }
done
echo "== uptime"; cat /proc/uptime
echo "== processes"; ps -eo pid,ppid,pgid,stat,etime,args 2>/dev/null || ps
echo "== files"; ls -la /etc/nft-offload /run/nft-offload /var/run/nft-offload
echo "== mounts"; cat /proc/mounts; df
echo "== log"; journalctl -b --no-pager -o short-monotonic -n 150 2>/dev/null || logread | tail -n 100
dmesg | tail -n 40
echo "== ruleset"; nft -s list ruleset | head -n 300
"""


def place_of(suite: str, fault: str, number: int) -> Path:
    """An empty directory for a run."""
    place = EVIDENCE / re.sub(r"[^a-z0-9.]+", "-", f"{suite} {fault} {number}".lower())
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def keep_evidence(router: Live, place: Path, why: str) -> None:
    """Into the directory that has the play's log already; whatever the router still answers."""
    told = console = ""
    with contextlib.suppress(LabError):
        found = routers.get(router.name)
        console = "\n".join(tail(found.machine.console, 80))
        told = found.login.run(TELL, timeout=60).stdout
    load = "this machine's load: " + " ".join(f"{one:.1f}" for one in os.getloadavg())
    (place / "router.txt").write_text(f"{why}\n{load}\n{told}\n== console\n{console}\n")
