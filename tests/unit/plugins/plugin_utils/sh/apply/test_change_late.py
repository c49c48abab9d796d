# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of a change, or of the boot script, that goes on when the next change has begun already.

Its shell may have been killed, or just slow. Names on the router have the id of their change, so that it acts on
nothing of the next one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.plan import failed_step

from tests.unit.helpers.changes import THIRD, await_true, beside, load
from tests.unit.helpers.sandbox import NEW, OLD, Sandbox, outcome


def make_late(router: Sandbox, tool: str, pattern: str, first: str = ":") -> Path:
    """The tool's first call of that pattern, after ``first``, waits for a file; the file that tells that it waits."""
    flag = router.place / f"{tool}-is-late"
    waits = f": >{flag}; exec >/dev/null 2>&1 </dev/null; {first}; while [ ! -e {flag}-go ]; do sleep 0.1; done"
    router.before(tool, f'case "$PLACE$*" in {pattern}) [ -e {flag} ] || {{ {waits}; }} ;; esac')
    return flag


def let_go(flag: Path) -> None:
    Path(f"{flag}-go").touch()


def boot(router: Sandbox) -> subprocess.Popen[bytes]:
    """Somebody restarts the service that loads the confirmed ruleset; its tools have PLACE=boot."""
    text = paths.installed("ruleset.sh").replace("/etc/nft-offload", str(router.place / "etc"))
    script = router.place / "boot.sh"
    script.write_text(text.replace("run=/run/nft-offload", f"run={router.home}").replace("/dev/kmsg", "/dev/null"))
    environment = {"PATH": f"{router.place / 'bin'}:{os.environ['PATH']}", "PLACE": "boot"}
    words = [str(router.sh), str(script)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_rename_of_a_shell_that_was_killed(router: Sandbox) -> None:
    """Else what is staged, and never confirmed, would boot."""
    (router.place / "etc/ruleset.nft").write_text(OLD)
    first, second = router.change(), router.change(router.plan(THIRD), name="2-00000002", timeout=6)
    load(router, first)
    flag = make_late(router, "mv", "*etc/ruleset.nft.*nft-offload-new*", "kill -9 $PPID")
    with pytest.raises(OffloadError):
        router.confirm(first)
    assert router.settled()
    assert (outcome(router)[0], router.etc("ruleset.nft")) == ("confirmed", NEW)
    load(router, second)
    let_go(flag)
    assert router.settled()
    assert (outcome(router)[0], router.table(), router.etc("ruleset.nft")) == ("rolled_back", NEW, NEW)


def test_a_rename_of_the_boot_script(router: Sandbox) -> None:
    (router.place / "etc/ruleset.nft").write_text(OLD)
    first, second = router.change(), router.change(router.plan(THIRD), name="2-00000002", timeout=15)
    load(router, first)
    journal = make_late(router, "sync", f"{router.place}/etc")
    late = make_late(router, "mv", "boot*etc/ruleset.nft.*nft-offload-new*")
    with beside(lambda: router.confirm(first)) as answers:
        await_true(journal.exists)
        assert router.etc("committing")
        started = boot(router)
        await_true(late.exists)
        let_go(journal)
    assert failed_step(first.phases()[1], answers[0]) is None
    load(router, second)
    let_go(late)
    started.wait(60)
    assert router.settled()
    assert (outcome(router)[0], router.table(), router.etc("ruleset.nft")) == ("rolled_back", NEW, NEW)


def test_the_boot_script_clears_away_what_was_left(router: Sandbox) -> None:
    (router.place / "etc/ruleset.nft").write_text(OLD)
    (router.place / "etc/confirmed.0-0badcafe.nft-offload-new").write_text("left by a power cut")
    late = make_late(router, "rm", "boot*confirmed.0-0badcafe.nft-offload-new*")
    started = boot(router)
    await_true(late.exists)
    change = router.change()
    load(router, change)
    let_go(late)
    started.wait(60)
    assert failed_step(change.phases()[1], router.confirm(change)) is None
    assert router.settled()
    assert (outcome(router)[0], router.table(), router.etc("ruleset.nft")) == ("confirmed", NEW, NEW)


def test_a_guard_that_was_killed_clears_away_what_was_staged(router: Sandbox) -> None:
    first, second = router.change(timeout=2), router.change(router.plan(THIRD), name="2-00000002", timeout=60)
    load(router, first)
    late = make_late(router, "rm", "*etc/ruleset.nft.*nft-offload-new*")
    await_true(late.exists)
    assert router.settled(90)
    load(router, second)
    let_go(late)
    assert failed_step(second.phases()[1], router.confirm(second)) is None
    assert router.settled()
    assert (outcome(router)[0], router.table(), router.etc("ruleset.nft")) == ("confirmed", THIRD, THIRD)


def test_a_guard_that_was_killed_lets_go_of_the_lock(router: Sandbox) -> None:
    first = router.change(timeout=2)
    second = router.change(router.plan(THIRD), name="2-00000002", timeout=8)
    load(router, first)
    late = make_late(router, "mv", "*/pending/*")
    await_true(late.exists)
    assert router.settled(90)
    load(router, second)
    let_go(late)
    with pytest.raises(OffloadError, match="change 2-00000002 is pending"):
        load(router, router.change(name="3-00000003"))
    assert router.settled()
    assert (outcome(router)[0], router.table()) == ("rolled_back", OLD)
