# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of router it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import fragment
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.platform import parse_platform

RELEASE = "6.8.0-45-generic"
UNSET = "# CONFIG_NF_CONNTRACK_PROCFS is not set\n"


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"proc/net/nf_conntrack": ""}, True),
        ({"proc/net/nf_conntrack": "", f"boot/config-{RELEASE}": UNSET}, True),
        ({"proc/sys/net/netfilter/nf_conntrack_count": "0\n"}, False),
        ({f"boot/config-{RELEASE}": UNSET}, False),
        ({f"boot/config-{RELEASE}": "CONFIG_NF_CONNTRACK_PROCFS=y\n"}, None),
        ({"boot/config-5.4": UNSET}, None),
        ({}, None),
    ],
)
def test_whether_connection_tracking_has_its_file(files: dict[str, str], shown: bool | None, tmp_path: Path) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    script = fragment("read/platform").replace("/proc/", "proc/").replace("/boot/", "boot/")
    script = f"uname() {{ echo {RELEASE}; }}\n{script}\n_conntrack_file"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert parse_platform(done.stdout).conntrack_file is shown
