# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fw4_offload where a load would make more live than its two options: what was committed, or put beside it, before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.action.fw4_offload import ActionModule
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError

from tests.unit.helpers.openwrt_fw4 import SOFTWARE, flowtable, stocked
from tests.unit.helpers.openwrt_root import Execs, OpenWrt

TABLE = "nft list table inet fw4"
INCLUDE = "chain early {\n\ttype filter hook input priority -5; policy drop;\n\ttcp dport 22 accept\n}\n"
LOADING = "mv /var/run/fw4.state /tmp/s; sleep 3; mv /tmp/s /var/run/fw4.state"
REJECTS = "uci set firewall.@zone[0].input=REJECT; uci commit firewall"


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    made = stocked(tmp_path / "root")
    made.sh("ln -s /etc/nftables.d /etc/include.d")
    yield made
    made.end()


def add_section(router: OpenWrt, text: str) -> None:
    router.write(paths.FW4_CONFIG, f"{router.read(paths.FW4_CONFIG)}\n{text}")


@pytest.mark.parametrize("check", [False, True])
def test_input_reject_that_was_committed_and_not_loaded_is_refused(router: OpenWrt, check: bool) -> None:
    router.sh(REJECTS)
    live = router.sh(TABLE)
    lines = r"- inet fw4 chain input_lan: jump accept_from_lan.*\+ inet fw4 chain input_lan: jump reject_from_lan"
    with pytest.raises(OffloadError, match=rf"was changed and not loaded.*{lines}.*load_pending") as refused:
        router.do(ActionModule, SOFTWARE, check=check)
    assert len(refused.value.details["unloaded"]) == 2
    assert router.sh(f"{TABLE}; nft list tables; uci changes") == f"{live}table inet fw4\n"


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"/etc/nftables.d/20-ours.nft": INCLUDE}, [r"\+ inet fw4 chain early: tcp dport 22 accept"]),
        ({"/usr/share/nftables.d/table-post/x.nft": INCLUDE}, [r"\+ inet fw4 chain early: tcp dport 22 accept"]),
        (
            {"/usr/share/nftables.d/ruleset-post/x.nft": f"table ip other {{\n{INCLUDE}}}\n"},
            [r"\+ ip other chain early: tcp dport 22 accept"],
        ),
        (
            {"/usr/share/nftables.d/ruleset-post/x.nft": "flush table ip other\nadd rule ip other x accept\n"},
            [r"\+ /usr/share/nftables.d/ruleset-post/x.nft: add rule ip other x accept"],
        ),
        ({"/etc/nftables.d/x.nft": 'include "/etc/more.nft"\n', "/etc/more.nft": INCLUDE}, [r"\+ .*chain early"]),
    ],
)
def test_a_file_that_was_not_loaded_is_refused(router: OpenWrt, files: dict[str, str], lines: list[str]) -> None:
    """Nothing of it gets into the kernel, dormant tables of another name apart."""
    router.sh("touch -d '2020-01-01 00:00' /var/run/fw4.state")
    for path, text in files.items():
        router.write(path, text)
    for line in lines:
        with pytest.raises(OffloadError, match=line):
            router.do(ActionModule, SOFTWARE)
    assert router.sh("nft list tables") == "table inet fw4\n"


@pytest.mark.parametrize(
    "text",
    [
        "}\nflush ruleset\ntable inet fw4 {\n",
        "chain x {\n} # {\n}\ntable ip other {\n",
        'include "more.nft"\n',
        'chain x {\n\tcounter comment "}\n}\n',
        'chain x { }; include "/etc/x"\n',
    ],
)
def test_text_that_may_leave_its_table_is_not_loaded_to_be_compared(router: OpenWrt, text: str) -> None:
    router.write("/etc/nftables.d/x.nft", text)
    live = router.sh(TABLE)
    router.sh(": >/tmp/nft.log")
    with pytest.raises(OffloadError, match=r"cannot be compared with what is live: .*/etc/nftables\.d/x\.nft"):
        router.do(ActionModule, SOFTWARE)
    assert "-f" not in str(router.read("/tmp/nft.log"))
    assert router.sh(f"{TABLE}; nft list tables") == f"{live}table inet fw4\n"


def test_what_is_not_loaded_can_be_loaded_knowingly(router: OpenWrt) -> None:
    router.sh(REJECTS)
    result, _execs = router.do(ActionModule, {**SOFTWARE, "load_pending": True})
    assert result["changed"] and "jump reject_from_lan" in router.sh(TABLE)


def test_a_converged_router_is_left_alone_whatever_was_not_loaded(router: OpenWrt) -> None:
    router.do(ActionModule, SOFTWARE)
    router.sh(REJECTS)
    result, execs = router.do(ActionModule, SOFTWARE)
    assert (result["changed"], execs) == (False, 1)
    with pytest.raises(OffloadError, match="jump reject_from_lan"):
        router.do(ActionModule, {"state": "absent"})


@pytest.mark.parametrize(
    "script",
    [
        "echo 'wan wan pppoe-wan pppoe up' >/etc/stand-in/interfaces",
        "echo 'lan br-lan br-lan static up' >/etc/stand-in/interfaces",
        "mkdir -p /sys/class/net/br-lan/lower_phy0-ap0 /sys/class/net/phy0-ap0",
        "nft=/var/run/nft/inet-fw4; sed -i 's/^\\tchain input {/&\\n\\t\\ttcp dport 99 accept/' $nft",
        "sed -i '$d' /var/run/nft/inet-fw4; printf '\\tchain input_old {\\n\\t}\\n\\tset s {\\n\\t\\ttype ipv4_addr\\n"
        "\\t\\telements = { 192.0.2.1,\\n\\t\\t\\t     192.0.2.2 }\\n\\t}\\n}\\n' >>/var/run/nft/inet-fw4",
        "touch /etc/config/firewall",
    ],
    ids=["a network that went down", "another one", "wireless", "a rule of others", "sets and empty chains", "touched"],
)
def test_what_moves_by_itself_is_no_alarm(router: OpenWrt, script: str) -> None:
    router.sh(script)
    assert router.do(ActionModule, SOFTWARE)[0]["changed"]


def test_what_others_added_at_run_time_and_a_load_takes_away_is_told(router: OpenWrt) -> None:
    router.sh("sed -i 's/^\\tchain input {/&\\n\\t\\ttcp dport 99 accept/' /var/run/nft/inet-fw4")
    result, _execs = router.do(ActionModule, SOFTWARE, check=True)
    assert result["warnings"] == [
        "a load of the firewall takes away what others added to its tables at run time, unless they add it again: "
        "inet fw4 chain input: tcp dport 99 accept"
    ]


@pytest.mark.parametrize("load_pending", [False, True])
def test_a_zone_that_fw4_skips_is_refused(router: OpenWrt, load_pending: bool) -> None:
    """Its check ends with 0."""
    router.sh("uci set firewall.@zone[1].masq=maybe; uci commit firewall")
    assert router.sh("fw4 check 2>/dev/null; echo $?") == "Ruleset passes nftables check.\n0\n"
    says = r"would leave out zones that are live now \(wan\).*option 'masq' specifies invalid value 'maybe'"
    with pytest.raises(OffloadError, match=says):
        router.do(ActionModule, {**SOFTWARE, "load_pending": load_pending})


def test_a_zone_that_is_skipped_only_when_it_is_loaded(router: OpenWrt) -> None:
    """And so does another one that was not yet there when the router was read."""

    class Meanwhile(Execs):
        def reconnect(self, *, shared: bool = True) -> None:
            super().reconnect(shared=shared)
            if shared:
                self._router.sh("uci set firewall.@zone[1].masq=maybe; uci commit firewall")

    live = router.sh(TABLE)
    with pytest.raises(OffloadError, match=r"(?s)configuration was changed since the router was read.*left changed"):
        router.do(ActionModule, SOFTWARE, way=Meanwhile)
    assert (router.sh(TABLE), router.sh("uci changes")) == (live, "")


def test_files_that_are_included_automatically_are_no_warning(router: OpenWrt) -> None:
    router.write("/usr/share/nftables.d/table-post/x.nft", "chain x {\n}\n")
    router.sh("fw4 reload")
    assert "Automatically including" in router.sh("fw4 print")
    result, _execs = router.do(ActionModule, SOFTWARE)
    assert result["changed"] and "warnings" not in result


def test_the_firewall_is_loaded_by_somebody_else_while_it_is_looked_at(router: OpenWrt) -> None:
    """As by an interface that comes up: the state file is gone then, and the lock is held."""
    locked = f"( exec 9>/var/run/fw4.lock; flock -x 9; {LOADING} ) &"
    result, _execs = router.do(ActionModule, SOFTWARE, before=f"{locked}\nsleep 0.3")
    assert result["changed"] and flowtable(router)


def test_without_flock_it_looks_again(router: OpenWrt) -> None:
    router.path("/bin/flock").unlink()
    router.path("/sbin/fw4").write_text(str(router.read("/sbin/fw4")).replace("flock -x 9", ":"))
    result, _execs = router.do(ActionModule, SOFTWARE, before=f"( {LOADING} ) &\nsleep 0.3")
    assert result["changed"] and flowtable(router)


def test_a_load_of_somebody_else_that_hangs_is_waited_for_so_long_only(router: OpenWrt) -> None:
    """What is read then is read without the lock."""
    hanging = "( exec 9>/var/run/fw4.lock; flock -x 9; exec sleep 8 ) >/dev/null 2>&1 &"
    hurried = "sleep() { busybox sleep 0.05; }"
    result, _execs = router.do(ActionModule, SOFTWARE, check=True, before=f"{hanging}\nsleep 0.3\n{hurried}")
    assert result["changed"]
