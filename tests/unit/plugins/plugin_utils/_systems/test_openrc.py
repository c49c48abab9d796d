# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenRC is asked, what its answer means, and what it and ifup run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import ServiceState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.openrc import OpenRC

from tests.unit.helpers.shells import NONCE, SHELLS, run_script

OPENRC = OpenRC()


def in_place(script: str, place: Path) -> str:
    """The script, with all that it names below ``place``."""
    for path in ("/run/openrc", "/etc/runlevels", "/etc/nft-offload", "/usr/local/lib/nft-offload"):
        script = script.replace(path, f"{place}{path}")
    return script


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in (
        "run/openrc/started",
        "etc/runlevels/boot",
        "etc/init.d",
        "etc/nft-offload",
        "usr/local/lib/nft-offload",
    ):
        (tmp_path / name).mkdir(parents=True)
    for name in ("ruleset", "flowtable", "features"):
        program = tmp_path / "usr/local/lib/nft-offload" / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\nexit 1\n')
        program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_a_service_that_boot_starts(shell: list[str], place: Path) -> None:
    service = OPENRC.ruleset
    script = in_place(compose(NONCE, OPENRC.read_scripts, OPENRC.list_state_calls(service)), place)

    def look() -> ServiceState:
        return OPENRC.read_state(parse(run_script(shell, script, place), NONCE), service)

    assert look() == ServiceState()
    link = place / "etc/runlevels/boot/nft-offload"
    link.symlink_to(place / "etc/init.d/nft-offload")
    assert look() == ServiceState(), "the link leads nowhere"
    (place / "etc/init.d/nft-offload").write_text("#!/sbin/openrc-run\n")
    (place / "etc/init.d/nft-offload").chmod(0o755)
    assert look() == ServiceState(enabled=True)
    (place / "run/openrc/started/nft-offload").symlink_to(place / "etc/init.d/nft-offload")
    assert look() == ServiceState(enabled=True, active=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_other_init_systems_are_not_asked(shell: list[str], place: Path) -> None:
    script = in_place(compose(NONCE, OPENRC.read_scripts, OPENRC.list_state_calls(OPENRC.features)), place)
    script = script.replace("/run/openrc ", "/nowhere ")
    assert not parse(run_script(shell, script, place), NONCE).each("openrc.")


@pytest.mark.parametrize(
    ("service", "command", "goes_down", "loads"),
    [
        ("nftables", "start_post", "", True),
        ("nftables", "reload_post", "", True),
        ("nftables", "stop_post", "", True),
        ("nftables", "stop_post", "YES", False),
        ("sshd", "start_post", "", False),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_what_flushes_every_table_has_ours_loaded_again(
    shell: list[str], service: str, command: str, goes_down: str, loads: bool, place: Path
) -> None:
    """As openrc-run has it: the file before the service's own script, then the function, whose failure would be its."""
    text = in_place(OPENRC.ruleset.files[paths.NFTABLES_RC][1], place)
    script = (
        f"RC_SVCNAME={service}\nRC_GOINGDOWN={goes_down}\n{text}\n"
        f"if type {command} >/dev/null 2>&1; then {command}; fi; echo $?\n"
    )
    assert run_script(shell, script, place) == ("ruleset\n0\n" if loads else "0\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_device_that_ifup_brings_up(shell: list[str], place: Path) -> None:
    """A failure of ours must not keep the network down. Of a router without flowtables nothing is asked."""
    up = in_place(OPENRC.ruleset.files[paths.DEVICE_IF_UP][1], place)
    before = in_place(OPENRC.features.files[paths.FEATURES_IF_UP][1], place)

    def run(script: str, phase: str) -> str:
        return run_script(shell, f"export IFACE=wan0 PHASE={phase}\n({script})\necho $?\n", place)

    assert run(up, "up") == run(before, "pre-up") == "0\n"
    for name in ("devices", "features"):
        (place / "etc/nft-offload" / name).write_text("")
    assert run(up, "up") == "flowtable join wan0\n0\n"
    assert run(up, "post-down") == "flowtable leave wan0\n0\n"
    assert run(before, "pre-up") == "features wan0\n0\n"


def test_boot_starts_it_between_the_firewall_and_the_network() -> None:
    text = OPENRC.ruleset.files[paths.RULESET_INIT][1].splitlines()
    assert text[0] == "#!/sbin/openrc-run"
    assert {"  after modules nftables firewall", "  before net"} <= set(text)
    features = OPENRC.features.files[paths.FEATURES_INIT][1].splitlines()
    assert "  before net nft-offload" in features, "a flowtable may bind a NIC only while its feature is on"
