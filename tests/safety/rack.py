# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers with the saved states that runs begin with. Each kind is prepared once for a source, and its disk kept."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from lab import accel, routers, spec, suites
from lab.host import lock
from lab.machine import fingerprint
from tests.lab.openwrt import OpenWrt
from tests.lab.router import Live
from tests.safety.faults import NEW, OLD, OTHERS, PORTS, make_table
from tests.safety.look import Firewall, Known, look
from tests.safety.matrix import PLACE
from tests.safety.play import FLOWTABLE

PREPARED = PLACE / "prepared"

# OpenSSH 9.8 and later shut out clients that connect and do not log in, as Watch does.
TOLERATE = """
if command -v sshd; then
  grep -q '^Include' /etc/ssh/sshd_config
  ! sshd -T | grep -q '^persourcepenalties' || echo PerSourcePenalties no >/etc/ssh/sshd_config.d/watch.conf
  systemctl reload ssh
fi
"""
LOAD_OTHERS = f"""
if [ -d /etc/systemd ]; then
  printf 'flush ruleset\\n%s\\n' '{OTHERS}' >/etc/nftables.conf
  systemctl enable nftables.service
  nft -f /etc/nftables.conf
fi
"""


def boot_router(suite: str, source: str) -> tuple[Live, Known]:
    """A router with the states none and old, and what it can run. The first one of a source is prepared, and kept."""
    kind = OpenWrt if suites.is_openwrt(suite) else Live
    name = f"safety-{os.getpid()}-{suite.replace('openwrt-', 'owrt').replace('.', '')}"
    what = spec.Spec(name, suite, "offload")
    disk = PREPARED / f"{suite}-{_identify(suite, source)}.qcow2"
    firewalls = disk.with_suffix(".json")
    with lock(PREPARED / f"{suite}.lock", f"the prepared router of {suite}"):
        if not firewalls.exists():
            for old in PREPARED.glob(f"{suite}-*"):
                old.unlink()
            router = kind(name, f"{suite}/offload")
            known = prepare(router)
            routers.keep(routers.get(name), disk)
            firewalls.write_text(json.dumps(known.write()))
    routers.resume(what, disk)
    return kind.resumed(name, f"{suite}/offload"), Known.read(json.loads(firewalls.read_text()))


def _identify(suite: str, source: str) -> str:
    """Digest of all that a prepared router is made from."""
    image = suites.ensure(suite)
    machine = fingerprint(accel.choose(image))
    parts = [source, image.directory.name, machine, OLD, NEW, TOLERATE, LOAD_OTHERS, Path(__file__).read_text()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def prepare(router: Live) -> Known:
    """What the router can run; saves the states none and old."""
    known = Known()
    assert router.module("kernel_support").status == "ok"
    # part of some kernels; where it is missing, what comes next cannot be loaded
    router.sh(f"set -e; modprobe nft_ct || true; {TOLERATE}")
    router.sh(LOAD_OTHERS)
    assert router.module("nic_features", devices=FLOWTABLE["devices"]).status == "ok"
    router.save("none", compare=False)
    if isinstance(router, OpenWrt):
        old = look(router, "fw4_offload").firewall
        offload = router.module("fw4_offload", offload="software", confirm_timeout=60)
        assert offload.status == "ok", offload.msg
        known.firewalls["fw4_offload"] = {"old": old, "new": look(router, "fw4_offload").firewall}
        router.restore("none")
    firewalls = {"none": Firewall("", ""), "new": load_content(router, NEW)}
    router.restore("none")
    firewalls["old"] = load_content(router, OLD)
    router.save("old", compare=False)
    known.firewalls["ruleset"] = firewalls
    assert len(set(firewalls.values())) == 3
    return known


def prepare_ports(router: Live, known: Known) -> None:
    """The state ports, for the faults that begin with it: a table that nft 1.0.6 lists so that it cannot load it."""
    router.restore("none")
    known.firewalls["ruleset"]["ports"] = load_content(
        router, make_table("old").replace("  set closed", f"  {PORTS}\n  set closed")
    )
    router.save("ports", compare=False)


def load_content(router: Live, content: str) -> Firewall:
    task = router.module("ruleset", content=content, flowtables=[FLOWTABLE], confirm_timeout=60)
    assert task.status == "ok", task.msg
    return look(router).firewall
