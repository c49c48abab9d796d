# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever ends a step of flow_offload_mode: disabled half-way, it says what is left, and a second run does it.

Each step of each module is made to fail, its answer is lost, and the power is cut before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.kmod.nft_offload.plugins.action import kernel_support, nic_features, ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.action import OffloadAction
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call

from tests.unit.helpers.openwrt_fw4 import settled
from tests.unit.helpers.openwrt_root import ETHTOOL, MODULES, NEEDS, Execs, OpenWrt
from tests.unit.helpers.ruleset_states import FRESH, LISTING, PLATFORM, present

LIVE = "/var/run/nft/inet-nft_offload"
ABSENT = {"state": "absent"}


class Faulty(Execs):
    """Execs that end half-way once, at the step ``number``, counted over all of them from 0."""

    def __init__(self, router: OpenWrt, fault: str, number: int) -> None:
        super().__init__(router)
        self.fault = fault
        self.left = number
        self.met = ""
        """the verb that it ended at; empty when there were not so many"""

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
        done: list[Call] = []
        before = self.met
        for call in calls:
            if call[0] == "step" and not self.met:
                self.left -= 1
                if self.left < 0:
                    self.met = call[2]
                    if self.fault == "cut":
                        break
                    done.append((*call[:2], "false") if self.fault == "fails" else call)
                    continue
            done.append(call)
        answer = super().run(fragments, done)
        if before != self.met and self.fault != "fails":
            if self.fault == "cut":
                restart(self._router)
            raise AnsibleConnectionFailure("the connection was lost")
        return answer


def restart(router: OpenWrt) -> None:
    """The power was cut, and is back: what boots is what is on flash."""
    router.end()
    router.sh("rm -rf /var/run/nft-offload /var/run/nft")
    if router.path(paths.RULESET_RC).is_symlink() and router.path(paths.RULESET_INIT).exists():
        assert router.read(paths.RULESET) is not None, "boot would look for a text that is gone"
        router.write(LIVE, LISTING)


def with_table(router: OpenWrt) -> None:
    """Our table as the ruleset module leaves it; the stand-in for nft does not read the text."""
    plan = present(replace(FRESH, platform=replace(PLATFORM, init="procd")))
    for path, (mode, text) in {**plan.files, **plan.records}.items():
        router.write(path, text, int(mode, 8))
    router.write(paths.LISTING, LISTING)
    router.write(f"{paths.HISTORY}/0-00000000.nft", "# an older one\n")
    router.write(LIVE, LISTING)
    router.sh("/etc/init.d/nft-offload enable")
    assert router.path(paths.RULESET_RC).is_symlink()


def with_features(router: OpenWrt) -> None:
    router.write("/etc/stand-in/features", "eth0 off\nlan1 on\nwan on\n")
    router.do(nic_features.ActionModule, {"devices": ["lan1", "wan"]})


def with_modules(router: OpenWrt) -> None:
    router.do(kernel_support.ActionModule, {"packages": ["ethtool"]})


CASES: dict[str, tuple[type[OffloadAction], Callable[[OpenWrt], None], dict[str, Any]]] = {
    "ruleset": (ruleset.ActionModule, with_table, {**ABSENT, "confirm_timeout": 5}),
    "nic_features": (nic_features.ActionModule, with_features, ABSENT),
    "kernel_support": (kernel_support.ActionModule, with_modules, ABSENT),
}


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrt]:
    made = OpenWrt(tmp_path / "root")
    made.device("eth0")
    made.path("/sys/class/net/eth0/device").mkdir()
    made.path("/sys/class/net/eth0/device/driver").symlink_to("/sys/bus/drivers/mtk_soc_eth")
    for port in ("lan1", "wan"):
        made.device(port, "dsa", ["eth0"])
    made.write("/etc/stand-in/hw-tc-offload", "eth0 true\nlan1 true\nwan true\n")
    made.write(MODULES, "".join(f"{name} 16384 0 - Live\n" for name in NEEDS))
    for name in NEEDS:
        made.path(f"/sys/module/{name}").mkdir(parents=True)
    made.write("/etc/modules.d/nft-offload", "nf_flow_table_inet\nnft_flow_offload\n")
    made.write("/etc/stand-in/installed", "kernel 6.6.110~aaaa-r1\n")
    made.write("/etc/stand-in/feed/index", "ethtool 6.11-r1 - 40 -\n")
    made.write("/etc/stand-in/feed/files/ethtool/usr/sbin/ethtool", ETHTOOL, 0o755)
    yield made
    made.end()


def flash(router: OpenWrt) -> dict[str, str]:
    """All that is on it, but for what the stand-ins note."""
    found = [path for top in ("etc", "lib", "usr") for path in (router.root / top).rglob("*")]
    files = {str(path): path.read_text(errors="replace") for path in found if path.is_file()}
    links = {str(path): "a link" for path in found if path.is_symlink()}
    return {path: text for path, text in {**files, **links}.items() if "stand-in/" not in path}


@pytest.mark.parametrize("fault", ["fails", "lost", "cut"])
@pytest.mark.parametrize("name", CASES)
def test_each_step_may_end_it(router: OpenWrt, name: str, fault: str) -> None:
    module, configure, options = CASES[name]
    if name == "nic_features":
        router.write("/usr/sbin/ethtool", ETHTOOL, 0o755)
    before, was_live = flash(router), router.read(LIVE)
    for number in count():
        configure(router)
        configured = flash(router)
        execs = Faulty(router, fault, number)
        way = MethodType(lambda given, _router, _before: given, execs)
        said = ""
        try:
            router.do(module, options, way=way)
        except (OffloadError, AnsibleConnectionFailure) as error:
            said = str(error)
        if not execs.met:
            assert (said, flash(router), router.read(LIVE)) == ("", before, was_live)
            break
        if fault == "fails":
            undone = "nothing was left changed" in said or "was rolled back" in said
            assert undone or "left to do: " in said or "is pending" in said, f"{execs.met}: {said}"
            if undone:
                assert (flash(router), bool(router.read(LIVE))) == (configured, name == "ruleset"), execs.met
        assert settled(router)
        router.do(module, options)
        left = dict(flash(router).items() ^ before.items())
        assert (left, router.read(LIVE)) == ({}, was_live), f"{execs.met}: {said}"
        assert not router.do(module, options)[0]["changed"]
    assert number > 1
