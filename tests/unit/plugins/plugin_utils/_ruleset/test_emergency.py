# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emergency ruleset: when there is one, what it lets in, and when it comes and goes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import StepError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import MARK
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.emergency import render_emergency
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.rehearsal import plan_emergency_rehearsal
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TableState, list_own_files
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredTable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.verbs import Rehearse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.procd import Procd

from tests.unit.helpers.firewalls import needs_namespaces, nft
from tests.unit.helpers.ruleset_states import CONTENT, LISTING, converged, present

INPUT = "\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n"
FIREWALL = CONTENT[:-2] + INPUT + "}\n"


def emergency(content: str, family: str = "inet", *ports: int) -> str:
    return render_emergency(DesiredTable(family, "nft_offload", content, ()), ports) or ""


def test_only_a_filter_of_what_comes_in_has_one() -> None:
    assert emergency(CONTENT) == ""
    assert "chain emergency_input {" in emergency(FIREWALL)


@needs_namespaces
@pytest.mark.parametrize("family", ["inet", "ip", "ip6"])
def test_nft_takes_it(family: str) -> None:
    text = emergency(FIREWALL.replace("inet", family), family)
    done = nft(text)
    assert done.returncode == 0, done.stderr
    assert ("icmpv6" in text) == (family != "ip")
    assert ("udp dport 68" in text) == (family != "ip6")


@needs_namespaces
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("family", ["inet", "ip", "ip6"])
def test_nft_needs_no_list_of_protocols_for_it(tmp_path: Path, family: str, marked: bool) -> None:
    """A router without the package netbase has none."""
    table = DesiredTable(family, "nft_offload", FIREWALL.replace("inet", family), (), marked)
    (tmp_path / "empty").write_text("")
    hide = "".join(f'[ ! -e {path} ] || mount --bind "$1" {path}\n' for path in ("/etc/protocols", "/etc/services"))
    command = ["unshare", "-n", "-m", "sh", "-c", f"{hide}nft -f -", "sh", str(tmp_path / "empty")]
    done = subprocess.run(
        command, input=render_emergency(table, (2222,)), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_rehearsed_when_it_is_new() -> None:
    plan = present(converged(), content=FIREWALL)
    steps = [step for step in plan.validating if isinstance(step.verb, Rehearse)]
    assert "chain emergency_input" in steps[0].verb.call[4] and "emergency" not in steps[1].verb.call[4]
    assert [step.verb.call[0] for step in plan.dry_runs] == ["rehearse", "dry_load", "rehearse"]
    state = _after(plan, converged())
    again = present(replace(state, table=None, flowtables=()), content=FIREWALL)
    assert [step.verb.call[0] for step in again.validating] == ["dry_load", "rehearse"]


def test_its_trial_as_another_table_touches_no_table_of_that_name() -> None:
    verb = plan_emergency_rehearsal(DesiredTable("inet", "t", FIREWALL.replace("nft_offload", "t"), ()), (), "0", False)
    lines = verb.text.split("\n")
    for number, line in (edit.split(" ", 1) for edit in verb.edits.split("\n")):
        lines[int(number) - 1] = line
    done = "\n".join(lines)
    assert done.count("table inet nft_offload_rehearsal_0") == 3 and "inet t" not in done
    assert done.count("flags dormant;") == done.count("\ntable inet ") + done.startswith("table inet ")


def test_nfts_complaint_about_it_is_not_looked_for_in_the_users_text() -> None:
    step = present(converged(), content=FIREWALL).validating[0]
    error = StepError(step, "/dev/stdin:9:1-2: Error: Could not resolve protocol name", "nothing was changed")
    for content in (FIREWALL, ""):
        shown = str(_ruleset.locate_complaint(error, content, "option content"))
        assert "the emergency ruleset" in shown and "Could not resolve protocol name" in shown


def test_ssh_comes_in_at_every_port_that_is_known() -> None:
    assert "tcp dport { 22 } accept" in emergency(FIREWALL)
    assert "tcp dport { 22, 222, 2222 } accept" in emergency(FIREWALL, "inet", 2222, 22, 222)
    many = emergency(FIREWALL, "inet", *range(100, 200))
    assert many.count(",") < 20


@pytest.mark.parametrize(
    ("content", "closes"),
    [
        (FIREWALL, False),
        (FIREWALL.replace("policy accept", "policy drop"), True),
        (FIREWALL.replace("\t\tmeta", "\t\tip saddr 192.0.2.1 drop\n\t\tmeta"), True),
        (
            FIREWALL.replace("\t\tmeta", "\t\tjump other\n\t\tmeta")
            + "table inet nft_offload {\n\tchain other {\n\t\treject\n\t}\n}\n",
            True,
        ),
        (FIREWALL.replace("hook forward", "hook output").replace("policy accept", "policy drop"), False),
    ],
    ids=["accepts", "policy", "a rule", "a chain that it jumps to", "no forward chain"],
)
def test_what_is_forwarded_is_dropped_where_our_table_may_drop_it(content: str, closes: bool) -> None:
    assert ("chain emergency_forward {" in emergency(content)) == closes


def test_its_chains_let_everything_through_once_they_are_flushed() -> None:
    assert "policy drop" not in emergency(FIREWALL.replace("policy accept", "policy drop"))


def test_the_port_of_the_login_is_never_cut_off() -> None:
    text = emergency(FIREWALL, "inet", 50000, *range(1000, 1100))
    assert "tcp dport { 22, 1000, " in text and ", 50000 }" in text
    assert text.split("tcp dport {")[1].split("}")[0].count(",") == 15


def _after(plan: ConfirmedPlan, state: TableState) -> TableState:
    files = {path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}
    return replace(
        state, files={path: text for path, text in {**state.files, **files}.items() if path not in plan.removed}
    )


def test_it_comes_and_goes_with_the_filter() -> None:
    state = replace(converged(), ssh_ports=(22, 2222))
    plan = present(state, content=FIREWALL)
    assert plan.files[paths.EMERGENCY][0] == "0600"
    assert "{ 22, 2222 }" in plan.files[paths.EMERGENCY][1]
    state = _after(plan, state)
    plan = present(state)
    assert plan.files[paths.EMERGENCY] == (paths.PRIVATE, ""), "an empty one is none, until it is removed"
    assert list(plan.removed) == [paths.EMERGENCY]
    assert paths.EMERGENCY not in _after(plan, state).files


def test_it_goes_before_what_it_stands_in_for() -> None:
    """A power cut in between must not leave a router that is being given back with an emergency ruleset alone."""
    own = list_own_files()
    assert own.index(paths.EMERGENCY) < own.index(paths.RULESET)
    state = _after(present(converged(), content=FIREWALL), converged())
    removed = list(_ruleset.plan_absent(state, "inet", "nft_offload", "00000000").removed)
    assert removed.index(paths.EMERGENCY) < removed.index(paths.RULESET)


def test_an_upgrade_of_openwrt_keeps_it() -> None:
    assert paths.EMERGENCY in Procd.ruleset.files[paths.RULESET_KEEP][1].split("\n")


@pytest.mark.parametrize("loaded", ["kept 1-0000000a", "emergency", "none"])
def test_a_boot_that_fell_back_is_put_right_and_told_once(loaded: str) -> None:
    state = converged()
    record = f"loaded={loaded}\ncomplaint=x:1:1-2: Error: Interface does not exist\n"
    fallen = replace(
        state, files={**state.files, paths.BOOT_RECORDS[0]: record}, table=LISTING.replace("accept", "drop", 1)
    )
    plan = present(fallen)
    assert plan.changed and len(plan.texts) == 1
    assert [step.verb.call for step in plan.closing] == [("remove", paths.BOOT_RECORDS[0])]
    assert [warning for warning in plan.warnings if "boot loaded" in warning and "Interface does not exist" in warning]
    confirmed = replace(state, files={**state.files, paths.BOOT_RECORDS[0]: "loaded=confirmed\ncomplaint=\n"})
    assert not present(confirmed).changed


@pytest.mark.parametrize("loaded", ["kept 1-0000000a", "emergency"])
def test_what_boot_fell_back_to_is_ours(loaded: str) -> None:
    """A ruleset of before may be older than the mark that tables of ours have."""
    state = converged()
    files = {**state.files, paths.LISTING: state.files[paths.LISTING].replace("{\n", f"{{\n\t{MARK}\n", 1)}
    fallen = replace(state, files=files, table="table inet nft_offload {\n}\n", flowtables=())
    with pytest.raises(OffloadError, match="did not make it"):
        present(fallen)
    record = f"loaded={loaded}\ncomplaint=Error\n"
    assert present(replace(fallen, files={**files, paths.BOOT_RECORDS[0]: record})).texts


def test_it_has_the_mark_of_the_table_that_it_replaces() -> None:
    table = DesiredTable("inet", "nft_offload", FIREWALL, (), marked=True)
    assert f"table inet nft_offload {{ {MARK}; }}\n" in (render_emergency(table, ()) or "")
    assert MARK not in emergency(FIREWALL)


def test_the_record_of_boot_goes_with_the_rest() -> None:
    state = converged()
    state = replace(state, files={**state.files, paths.BOOT_RECORDS[1]: "loaded=confirmed\ncomplaint=\n"})
    assert paths.BOOT_RECORDS[1] in _ruleset.plan_absent(state, "inet", "nft_offload", "00000000").removed
