# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of our name that is not ours is never replaced without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import (
    Answer,
    Section,
    compose,
    fragment,
    parse,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.boot import (
    MARK,
    is_foreign,
    is_marked,
    makes_marked,
    parse_our_table,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.nft import parse_flowtables
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import history
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.owner import refuse_unreadable
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TableState, read_state
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.table import DesiredTable

from tests.unit.helpers.captures import answer
from tests.unit.helpers.ruleset_states import (
    CONTENT,
    FRESH,
    LISTING,
    PLATFORM,
    REQUEST,
    TAKES,
    TOKEN,
    converged,
    present,
)
from tests.unit.helpers.shells import NONCE, ROUTER_SHELLS

TABLE = ("inet", "nft_offload")
OTHER = ("inet", "firewall")
THEIRS = """table inet nft_offload {
	set allowed {
		type ipv4_addr
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		ip saddr @allowed accept
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" masquerade
	}
}
"""
UNMARKED = LISTING.replace(f"\t{MARK}\n", "")
OLD_KERNEL = replace(PLATFORM, kernel="5.8.0")


def with_table(state: TableState, listing: str | None) -> TableState:
    flowtables = tuple(parse_flowtables(listing or ""))
    return replace(state, table=listing, flowtables=flowtables, probes={"lan0": TAKES, "wan0": TAKES})


def adopted(state: TableState, content: str = CONTENT) -> ConfirmedPlan:
    return _ruleset.plan_present(state, *TABLE, content, (REQUEST,), check_mode=False, token=TOKEN, adopt=True)


def removed(state: TableState, table: tuple[str, str] = TABLE, adopt: bool = False) -> ConfirmedPlan:
    return _ruleset.plan_absent(state, *table, TOKEN, adopt)


def named(state: TableState, table: tuple[str, str] = OTHER) -> ConfirmedPlan:
    """The plan for a table of another name."""
    content = CONTENT.replace(" ".join(TABLE), " ".join(table))
    return _ruleset.plan_present(state, *table, content, (REQUEST,), check_mode=False, token=TOKEN)


def older(state: TableState) -> TableState:
    """The router as a version without marks left it."""
    text = state.files[paths.RULESET].replace(f" {{ {MARK}; }}", "")
    confirmed = history.confirmation(state.confirmed, text, state.files[paths.DEVICES])
    files = {**state.files, paths.RULESET: text, paths.LISTING: UNMARKED, paths.CONFIRMED: f"{confirmed}\n"}
    return replace(state, table=UNMARKED, files=files)


WITHOUT_RECORD = dict.fromkeys([paths.RULESET, paths.LISTING, paths.CONFIRMED, paths.DEVICES])


def forgotten(state: TableState) -> TableState:
    """The router after /etc/nft-offload was wiped."""
    return replace(state, files={path: text for path, text in state.files.items() if path not in WITHOUT_RECORD})


@pytest.mark.parametrize("check_mode", [True, False])
def test_somebody_elses_table_is_refused(check_mode: bool) -> None:
    with pytest.raises(OffloadError) as caught:
        present(with_table(FRESH, THEIRS), checking=check_mode)
    problem, _remedy, remedy = str(caught.value).partition("Remedy:")
    assert "set allowed, chain forward, chain postrouting" in problem
    assert "Nothing was changed" in problem
    assert "give one of the two tables another name" in remedy
    assert "adopt: true (flow_offload_adopt_table: true in the role)" in remedy


def test_going_back_does_not_replace_it_either() -> None:
    state = replace(converged(), kept=("1-00000000",))
    text = history.kept_text("1-00000000", state.files[paths.RULESET], state.files[paths.DEVICES])
    state = replace(state, files={**state.files, history.path("1-00000000"): text})
    confirmed = state.files[paths.CONFIRMED].replace("1-", "2-")
    state = with_table(replace(state, files={**state.files, paths.CONFIRMED: confirmed}), THEIRS)
    for which in ("last", "previous"):
        with pytest.raises(OffloadError, match="this collection did not make it"):
            _ruleset.plan_restored(state, which, *TABLE, check_mode=False, token=TOKEN)
    plan = _ruleset.plan_restored(state, "previous", *TABLE, check_mode=False, token=TOKEN, adopt=True)
    assert plan.texts[0].text.startswith("delete table inet nft_offload\n")


def test_it_can_be_adopted_and_the_diff_shows_all_that_is_lost() -> None:
    whole = THEIRS.replace("ipv4_addr\n", "ipv4_addr\n\t\telements = { 192.0.2.7 }\n")
    plan = adopted(replace(with_table(FRESH, THEIRS), whole=whole))
    load, join = plan.texts
    # a comment is taken only by a table that is made; and devices that it may hold have to be free first
    assert load.text.startswith("delete table inet nft_offload\n")
    assert makes_marked(load.text.removeprefix("delete table inet nft_offload\n"))
    assert "devices" not in load.text and join.text.count("add flowtable") == 2
    assert plan.tables == [TABLE], "the guard brings theirs back where it is not confirmed"
    assert load.summary == "drop table inet nft_offload as it is, load table inet nft_offload"
    assert plan.diffs[0].before == whole
    assert plan.diffs[0].after == plan.files[paths.RULESET][1]
    assert plan.dry_runs[0].verb.call[1].startswith("delete table")


def test_a_table_that_is_made_is_marked_and_known_without_a_record() -> None:
    plan = present(FRESH)
    assert makes_marked(plan.files[paths.RULESET][1])
    assert f"table inet nft_offload {{ {MARK}; }}\n" in plan.texts[0].text
    state = forgotten(converged())
    plan = present(state)
    assert {*plan.files} >= {paths.RULESET, paths.DEVICES}
    assert plan.diffs[0].before == UNMARKED.replace("\t\tdevices = { lan0, wan0 }\n", "").replace(
        "{\n", f"{{\n\t{MARK}\n", 1
    ), "what is replaced is shown, where nothing is on record too"
    assert not removed(state).warnings and removed(state).texts


def test_an_older_table_without_a_mark_is_taken_as_it_is() -> None:
    """The kernel ignores a comment for a table that is there, so none is asked for, in the file for boot too."""
    state = older(converged())
    assert not present(state).changed
    plan = present(state, content=CONTENT.replace("udp", "sctp"))
    assert not plan.warnings
    assert MARK not in plan.files[paths.RULESET][1] + plan.texts[0].text
    assert not present(replace(state, table=None)).files, "also where it was flushed by hand"
    assert removed(state).texts


def test_an_older_table_without_a_record_is_not_known_any_more() -> None:
    with pytest.raises(OffloadError, match="this collection did not make it"):
        present(forgotten(older(converged())))
    plan = adopted(forgotten(older(converged())))
    assert plan.diffs[0].before == UNMARKED


def test_a_marked_table_that_was_made_again_without_the_mark_is_somebody_elses() -> None:
    with pytest.raises(OffloadError, match="this collection did not make it"):
        present(with_table(converged(), THEIRS))


def test_without_the_listing_one_that_has_no_mark_is_somebody_elses() -> None:
    """The file for boot makes it with the mark, and nothing shows that the rest is as it was."""
    state = converged()
    files = {path: text for path, text in state.files.items() if path != paths.LISTING}
    with pytest.raises(OffloadError, match="this collection did not make it"):
        present(with_table(replace(state, files=files), UNMARKED))


def test_a_table_that_only_lost_its_mark_is_ours_and_gets_it_back() -> None:
    """As from nft's JSON, which has no comments of tables."""
    plan = present(with_table(converged(), UNMARKED))
    assert plan.texts[0].text.startswith("delete table inet nft_offload\n")
    assert not plan.files and not plan.records


def test_a_change_by_hand_keeps_the_mark_and_is_put_right() -> None:
    state = with_table(converged(), LISTING.replace("policy accept", "policy drop"))
    plan = present(state)
    assert plan.texts[0].text.startswith("flush table inet nft_offload\n")
    assert (plan.diffs[0].before.count("policy drop"), plan.diffs[0].after.count("policy accept")) == (1, 1)


def test_a_kernel_without_comments_goes_by_the_record() -> None:
    state = replace(FRESH, platform=OLD_KERNEL)
    assert MARK not in present(state).files[paths.RULESET][1]
    with pytest.raises(OffloadError, match="this collection did not make it"):
        present(with_table(state, THEIRS))
    assert "delete table" not in adopted(with_table(state, THEIRS)).texts[0].text
    mine = replace(older(converged()), platform=OLD_KERNEL)
    assert not present(mine).changed


def test_an_adopted_table_is_not_made_again_by_each_run() -> None:
    """Whatever keeps the comment from being listed."""
    state = converged()
    state = replace(state, table=UNMARKED, files={**state.files, paths.LISTING: UNMARKED})
    assert not present(state).changed
    assert not adopted(state).changed


def test_disabled_leaves_somebody_elses_table_and_says_so() -> None:
    plan = removed(with_table(FRESH, THEIRS))
    assert not plan.changed
    (warning,) = plan.warnings
    assert "table inet nft_offload is live, and this collection did not make it" in warning
    assert "So it stays" in warning
    plan = removed(with_table(FRESH, THEIRS), adopt=True)
    assert [one.text for one in plan.texts] == ["delete table inet nft_offload\n"]
    assert plan.diffs[0].before == THEIRS and plan.diffs[0].after == ""


def test_disabled_takes_out_what_is_ours_beside_it() -> None:
    state = with_table(replace(converged(), old_table=LISTING), None)
    other = THEIRS.replace(" ".join(TABLE), " ".join(OTHER))
    plan = removed(replace(state, table=other), OTHER)
    assert [one.text for one in plan.texts] == ["delete table inet nft_offload\n"]
    assert [diff.before for diff in plan.diffs if diff.header.startswith("live")] == [LISTING]
    assert set(plan.removed) == set(state.files)
    assert "table inet firewall is live" in plan.warnings[0]


def test_a_diff_of_disabled_has_the_rulesets_that_are_kept() -> None:
    path = history.path("1-00000000")
    state = replace(converged(), kept=("1-00000000",))
    state = replace(state, files={**state.files, path: "table inet nft_offload {\n}\n"})
    assert [diff.before for diff in removed(state).diffs if diff.header == path] == ["table inet nft_offload {\n}\n"]


def test_another_name_meets_somebody_elses_table_there() -> None:
    state = replace(converged(), old_table=LISTING)
    with pytest.raises(OffloadError, match="table inet firewall is live, and this collection did not make it"):
        named(replace(state, table=THEIRS.replace(" ".join(TABLE), " ".join(OTHER))))


def test_another_name_takes_the_old_table_along_and_shows_it() -> None:
    state = with_table(replace(converged(), old_table=LISTING), None)
    plan = named(state)
    assert plan.tables == [OTHER, TABLE]
    assert plan.texts[0].text.startswith("table inet nft_offload\ndelete table inet nft_offload\n")
    assert (plan.diffs[0].header, plan.diffs[0].after) == ("live table inet nft_offload", "")
    assert "flow add @ft" in plan.diffs[0].before


def test_another_name_leaves_the_old_one_to_whoever_made_it_again() -> None:
    state = with_table(replace(converged(), old_table=THEIRS), None)
    plan = named(state)
    assert plan.tables == [OTHER]
    assert "delete table" not in plan.texts[0].text
    assert "table inet nft_offload is live, and this collection did not make it" in plan.warnings[0]


def test_a_table_that_cannot_be_listed_is_not_one_that_is_not_there() -> None:
    whole = answer("trixie", "converged")
    refused = Answer({**whole, "table": Section("Error: Could not process rule: Cannot allocate memory", 1)})
    with pytest.raises(OffloadError, match=r"could not list table inet nft_offload: .*Cannot allocate memory"):
        refuse_unreadable(" ".join(TABLE), read_state(refused).unreadable)
    broken = "nft: error while loading shared libraries: libnftables.so.1: cannot open shared object file"
    with pytest.raises(OffloadError, match="could not list"):
        refuse_unreadable(" ".join(TABLE), f"{broken}: No such file or directory")
    for gone in ("Error: No such file or directory", "Unable to initialize Netlink socket: Protocol not supported"):
        state = read_state(Answer({**whole, "table": Section(gone, 1)}))
        refuse_unreadable(" ".join(TABLE), state.unreadable)
    with pytest.raises(OffloadError, match="no section 'table'"):
        read_state(Answer({name: part for name, part in whole.items() if name != "table"}))


def test_the_router_that_an_earlier_version_configured_is_ours() -> None:
    state = read_state(answer("trixie", "converged"))
    assert state.table is not None and not is_marked(state.table)
    assert not removed(state).warnings


def test_a_mark_elsewhere_is_none() -> None:
    inside = "table inet t {\n\tchain c {\n\t\t" + MARK + "\n\t}\n}\n"
    assert not is_marked(inside)
    assert not is_marked(f'table inet t {{\n\t{MARK[:-1]} and more"\n}}\n')
    assert is_marked(f"table inet t {{\n\t{MARK}\n\n\tchain c {{\n\t}}\n}}\n")
    text = DesiredTable(*TABLE, f"table inet nft_offload {{\n{MARK}\n}}\n", ()).boot_text()
    assert parse_our_table(text) == TABLE and not makes_marked(text)
    assert not is_foreign(TABLE, None, "", "")


# --- on a router


def read(shell: list[str], place: Path, boot: str, *tables: str) -> Answer:
    """What read_table prints of a network namespace with these tables, with the real nft."""
    (place / "tables.nft").write_text("".join(tables), encoding="utf-8")
    (place / "ruleset.nft").write_text(boot, encoding="utf-8")
    script = compose(NONCE, ("read/ruleset",), [("read_table", *TABLE, str(place / "ruleset.nft"))])
    load = ["unshare", "-r", "-n", "sh", "-c", 'nft -f "$0" && exec "$@"', str(place / "tables.nft")]
    done = subprocess.run([*load, *shell], input=script, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return parse(done.stdout, NONCE)


NAMESPACES = (
    shutil.which("nft")
    and not subprocess.run(
        ["unshare", "-r", "-n", "nft", "list", "tables"], capture_output=True, check=False, env=os.environ
    ).returncode
)
needs_nft = pytest.mark.skipif(not NAMESPACES, reason="needs nft and network namespaces")


@needs_nft
@pytest.mark.parametrize("shell", ROUTER_SHELLS)
def test_what_is_read_of_somebody_elses_table(shell: list[str], tmp_path: Path) -> None:
    theirs = "table inet nft_offload {\n\tset s {\n\t\ttype ipv4_addr; elements = { 192.0.2.7 }\n\t}\n}\n"
    found = read(shell, tmp_path, "", theirs)
    assert "192.0.2.7" not in found["table"].text
    assert "192.0.2.7" in found["table_whole"].text
    assert "old_table" not in found


@needs_nft
@pytest.mark.parametrize("shell", ROUTER_SHELLS)
@pytest.mark.parametrize("marked", [True, False])
def test_what_is_read_of_our_own(shell: list[str], tmp_path: Path, marked: bool) -> None:
    """The elements of its sets, which may be many, stay where they are."""
    text = DesiredTable(*TABLE, "", (), marked).boot_text()
    found = read(shell, tmp_path, "" if marked else text, text)
    assert list(found) == ["table", "software_table"]
    assert is_marked(found["table"].text) is marked
    found = read(shell, tmp_path, text.replace("inet nft_offload", "ip old"), text, "table ip old {\n}\n")
    assert found["old_table"] == Section("table ip old {\n}", 0)


@needs_nft
@pytest.mark.parametrize("shell", ROUTER_SHELLS)
def test_what_is_read_of_no_table(shell: list[str], tmp_path: Path) -> None:
    found = read(shell, tmp_path, "", "")
    assert list(found) == ["table", "software_table"]
    assert found["table"].rc != 0


@needs_nft
def test_nft_keeps_the_mark_of_a_table_that_it_makes_and_adds_none(tmp_path: Path) -> None:
    marked, plain = (DesiredTable(*TABLE, "", (), mark).boot_text() for mark in (True, False))
    dash = ["sh", "-s"]
    assert is_marked(read(dash, tmp_path, "", marked, marked)["table"].text)
    assert is_marked(read(dash, tmp_path, "", marked, plain)["table"].text)
    assert not is_marked(read(dash, tmp_path, "", plain, marked)["table"].text)
    assert is_marked(read(dash, tmp_path, "", plain, f"delete table inet nft_offload\n{marked}")["table"].text)


def test_script_and_controller_look_for_the_same_mark() -> None:
    assert f"'^.{MARK}$'" in fragment("read/ruleset")
