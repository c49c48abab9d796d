# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An undo of fw4_offload brings back what the kernel ran, and not what fw4 would make of its configuration by then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm import action
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import Change
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call

from tests.unit.helpers.openwrt_fw4 import (
    SOFTWARE,
    flowtable,
    settled,
    stocked,
    undone,
)
from tests.unit.helpers.openwrt_root import Execs, OpenWrt

TABLES = "for t in $(ls /var/run/nft); do echo $t; cat /var/run/nft/$t; done"
STATE = "cat /var/run/fw4.state"
ABSENT = {"state": "absent"}
REJECTS = "uci set firewall.@zone[0].input=REJECT; uci commit firewall"


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    made = stocked(tmp_path / "root")
    yield made
    made.end()


def prepare(router: OpenWrt, wanted: dict[str, str]) -> None:
    """Something to undo, whichever way it goes."""
    if wanted == ABSENT:
        router.do(ActionModule, SOFTWARE)


@pytest.mark.parametrize("wanted", [SOFTWARE, ABSENT], ids=["software", "absent"])
def test_what_was_not_loaded_does_not_stay_after_an_undo(router: OpenWrt, wanted: dict[str, str]) -> None:
    """Not what was committed before, loaded knowingly, nor what is committed, or put beside it, inside the window."""
    prepare(router, wanted)
    before = router.sh(f"{TABLES}; {STATE}")
    router.sh(REJECTS)
    meanwhile = "printf 'chain early {\\n\\ttcp dport 22 drop\\n}\\n' >/etc/nftables.d/x.nft"
    undone(router, {**wanted, "load_pending": True}, meanwhile)
    assert router.sh(f"{TABLES}; {STATE}") == before
    assert router.sh("uci changes") == ""
    assert "REJECT" in str(router.read(paths.FW4_CONFIG)), "what others committed stays theirs"


@pytest.mark.parametrize("wanted", [SOFTWARE, ABSENT], ids=["software", "absent"])
def test_tables_of_includes_are_as_before(router: OpenWrt, wanted: dict[str, str]) -> None:
    """One that the load makes goes, one that it changes is as it was."""
    prepare(router, wanted)
    include = "table ip {} {{\n\tchain x {{\n\t\tcounter accept\n\t}}\n}}\n"
    router.write("/usr/share/nftables.d/ruleset-post/old.nft", include.format("old"))
    router.sh("fw4 reload; sed -i s/accept/drop/ /var/run/nft/ip-old")
    before = router.sh(f"{TABLES}; {STATE}")
    router.write("/usr/share/nftables.d/ruleset-post/new.nft", include.format("new"))
    undone(router, {**wanted, "load_pending": True})
    assert router.sh(f"{TABLES}; {STATE}") == before


def test_what_a_set_holds_is_as_before(router: OpenWrt) -> None:
    held = "\\tset s {\\n\\t\\ttype ipv4_addr\\n\\t\\telements = { 192.0.2.1,\\n\\t\\t\\t     192.0.2.2 }\\n\\t}"
    router.sh(f"sed -i '1s/$/\\n{held}/' /var/run/nft/inet-fw4")
    before = router.sh(TABLES)
    undone(router, SOFTWARE)
    assert router.sh(TABLES) == before


@pytest.mark.parametrize("wanted", [SOFTWARE, ABSENT], ids=["software", "absent"])
def test_a_load_that_hangs_is_ended_and_undone(
    router: OpenWrt, wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An include waits for a name server. By then fw4's state is gone, its lock is held, and its table may be live."""
    prepare(router, wanted)
    router.write("/etc/slow.sh", "[ ! -e /tmp/slow ] || exec sleep 600\n")
    text = str(router.read(paths.FW4_CONFIG))
    router.write(paths.FW4_CONFIG, text + "\nconfig include\n\toption path /etc/slow.sh\n")
    router.sh("fw4 reload")
    before = router.sh(f"{TABLES}; {STATE}")
    router.sh(": >/tmp/slow")
    # its guard would wait for minutes; a load that does not hang has them
    with monkeypatch.context() as hurried:
        hurried.setattr(action, "Change", partial(Change, limit=3))
        with pytest.raises(OffloadError, match=r"not loaded within 3 s.*nothing was left changed"):
            router.do(ActionModule, wanted)
    assert settled(router)
    assert router.sh(f"{TABLES}; {STATE}; uci changes") == before
    assert router.sh("rm /tmp/slow; flock -n /var/run/fw4.lock fw4 check 2>&1") == "Ruleset passes nftables check.\n"
    assert router.do(ActionModule, wanted)[0]["changed"]


LINES = 24


@pytest.mark.parametrize("line", range(0, LINES, 3))
def test_a_load_that_is_killed_at_any_command(router: OpenWrt, line: int) -> None:
    """And with it all that it started: what was there before is there again, and a second run does it."""
    before = router.sh(f"{TABLES}; {STATE}")
    killing = f"""
if [ "$1" = load ] && [ ! -e /tmp/killed ]; then
  count=0
  die() {{
    count=$((count + 1))
    [ "$count" -le {line} ] || {{ : >/tmp/killed; kill -9 $$; }}
  }}
  for name in uci fw4 nft cp mv cmp cat sed awk grep tr; do eval "$name() {{ die; command $name \\"\\$@\\"; }}"; done
fi
"""

    class Killed(Execs):
        def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
            calls = [
                [
                    word.replace("config=/etc/config/firewall\n", f"config=/etc/config/firewall\n{killing}", 1)
                    for word in call
                ]
                for call in calls
            ]
            return super().run(fragments, calls)

    try:
        router.do(ActionModule, SOFTWARE, way=Killed)
    except OffloadError as error:
        assert "nothing was left changed" in str(error)
        assert settled(router)
        assert router.sh(f"{TABLES}; {STATE}; uci changes") == before
        router.do(ActionModule, SOFTWARE)
    assert flowtable(router)


def test_an_interface_that_came_up_inside_the_window_is_followed(router: OpenWrt) -> None:
    """What is put back knows nothing of it, and no further event would load it."""
    router.write("/etc/stand-in/interfaces", "lan br-lan br-lan static up\n")
    router.sh("fw4 reload")
    up = "echo 'wan wan pppoe-wan pppoe up' >>/etc/stand-in/interfaces; fw4 -q reload"
    undone(router, SOFTWARE, up)
    assert 'oifname { "pppoe-wan" } jump output_wan' in router.sh("nft list table inet fw4")
    assert "pppoe-wan" in router.sh(STATE)
    assert (flowtable(router), router.sh("uci changes")) == ("", "")


def test_it_is_not_followed_where_that_would_make_something_else_live(router: OpenWrt) -> None:
    router.write("/etc/stand-in/interfaces", "lan br-lan br-lan static up\n")
    router.sh("fw4 reload")
    before = router.sh(TABLES)
    up = f"echo 'wan wan pppoe-wan pppoe up' >>/etc/stand-in/interfaces; fw4 -q reload; {REJECTS}"
    undone(router, SOFTWARE, up)
    assert router.sh(TABLES) == before


def test_a_load_of_somebody_else_that_began_inside_the_window_does_not_outlast_the_undo(router: OpenWrt) -> None:
    """It has rendered what is staged, and waits for something. It ends when the guard has put the tables back."""
    before = router.sh(f"{TABLES}; {STATE}")
    slow = (
        "cp /var/run/nft/inet-fw4 /tmp/theirs; ( exec 9>/var/run/fw4.lock; flock -x 9; "
        "while grep -q 'flowtable ft' /var/run/nft/inet-fw4; do :; done; "
        "cp /tmp/theirs /var/run/nft/inet-fw4; sleep 1 ) "
        "</dev/null >/dev/null 2>&1 &"
    )
    undone(router, SOFTWARE, slow)
    assert router.sh(f"{TABLES}; {STATE}; uci changes") == before


def test_a_disabled_that_stops_half_way_says_what_is_left_and_goes_on(router: OpenWrt) -> None:
    before = router.sh(TABLES)
    router.do(ActionModule, SOFTWARE)
    router.path("/bin/rm").unlink()
    fails = f"case $* in *{paths.FW4_FOUND}\\ *) [ -e /tmp/once ] || {{ : >/tmp/once; exit 1; }} ;; esac"
    router.write("/bin/rm", f'#!/bin/sh\n{fails}\nexec busybox rm "$@"\n', 0o755)
    left = rf"left to do: remove {paths.FW4_FOUND}, remove {paths.FW4_KEEP}"
    with pytest.raises(OffloadError, match=rf"the change is confirmed.*{left}"):
        router.do(ActionModule, ABSENT)
    assert router.sh(TABLES) == before
    result, _execs = router.do(ActionModule, ABSENT)
    assert result["actions"] == [f"remove {paths.FW4_FOUND}", f"remove {paths.FW4_KEEP}"]
    assert not router.do(ActionModule, ABSENT)[0]["changed"]
