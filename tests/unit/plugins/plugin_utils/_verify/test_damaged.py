# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer that is damaged on its way never makes a verdict better, and never passes where the whole one fails."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Section, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.reading import read_state, require_whole
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.subject import Subject
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.verdict import Verdict, judge
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.answers import BROKEN, HEALTHY, MARKER, count, damage, to_answer, to_output
from tests.unit.helpers.captures import SUITES, captured
from tests.unit.helpers.shells import NONCE

EXPECTATIONS = (
    Expectation(require="bound"),
    Expectation(require="hardware"),
    Expectation("hardware", require="offloading"),
    Expectation("software", require="bound"),
    Expectation("disabled"),
)
CAPTURED = [*(f"{suite}.router" for suite in SUITES), "trixie.names", "trixie.devices", "trixie.user"]
ANSWERS = ["healthy", *BROKEN, *CAPTURED]
Outcome = tuple[tuple[int, bool], ...]
"""for each of EXPECTATIONS: the number of the verdict, and whether the task would succeed"""


@cache
def output_of(name: str) -> str:
    """A whole answer as it arrives: of a router made up, or of one in the lab."""
    if name in CAPTURED:
        return count(captured(*name.split(".")))
    return count(to_output(HEALTHY if name == "healthy" else BROKEN[name]))


def judge_all(answer: Answer) -> list[Verdict]:
    """The verdicts of one reading, as offload_verify comes to them."""
    require_whole(answer)
    state = read_state(answer)
    return [judge(Subject(state, expectation)) for expectation in EXPECTATIONS]


def outcome_of(answer: Answer) -> Outcome:
    """What becomes of one reading."""
    verdicts = zip(judge_all(answer), EXPECTATIONS, strict=True)
    return tuple((v.rung, not v.errors() and not v.shortfall(expected)) for v, expected in verdicts)


@cache
def whole(name: str) -> Outcome:
    """What becomes of the reading where nothing happens to it."""
    return outcome_of(parse(output_of(name), NONCE, counted=True))


def is_better(one: Outcome, other: Outcome) -> bool:
    """Is one verdict of ``one`` higher than that of ``other``, or does it pass where that fails?"""
    return any(x[0] > y[0] or (x[1] and not y[1]) for x, y in zip(one, other, strict=True))


def refuse_or_judge(text: str) -> Outcome | None:
    """None where the answer is refused, with a remedy; any other error is a defect."""
    try:
        return outcome_of(parse(text, NONCE, counted=True))
    except OffloadError as error:
        assert error.remedy
        return None


def test_a_healthy_router_passes_and_each_broken_one_fails() -> None:
    assert [passes for _rung, passes in whole("healthy")] == [True, True, True, False, False]
    # what is wrong with these is not an error where hardware takes the flows
    mild = {"feature fixed off", "much is slow"}
    for name in BROKEN.keys() - mild:
        assert not whole(name)[0][1], name


@pytest.mark.parametrize("name", ANSWERS)
def test_no_line_that_is_lost_doubled_cut_or_moved_raises_a_verdict(name: str) -> None:
    lines = output_of(name).split("\n")[:-1]
    accepted = 0
    for what, mutant in damage(lines):
        found = refuse_or_judge("\n".join([*mutant, ""]))
        accepted += found is not None
        assert found is None or not is_better(found, whole(name)), what
    assert accepted < len(lines) / 4, "only lines of one length that change places go unseen"


def damage_sections(output: str) -> Iterator[str]:
    """The output with each of its sections lost, twice, in another place, cut at its middle, or with no markers."""
    start = output.index(MARKER)
    parts = [f"{MARKER} + {part}" for part in output[start:].split(f"{MARKER} + ")[1:]]
    parts[-1], end = parts[-1].rsplit(f"{MARKER} end", 1)
    for at, part in enumerate(parts):
        before, after = parts[:at], parts[at + 1 :]
        opens, *text, closes = part.split("\n")[:-1]
        for mutant in (
            [*before, *after],
            [*before, part, part, *after],
            [*after, part, *before],
            [*before, "\n".join([opens, *text[: len(text) // 2], closes, ""]), *after],
            [*before, "\n".join([*text, closes, ""]), *after],
            [*before, "\n".join([opens, *text, ""]), *after],
            [*before, "\n".join([*text, ""]), *after],
        ):
            yield "".join([*mutant, f"{MARKER} end{end}"])


@pytest.mark.parametrize("name", ANSWERS)
def test_no_section_that_is_lost_doubled_cut_or_moved_raises_a_verdict(name: str) -> None:
    output = output_of(name)
    for number, mutant in enumerate(damage_sections(output)):
        found = refuse_or_judge(mutant)
        assert found is None or not is_better(found, whole(name)), number


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_that_is_cut_anywhere_raises_a_verdict(name: str) -> None:
    output = output_of(name)
    for length in range(0, len(output) - 1, 7):
        assert refuse_or_judge(output[:length]) is None


@given(st.sampled_from(ANSWERS), st.randoms(use_true_random=False), st.integers(1, 4))
def test_no_damage_at_several_places_raises_a_verdict(name: str, chance: random.Random, times: int) -> None:
    lines = output_of(name).split("\n")
    for _time in range(times):
        if len(lines) < 2:
            break
        at, other = sorted(chance.sample(range(len(lines)), 2))
        match chance.randrange(5):
            case 0:
                del lines[at:other]
            case 1:
                lines[at:at] = lines[at:other]
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at] = lines[at][chance.randrange(len(lines[at]) + 1) :]
            case _:
                lines[at] = lines[at] + chance.choice(["\x1b[2K", "\0", "²", "\u2028", MARKER, " 1", "\ud800"])
    found = refuse_or_judge("\n".join(lines))
    assert found is None or not is_better(found, whole(name))


LOST = {
    ("feature off", "features lan0"): "hw-tc-offload: off",
    ("none offloaded", "conntrack"): "recent 5",
    ("none in hardware", "conntrack"): "count ipv4 tcp software 4",
}


@pytest.mark.parametrize(("name", "section"), LOST)
def test_a_line_that_is_always_printed_is_missed_without_a_tally_too(name: str, section: str) -> None:
    """What awk of the router counts is not all that the verdict rests on."""
    text, rc = BROKEN[name][section]
    left = text.replace(LOST[name, section] + "\n", "")
    assert left != text
    with pytest.raises(OffloadError, match=f"section '{section}' of the router's answer has no line"):
        outcome_of(to_answer({**BROKEN[name], section: (left, rc)}))


@pytest.mark.parametrize(
    "name", ["flowtables", "ruleset", "live", "devices", "features lan0", "conntrack", "forwarding"]
)
def test_a_section_that_is_always_printed_is_missed_without_a_tally_too(name: str) -> None:
    with pytest.raises(OffloadError, match=f"the router's answer has no section '{name}'"):
        require_whole(to_answer({key: part for key, part in HEALTHY.items() if key != name}))


def test_a_feature_that_ethtool_did_not_show_proves_nothing() -> None:
    unread = {**to_answer(HEALTHY), "features lan0": Section("netlink error: No such device", 1)}
    verdict = judge_all(Answer(unread))[0]
    assert (verdict.rungs[2].status, verdict.errors()) == ("unproven", [])
    assert "rung bound rests on rung configured, which is unproven" in verdict.shortfall(EXPECTATIONS[0])
