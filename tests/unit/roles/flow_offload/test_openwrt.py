# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole role on a router like OpenWrt, by ansible-playbook itself, over what it takes for ssh."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths

from tests.unit.helpers.openwrt_root import ENTER, ETHTOOL, MODULES, NEEDS, OpenWrt

ROOT = Path(__file__).resolve().parents[4]
# A stand-in for ssh and for dropbear: each connection has a port of its own
SSH = """#!/bin/sh
case " $* " in *" -O "*) exit 0 ;; esac
for command; do :; done
port=$(($(cat {place}/port) + 1))
echo $port >{place}/port
sed 's|/proc/modules|{modules}|g' | env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \\
  SSH_CONNECTION="192.0.2.1 $port 192.0.2.2 22" unshare -m -n sh -c '
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    {enter}' {root} /bin/ash -c "$command"
"""
PLAY = """
- hosts: all
  gather_facts: false
  roles: [kmod.nft_offload.flow_offload]
"""


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    """As it comes: modules in, no ethtool, the firewall on, hw-tc-offload on by the driver's own will."""
    made = OpenWrt(tmp_path / "root")
    made.device("eth0")
    made.path("/sys/class/net/eth0/device").mkdir()
    made.path("/sys/class/net/eth0/device/driver").symlink_to("/sys/bus/drivers/mtk_soc_eth")
    for index, port in enumerate(("lan1", "lan2", "wan"), start=3):
        made.device(port, "dsa", ["eth0"])
        made.write(f"/sys/class/net/{port}/iflink", "2\n")
        made.write(f"/sys/class/net/{port}/uevent", f"DEVTYPE=dsa\nIFINDEX={index}\n")
    made.write("/sys/class/net/eth0/uevent", "IFINDEX=2\n")
    made.device("br-lan", "bridge", ["lan1", "lan2"])
    made.write("/etc/stand-in/interfaces", "lan br-lan br-lan static up\nwan wan wan dhcp up\n")
    made.write("/etc/stand-in/hw-tc-offload", "eth0 true\nlan1 true\nlan2 true\nwan true\n")
    made.write(MODULES, "".join(f"{name} 16384 0 - Live\n" for name in NEEDS))
    for name in NEEDS:
        made.path(f"/sys/module/{name}").mkdir(parents=True)
    made.write("/etc/modules.d/nft-offload", "nf_flow_table_inet\nnft_flow_offload\n")
    made.sh("fw4 start; /etc/init.d/firewall enable")
    yield made
    made.end()


def play(
    router: OpenWrt, *options: str, playbook: str = "", names: str = "edge-owrt,", **variables: Any
) -> tuple[int, str, int]:
    """(exit code, what it printed, how many execs it took); ``playbook``: else one with the role."""
    place = router.root.parent
    ssh = place / "ssh"
    ssh.write_text(SSH.format(place=place, modules=MODULES, enter=ENTER.strip(), root=router.root))
    ssh.chmod(0o755)
    (place / "port").write_text("40000\n")
    (place / "play.yml").write_text(PLAY)
    variables = {
        "ansible_connection": "ssh",
        "ansible_ssh_executable": str(ssh),
        "ansible_user": "root",
        "flow_offload_devices": ["lan1", "wan"],
        "flow_offload_require": "loaded",
        "flow_offload_sample": 0,
        **variables,
    }
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", names, *options),
            *("-e", json.dumps(variables), playbook or str(place / "play.yml")),
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, int((place / "port").read_text()) - 40000


def changed(said: str) -> int:
    return int(re.findall(r"changed=(\d+)", said)[-1])


def lines(said: str) -> tuple[int, int]:
    """How many lines of tasks one router had: (those that ran, those that were skipped)."""
    ((ran, skipped),) = re.findall(r"ok=(\d+) .* skipped=(\d+)", said)
    return int(ran), int(skipped)


def flowtable(router: OpenWrt) -> str:
    return router.sh("nft list flowtable inet fw4 ft 2>/dev/null | grep -E 'devices|flags'").replace("\t", "")


@pytest.mark.parametrize(
    "fault",
    [
        {"flow_offload_devices": "{{ 'lan1' if inventory_hostname == 'r1' else ['lan1', 'wan'] }}"},
        {"ansible_ssh_executable": "{{ place }}/{{ 'lost' if inventory_hostname == 'r1' else 'ssh' }}"},
    ],
    ids=["failed", "unreachable"],
)
def test_a_batch_is_told_who_failed_before_it(router: OpenWrt, fault: dict[str, Any]) -> None:
    lost = router.root.parent / "lost"
    lost.write_text("#!/bin/sh\nexit 255\n")  # as ssh ends where nobody answers
    lost.chmod(0o755)
    code, said, _execs = play(
        *(router, "-l", "r*"),
        playbook="kmod.nft_offload.rollout",
        names="r1,r2,r3,",
        flow_offload_serial=2,
        place=str(lost.parent),
        **fault,
    )
    assert ("UNREACHABLE!" in said) is ("ansible_ssh_executable" in fault)
    assert code != 0
    assert flowtable(router), "the rest of the batch was left half-way"
    assert "r3 and what comes after were not touched, because these failed or were lost before: r1. Remedy: " in said
    assert "(-l 'r*,!r1')" in said


def test_devices_of_zones_that_are_not_there_are_told(router: OpenWrt) -> None:
    zones: list[dict[str, Any]] = [
        {"name": "lan", "devices": ["br-lan"], "services": ["ssh"]},
        {"name": "out", "devices": ["wna", "ppp0"], "masquerade": True},
    ]
    firewall = {"zones": zones, "forward": [{"from": "lan", "to": "out"}]}
    _code, said, _execs = play(router, flow_offload_ruleset="router", flow_offload_router=firewall)
    said = " ".join(said.split())
    assert "[WARNING]: edge-owrt: flow_offload_router.zones: not on this router now: ppp0, wna" in said
    zones[1]["devices"] = ["wan"]
    _code, said, _execs = play(router, flow_offload_ruleset="router", flow_offload_router=firewall)
    assert "[WARNING]: edge-owrt" not in said


def test_converge_again_and_disabled(router: OpenWrt) -> None:
    config = str(router.read("/etc/config/firewall"))
    code, said, execs = play(router)
    assert code == 0, said
    assert flowtable(router) == 'devices = { "lan1", "lan2", "wan" }\nflags offload\n'
    assert (changed(said), execs <= 8) == (1, True), f"{execs} execs: {said}"
    assert "not found" in router.sh("type ethtool"), "nothing has to be installed first"
    code, said, execs = play(router)
    assert (code, changed(said), execs) == (0, 0, 5), f"{execs} execs: {said}"
    assert lines(said) == (8, 2), said
    code, said, execs = play(router, flow_offload_mode="disabled")
    assert (code, flowtable(router)) == (0, ""), said
    assert "flow_offloading" not in str(router.read("/etc/config/firewall")) and "flow_offloading" not in config
    code, said, execs = play(router, flow_offload_mode="disabled")
    assert (code, changed(said), execs) == (0, 0, 6), f"{execs} execs: {said}"
    assert lines(said) == (10, 1), said


def test_check_mode(router: OpenWrt) -> None:
    config = router.read("/etc/config/firewall")
    code, said, _execs = play(router, "--check", "--diff")
    assert (code, changed(said)) == (0, 1), said
    assert "+firewall.@defaults[0].flow_offloading='1'" in said
    assert (flowtable(router), router.read("/etc/config/firewall")) == ("", config)


TEMPLATE = "table inet nft_offload {\n\tchain f {\n\t\ttype filter hook forward priority 5\n\t\tflow add @ft\n\t}\n}\n"


def test_a_template_beside_the_playbook(router: OpenWrt) -> None:
    """Each step is taken once, and nft checks the text before the NICs are touched."""
    (router.root.parent / "templates").mkdir()
    (router.root.parent / "templates/mine.nft.j2").write_text(TEMPLATE)
    code, said, execs = play(router, "--check", flow_offload_ruleset="mine.nft.j2")
    assert (code, changed(said), execs, lines(said)) == (0, 1, 8, (9, 3)), f"{execs} execs: {said}"
    modules = ("kernel modules", "check your template", "NICs take flows", "Load the table", "its options back")
    places = [[found.start() for found in re.finditer(rf"TASK .*{module}", said)] for module in modules]
    assert all(len(place) == 1 for place in places) and places == sorted(places), said


def test_files_where_ansible_is_started_are_not_the_roles(router: OpenWrt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A playbook of your own may be called verify.yml."""
    for name in ("kernel", "nic", "ruleset", "verify", "fw4"):
        (router.root.parent / f"{name}.yml").write_text("- ansible.builtin.fail:\n")
    monkeypatch.chdir(router.root.parent)
    code, said, _execs = play(router, "--check")
    assert (code, lines(said)) == (0, (7, 3)), said


TWICE = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: kmod.nft_offload.flow_offload}
      vars: {flow_offload_ruleset: overlay}
    - ansible.builtin.include_role: {name: kmod.nft_offload.flow_offload}
"""


def test_the_role_twice_in_a_check_run(router: OpenWrt) -> None:
    """What the first would change keeps the second from no verdict."""
    assert play(router)[0] == 0
    playbook = router.root.parent / "twice.yml"
    playbook.write_text(TWICE)
    code, said, _execs = play(router, "--check", playbook=str(playbook))
    assert code == 0, said
    first, second = said.split("TASK [kmod.nft_offload.flow_offload : Verify that offload is active]")[1:]
    assert "skipping: [edge-owrt]" in first.partition("TASK")[0]
    assert "ok: [edge-owrt]" in second.partition("PLAY RECAP")[0]


FIREWALL = "table inet nft_offload {\n\tchain input {\n\t\ttype filter hook input priority 0\n\t}\n}\n"
ROUTER = {"zones": [{"name": "lan", "devices": ["lan1"], "services": ["ssh"]}]}


@pytest.mark.parametrize("ruleset", ["auto", "overlay", "fw4"])
def test_no_firewall_is_left_out_without_a_word(router: OpenWrt, ruleset: str) -> None:
    code, said, execs = play(router, flow_offload_ruleset=ruleset, flow_offload_router=ROUTER)
    assert (code, execs) == (2, 0), said
    said = " ".join(said.split())
    assert f"flow_offload_router describes a firewall, and flow_offload_ruleset is {ruleset}, which" in said
    assert "Remedy: set flow_offload_ruleset: " in said


@pytest.mark.parametrize(
    "variables",
    [{}, {"flow_offload_ruleset": "fw4"}, {"flow_offload_ruleset": "overlay"}, {"flow_offload_mode": "disabled"}],
)
def test_a_firewall_stays_unless_that_is_said(router: OpenWrt, variables: dict[str, Any]) -> None:
    router.write(paths.RULESET, FIREWALL)
    code, said, execs = play(router, **variables)
    assert (code, execs, changed(said)) == (2, 1, 0), said
    assert "this would remove the router's firewall" in " ".join(said.split())
    assert router.read(paths.RULESET) == FIREWALL


def test_a_firewall_is_taken_out_when_that_is_said(router: OpenWrt) -> None:
    router.write(paths.RULESET, FIREWALL)
    code, said, _execs = play(router, flow_offload_remove_firewall="true")
    assert code == 0, said
    assert router.read(paths.RULESET) is None


THEIRS = "table inet nft_offload {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\t}\n}\n"
OVERLAY = {"flow_offload_ruleset": "overlay"}
PLACE = "/var/run/nft-offload/pending/1-00000001"
PENDING = {"id": "7-00000001\n", "began": "0\n", "deadline": "4000000000\n", "timeout": "30\n"}


def needs_everything(router: OpenWrt) -> None:
    """ethtool has to be installed, and a feature to be turned on, before there is a table to load."""
    router.write("/etc/stand-in/hw-tc-offload", "eth0 false\nlan1 true\nlan2 true\nwan true\n")
    router.write("/etc/stand-in/installed", "kernel 6.6.110~aaaa-r1\n")
    router.write("/etc/stand-in/feed/index", "ethtool 6.11-r1 - 40 -\n")
    router.write("/etc/stand-in/feed/files/ethtool/usr/sbin/ethtool", ETHTOOL, 0o755)
    router.write("/etc/stand-in/features", "eth0 off\nlan1 on\nlan2 on\nwan on\n")


@pytest.mark.parametrize("options", [(), ("--check",)])
@pytest.mark.parametrize(
    ("there", "variables", "problem"),
    [
        ({"/var/run/nft/inet-nft_offload": THEIRS}, OVERLAY, "and this collection did not make it"),
        (
            {"/var/run/nft/inet-nft_offload": THEIRS.replace("hook forward", "hook input")},
            {**OVERLAY, "flow_offload_adopt_table": True},
            "this would remove the router's firewall",
        ),
        (
            {paths.RULESET: FIREWALL},
            {"flow_offload_ruleset": "mine.nft.j2"},
            "this would remove the router's firewall",
        ),
        ({}, {"flow_offload_ruleset": "other.nft.j2"}, "is not the table that this task owns"),
        (
            {f"{PLACE}/{name}": text for name, text in PENDING.items()},
            OVERLAY,
            "is pending",
        ),
        ({f"{PLACE}/{name}": text for name, text in PENDING.items()}, {}, "is pending"),
    ],
    ids=["foreign", "adopted firewall", "firewall", "text", "pending", "pending, fw4"],
)
def test_what_can_be_known_is_refused_before_anything_is_changed(
    router: OpenWrt, there: dict[str, str], variables: dict[str, Any], problem: str, options: tuple[str, ...]
) -> None:
    """By the first task, which reads the router in one exec."""
    needs_everything(router)
    for path, text in there.items():
        router.write(path, text)
    templates = router.root.parent / "templates"
    templates.mkdir()
    (templates / "mine.nft.j2").write_text(TEMPLATE)
    (templates / "other.nft.j2").write_text(TEMPLATE.replace("nft_offload", "filter"))
    router.write("/tmp/nft.log", "")
    code, said, execs = play(router, *options, **variables)
    assert (code, execs <= 1, changed(said)) == (2, True, 0), f"{execs} execs: {said}"
    assert problem in " ".join(said.split())
    assert "eth0 off" in str(router.read("/etc/stand-in/features"))
    assert "ethtool" not in str(router.read("/etc/stand-in/installed"))
    assert "nft -f" not in str(router.read("/tmp/nft.log"))


def test_a_check_run_shows_all_that_would_be_lost_of_somebody_elses_table(router: OpenWrt) -> None:
    router.write("/var/run/nft/inet-nft_offload", THEIRS)
    adopt: dict[str, Any] = {**OVERLAY, "flow_offload_adopt_table": True}
    code, said, _execs = play(router, "--check", "--diff", **adopt)
    assert code == 0, said
    assert "-\t\ttype filter hook forward priority 0; policy drop;" in said
    assert router.read("/var/run/nft/inet-nft_offload") == THEIRS


def test_disabled_leaves_somebody_elses_table(router: OpenWrt) -> None:
    assert play(router)[0] == 0
    router.write("/var/run/nft/inet-nft_offload", THEIRS)
    code, said, _execs = play(router, flow_offload_mode="disabled")
    assert (code, flowtable(router)) == (0, ""), said
    assert "table inet nft_offload is live, and this collection did not make it" in " ".join(said.split())
    assert router.read("/var/run/nft/inet-nft_offload") == THEIRS
    code, said, _execs = play(router, flow_offload_mode="disabled", flow_offload_adopt_table=True)
    assert (code, router.read("/var/run/nft/inet-nft_offload")) == (0, None), said


def test_software(router: OpenWrt) -> None:
    code, said, _execs = play(router, flow_offload_mode="software")
    assert (code, flowtable(router)) == (0, 'devices = { "br-lan", "wan" }\n'), said
    code, said, execs = play(router, flow_offload_mode="software")
    assert (code, changed(said), execs, lines(said)) == (0, 0, 5, (8, 2)), said


def test_the_role_has_tags_of_the_play(router: OpenWrt) -> None:
    """The steps are included: they take the role's tags over, and its become."""
    playbook = router.root.parent / "tagged.yml"
    playbook.write_text(f"{PLAY.replace('kmod', '{role: kmod').replace('load]', 'load, tags: [net]}]')}")
    for tags, ran in (("net", 8), ("other", 1)):
        code, said, _execs = play(router, "-t", tags, playbook=str(playbook))
        assert code == 0, said
        assert lines(said)[0] == ran, said


def test_a_feature_that_is_off_has_ethtool_installed(router: OpenWrt) -> None:
    router.write("/etc/stand-in/hw-tc-offload", "eth0 false\nlan1 true\nlan2 true\nwan true\n")
    router.write("/etc/stand-in/installed", "kernel 6.6.110~aaaa-r1\n")
    router.write("/etc/stand-in/feed/index", "ethtool 6.11-r1 - 40 -\n")
    router.write("/etc/stand-in/feed/files/ethtool/usr/sbin/ethtool", ETHTOOL, 0o755)
    router.write("/etc/stand-in/features", "eth0 off\nlan1 on\nlan2 on\nwan on\n")
    code, said, _execs = play(router)
    assert code == 0, said
    assert "ethtool 6.11-r1" in str(router.read("/etc/stand-in/installed"))
    assert "eth0 on" in str(router.read("/etc/stand-in/features"))
    code, said, _execs = play(router, flow_offload_mode="disabled")
    assert code == 0, said
    assert "ethtool" not in str(router.read("/etc/stand-in/installed"))
    assert "eth0 off" in str(router.read("/etc/stand-in/features"))


SECRET = "hunter22-4711"


@pytest.mark.parametrize(
    ("side", "ending", "no_log"),
    [("router", "false", False), ("controller", "false", False), ("router", "true", False), ("router", "false", True)],
    ids=["fails on the router", "fails on the controller", "holds", "fails with no_log"],
)
def test_the_command_of_a_check_is_nowhere_to_be_read(
    router: OpenWrt, monkeypatch: pytest.MonkeyPatch, side: str, ending: str, no_log: bool
) -> None:
    """Not with -vvvvv and --diff, not in a log or a report, on the router or in the arguments of a process."""
    place = router.root.parent
    seen = "/tmp/seen" if side == "router" else str(place / "seen")
    command = f": {SECRET}; cat /proc/[0-9]*/cmdline | tr '\\000' ' ' >{seen}; echo it was {SECRET}; {ending}"
    check = {"name": "the till answers", "from": side, "command": command, "timeout": 20}
    (place / "group_vars").mkdir()
    (place / "group_vars/all.yml").write_text(json.dumps({"flow_offload_checks": [check]}))
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(place / "log"))
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "kmod.nft_offload.fleet_report")
    monkeypatch.setenv("KMOD_NFT_OFFLOAD_REPORT", str(place / "report.json"))
    inventory = place / "inventory"
    inventory.write_text("edge-owrt\n")
    (place / "hidden.yml").write_text(PLAY.rstrip() + "\n  no_log: true\n")
    code, said, _execs = play(
        *(router, "-vvvvv", "--diff"),
        playbook=str(place / "hidden.yml") if no_log else "",
        names=str(inventory),
    )
    assert (code == 0) is (ending == "true"), said
    if ending == "false":
        assert f"check from the {side}: the till answers: " in said
        assert ("it was ***" in said) is not no_log
    texts = {
        "output": said,
        "log": (place / "log").read_text(),
        "report": (place / "report.json").read_text(),
        "arguments": Path(seen).read_text() if side == "controller" else router.read(seen),
        **{
            str(path): path.read_text(errors="replace")
            for part in ("etc", "tmp", "usr/local")
            for path in (router.root / part).rglob("*")
            if path.is_file() and not path.is_symlink()
        },
    }
    assert "nft_offload_check" in str(texts["arguments"]), "it would have been seen"
    assert [name for name, text in texts.items() if SECRET in str(text)] == []
