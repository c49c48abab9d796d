# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table of our name that somebody else made: refused, adopted when that is said, and brought back by an undo."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.plays import Task
from tests.lab.router import Live
from tests.lab.rulesets import CONTENT, FLOWTABLE

pytestmark = pytest.mark.router("trixie/offload", "tools")

MARK = 'comment "kmod.nft_offload"'
THEIRS = """table inet nft_offload {
  comment "of the site"
  set allowed { type ipv4_addr; elements = { 192.0.2.7 }; }
  flowtable fast { hook ingress priority 0; devices = { lan0, wan0 }; flags offload; }
  chain forward { type filter hook forward priority 0; policy accept; ip saddr @allowed flow add @fast; }
}"""
HARDWARE = {**FLOWTABLE, "offload": "hardware"}


def live(router: Live) -> str:
    return router.nft("-s list table inet nft_offload")


def load(router: Live, **options: Any) -> Task:
    task = router.module("ruleset", content=CONTENT, flowtables=[HARDWARE], **options)
    assert task.status == "ok", task.msg
    return task


def make_theirs(router: Live) -> str:
    router.sh("for nic in lan0 wan0; do ethtool -K $nic hw-tc-offload on; done")
    router.sh(f"nft -f - <<'END'\n{THEIRS}\nEND")
    return live(router)


def test_it_is_refused_then_adopted_and_known_from_then_on(router: Live) -> None:
    theirs = make_theirs(router)
    for check in (True, False):
        task = router.module("ruleset", check=check, content=CONTENT, flowtables=[HARDWARE])
        assert task.status == "failed" and len(task.execs) == 1
        assert "set allowed, flowtable fast, chain forward" in task.msg
        assert live(router) == theirs
    load(router, adopt=True)
    assert MARK in live(router) and "flags offload" in live(router)
    assert not load(router).changed
    router.sh("rm -r /etc/nft-offload")
    assert load(router).changed, "it is ours without a record too"
    assert MARK in live(router)


def test_an_undo_brings_it_back(router: Live) -> None:
    theirs = make_theirs(router)
    chain = "chain input { type filter hook input priority 0; policy accept; tcp dport 22 ct state new drop\n }"
    task = router.module(
        "ruleset",
        host={"ansible_timeout": 5},
        content=f"{CONTENT}table inet nft_offload {{\n {chain}\n}}\n",
        flowtables=[FLOWTABLE],
        confirm_timeout=8,
        adopt=True,
    )
    assert task.status == "failed" and task.result["change"]["rolled_back"], task.msg
    assert live(router) == theirs
