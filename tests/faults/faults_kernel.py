# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the kernel, its modules and the tools: rungs 1 and 2."""

from __future__ import annotations

from pathlib import Path

from tests.faults.model import EVERYWHERE, QUIET, Fault
from tests.faults.rulesets import DELETE_OURS

MODULES = "nft_flow_offload nf_flow_table_inet nf_flow_table"
UNLOADED = f"{DELETE_OURS}\nrmmod {MODULES}\n"
TREE = "/lib/modules/$(uname -r)"
AWAY = f"""find {TREE}/ '(' -name 'nft_flow_offload.ko*' -o -name 'nf_flow_table*.ko*' ')' -exec mv '{{}}' /root/ ';'
depmod
"""


NO_TC = "what redirects or shapes is seen by means of tc, which Alpine has not where nobody installed it"
NO_SETPRIV = "the setpriv of busybox becomes no other user and drops no capability of a shell's"


def fake_version(version: str) -> str:
    """sh that puts a stand-in in front of nft, which only reports another version."""
    return f"""mv /usr/sbin/nft /usr/sbin/nft.real
cat >/usr/sbin/nft <<'EOT'
#!/bin/sh
case $1 in -v|--version|-V) echo 'nftables v{version} (Old Doc Yak)' ;; *) exec /usr/sbin/nft.real "$@" ;; esac
EOT
chmod +x /usr/sbin/nft
"""


def hang(tool: str) -> str:
    """sh that puts a stand-in in front of a program, which waits where the real one would ask the kernel."""
    return f"""mv {tool} {tool}.real
cat >{tool} <<'EOT'
#!/bin/sh
# A stand-in, which tells its version and else only waits.
case $1 in -v|--version|-V) exec {tool}.real "$@" ;; *) sleep 1000 ;; esac
EOT
chmod +x {tool}
"""


FAULTS = (
    Fault(
        "login-without-root",
        ["supported.not-permitted"],
        0,
        login=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        impossible={"6.18": NO_SETPRIV},
    ),
    Fault(
        "kernel-too-old",
        ["supported.kernel-too-old"],
        0,
        impossible="the lab's oldest kernel is Linux 6.1",
    ),
    Fault(
        "kernel-before-late-devices",
        ["supported.kernel-before-late-devices"],
        7,
        impossible="the lab's oldest kernel is Linux 6.1",
    ),
    Fault(
        "kernel-without-flowtables",
        ["supported.kernel-without-flowtables"],
        0,
        impossible="all kernels are built with NF_FLOW_TABLE",
    ),
    Fault("modules-not-installed", ["supported.modules-missing"], 0, UNLOADED + AWAY, traffic=QUIET),
    Fault(
        "modules-for-another-kernel",
        ["supported.modules-for-another-kernel"],
        0,
        UNLOADED + f"mv {TREE} /lib/modules/$(uname -r | sed 's/[.]/.9/')\n",
        traffic=QUIET,
    ),
    *(
        Fault(f"{Path(tool).name}-hangs", ["supported.tool-hangs", *ids], rung, hang(tool), traffic=QUIET)
        for tool, rung, ids in (
            ("/usr/sbin/nft", 2, ()),
            ("/usr/sbin/ethtool", 4, ("configured.feature-unknown",)),
            ("/sbin/ip", {EVERYWHERE: 4, "6.18": 2}, ()),
        )
    ),
    Fault(
        "tc-hangs",
        ["supported.tool-hangs"],
        7,
        {kernel: hang("/sbin/tc") for kernel in ("6.1", "6.12", "7.2")},
        impossible={"6.18": NO_TC},
    ),
    Fault("nft-not-installed", ["supported.nft-missing"], 0, "rm /usr/sbin/nft\n"),
    Fault("nft-0.9.8", ["supported.nft-too-old"], 0, fake_version("0.9.8")),
    Fault("nft-0.9.3", ["supported.nft-without-counter"], 0, fake_version("0.9.3")),
    Fault("nft-that-hides-flags", ["supported.nft-hides-flags"], 7, fake_version("0.9.8"), options={"expect": "any"}),
    Fault(
        "ethtool-not-installed",
        ["supported.ethtool-missing", "configured.feature-unknown"],
        7,
        "rm /usr/sbin/ethtool\n",
    ),
    Fault("modules-unloaded", ["loaded.not-loaded"], 1, UNLOADED, traffic=QUIET),
    Fault(
        "modules-locked-out",
        ["loaded.modules-disabled"],
        1,
        UNLOADED + "sysctl -qw kernel.modules_disabled=1\n",
        traffic=QUIET,
    ),
    Fault("modules-not-at-boot", ["loaded.not-at-boot"], 7, "rm /etc/modules-load.d/nft-offload.conf\n"),
    Fault(
        "modules-on-demand",
        ["loaded.on-demand"],
        7,
        "rm /etc/modules-load.d/nft-offload.conf\n",
        topology="by-hand",
    ),
)
