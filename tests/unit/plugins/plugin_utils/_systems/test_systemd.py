# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is asked, and what its answer means."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import ServiceState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.systemd import Systemd

from tests.unit.helpers.shells import NONCE, SHELLS, run_script

SYSTEMD = Systemd()
SYSTEMCTL = """#!/bin/sh
case "$*" in
  "is-enabled nft-offload.service")
    echo "a warning" >&2
    cat enabled
    grep -qx enabled enabled
    ;;
  "show -p ActiveState,NeedDaemonReload nft-offload.service") printf 'ActiveState=active\\nNeedDaemonReload=no\\n' ;;
  *) exit 9 ;;
esac
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_link_that_was_removed_by_hand_is_seen(shell: list[str], tmp_path: Path) -> None:
    """systemd itself would go on reporting the unit as enabled."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    ((_function, unit),) = SYSTEMD.list_state_calls(SYSTEMD.ruleset)
    script = compose(NONCE, SYSTEMD.read_scripts, [("section", "unit", "_unit", unit)])
    script = f"PATH={shlex.quote(str(tmp_path))}:$PATH\n{script}"
    for word in ("enabled", "disabled", "not-found"):
        (tmp_path / "enabled").write_text(f"{word}\n")
        answer = parse(run_script(shell, script, tmp_path), NONCE)
        found = SYSTEMD.read_state(answer, SYSTEMD.ruleset)
        assert found == ServiceState(enabled=word == "enabled", active=True)


def test_features_need_no_question() -> None:
    assert SYSTEMD.list_state_calls(SYSTEMD.features) == []


def test_what_flushes_every_table_has_ours_loaded_again() -> None:
    """A restart stops the service first, and ends there where its own configuration has a mistake."""
    lines = SYSTEMD.ruleset.files[paths.NFTABLES_DROP_IN][1].splitlines()
    for moment in ("ExecStartPost", "ExecReload", "ExecStopPost"):
        assert f"{moment}=-{paths.RULESET_SCRIPT}" in lines


def test_the_network_does_not_wait_for_ever() -> None:
    """A unit of the type oneshot has no limit of its own, and the script ends what hangs long before this one."""
    unit = SYSTEMD.ruleset.files[paths.RULESET_UNIT][1].splitlines()
    assert "TimeoutStartSec=300" in unit
