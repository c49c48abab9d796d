# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root through become: sudo without and with a password, and su, which needs a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.router import Live
from tests.lab.rulesets import CONTENT, FLOWTABLE

OPERATOR = {"ansible_user": "operator", "ansible_become": True}
AUDITOR = {"ansible_user": "auditor", "ansible_become": True}
SU = {"ansible_user": "guest", "ansible_become": True, "ansible_become_method": "su"}
ROOT_PASSWORD = "root-lab"
SECRET = "hunter22-4711"
EVERY_ARGUMENT = "cat /proc/[0-9]*/cmdline | tr '\\000' ' '"

pytestmark = pytest.mark.router("trixie/offload", "tools")


@pytest.mark.parametrize(
    "host",
    [
        OPERATOR,
        {**AUDITOR, "ansible_become_password": "auditor-lab"},
        {**SU, "ansible_become_password": ROOT_PASSWORD},
    ],
    ids=["sudo", "sudo with a password", "su"],
)
def test_become(router: Live, host: dict[str, Any]) -> None:
    """Read, change, confirm and read again, in as many execs as a login as root takes.

    What travels is in the arguments of no process, which the login's user could read.
    """
    router.sh(f"echo root:{ROOT_PASSWORD} | chpasswd")
    check = {"name": "nobody sees", "command": f": {SECRET}; {EVERY_ARGUMENT} >/root/seen", "timeout": 20}
    options: dict[str, Any] = {"content": CONTENT, "flowtables": [FLOWTABLE], "checks": [check]}
    task = router.module("ruleset", host=host, **options)
    assert task.status == "ok", task.msg
    assert task.changed
    assert len(task.execs) == 3
    seen = router.sh("cat /root/seen; rm /root/seen")
    assert "nft_offload_check" in seen and "/bin/sh -s" in seen
    assert SECRET not in seen and "chain forward" not in seen
    again = router.module("ruleset", host=host, **options)
    assert (again.status, again.changed, len(again.execs)) == ("ok", False, 1)
    info = router.module("offload_info", host=host)
    assert info.result["router"]["platform"]["uid"] == 0
    assert len(info.execs) == 1
    assert router.sh("find / -xdev -name '*ansible*' -newer /etc/hostname ! -path '/proc/*' ! -path '/sys/*'") == ""


def test_role_with_become(router: Live) -> None:
    run = router.role(host=OPERATOR).worked()
    assert "offload_verify" in run.tasks[-1].action
    assert router.role(host=OPERATOR).worked().changed == []


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (AUDITOR, "password"),
        ({**AUDITOR, "ansible_become_password": "wrong"}, "password"),
        ({**OPERATOR, "ansible_user": "guest", "ansible_become_password": "guest"}, ""),
    ],
    ids=["password missing", "password wrong", "not allowed"],
)
def test_become_refused(router: Live, host: dict[str, Any], message: str) -> None:
    task = router.module("ruleset", host=host, content=CONTENT, flowtables=[FLOWTABLE])
    assert task.status in ("failed", "unreachable")
    assert message in task.msg
    router.is_untouched()
