# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs of `make safety` count as lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.safety.bench import find_false_claim, is_injected
from tests.safety.faults import Fault, at_boot
from tests.safety.look import COUNTS, Firewall, Known, split_tables
from tests.safety.sabotage import stand_in

PLAIN, CUT, REMOVAL = Fault("plain"), Fault("cut", inject="power"), Fault("gone", options={"state": "absent"})


def result_of(status: str, **change: bool) -> dict[str, Any]:
    return {"status": status, "result": {"change": change}}


HALF = {
    "status": "failed",
    "result": {"msg": "r1: could not put the files in place: exit code 1; the change stays, but"},
}


@pytest.mark.parametrize(
    ("fault", "runs", "result", "claim"),
    [
        (PLAIN, "new", HALF, ""),
        (PLAIN, "old", HALF, "claims that the change stays"),
        (PLAIN, "new", result_of("ok", confirmed=True), ""),
        (PLAIN, "old", result_of("failed", rolled_back=True), ""),
        (PLAIN, "old", result_of("ok", confirmed=True), "ended ok"),
        (PLAIN, "new", result_of("failed"), "ended failed"),
        (REMOVAL, "none", result_of("ok", confirmed=True), ""),
        (REMOVAL, "old", result_of("ok"), "ended ok"),
        (CUT, "new", result_of("failed"), ""),
        (CUT, "old", result_of("unreachable"), ""),
        (CUT, "old", result_of("ok"), "does not run it"),
        (CUT, "new", result_of("failed", rolled_back=True), "a rollback"),
        (CUT, "old", result_of("failed", confirmed=True), "a confirmation"),
    ],
)
def test_one_task(fault: Fault, runs: str, result: dict[str, Any], claim: str) -> None:
    found = find_false_claim(fault, runs, [result])
    assert claim in found and bool(claim) == bool(found)


def test_two_controllers() -> None:
    fault = Fault("two", inject="second")
    both = [result_of("ok"), result_of("failed")]
    assert not find_false_claim(fault, "new", both)
    assert not find_false_claim(fault, "old", [result_of("failed"), result_of("unreachable")])
    assert "two controllers" in find_false_claim(fault, "old", both)
    assert "two controllers" in find_false_claim(fault, "new", [result_of("ok"), result_of("ok")])


def test_tables_of_a_ruleset() -> None:
    listing = "table inet a {\n\tchain x {\n\t}\n}\ntable ip b {\n\tcounter c {\n\t\tpackets 3 bytes 9\n\t}\n}\n"
    tables = split_tables(listing)
    assert list(tables) == ["table inet a", "table ip b"]
    assert COUNTS.sub("", tables["table ip b"]) == COUNTS.sub(
        "", tables["table ip b"].replace("3 bytes 9", "4 bytes 12")
    )


STAND_IN = stand_in("nft", "true")


@pytest.mark.parametrize(
    ("fault", "acted", "injected"),
    [
        (Fault("from outside", inject="controller", after="loaded"), "", True),
        (Fault("from the start", prepare="mkdir /x"), "", True),
        (Fault("a stand-in", prepare=STAND_IN), "acted", True),
        (Fault("a stand-in", prepare=STAND_IN), "reached", False),
        (Fault("itself", inject="kill 1", after="loaded"), "reached", True),
        (Fault("itself", inject="kill 1", after="loaded"), "acted", False),
        (Fault("at boot", inject="power", prepare=STAND_IN + at_boot(["nft"], "true")), "acted", False),
        (Fault("at boot", inject="power", prepare=STAND_IN + at_boot(["nft"], "true")), "at-boot", True),
        (Fault("cut", inject="power", prepare=at_boot(["nft"], "true"), cut_at_boot=True), "", True),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else str(value),
)
def test_whether_it_was_injected(fault: Fault, acted: str, injected: bool) -> None:
    assert is_injected(fault, {acted}) is injected


def test_what_routers_can_run_is_read_as_it_was_written() -> None:
    known = Known({"ruleset": {"old": Firewall("a", "b"), "none": Firewall("", "")}, "fw4_offload": {}})
    assert Known.read(known.write()) == known
