# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router that is watched is told the verdict; that it could not be told is a warning."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.kmod.nft_offload.plugins.action.offload_verify import _record
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, Section


class Told(Router):
    """A router that answers so, without a connection."""

    def __init__(self, end: Section | Exception | None) -> None:
        self.end = end
        self.calls: list[Call] = []

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
        assert fragments == ("apply/verdict",)
        self.calls += calls
        if isinstance(self.end, Exception):
            raise self.end
        return Answer({"recorded": self.end} if self.end else {})


def test_it_is_told_in_one_exec() -> None:
    router = Told(Section("", 0))
    assert _record(router, "rung 6\nrequired 4") == []
    assert router.calls == [("section", "recorded", "record_verdict", "rung 6\nrequired 4")]


@pytest.mark.parametrize("end", [Section("No space left on device", 1), AnsibleConnectionFailure("timed out"), None])
def test_what_keeps_it_from_knowing_is_a_warning(end: Section | Exception | None) -> None:
    (warning,) = _record(Told(end), "rung 6")
    assert warning.startswith("the watch does not know of this verdict: ") and len(warning) > 45
