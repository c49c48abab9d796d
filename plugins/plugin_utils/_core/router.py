# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""The connection to a router: one POSIX sh script is one SSH exec. Nothing else in the collection talks to routers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any

from ansible.utils.display import Display

from .errors import OffloadError
from .sections import Answer, Call, compose, parse

display = Display()

NO_SHELL = "check the login and the become settings of this host"
NO_TERMINAL = (
    "log in as root, or become root with sudo or with the su of util-linux: a script travels on standard input, where "
    "a terminal has no room for it, and not as an argument, which every user of the router could read"
)
KEEP_ALIVE = ("-o ServerAliveInterval=5", "-o ServerAliveCountMax=3")


class Router:
    """Runs scripts on the router of one task.

    ``action`` is the task's action plugin; its connection and become settings are used as they are.
    A lost connection surfaces as Ansible's own AnsibleConnectionFailure, so the host becomes unreachable, not failed.
    """

    def __init__(self, action: Any, name: str) -> None:
        self.name = name
        self.execs = 0
        self._action = action

    @property
    def connection(self) -> str:
        """The name of the connection plugin, such as ``ssh`` or ``community.docker.docker``."""
        return str(getattr(self._action._connection, "transport", ""))

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
        """Run the named script fragments, then the calls of their functions, in one SSH exec; returns its sections.

        A fragment is named by its path below sh/, such as ``read/change``. Raises OffloadError where no shell answers
        or the answer is incomplete, AnsibleConnectionFailure where there is no connection.
        """
        nonce = secrets.token_hex(8)
        counted = not any(name.startswith("apply/") for name in fragments)
        script = compose(nonce, fragments, calls, counted)
        answer = self._execute(script)
        self.execs += 1
        output = answer["stdout"]
        display.vvv(f"kmod.nft_offload: exec {self.execs}, {len(script)} bytes up, {len(output)} down", host=self.name)
        if answer["rc"] != 0 and f"@@{nonce}" not in output:
            printed = (answer["stderr"] or output).strip()[-300:]
            raise OffloadError(
                f"the router started no shell (exit code {answer['rc']}): {printed}",
                NO_TERMINAL
                if re.search(r"\b(?:terminal|tty)\b", printed)
                else "check the login and the become settings of this host",
            )
        return parse(output, nonce, counted)

    def reconnect(self, *, shared: bool = True) -> None:
        """Make the next exec open a connection of its own, which notices within 15 s that nobody answers any more.

        ``shared`` False keeps Ansible's multiplexing out of it for the rest of the task: where ``reset`` cannot reach
        the shared connection (ssh -O stop asks for the password again), it is not used all the same.
        """
        connection = self._action._connection
        if getattr(connection, "transport", "") != "ssh":
            connection.close()  # the next exec connects; reset() would do it here, where a failure ends the task
            return
        connection.reset()
        given = str(connection.get_option("ssh_extra_args") or "")
        options = [*KEEP_ALIVE, *([] if shared else ["-S none"])]
        missing = [option for option in options if option not in given]
        connection.set_option("ssh_extra_args", " ".join([given, *missing]).strip())

    def _execute(self, script: str) -> dict[str, Any]:
        """Standard input carries the script, whatever becomes root: arguments can be read by every user of a router.

        ssh asks for no terminal then. su of today reads its password from standard input too, before the script.
        """
        return self._action._low_level_execute_command("/bin/sh -s", in_data=script.encode(), sudoable=True)
