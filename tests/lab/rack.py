# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives the live tests one router at a time, in the state that they need."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab import api, suites
from tests.lab.alpine import Alpine
from tests.lab.openwrt import OpenWrt
from tests.lab.router import Live


def _tools(router: Live) -> None:
    """Also loads nft_ct, which the kernel would load as soon as nft has it check a rule of ours."""
    task = router.module("kernel_support", state="present")
    assert task.status == "ok", task.msg
    router.sh("modprobe nft_ct")


def _offloading(router: Live) -> None:
    router.role().worked()


# state -> (the state that it is made from, the function that makes it)
STATES: dict[str, tuple[str, Callable[[Live], None]]] = {
    "tools": ("bare", _tools),
    "offloading": ("tools", _offloading),
}


def make_router(name: str, kind: str) -> Live:
    """A router of the class that its suite needs."""
    suite = kind.partition("/")[0]
    make = OpenWrt if suites.is_openwrt(suite) else Alpine if suite.startswith("alpine-") else Live
    return make(name, kind)


class Rack:
    """Holds one router at a time: the machine may be small, and tests are sorted by kind."""

    def __init__(self) -> None:
        self.router: Live | None = None

    def get(self, kind: str, state: str) -> Live:
        if self.router is not None and self.router.kind != kind:
            self.clear()
        if self.router is None:
            short = kind.replace("openwrt-", "owrt").replace(".", "").replace("/", "-")
            self.router = make_router(f"test-{os.getpid()}-{short}", kind)
        self._bring(self.router, state)
        return self.router

    def _bring(self, router: Live, state: str) -> None:
        """Bring the router to the state, which is made the first time and restored later."""
        if state not in router.saved:
            base, make = STATES[state]
            self._bring(router, base)
            make(router)
            router.save(state)
        else:
            router.restore(state)

    def clear(self) -> None:
        if self.router is not None:
            api.down([self.router.name])
        self.router = None
