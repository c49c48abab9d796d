# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What boot loads: what was confirmed, else a ruleset of before, else the emergency ruleset, whatever else fails."""

from __future__ import annotations

import re
import shutil
import stat
import time
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import MARK

from tests.unit.helpers.boot import COMMANDS, STAGED, BootRouter, filter_text, overlay_text
from tests.unit.helpers.firewalls import needs_namespaces
from tests.unit.helpers.shells import ROUTER_SHELLS

pytestmark = needs_namespaces

AWAY = 'iif "lan9" accept'
"""a rule that boot does not load: there is no such device"""
CHAINS = ("chain emergency_input", "chain emergency_forward")


@pytest.fixture(params=ROUTER_SHELLS, ids=" ".join)
def router(request: pytest.FixtureRequest, tmp_path: Path) -> BootRouter:
    shell: list[str] = request.param
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    return BootRouter(tmp_path, shell)


def test_what_was_confirmed_is_loaded(router: BootRouter) -> None:
    router.confirm(filter_text(3), kept={2: filter_text(2)})
    started = router.start()
    assert (started.code, started.said) == (0, "")
    assert "tcp dport 3 accept" in started.tables
    assert started.record == {"loaded": "confirmed", "complaint": ""}
    assert stat.S_IMODE(router.run.stat().st_mode) == 0o700
    assert stat.S_IMODE((router.run / "boot").stat().st_mode) == 0o600


def test_a_table_that_is_not_the_routers_filter_has_no_emergency_ruleset(router: BootRouter) -> None:
    router.confirm(overlay_text(3, AWAY))
    started = router.start()
    assert (started.code, started.tables) == (1, "")
    assert started.record["loaded"] == "none"
    assert "Interface does not exist" in started.record["complaint"]
    assert started.waited == ["1", "1"], "nothing is open that would be shut: boot goes on"


@pytest.mark.parametrize("text", [AWAY, "ip saddr gw.nft-offload.invalid accept", "tcp dort 3 accept"])
def test_the_newest_of_before_that_loads(router: BootRouter, text: str) -> None:
    kept = {1: filter_text(1), 2: filter_text(2), 4: filter_text(4), 10: filter_text(10, AWAY)}
    router.confirm(filter_text(5, text), 5, kept)
    started = router.start()
    assert started.code == 1
    assert "tcp dport 4 accept" in started.tables
    assert started.record["loaded"] == "kept 4-00000004"
    assert "ruleset 4-00000004, confirmed before, runs in its place" in started.said
    assert "ruleset 4-00000004" in started.logged


def test_what_was_rolled_back_is_tried_after_those_before_it(router: BootRouter) -> None:
    router.confirm(filter_text(3, AWAY), 3, {2: filter_text(2, AWAY), 9: filter_text(9)})
    assert router.start().record["loaded"] == "kept 9-00000009"


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {2: filter_text(2, AWAY)},
        {2: overlay_text(2)},
        {2: filter_text(2, name="other")},
    ],
    ids=["none", "one that does not load", "one that filters nothing", "another table"],
)
def test_else_the_emergency_ruleset(router: BootRouter, kept: dict[int, str]) -> None:
    router.confirm(filter_text(3, AWAY), 3, kept)
    started = router.start()
    assert started.code == 1
    assert all(chain in started.tables for chain in CHAINS)
    assert "tcp dport 22 accept" in started.tables
    assert started.tables.count("table ") == 1
    assert started.record["loaded"] == "emergency"
    assert "emergency" in started.said and "Interface does not exist" in started.logged


def test_an_overlay_does_not_fall_back_to_a_firewall(router: BootRouter) -> None:
    router.confirm(overlay_text(3, AWAY), 3, {1: overlay_text(1), 2: filter_text(2)})
    started = router.start()
    assert started.record["loaded"] == "kept 1-00000001"
    assert "hook input" not in started.tables


@pytest.mark.parametrize("text", ["", "table inet t\nflush table inet t\n", "\0\0\0\0", None])
def test_a_file_that_is_not_whole_is_not_taken_for_a_filter(router: BootRouter, text: str | None) -> None:
    router.confirm(filter_text(3), 3, {2: filter_text(2)})
    if text is None:
        (router.home / "ruleset.nft").unlink()
    else:
        router.write("ruleset.nft", text)
    started = router.start()
    assert started.code == 1
    assert started.record["loaded"] == "kept 2-00000002"


def test_what_is_live_is_better_than_what_was_before(router: BootRouter) -> None:
    """systemctl reload, with a file for boot that was changed by hand."""
    router.confirm(filter_text(3), 3, {2: filter_text(2)})
    spoil = f'sed -i "s/tcp dport 3/tcp dort 3/" {router.home}/ruleset.nft'
    started = router.start(f"{router.run_it}; {spoil}")
    assert started.code == 1
    assert "tcp dport 3 accept" in started.tables and "what is live stays" in started.said
    assert started.record["loaded"] == "confirmed"


@pytest.mark.parametrize(
    "kept", [{}, {2: filter_text(2).replace("hook forward", "hook output").replace("forward", "out")}]
)
def test_the_fallback_leaves_nothing_behind_once_the_text_loads(router: BootRouter, kept: dict[int, str]) -> None:
    router.confirm(filter_text(3, AWAY), 3, kept)
    started = router.start(f'{router.run_it}; sed -i "/lan9/d" {router.home}/ruleset.nft')
    assert started.code == 0
    assert started.tables.split("table inet t")[1].count("chain ") == 2
    assert "chain forward" in started.tables and "tcp dport 3 accept" in started.tables
    assert started.record["loaded"] == "confirmed"


def test_the_text_for_boot_by_hand_over_the_emergency_ruleset_shuts_nobody_out(router: BootRouter) -> None:
    """Its declaration flushes every chain of the table, and what has no rule any more must not drop."""
    router.confirm(filter_text(3, AWAY))
    assert "policy drop" not in router.start().tables


FOREIGN = "table inet t { chain INPUT { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }"
"""of somebody else, who loads it before us"""


@pytest.mark.parametrize("text", [filter_text(3), overlay_text(3)], ids=["filter", "overlay"])
def test_what_has_our_name_leaves_no_chain_behind(router: BootRouter, text: str) -> None:
    """Without its rules, and with its policy, it would shut the router: as that of a table that was adopted."""
    router.confirm(text)
    started = router.start(f"nft '{FOREIGN}'")
    assert started.code == 0
    assert "INPUT" not in started.tables and "dport 3 " in started.tables


def test_what_is_made_of_a_table_that_was_there_has_our_mark(router: BootRouter) -> None:
    """Else the next run would call it somebody else's."""
    router.confirm(filter_text(3))
    ruleset = router.home / "ruleset.nft"
    ruleset.write_text(ruleset.read_text().replace("table inet t\n", f"table inet t {{ {MARK}; }}\n", 1))
    assert MARK in router.start(f"nft '{FOREIGN}'").tables


@pytest.mark.parametrize("rule", [AWAY, "tcp dort 3 accept"])
def test_what_has_our_name_stays_where_no_text_loads(router: BootRouter, rule: str) -> None:
    router.confirm(filter_text(3, rule))
    assert "tcp dport 22 accept" in router.start(f"nft '{FOREIGN}'").tables


def test_the_emergency_ruleset_comes_before_what_takes_long(router: BootRouter) -> None:
    router.confirm(filter_text(3, AWAY), 3, {2: filter_text(2)})
    router.shim_nft("-f*/history/*", f"{router.nft} list ruleset >$place/meanwhile")
    started = router.start()
    assert "emergency_input" in (router.place / "meanwhile").read_text()
    assert started.record["loaded"] == "kept 2-00000002"
    assert "emergency" not in started.tables and "dport 2 " in started.tables


def test_the_text_that_loads_again_replaces_the_fallback_at_once(router: BootRouter) -> None:
    """There is no moment without a table, and a text that nft refuses after all leaves what is there."""
    router.confirm(filter_text(3, AWAY), 3)
    router.shim_nft('"-f -"*/ruleset.nft*', '[ ! -e "$place/armed" ] || { echo ENOMEM >&2; exit 1; }')
    loads = f'sed -i "/lan9/d" {router.home}/ruleset.nft; : >{router.place}/armed'
    started = router.start(f"{router.run_it}; {loads}")
    assert "emergency_input" in started.tables and "what is live stays" in started.said


def test_an_empty_emergency_ruleset_is_none(router: BootRouter) -> None:
    """The power was cut after a change to a text that filters nothing: the old file is still to be removed."""
    router.confirm(filter_text(3), 3)
    router.confirm(overlay_text(4), 4, {3: filter_text(3)})
    router.write("emergency.nft", "")
    started = router.start()
    assert (started.code, started.record["loaded"]) == (0, "confirmed")
    assert "dport 4 " in started.tables
    router.confirm(overlay_text(4, AWAY), 4, {3: filter_text(3)})
    assert router.start().record["loaded"] == "none"


def test_a_long_line_takes_no_long_time(router: BootRouter) -> None:
    elements = ", ".join(f"10.0.{a}.{b}" for a in range(100) for b in range(250))
    block = f"table inet t {{\n\tset s {{\n\t\ttype ipv4_addr\n\t\telements = {{ {elements} }}\n\t}}\n}}\n"
    router.confirm(filter_text(3, AWAY), 3, {2: filter_text(2)})
    kept = router.home / "history/2-00000002.nft"
    kept.write_text(kept.read_text() + block)
    assert router.start().record["loaded"] == "kept 2-00000002"


# --- every command, failing once and for ever


@pytest.mark.parametrize("times", [1, None], ids=["once", "for ever"])
@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "nft"])
@pytest.mark.parametrize("state", ["good", "staged", "kept", "emergency"])
def test_a_command_that_fails_costs_no_filter(router: BootRouter, command: str, times: int | None, state: str) -> None:
    """mv that fails leaves what was confirmed where it was staged, and it is loaded from there."""
    rule = AWAY if state in ("kept", "emergency") else ""
    router.confirm(filter_text(3, rule), 3, {2: filter_text(2)} if state == "kept" else {})
    if state == "staged":
        router.stage("ruleset.nft", filter_text(4))
    router.fails(command, times)
    started = router.start()
    wanted = {"good": "dport 3 ", "staged": "dport 4 ", "kept": "dport 2 ", "emergency": "emergency_input"}[state]
    assert wanted in started.tables and started.tables.count("hook input") == 1
    assert started.code == (0 if state in ("good", "staged") else 1)
    assert (router.home / "committing").exists() == (state == "staged" and (command in ("mv", "rm")))
    if state == "staged":
        assert "dport 4 " in router.start().tables


def test_nft_that_fails_once_costs_a_second(router: BootRouter) -> None:
    router.confirm(filter_text(3), 3, {2: filter_text(2)})
    router.fails("nft", 1)
    started = router.start()
    assert (started.code, started.waited) == (0, ["1"])
    assert "dport 3 " in started.tables


@pytest.mark.parametrize("times", [4, 8, 15])
def test_nft_that_fails_for_a_while_ends_in_what_was_confirmed(router: BootRouter, times: int) -> None:
    """For want of memory. Where our table is no filter, boot does not wait for it."""
    router.confirm(filter_text(3), 3)
    router.fails("nft", times)
    started = router.start()
    assert started.tables.count("hook input") == 1, started
    assert "dport 3 " in started.tables or started.record["loaded"] == "emergency"


def test_nft_that_fails_for_ever_is_told_within_a_minute(router: BootRouter) -> None:
    router.confirm(filter_text(3), 3, {2: filter_text(2)})
    router.fails("nft")
    started = router.start()
    assert (started.code, started.record["loaded"]) == (1, "none")
    assert "nft: it fails" in started.said and "nothing runs in its place" in started.logged
    assert sum(map(int, started.waited)) == 63


@pytest.mark.parametrize(("pattern", "wanted"), [("-f*/ruleset.nft*", "emergency_input"), ("*list*", "dport 3 ")])
def test_nft_that_hangs_is_ended(router: BootRouter, pattern: str, wanted: str) -> None:
    """The network waits for this script."""
    router.confirm(filter_text(3), 3)
    router.hurry(3)
    router.shim_nft(pattern, "exec /bin/sleep 50")
    started = router.start()
    assert wanted in started.tables
    assert ("nft did not end in time" in started.said) == (wanted == "emergency_input")


def test_nft_that_hangs_for_ever_is_told_soon(router: BootRouter) -> None:
    """Each further try would take as long."""
    router.confirm(filter_text(3), 3, {2: filter_text(2), 1: filter_text(1)})
    router.hurry(2)
    router.shim_nft("*", "exec /bin/sleep 50")
    before = time.monotonic()
    started = router.start()
    assert time.monotonic() - before < 30
    assert (started.code, started.record["loaded"]) == (1, "none")
    assert "nft did not end in time; nothing runs in its place" in started.logged


def test_a_kept_ruleset_that_hangs_leaves_the_emergency_ruleset(router: BootRouter) -> None:
    router.confirm(filter_text(3, AWAY), 3, {2: filter_text(2), 1: filter_text(1)})
    router.hurry(3)
    router.shim_nft("-f*/history/*", 'echo >>"$place/hung"; exec /bin/sleep 50')
    started = router.start()
    assert "emergency_input" in started.tables and started.record["loaded"] == "emergency"
    assert (router.place / "hung").read_text() == "\n", "the next one would hang too"


def test_a_disk_that_hangs_does_not_hold_the_network_up(router: BootRouter) -> None:
    """What it did not write yet stays in the journal."""
    router.confirm(filter_text(3))
    router.stage("ruleset.nft", filter_text(4))
    router.hurry(3)
    router.shim("sync", "exec /bin/sleep 50")
    before = time.monotonic()
    started = router.start()
    assert started.code == 0 and "dport 4 " in started.tables
    assert time.monotonic() - before < 30
    assert (router.home / "committing").exists()


@pytest.mark.parametrize("command", ["logger", "sync"])
def test_a_command_that_hangs_keeps_no_filter_out(router: BootRouter, command: str) -> None:
    router.confirm(filter_text(3, AWAY))
    router.stage("devices", overlay_text(3))
    router.shim(command, f"{router.nft} list ruleset >$place/meanwhile; exec /bin/sleep 3")
    started = router.start()
    assert "emergency_input" in started.tables
    assert "emergency_input" in (router.place / "meanwhile").read_text()


def test_nft_that_cannot_list_is_believed(router: BootRouter) -> None:
    router.confirm(filter_text(3), 3, {2: filter_text(2)})
    router.shim("nft", '[ "$2" != list ] || { echo "it fails" >&2; exit 1; }\nexec "$real" "$@"')
    started = router.start()
    assert started.code == 0 and "dport 3 " in started.tables


def test_nft_that_loads_nothing_and_says_it_did_is_not_believed(router: BootRouter) -> None:
    router.confirm(filter_text(3), 3)
    router.shim_nft("-f*/ruleset.nft*", "exit 0")
    started = router.start()
    assert started.record["loaded"] == "emergency"
    assert "the kernel does not list" in started.said


def test_no_directory_for_the_record(router: BootRouter) -> None:
    router.confirm(filter_text(3, AWAY))
    (router.place / "run").rmdir()
    (router.place / "run").write_text("")
    assert "emergency_input" in router.start().tables


# --- a power cut between any two steps


def test_a_power_cut_at_any_step_of_a_start_is_recovered_from(router: BootRouter) -> None:
    """Each command ends the power in its turn, before it does anything; the next start comes to the end."""
    # which sleeps while another one runs
    counted = set(COMMANDS) - {"sleep"}
    cut = 1
    while True:
        for file in [*router.home.glob("*.*"), *router.home.glob("committing*")]:
            if file.is_file():
                file.unlink()
        shutil.rmtree(router.run, ignore_errors=True)
        (router.place / "steps").unlink(missing_ok=True)
        router.confirm(filter_text(3), 3, {2: filter_text(2)})
        router.write(f"devices{STAGED}", "")
        router.stage("ruleset.nft", filter_text(4))
        (router.home / "committing").write_text(f"{STAGED} {router.home}/devices\n{STAGED} {router.home}/ruleset.nft\n")
        kill = (
            'echo >>"$place/steps"\n'
            f'[ "$(wc -l <"$place/steps")" -ne {cut} ] || {{ kill -9 "$PPID"; exit 1; }}\n'
            'exec "$real" "$@"'
        )
        for command in counted:
            router.shim(command, kill)
        first = router.start()
        ended = first.code == 0
        for command in counted:
            router.shim(command, 'exec "$real" "$@"')
        shutil.rmtree(router.run, ignore_errors=True)
        second = router.start()
        assert second.code == 0, (cut, second)
        assert "dport 4 " in second.tables
        assert not (router.home / "committing").exists()
        if ended:
            break
        cut += 1
        assert cut < 30
    assert cut > 6, "no command was met"


@pytest.mark.parametrize("pending", [False, True], ids=["after a power cut", "while a change waits"])
def test_what_was_staged_and_never_confirmed_goes(router: BootRouter, pending: bool) -> None:
    router.confirm(filter_text(3))
    staged = [f"{name}{STAGED}" for name in ("ruleset.nft", "confirmed", "history/4-00000004.nft")]
    for name in staged:
        router.write(name, filter_text(4))
    if pending:
        (router.run / "pending/9-0badcafe").mkdir(parents=True)
    started = router.start()
    assert (started.code, "dport 3 " in started.tables) == (0, True)
    assert [(router.home / name).exists() for name in staged] == [pending] * 3


def test_it_calls_nothing_else(router: BootRouter) -> None:
    """Every command that it calls is in COMMANDS, so that each is tried above."""
    text = re.sub(r"#.*|'[^']*'", "", router.script.read_text())
    known = {
        "echo",
        "printf",
        "read",
        "case",
        "for",
        "if",
        "while",
        "local",
        "set",
        "umask",
        "continue",
        "return",
        "kill",
        "file",
        "stat",
    }
    called = set(re.findall(r"(?:^|\n|;|&&|\|\||\{|\(|then|do|!|else) *([a-z]+)(?= |\n)", text))
    programs = {word for word in called if shutil.which(word) and word not in known | {"true", "export", "exit"}}
    assert programs <= {*COMMANDS, "[", "test"}, programs
