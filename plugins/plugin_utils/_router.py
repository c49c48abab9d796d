# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The way to a router: one POSIX sh script is one SSH exec. The only place in the collection that talks to routers."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from typing import Any

from ansible.utils.display import Display
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._errors import OffloadError
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._sections import Call, Sections, compose, parse

display = Display()


class Router:
    """Runs scripts on the router of one task.

    ``action`` is the task's action plugin; its connection and become settings are used as they are.
    A lost connection surfaces as Ansible's own AnsibleConnectionFailure, so the host becomes unreachable, not failed.
    """

    def __init__(self, action: Any, name: str) -> None:
        self.name = name
        self.execs = 0
        self._action = action

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Sections:
        """Run the named script fragments, then the calls of their functions, in one SSH exec; returns its sections."""
        nonce = secrets.token_hex(8)
        script = compose(nonce, fragments, calls)
        answer = self._execute(script)
        self.execs += 1
        output = answer["stdout"]
        display.vvv(f"kmod.nft_offload: exec {self.execs}, {len(script)} bytes up, {len(output)} down", host=self.name)
        if answer["rc"] != 0 and f"@@{nonce}" not in output:
            said = (answer["stderr"] or output).strip()[-300:]
            raise OffloadError(
                f"no shell could be had on the router (exit code {answer['rc']}): {said}",
                "check the login and the become settings of this host",
            )
        return parse(output, nonce)

    def _execute(self, script: str) -> dict[str, Any]:
        """Standard input carries the script, except where become needs a terminal (su), which has no room for both."""
        become = getattr(self._action._connection, "become", None)
        if become is not None and not getattr(become, "pipelining", True):
            return self._action._low_level_execute_command("/bin/sh -c " + shlex.quote(script), sudoable=True)
        return self._action._low_level_execute_command("/bin/sh -s", in_data=script.encode(), sudoable=True)
