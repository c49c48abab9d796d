# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers as the module ruleset reads them: a fresh one, and one that has the table of these tests."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._confirm.change import ConfirmedPlan
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core import paths
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Section
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import Feature, Flowtable, Platform
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset import plan as _ruleset
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.hardware import Request
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._ruleset.state import TableState
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._systems.init_system import ServiceState

CONTENT = (
    "table inet nft_offload {\n\tchain forward {\n"
    "\t\ttype filter hook forward priority filter + 10; policy accept;\n"
    "\t\tmeta l4proto { tcp, udp } flow add @ft\n\t}\n}\n"
)
LISTING = (
    'table inet nft_offload {\n\tcomment "kmod.nft_offload"\n'
    "\tflowtable ft {\n\t\thook ingress priority filter\n\t\tdevices = { lan0, wan0 }\n"
    "\t\tflags offload\n\t}\n\n\tchain forward {\n\t\ttype filter hook forward priority filter + 10; policy accept;\n"
    "\t\tmeta l4proto { tcp, udp } flow add @ft\n\t}\n}\n"
)
PLATFORM = Platform(
    uid=0, kernel="6.12.1", init="systemd", commands=frozenset({"nft", "ethtool", "systemctl"}), nft_version=(1, 1, 3)
)
ON = Feature(active=True)
OFF = Feature(active=False)
FIXED = Feature(active=False, fixed=True)
TAKES = Section("", 0)
REFUSES = Section("Error: Could not process rule: Operation not supported\nError: No such file or directory", 1)
BUSY = Section("Error: Could not process rule: Device or resource busy", 1)

FRESH = TableState(
    platform=PLATFORM,
    table=None,
    flowtables=(),
    files={},
    links=frozenset({"lo", "lan0", "wan0", "mgmt0"}),
    drivers={"lan0": "labnic", "wan0": "labnic", "mgmt0": "virtio_net"},
    features={"lan0": ON, "wan0": ON, "mgmt0": FIXED},
    probes={"lan0": TAKES, "wan0": TAKES, "mgmt0": REFUSES},
    service=ServiceState(),
)
TOKEN = "00000000"
REQUEST = Request("ft", ("lan0", "wan0"), "auto")


def present(state: TableState, *requests: Request, checking: bool = False, content: str = CONTENT) -> ConfirmedPlan:
    return _ruleset.plan_present(
        state, "inet", "nft_offload", content, requests or (REQUEST,), check_mode=checking, token=TOKEN
    )


def converged(*devices: str) -> TableState:
    """The router after a plan for a fresh one was carried out."""
    plan = present(FRESH)
    files = {path: text for path, (_mode, text) in {**plan.files, **plan.records}.items()}
    return replace(
        FRESH,
        table=LISTING,
        flowtables=(Flowtable("inet", "nft_offload", "ft", devices or ("lan0", "wan0"), hardware=True),),
        files={**files, paths.LISTING: LISTING},
        probes={"lan0": BUSY, "wan0": BUSY},
        service=ServiceState(enabled=True, active=True),
    )
