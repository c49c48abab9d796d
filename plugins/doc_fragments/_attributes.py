# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that every module documents, worded once.

Private to the collection: it can change at any time.

A module extends C(kmod.nft_offload._attributes) and the sub-fragments it needs, and fills in C(support) for
C(check_mode), C(diff_mode) and C(idempotent):

    extends_documentation_fragment:
      - kmod.nft_offload._attributes
      - kmod.nft_offload._attributes.actiongroup
      - kmod.nft_offload._attributes.router
"""

from __future__ import annotations


class ModuleDocFragment:
    """Each attribute is one sub-fragment; C(DOCUMENTATION) is the one without a name."""

    # What differs from module to module: only the meaning is here, the module states its support.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Predicts in C(check_mode) what a real run would change, and changes nothing.
  diff_mode:
    description: Shows in diff mode what changes, or would change in check mode, as text before and after.
  idempotent:
    description: A second run with the same options, on a router that has not changed in between, reports no change.
"""

    # For modules that read and never write. Use it in place of the one without a name.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Predicts in C(check_mode) what a real run would change, and changes nothing.
    details:
      - This module only reads, so that it changes nothing without check mode either.
  diff_mode:
    support: N/A
    description: Shows in diff mode what changes, or would change in check mode, as text before and after.
    details:
      - This module only reads, so that there is nothing to show.
  idempotent:
    support: full
    description: A second run with the same options, on a router that has not changed in between, reports no change.
    details:
      - This module only reads, so that it never reports a change.
"""

    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/kmod.nft_offload.all) in C(module_defaults) to set options for all modules at once.
    support: full
    membership:
      - kmod.nft_offload.all
"""

    # How every module reaches a router.
    ROUTER = r"""
options: {}
attributes:
  platform:
    description: The kind of operating system that the module works on.
    support: full
    platforms: linux
    details:
      - The router needs a POSIX shell, BusyBox C(ash) is enough, and no Python.
  action:
    description: Runs on the controller as an action plugin.
    support: full
    details:
      - Each round trip is one SSH exec of C(/bin/sh) with the script on its standard input.
      - No file is copied to the router.
  async:
    description: Works with the C(async) keyword.
    support: none
  become:
    description: Works with the C(become) keywords.
    support: full
    details:
      - Reading connection tracking and the ruleset, and every change, needs root. Log in as root or use C(become=true).
  connection:
    description: Reaches the router through the connection plugin of the task.
    support: full
    details:
      - Any connection plugin that runs commands will do. C(ansible.builtin.ssh) is the one that is tested.
  delegation:
    description: Works with the C(delegate_to) keyword.
    support: full
    details:
      - The router that is read and changed is the one delegated to.
"""

    # For modules that work on the controller alone.
    CONTROLLER = r"""
options: {}
attributes:
  platform:
    description: The kind of operating system that the module works on.
    support: full
    platforms: posix
  action:
    description: Runs on the controller as an action plugin.
    support: full
    details:
      - It asks the host of the task nothing.
  async:
    description: Works with the C(async) keyword.
    support: none
  become:
    description: Works with the C(become) keywords.
    support: N/A
    details:
      - Nothing is run on a host.
  connection:
    description: Reaches the router through the connection plugin of the task.
    support: N/A
    details:
      - No connection is made.
  delegation:
    description: Works with the C(delegate_to) keyword.
    support: N/A
    details:
      - Nothing is run on a host.
"""
