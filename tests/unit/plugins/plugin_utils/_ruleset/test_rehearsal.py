# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ruleset names that boot does not find, by its text alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import Step, StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.rehearsal import (
    find_host_names,
    find_obstacles,
    plan_rehearsal,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredFlowtable, DesiredTable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.verbs import Rehearse

from tests.unit.helpers.ruleset_states import CONTENT, FRESH, converged, present

KERNEL = (6, 12)
HEAD = "table inet t {\n\tchain c {\n\t\ttype filter hook input priority 0;\n"


def obstacles(rule: str, kernel: tuple[int, int] = KERNEL) -> list[str]:
    return [obstacle.text for obstacle in find_obstacles(f"{HEAD}\t\t{rule}\n\t}}\n}}\n", kernel)]


def hosts(rule: str) -> list[str]:
    return [name for _line, name in find_host_names(f"{HEAD}\t\t{rule}\n\t}}\n}}\n")]


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ('iif "lan9" accept', ['iif "lan9"']),
        ("iif lan9 accept", ["iif lan9"]),
        ("oif != wan0.7 drop", ["oif wan0.7"]),
        ("meta iif { lo, br-lan } accept", ["iif br-lan"]),
        ('iif vmap { "lan0" : jump x, lo : accept }', ['iif "lan0"']),
        ('ip saddr . iif { 192.0.2.1 . "lan0" } accept', ['iif "lan0"']),
        ('iif . tcp dport vmap { "lan0" . 22 : accept }', ['iif "lan0"']),
        ('tcp dport 22 iif . ip saddr { "lan0" . 192.0.2.1 } accept', ['iif "lan0"']),
        ('fib saddr . iif oif "lan0" accept', ['oif "lan0"']),
        ('dup to 192.0.2.1 device "lan0"', ['device "lan0"']),
        ('socket cgroupv2 level 2 "system.slice/x.service" accept', ['cgroupv2 "system.slice/x.service"']),
        ("iif lo accept", []),
        ('oif "lo" accept', []),
        ("iif 3 accept", []),
        ('iifname "lan9" oifname { wan0, "ppp*" } accept', []),
        ("iif lo ip saddr 192.0.2.1 accept", []),
        ("fib saddr . iif oif missing drop", []),
        ("fib saddr . mark . iif oif exists accept", []),
        ("fib daddr . iif type local accept", []),
        ("meta iifgroup 7 accept", []),
        ('ip saddr . iifname { 192.0.2.1 . "lan0" } accept', []),
        ('socket cgroupv2 level 1 "system.slice" accept', []),
        ('log prefix "iif lan9 " accept', []),
        ("accept # iif lan9", []),
        ('accept comment "iif lan9"', []),
        ("iif @devices accept", []),
        ("update @s { iif . ip saddr timeout 60s } accept", []),
        ("update @s { iif . ip saddr limit rate over 10/second } drop", []),
        ("update @s { iif . ct mark timeout 60s } accept", []),
    ],
)
def test_what_boot_does_not_find(rule: str, named: list[str]) -> None:
    assert obstacles(rule) == named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("define lan = lan9\ntable inet t {\n chain c {\n  iif $lan accept\n }\n}\n", [(4, "iif lan9")]),
        (
            'define a = "lan0"\ndefine b = { $a, lo }\ntable inet t {\n chain c {\n  iif $b accept\n }\n}\n',
            [(5, 'iif "lan0"')],
        ),
        ("define a = $a\ntable inet t {\n chain c {\n  iif $a accept\n }\n}\n", []),
        ("table inet t {\n set d {\n  type iface_index\n  elements = { lo, lan0 }\n }\n}\n", [(4, "set lan0")]),
        (
            'table inet t {\n map m {\n  typeof ip saddr . iif : verdict\n  elements = { 192.0.2.1 . "lan0" : drop }\n'
            " }\n}\n",
            [(4, 'map "lan0"')],
        ),
        ("table inet t {\n set d {\n  type ifname\n  elements = { lan0 }\n }\n}\n", []),
        ("table inet t {\n chain c {\n  iif {\n   lo,\n   lan0,\n  } accept\n }\n}\n", [(5, "iif lan0")]),
    ],
)
def test_definitions_and_sets_are_followed(text: str, named: list[tuple[int, str]]) -> None:
    assert [(obstacle.line, obstacle.text) for obstacle in find_obstacles(text, KERNEL)] == named


def test_a_chain_of_a_device_needs_it_up_to_linux_6_15() -> None:
    text = 'table inet t {\n chain c {\n  type filter hook ingress device "lan0" priority 0;\n }\n}\n'
    assert [obstacle.text for obstacle in find_obstacles(text, (6, 15))] == ['device "lan0"']
    assert find_obstacles(text, (6, 16)) == []


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("ip saddr gw.example accept", ["gw.example"]),
        ("ip daddr != gateway drop", ["gateway"]),
        ("ip6 saddr { 2001:db8::1, gw.example } accept", ["gw.example"]),
        ("ip saddr . tcp dport { gw.example . 22, 192.0.2.1 . 23 } accept", ["gw.example"]),
        ("dnat ip to web.example:80", ["web.example"]),
        ("snat to 192.0.2.1", []),
        ("ip saddr 192.0.2.0/24 accept", []),
        ("ip saddr 192.0.2.1-192.0.2.9 accept", []),
        ("ip6 saddr fe80::/10 accept", []),
        ("ip saddr @known accept", []),
        ("ether saddr 02:00:00:00:00:01 accept", []),
        ("ip saddr & 255.255.0.0 == 192.0.0.0 accept", []),
        ("update @seen { ip saddr timeout 1m }", []),
        ("add @seen { ip saddr limit rate 5/second }", []),
        ("ip saddr vmap { 192.0.2.1 : accept }", []),
        ("ip daddr set 192.0.2.1", []),
        ("fib saddr oif missing drop", []),
        ("fib daddr type local accept", []),
        ("dnat to tcp dport map { 80 : 192.0.2.1 }", []),
        ("update @s { ip saddr . tcp dport timeout 60s }", []),
        ("update @s { ip saddr . tcp dport limit rate over 10/minute burst 5 packets } drop", []),
        ("add @s { ip saddr . ip daddr ct count over 20 } drop", []),
        ('dnat ip to iifname map { "wan" : 10.0.0.1 }', []),
        ("dnat ip to vlan id map { 1 : 10.0.0.1 }", []),
        ('dnat ip to iifname . tcp dport map { "wan" . 80 : 10.0.0.1 }', []),
        ("dnat to jhash ip saddr mod 2 map { 0 : 192.0.2.1 }", []),
        ("ct original ip saddr 192.0.2.1 accept", []),
    ],
)
def test_hosts(rule: str, named: list[str]) -> None:
    assert hosts(rule) == named


def test_a_text_that_boot_would_refuse_is_refused_with_its_line_and_what_to_do() -> None:
    """A trial in a network namespace would not show it: control groups are there too."""
    rule = 'socket cgroupv2 level 2 "system.slice/x.service" accept'
    text = CONTENT.replace("\t\tmeta", f"\t\t{rule}\n\t\tmeta")
    with pytest.raises(OffloadError, match=r"template edge\.nft\.j2, line 4 as rendered.*'cgroupv2 \"system") as error:
        _ruleset.plan_present(
            FRESH, "inet", "nft_offload", text, (), check_mode=False, token="00000000", where="template edge.nft.j2"
        )
    assert "such as system.slice" in str(error.value)


def test_rules_for_devices_count_where_there_is_no_trial() -> None:
    """They may be wrong about a text, and a trial in a network namespace is not."""
    text = CONTENT.replace("\t\tmeta", '\t\tiif "lan0" accept\n\t\tmeta')
    plan = present(FRESH, content=text)
    assert plan.warnings == []
    step = plan.validating[-1]
    assert isinstance(step.verb, Rehearse)
    line = step.verb.text[: step.verb.text.index("iif ")].count("\n") + 1
    assert step.verb.named.startswith(f'/dev/stdin:{line}:1-1: Error: iif "lan0": nft looks up')
    shown = str(_ruleset.locate_complaint(StepError(step, step.verb.named, "nothing"), text, "option content"))
    assert "boot would not load option content, line 4 as rendered" in shown
    assert "has not tried it in a network namespace" in shown and "name it with iifname" in shown
    unchecked = replace(FRESH, platform=replace(FRESH.platform, commands=frozenset()))
    plan = _ruleset.plan_present(unchecked, "inet", "nft_offload", text, (), check_mode=True, token="00000000")
    assert [warning for warning in plan.warnings if "line 4" in warning and "iifname" in warning]


def test_a_router_that_runs_such_a_text_already_is_warned_only() -> None:
    text = CONTENT.replace("\t\tmeta", '\t\tiif "lan0" accept\n\t\tmeta')
    state = converged()
    boot = state.files["/etc/nft-offload/ruleset.nft"].replace(CONTENT, text)
    devices = state.files["/etc/nft-offload/devices"]
    confirmed = history.confirmation("1-00000000", boot, devices)
    files = {**state.files, "/etc/nft-offload/ruleset.nft": boot, "/etc/nft-offload/confirmed": f"{confirmed}\n"}
    plan = present(replace(state, files=files), content=text)
    assert not plan.changed
    assert [warning for warning in plan.warnings if "line 4" in warning and "iifname" in warning]


def test_what_is_restored_is_rehearsed_too() -> None:
    state = converged()
    text = state.files["/etc/nft-offload/ruleset.nft"]
    rule = 'socket cgroupv2 level 2 "system.slice/x.service" accept'
    kept = history.kept_text("1-00000009", text.replace("\t\tmeta", f"\t\t{rule}\n\t\tmeta"), "")
    older = replace(state, kept=("1-00000009",), files={**state.files, "/etc/nft-offload/history/1-00000009.nft": kept})
    with pytest.raises(OffloadError, match="boot would not load ruleset 1-00000009, line 4 as rendered"):
        _ruleset.plan_restored(older, "1-00000009", "inet", "nft_offload", check_mode=False, token="00000001")
    good = replace(
        older, files={**older.files, "/etc/nft-offload/history/1-00000009.nft": kept.replace("/x.service", "")}
    )
    plan = _ruleset.plan_restored(good, "1-00000009", "inet", "nft_offload", check_mode=True, token="00000001")
    assert [step.verb.call[0] for step in plan.validating] == ["dry_load", "rehearse"]
    assert [step.verb.call[:2] for step in plan.dry_runs][1] == ("rehearse", "check")


def test_what_is_restored_is_a_text_of_our_table_like_any_other() -> None:
    """The file that is kept may be another one by now."""
    state = converged()
    kept = history.kept_text("1-00000009", state.files["/etc/nft-offload/ruleset.nft"] + "flush ruleset\n", "")
    older = replace(state, kept=("1-00000009",), files={**state.files, "/etc/nft-offload/history/1-00000009.nft": kept})
    with pytest.raises(OffloadError, match=r"ruleset 1-00000009, line .*'flush ruleset' stands outside"):
        _ruleset.plan_restored(older, "1-00000009", "inet", "nft_offload", check_mode=False, token="00000001")


def test_nfts_complaint_about_boot_is_shown_in_the_users_own_text() -> None:
    verb = present(FRESH).validating[-1].verb
    assert isinstance(verb, Rehearse)
    line = verb.text[: verb.text.index("policy accept")].count("\n") + 1
    error = StepError(Step("try", verb), f"/dev/stdin:{line}:3-9: Error: Could not resolve hostname: no", "nothing")
    shown = str(_ruleset.locate_complaint(error, CONTENT, "template edge.nft.j2"))
    assert "boot would not load template edge.nft.j2, line 3 as rendered: Could not resolve" in shown
    assert "/etc/hosts" in shown
    kept = str(_ruleset.locate_complaint(error, "", "the ruleset of option id (previous)"))
    assert "the ruleset of option id (previous), line 3 as rendered" in kept


def test_the_table_for_the_trial_has_the_same_lines_and_gets_no_packet() -> None:
    content = (
        'define n = 5\ntable inet t \\\n{\n\tchain table { }\n\tcomment "\ntable inet t {"\n}\n'
        "table inet t { set t { type ipv4_addr; } }\ntable inet t\n"
    )
    verb = plan_rehearsal(DesiredTable("inet", "t", content, (DesiredFlowtable("ft", (), True),)), "00000001", False)
    scratch = "nft_offload_rehearsal_00000001"
    assert verb.scratch == scratch
    assert [line.replace(scratch, "S") for line in verb.edits.splitlines()] == [
        "1 table inet S { flags dormant; }; delete table inet S",
        "2 table inet S { flags dormant; }",
        "3 flush table inet S",
        "4 table inet S { flags dormant;",
        "8 table inet S \\",
        "9 { flags dormant;",
        "14 table inet S { flags dormant; set t { type ipv4_addr; } }",
        "15 table inet S { flags dormant; }",
    ]
