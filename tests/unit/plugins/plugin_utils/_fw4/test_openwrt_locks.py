# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fw4_offload while somebody holds a lock for ever: it refuses, or undoes, and says what it waited for."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import FRAGMENTS, list_calls, read_state

from tests.unit.helpers.openwrt_fw4 import SOFTWARE, flash, flowtable, settled, stocked
from tests.unit.helpers.openwrt_root import Execs, OpenWrt
from tests.unit.helpers.rooms import PLUGIN_UTILS

STAGED = "/tmp/.uci/firewall"
FW4 = "/var/run/fw4.lock"
HELD = "another program has held the lock of {} for more than 20 s"
Hold = Callable[[str], Callable[[], None]]


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    """Its seconds are short."""
    made = stocked(tmp_path / "root")
    made.path("/bin/sleep").unlink()
    made.write("/bin/sleep", "#!/bin/sh\nexec busybox sleep 0.05\n", 0o755)
    yield made
    made.end()


@pytest.fixture
def hold(router: OpenWrt) -> Iterator[Hold]:
    """hold(path) -> what lets it go again."""
    files = []

    def take(path: str) -> Callable[[], None]:
        router.path(path).parent.mkdir(parents=True, exist_ok=True)
        files.append(router.path(path).open("a", encoding="utf-8"))
        fcntl.flock(files[-1], fcntl.LOCK_EX)
        return files[-1].close

    yield take
    for file in files:
        file.close()


def taking(hold: Hold, path: str, shared: bool, releases: list[Callable[[], None]]) -> type[Execs]:
    """A way to the router on which the lock is taken before it is loaded (``shared``), or before it is confirmed.

    What lets it go again is appended to ``releases``.
    """

    class Taking(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            super().reconnect(shared=shared)
            if shared is Taking.when:
                releases.append(hold(path))

        when = shared

    return Taking


def test_no_script_waits_for_a_lock_without_an_end() -> None:
    """A small busybox's flock has no -w, so each one asks and goes on."""
    uses = [
        use
        for file in sorted((PLUGIN_UTILS / "sh").rglob("*.sh"))
        for line in file.read_text(encoding="utf-8").split("\n")
        for use in re.findall(r"(?:\w+ )?\bflock\b[^;&|>]*", line.partition("#")[0])
    ]
    asked = {use.strip() for use in uses if not re.match(r"(type|has) flock\b", use)}
    assert asked and {use for use in asked if not re.fullmatch(r"until flock -n \S+", use)} == set()


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("path", [paths.FW4_CONFIG, STAGED])
def test_the_configuration_is_locked_when_the_router_is_read(
    router: OpenWrt, hold: Hold, path: str, check: bool
) -> None:
    before = flash(router)
    release = hold(path)
    says = re.escape(f"uci cannot read {paths.FW4_CONFIG}: {HELD.format(path)}")
    with pytest.raises(OffloadError, match=says):
        router.do(ActionModule, SOFTWARE, check=check)
    with pytest.raises(OffloadError, match=says):
        read_state(router.run(FRAGMENTS, list_calls()))
    release()
    assert flash(router) == before
    assert router.do(ActionModule, SOFTWARE, check=check)[0]["changed"]


@pytest.mark.parametrize("path", [paths.FW4_CONFIG, FW4])
def test_a_lock_that_somebody_takes_before_the_load(router: OpenWrt, hold: Hold, path: str) -> None:
    says = HELD.format(path) if path != FW4 else "another load of the firewall has held its lock for more than 20 s"
    with pytest.raises(OffloadError, match=rf"(?s)set flow_offloading.*{re.escape(says)}.*nothing was left changed"):
        router.do(ActionModule, SOFTWARE, way=taking(hold, path, True, []))
    assert (flowtable(router), router.sh("uci changes")) == ("", "")


def test_a_lock_that_somebody_takes_before_it_is_confirmed(router: OpenWrt, hold: Hold) -> None:
    """uci itself would wait for it when it takes back what is staged, so the undo goes on until it is free."""
    before = {path: text for path, (text, _when) in flash(router).items()}
    releases: list[Callable[[], None]] = []
    way = taking(hold, paths.FW4_CONFIG, False, releases)
    held = re.escape(HELD.format(paths.FW4_CONFIG))
    says = rf"(?s)write {paths.FW4_CONFIG}: {held}.*tried again: {held}.*not as it was before yet"
    with pytest.raises(OffloadError, match=says):
        router.do(ActionModule, SOFTWARE, way=way)
    assert flowtable(router) == "", "what the kernel ran does not wait"
    releases[0]()
    assert settled(router)
    assert ({path: text for path, (text, _when) in flash(router).items()}, router.sh("uci changes")) == (before, "")
    assert router.do(ActionModule, SOFTWARE)[0]["changed"]
