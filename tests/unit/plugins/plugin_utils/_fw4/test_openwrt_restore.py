# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the undo of fw4_offload restores in UCI, while ``uci`` fails: it ends well only when all is as it was.

The script alone, without the guard that runs it again: test_openwrt_undone.py beside this file has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import guard_script
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._fw4.plan import Fw4State, change_script
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.fw4 import Fw4Config

from tests.unit.helpers.openwrt_fw4 import STOCK, stocked
from tests.unit.helpers.openwrt_root import OpenWrt
from tests.unit.helpers.ruleset_states import PLATFORM

DIR = "/tmp/change"
UCI = "uci.real -X show firewall; uci.real changes firewall; cat /var/run/fw4.state"
# Fails as often as /tmp/failing/COMMAND says, before it does anything or, "after", when it has. What it was asked for
# is in /tmp/asked.
FAILING = """#!/bin/sh
for word in "$@"; do case $word in get | set | add | show | changes | revert | delete | commit) break ;; esac done
echo "$word" >>/tmp/asked
left=0 when=before
read -r left when 2>/dev/null </tmp/failing/$word
[ "$left" -gt 0 ] || exec /sbin/uci.real "$@"
echo "$((left - 1)) $when" >/tmp/failing/$word
[ "$when" = before ] || /sbin/uci.real "$@" >/dev/null
exit 1
"""
COMMITS = "uci commit firewall"
# what somebody did inside the window -> what of uci an undo needs then
NEEDS = {
    "": {"revert", "changes", "get", "show"},
    COMMITS: {"revert", "changes", "get", "show", "set", "delete", "commit"},
}
EVER = 99
CASES = [
    (script, command, times)
    for script, needs in NEEDS.items()
    for command in sorted(needs)
    for times in ("1 before", "1 after", f"{EVER} before")
    if command not in {"get", "show", "changes"} or times != "1 after"
]


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    """With uci in place of which another one can fail."""
    made = stocked(tmp_path / "root")
    made.path("/sbin/uci").rename(made.path("/sbin/uci.real"))
    made.write("/sbin/uci", FAILING, 0o755)
    made.path("/tmp/failing").mkdir()
    yield made
    made.end()


def load(router: OpenWrt, config: str, section: str, script: str) -> str:
    """A change that is loaded; the guard has put its tables back. What UCI had before it."""
    router.write(paths.FW4_CONFIG, config)
    before = router.sh(f"fw4 reload; {UCI}")
    found = {"flow_offloading": "0"} if section else {}
    state = Fw4State(PLATFORM, Fw4Config(section, found, int(bool(section))))
    values = {"flow_offloading": "1", "flow_offloading_hw": "0"}
    change = {"load.1": change_script(state, values, "software"), "guard": guard_script()}
    for name, text in {**change, "id": "1-0badcafe\n", "tables": "inet fw4\n"}.items():
        router.write(f"{DIR}/{name}", text)
    loaded = router.sh(
        f"nft list table inet fw4 >{DIR}/before.1; cp /var/run/nft/inet-fw4 /tmp/inet-fw4; cd {DIR}; "
        f"sh ./load.1 load && cp /tmp/inet-fw4 /var/run/nft/inet-fw4 && {UCI}; {script}"
    )
    assert "flow_offloading='1'" in loaded
    router.sh(": >/tmp/asked")
    return before


def restore(router: OpenWrt) -> tuple[bool, str]:
    """One attempt: whether it says that it is done, and what it printed."""
    printed, _code, code = router.sh(f"cd {DIR}; sh ./load.1 restore; echo code $?").rpartition("code ")
    return code == "0\n", printed


@pytest.mark.parametrize("script", NEEDS)
def test_all_that_it_asks_of_uci_fails_below(router: OpenWrt, script: str) -> None:
    before = load(router, STOCK.format("\toption flow_offloading 0\n"), "cfg01e63d", script)
    assert restore(router) == (True, "")
    assert router.sh(UCI) == before
    assert set(router.sh("cat /tmp/asked").split()) == NEEDS[script]


@pytest.mark.parametrize(("script", "command", "times"), CASES)
def test_it_is_restored_only_when_uci_is_as_it_was(router: OpenWrt, script: str, command: str, times: str) -> None:
    before = load(router, STOCK.format("\toption flow_offloading 0\n"), "cfg01e63d", script)
    router.write(f"/tmp/failing/{command}", f"{times}\n")
    done = False
    for _attempt in range(3):
        done, printed = restore(router)
        if done:
            break
        assert printed, "no reason"
    assert not done or router.sh(UCI) == before
    # where all was committed, nothing is staged, and it need not be reverted
    assert done is (not times.startswith(str(EVER)) or (script, command) == (COMMITS, "revert"))
    router.write(f"/tmp/failing/{command}", "0\n")
    assert restore(router)[0] and router.sh(UCI) == before


@pytest.mark.parametrize("times", [1, EVER])
@pytest.mark.parametrize("command", ["revert", "changes"])
def test_a_section_that_was_added_goes_again(router: OpenWrt, command: str, times: int) -> None:
    before = load(router, STOCK.format("").partition("\n\n")[2], "", "")
    router.write(f"/tmp/failing/{command}", f"{times} before\n")
    for _attempt in range(2):
        done, printed = restore(router)
        assert not done or router.sh(UCI) == before, printed
    router.write(f"/tmp/failing/{command}", "0\n")
    assert restore(router)[0] and router.sh(UCI) == before
