# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/merge_reports.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: merge_reports
short_description: Merge fleet reports into one, and write it in any format
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Takes the JSON files that the callback P(kmod.nft_offload.fleet_report#callback) wrote in several runs, of sites or
    of slices of a fleet, and writes one report on all their routers. With one file it renders that in other formats.
  - Of a router that several reports have, the one that was made last counts, and of two that were made at the same time
    the one that O(reports) has later.
  - Works on the controller, once for all hosts of the task, and asks no router anything.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - A report is a whole file for other programs to show.
  idempotent:
    support: full
    details:
      - As long as the reports stay the same.
options:
  reports:
    description:
      - Files on the controller. Wildcards are expanded, C(**) for directories below each other, and stand for none of
        the files in O(path).
    type: list
    elements: path
    required: true
  path:
    description:
      - Files to write, on the controller. The ending of a name decides on the format, as with the option O(path) of
        P(kmod.nft_offload.fleet_report#callback).
      - Each is replaced in one step, and left alone where it would not change. Where one cannot be written, those
        before it are.
    type: list
    elements: path
    required: true
  before:
    description:
      - An earlier report as JSON to compare with.
    type: path
notes:
  - Names of files are relative to the directory that C(ansible-playbook) was started in.
  - No SSH exec.
seealso:
  - plugin: kmod.nft_offload.fleet_report
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Merge the reports of all sites
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Write one report on all of them
      kmod.nft_offload.merge_reports:
        reports: [reports/berlin.json, "reports/slices/*.json"]
        before: reports/last_week.json
        path: [reports/fleet.html, reports/fleet.json]
"""

RETURN = r"""
routers:
  description: How many routers there are in it.
  returned: success
  type: int
  sample: 240
states:
  description:
    - How many of them are C(failed) (there are errors), C(unknown) (there is no verdict), C(warned) (there are
      warnings) and C(well).
  returned: success
  type: dict
  sample: {failed: 2, unknown: 1, warned: 0, well: 237}
changes:
  description: Routers that are V(worse) or V(better) than in O(before), V(new), or V(absent) from O(reports).
  returned: success
  type: dict
  sample: {edge-4: worse}
"""
