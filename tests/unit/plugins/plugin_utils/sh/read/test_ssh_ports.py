# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of SSH servers, from their configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import compose, parse

from tests.unit.helpers.shells import NONCE, SHELLS, run_script

FILES = {
    "ssh/sshd_config": "# Port 1\nPort 2222 # words\n  port=2223\nListenAddress 192.0.2.1:2224\nGatewayPorts no\n",
    "ssh/sshd_config.d/a.conf": "PORT 2225\nListenAddress [2001:db8::1]:2226\nListenAddress 192.0.2.1\n",
    "systemd/system/ssh.socket.d/a.conf": "[Socket]\nListenStream=\nListenStream=2227\nListenStream=0.0.0.0:2228\n",
}
DROPBEAR = (
    "uci() { printf '%s\\n' \"dropbear.@dropbear[0].Port='2229'\" 'dropbear.b.Port=2230' 'dropbear.c=dropbear'; }"
)


@pytest.mark.parametrize("shell", SHELLS)
def test_ports(tmp_path: Path, shell: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the login comes first, also where become took it out of the environment."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    script = compose(NONCE, ("read/ruleset",), [("read_ssh_ports",)]).replace(" /etc/", f" {tmp_path}/")
    script = script.replace("{\n", f"{{\n{DROPBEAR}\nunset SSH_CONNECTION\n", 1)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.9 5000 192.0.2.1 2231")
    found = parse(run_script(shell, script, tmp_path), NONCE).lines("ssh_ports")
    assert found[0] == "2231"
    assert sorted(found) == [str(port) for port in range(2222, 2232)]
