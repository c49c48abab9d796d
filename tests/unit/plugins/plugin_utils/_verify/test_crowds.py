# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router with very many of anything is judged in time, and in a result, that grow with its answer."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import (
    MOST_FLOWTABLES,
    read_state,
    require_whole,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation, Finding
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import MOST_ALIKE, Subject, run_checks
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import judge

from tests.unit.helpers.answers import to_answer
from tests.unit.helpers.crowds import CROWDS, Sections
from tests.unit.helpers.ladder_case import HARD

FEW, MANY = 300, 1200
MOST = 9.0
"""times as long for four times as many; quadratic is 16"""
SHORTEST = 0.08
"""seconds, below which nothing can be measured"""
EXPECTATIONS = (
    Expectation(require="bound"),
    Expectation("hardware", require="hardware", devices=("d1", "lan0")),
    Expectation("software"),
    Expectation("disabled"),
)


def work(sections: Sections) -> tuple[float, str]:
    """Processor seconds of reading and judging, and the result as text."""
    answer = to_answer(sections)
    start = time.process_time()
    state = read_state(answer)
    verdicts = [judge(Subject(state, expectation)) for expectation in EXPECTATIONS]
    results = [
        [verdict.as_result(), verdict.errors(), verdict.shortfall(expectation)]
        for verdict, expectation in zip(verdicts, EXPECTATIONS, strict=True)
    ]
    spent = time.process_time() - start
    return spent, json.dumps([state.as_result(), results])


@pytest.mark.parametrize("name", CROWDS)
def test_work_and_result_grow_with_the_answer(name: str) -> None:
    few, many = CROWDS[name](FEW), CROWDS[name](MANY)
    assert len(work(many)[1]) < 12 * sum(len(key) + len(text) for key, (text, _rc) in many.items()) + 200_000
    for tries in (1, 3, 7):
        least = min(work(few)[0] for _try in range(tries))
        most = min(work(many)[0] for _try in range(tries))
        if most < SHORTEST or most <= MOST * least:
            return
    pytest.fail(f"{FEW} take {least:.3f} s, {MANY} take {most:.3f} s")


def test_an_answer_with_very_many_devices_is_whole() -> None:
    require_whole(to_answer(CROWDS["devices, all listed and hooked"](MANY)))


def test_of_findings_that_are_alike_some_are_shown_and_the_rest_counted() -> None:
    many = [Finding("bound.x", "info", f"device {number}", (), "") for number in range(MOST_ALIKE + 5)]
    many[-2] = Finding("bound.x", "error", "a bad one", (), "")
    other = Finding("bound.y", "warning", "another", (), "")
    found = run_checks([lambda _subject: many, lambda _subject: [other]], Subject(HARD))
    assert found == [*many[:MOST_ALIKE], other, found[-1]]
    assert (found[-1].severity, found[-1].message) == ("error", "a bad one, and 4 more like this")


def test_more_flowtables_than_are_looked_at_prove_nothing() -> None:
    verdict = judge(Subject(read_state(to_answer(CROWDS["flowtables"](MOST_FLOWTABLES + 1)))))
    assert verdict.rungs[2].status in {"unproven", "failed"}
    assert any("no more than 256 are looked at" in line for line in verdict.rungs[2].evidence)
