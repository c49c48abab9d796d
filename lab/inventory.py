# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running routers as an Ansible inventory."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from lab.routers import Router


def host_vars(router: Router) -> dict[str, Any]:
    """A router's host variables: how Ansible reaches it, and what it is."""
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": router.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(router.login.key),
        "ansible_ssh_common_args": shlex.join(router.login.host_options),
        "lab_suite": router.suite,
        "lab_nic": router.nic,
        "lab_lan_device": "lan0",
        "lab_wan_device": "wan0",
    }


def make_inventory(routers: list[Router], group: str = "routers") -> dict[str, Any]:
    """{GROUP: {"hosts": {NAME: {VARIABLE: value}}}}."""
    return {group: {"hosts": {router.name: host_vars(router) for router in routers}}}


def as_yaml(routers: list[Router], group: str = "routers") -> str:
    return "---\n" + yaml.safe_dump(make_inventory(routers, group), sort_keys=False, width=1000)
