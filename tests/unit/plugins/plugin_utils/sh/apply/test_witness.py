# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a router counts of its traffic, under each shell that routers have, with stand-ins for nft, ip and ping."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.witness import Count, parse_count
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, compose, parse

from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS, run_script

INET = """table inet T {
	chain offered_up_4 {
		counter packets 100 bytes 9 comment "all"
		meta l4proto != tcp return
		tcp flags & psh == psh counter packets 40 bytes 9 comment "data"
		tcp flags & (fin | syn | rst | ack) == syn counter packets 1 bytes 9 comment "open"
	}
	chain offered_up {
		meta nfproto ipv4 goto offered_up_4
		meta nfproto ipv6 goto offered_up_6
	}
	chain offered {
		type filter hook forward priority -1000000; policy accept;
		iifname "wan0" goto offered_up
		iifname != "lo" goto offered_down
	}
	chain offered_down_4 {
		counter packets 200 bytes 9 comment "all"
	}
	chain forwarded_up_4 {
		counter packets 190 bytes 9 comment "all"
	}
	chain forwarded_down_4 {
		counter packets 99 bytes 9 comment "all"
		tcp flags & (syn | rst | ack) == ack counter packets 66 bytes 9 comment "ack"
		tcp flags & x == y counter packets 7 bytes 9 comment "open"
	}
	chain own_up_4 {
		counter packets 10 bytes 9 comment "all"
	}
}
"""
NETDEV = """table netdev T {
	chain arrived_up_4 {
		counter packets 250 bytes 9 comment "all"
		tcp flags & (syn | rst | ack) == ack counter packets 50 bytes 9 comment "ack"
	}
	chain arrived_up_ppp {
		@nh,48,16 0x21 counter packets 50 bytes 9 comment "4"
	}
	chain passed_up_4 {
		counter packets 130 bytes 9 comment "all"
		tcp flags & (syn | rst | ack) == ack counter packets 20 bytes 9 comment "ack"
	}
	chain left_up_ether_4 {
		counter packets 300 bytes 9 comment "all"
	}
	chain left_up_ether {
		counter packets 500 bytes 5000 comment "all"
		ether saddr != { 02:00:00:00:0a:01 } return
		meta protocol ip goto left_up_ether_4
	}
	chain left_up_none {
		counter packets 5 bytes 50 comment "all"
	}
	chain left_up_none_4 {
		counter packets 5 bytes 9 comment "all"
	}
	chain left_down_ether_4 {
		counter packets 260 bytes 9 comment "all"
		tcp flags & (syn | rst | ack) == ack counter packets 200 bytes 9 comment "ack"
	}
}
"""
NFT = """#!/bin/sh
echo "$*" >>log
case "$*" in
"-f -") cat >>loaded; [ ! -e broken ] || { echo "Error: no netdev here" >&2; exit 1; } ;;
"list table inet "*) cat inet ;;
"list table netdev "*) cat netdev ;;
"list tables") cat tables 2>/dev/null ;;
"list flowtables") cat flowtables 2>/dev/null ;;
esac
exit 0
"""
IP = """#!/bin/sh
case "$*" in
"-4 route show default") echo "default via inet6 fe80::2 dev wan0 src 198.51.100.1" ;;
"-6 route show default") printf 'default metric 1\\n\\tnexthop via fe80::3 dev wan1 weight 1\\n' ;;
*" nud probe") [ ! -e old ] ;;
"neigh show to "*) cat "neighbour.$4" 2>/dev/null ;;
esac
"""
PING = """#!/bin/sh
echo "ping $*" >>log
for _word in "$@"; do _last=$_word; done
[ -e "echo.$_last" ]
"""


class Router:
    """A directory with the stand-ins, and what they print."""

    def __init__(self, place: Path, shell: list[str]) -> None:
        self.place = place
        self.shell = shell
        for name, text in (("nft", NFT), ("ip", IP), ("ping", PING)):
            self.write(name, text)
            (place / name).chmod(0o755)
        self.write("inet", INET)
        self.write("netdev", NETDEV)

    def write(self, name: str, text: str = "") -> None:
        (self.place / name).write_text(text, encoding="utf-8")

    def run(self, *calls: Call) -> Answer:
        script = compose(NONCE, ("apply/witness",), [("section", call[0], *call) for call in calls])
        script = script.replace("PATH=$PATH:", f"PATH={self.place}:$PATH:")
        # all but what ends an nft that hangs
        script = script.replace("sleep ", ": ").replace(': "$_seconds"', 'sleep "$_seconds"')
        return parse(run_script(self.shell, script, self.place), NONCE)

    def log(self) -> str:
        return (self.place / "log").read_text() if (self.place / "log").exists() else ""


@pytest.fixture(params=ROUTER_SHELLS, ids=" ".join)
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Router:
    return Router(tmp_path, request.param)


def counted(answer: Answer, name: str) -> Count:
    found = parse_count(answer.text(name))
    assert found is not None
    return found


def test_what_is_forwarded_and_what_leaves(router: Router) -> None:
    before = counted(router.run(("watch_before", "4")), "watch_before")
    taken = 250 + 50 - 130
    assert before.offered["up", 4] == 100 + taken and before.offered["down", 4] == 200
    assert before.delivered["up", 4] == 300 + 5 - 10, "in all that left to there, less the router's own"
    assert before.delivered["down", 4] == 260
    assert before.taken == {4: taken, 6: 0}
    assert before.left == {4: (295 - 190) + (260 - 99), 6: 0}
    assert (before.tried["up", 4], before.answered["down", 4], before.said["up", 4]) == (1, 7, 40)
    assert before.acked["down", 4] == 200
    assert before.offered["up", 6] == 0


def test_without_a_hook_at_egress(router: Router) -> None:
    """What the fast path took counts as delivered to the other side."""
    router.write("nft", NFT.replace("cat >>loaded;", "cat >text; cat text >>loaded; ! grep -q egress text || exit 1;"))
    before = counted(router.run(("watch_before", "4")), "watch_before")
    assert before.delivered["down", 4] == 99 + (250 + 50 - 130)
    assert before.left == before.taken and not before.hardware
    assert before.acked["down", 4] == 66 + (50 - 20)
    assert (router.place / "loaded").read_text().count("hook egress") >= 1


def test_what_is_not_seen_at_egress(router: Router) -> None:
    """tc redirects what comes in from the WAN side to an ifb, to shape it: it passes the hook at egress then."""
    router.write("netdev", NETDEV.replace("packets 260", "packets 9"))
    answer = router.run(("watch_before", "4"), ("watch_after", "4", "2", "10"))
    before, after = counted(answer, "watch_before"), counted(answer, "watch_after")
    assert before.delivered["down", 4] == after.delivered["down", 4] == 99 + (250 + 50 - 130)
    assert before.delivered["up", 4] == 300 + 5 - 10, "the other side is seen"


def test_egress_is_not_given_up_after_the_change(router: Router) -> None:
    """That nothing leaves any more is what it is there for."""
    router.write("dead", NETDEV.replace("packets 260", "packets 9"))
    once = "if [ $(grep -c 'list table netdev' log) -gt 4 ]; then cat dead; else cat netdev; fi ;;"
    router.write("nft", NFT.replace("cat netdev ;;", once))
    answer = router.run(("watch_before", "4"), ("watch_after", "4", "2", "10"))
    assert counted(answer, "watch_before").delivered["down", 4] == 260
    assert counted(answer, "watch_after").delivered["down", 4] == 9


FLOWTABLES = """table inet a {
	flowtable one {
		hook ingress priority filter + 10
		devices = { lan0, "wan0" }
	}
	flowtable two {
		hook ingress priority %s
		devices = { lan0 }
	}
}
"""


@pytest.mark.parametrize(
    ("priority", "lowest", "highest"),
    [("filter", -1, 11), ("filter - 5", -6, 11), ("-300", -301, 11), ("200", 9, 201), ("filter + 3", 2, 11)],
)
def test_the_fast_path_is_counted_right_around_it(router: Router, priority: str, lowest: int, highest: int) -> None:
    """What somebody else's chain at ingress drops, such as a blocklist, the fast path did not take."""
    router.write("flowtables", FLOWTABLES % priority)
    router.run(("watch_before", "4"))
    loaded = (router.place / "loaded").read_text()
    found = set(re.findall(r"chain (arrived|passed)_\w+ \{ type filter hook ingress .* priority (-?\d+);", loaded))
    assert found == {("arrived", str(lowest)), ("passed", str(highest))}


def test_without_a_flowtable_nothing_is_counted_around_one(router: Router) -> None:
    router.run(("watch_before", "4"))
    loaded = (router.place / "loaded").read_text()
    assert "arrived" not in loaded and "passed" not in loaded


def test_without_hooks_at_links(router: Router) -> None:
    """What is to be forwarded counts from the forward hook on."""
    refuses = "cat >text; cat text >>loaded; ! grep -q 'hook [a-z]*gress' text || exit 1;"
    router.write("nft", NFT.replace("cat >>loaded;", refuses))
    before = counted(router.run(("watch_before", "4")), "watch_before")
    assert before.offered["down", 4] > 0 and not sum(before.stuck.values()) and not before.unwatched
    assert (router.place / "loaded").read_text().count("table inet nft_offload_witness") == 3


def test_nothing_of_it_stays(router: Router) -> None:
    router.run(("watch_before", "4"), ("watch_after", "4", "12", "10"))
    log = router.log()
    made = log.count("-f -")
    assert made == 2 and log.count("delete table netdev nft_offload_witness_") >= made
    assert log.count("delete table inet nft_offload_witness_") >= made


def test_what_cannot_be_removed_is_left_to_the_sweeper(router: Router) -> None:
    """nft fails for want of memory, and again, and then does not."""
    names = NFT.replace('echo "$*" >>log', 'echo "$*" >>log; touch "${4:-none}"; for _all in nft_offload_*; do :; done')
    fails = '"delete table "*) [ "$(grep -c "delete table" log)" -gt 5 ] || exit 1; : >tables ;;'
    listed = names.replace('case "$*" in', f'case "$*" in\n{fails}\n"-f -") echo "$_all" >tables ;;', 1)
    router.write("nft", listed.replace("$_all", "table inet nft_offload_witness_99999_1"))
    script = compose(NONCE, ("apply/witness",), [("section", "watch_before", "watch_before", "1")])
    script = script.replace("PATH=$PATH:", f"PATH={router.place}:$PATH:")
    script = script.replace("_witness=nft_offload_witness_$((_now + 120))_$$", "_witness=nft_offload_witness_99999_1")
    run_script(router.shell, script, router.place)
    until = time.monotonic() + 30
    while (router.place / "tables").read_text():
        assert time.monotonic() < until, router.log()
        time.sleep(0.2)


def test_what_a_killed_run_left_is_removed_after_its_time(router: Router) -> None:
    router.write(
        "tables",
        "table inet nft_offload_witness_1_77\ntable inet nft_offload_witness_99999999999_77\ntable inet mine\n",
    )
    router.run(("watch_before", "4"))
    assert "delete table inet nft_offload_witness_1_77" in router.log()
    assert "nft_offload_witness_99999999999_77" not in router.log() and "mine" not in router.log()


def test_a_quiet_router_is_counted_once(router: Router) -> None:
    router.write("inet", "table inet T {\n}\n")
    router.write("netdev", "table netdev T {\n}\n")
    answer = router.run(("watch_before", "4"), ("watch_after", "4", "12", "10"))
    assert counted(answer, "watch_before").quiet
    assert answer.text("watch_after").strip() == ""
    assert router.log().count("-f -") == 1
    assert answer["watch_before"].rc == answer["watch_after"].rc == 0


def test_where_nothing_can_be_counted_the_change_goes_on(router: Router) -> None:
    router.write("broken")
    answer = router.run(("watch_before", "4"), ("watch_after", "4", "12", "10"))
    assert counted(answer, "watch_before").unwatched == "Error: no netdev here"
    assert answer["watch_before"].rc == answer["watch_after"].rc == 0


def test_it_counts_on_while_less_is_forwarded(router: Router) -> None:
    """Until what was counted before is there again; the numbers are read each second."""
    once = router.run(("watch_before", "4"), ("watch_after", "4", "12", "10"))
    reads = router.log().count("list table netdev")
    assert parse_count(once.text("watch_after")) is not None and reads == 2 * 3
    dead = NETDEV.replace("packets 260", "packets 2").replace("packets 300", "packets 2")
    router.write("dead", dead)
    router.write(
        "nft",
        NFT.replace(
            "cat netdev ;;", "if [ $(grep -c 'list table netdev' log) -gt 4 ]; then cat dead; else cat netdev; fi ;;"
        ),
    )
    router.write("log")
    assert (
        counted(router.run(("watch_before", "4"), ("watch_after", "4", "2", "10")), "watch_after").delivered["down", 4]
        == 2
    )


def test_an_nft_that_hangs_does_not_hold_the_change_up(router: Router) -> None:
    router.write("nft", "#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    script = compose(NONCE, ("apply/witness",), [("section", "watch_before", "watch_before", "4")])
    script = script.replace("PATH=$PATH:", f"PATH={router.place}:$PATH:").replace("_within 10", "_within 1")
    answer = parse(run_script(router.shell, script.replace("_within 20", "_within 1"), router.place), NONCE)
    assert counted(answer, "watch_before").unwatched and answer["watch_before"].rc == 0
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["echo.fe80::2%wan0"], {(4, "fe80::2", "wan0"): True}),
        (["echo.fe80::2%wan0", "echo.fe80::3%wan1"], {(4, "fe80::2", "wan0"): True, (6, "fe80::3", "wan1"): True}),
        ([], {}),
    ],
)
def test_gateways_that_answer(router: Router, files: Sequence[str], expected: object) -> None:
    for name in files:
        router.write(name)
    answer = router.run(("watch_before", "4"), ("watch_after", "4", "12", "10"))
    assert counted(answer, "watch_before").gateways == counted(answer, "watch_after").gateways == expected


def test_a_gateway_that_answers_no_echo_answers_as_a_neighbour(router: Router) -> None:
    router.write("neighbour.fe80::2", "fe80::2 lladdr 02:00:00:00:cb:02 router REACHABLE\n")
    router.write("neighbour.fe80::3", "fe80::3 FAILED\n")
    answer = router.run(("watch_before", "1"), ("gateway", "ipv4"))
    assert counted(answer, "watch_before").gateways == {(4, "fe80::2", "wan0"): True}
    assert answer.ok("gateway")
    refused = router.run(("gateway", "ipv6"))
    assert not refused.ok("gateway") and "no answer from: 6 fe80::3 wan1" in refused.text("gateway")


def test_gateways_are_asked_at_the_same_time(router: Router) -> None:
    """Two that are dead must not take the time that the new connection has."""
    met = "grep -q 3%wan1 log && grep -q 2%wan0 log && exit 0"
    meet = f"for _n in 1 2 3 4 5 6 7 8; do {met}; sleep 0.5; done; exit 1\n"
    router.write("ping", PING.replace("[ -e", meet + "[ -e"))
    answer = router.run(("watch_before", "4"))
    assert counted(answer, "watch_before").gateways == {(4, "fe80::2", "wan0"): True, (6, "fe80::3", "wan1"): True}


def test_a_gateway_that_answers_no_more(router: Router) -> None:
    router.write("echo.fe80::2%wan0")
    router.write("ping", PING + '\nrc=$?\nrm -f "echo.$_last"\nexit $rc\n')
    answer = router.run(("watch_before", "4"), ("watch_after", "4", "12", "10"))
    assert counted(answer, "watch_before").gateways == {(4, "fe80::2", "wan0"): True}
    assert counted(answer, "watch_after").gateways == {(4, "fe80::2", "wan0"): False}
