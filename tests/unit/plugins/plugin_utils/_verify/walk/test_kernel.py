# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet walk against this machine's kernel: real packets through rulesets that nobody wrote.

With real flowtables, and on three kernels: tests/faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.unit.helpers.crossing import Crossing
from tests.unit.helpers.firewalls import needs_namespaces
from tests.unit.helpers.generated_rulesets import Generator
from tests.unit.helpers.walks import reduced, traverse

pytestmark = needs_namespaces
RULESETS = 60 if settings().max_examples <= 100 else 3000
"""3000 with make fuzz"""


@pytest.fixture(scope="module")
def crossing() -> Iterator[Crossing]:
    made = Crossing()
    yield made
    made.close()


def test_what_the_walk_says_is_what_the_kernel_does(crossing: Crossing) -> None:
    agreed: Counter[str] = Counter()
    for seed in range(RULESETS):
        text = Generator(seed).ruleset()
        listing = crossing.load(text)
        met, left = crossing.cross()
        for seen, said in (("whole", listing), ("as sent", reduced(listing))):
            for one in traverse(said).judged:
                for enters, _leaves in ((a, b) for a in one.enters for b in one.leaves if a != b):
                    name = f"{one.family} {one.protocol} {enters}"
                    agreed[one.outcome] += 1
                    about = f"ruleset {seed}, {seen}: {name} {one.outcome}, {one.decided_by}\n{said}"
                    if one.outcome == "surely":
                        assert name in met or name not in left, about
                        agreed["surely, and seen"] += name in met
                    elif one.outcome in {"never", "dropped"}:
                        assert name not in met, about
                        agreed["never, and forwarded"] += name in left
                    if one.outcome == "dropped":
                        assert name not in left, about
    assert agreed["surely, and seen"] > RULESETS, agreed
    assert agreed["never, and forwarded"] > RULESETS, agreed
    assert agreed["may"] < sum(agreed.values()) / 2, agreed
    print(dict(agreed))
