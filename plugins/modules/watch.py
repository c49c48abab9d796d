# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/watch.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: watch
short_description: Have a router measure again and again what offload does, for Prometheus
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Installs a shell script that a timer starts every few minutes. It writes what M(kmod.nft_offload.offload_info) reads
    without a sample as gauges in the text format of Prometheus, to a file that the router's node exporter reads.
  - It measures, and judges nothing. Alert rules that judge are in the collection's C(extensions/prometheus).
  - Of connections there are numbers only, of the first 20,000. There is no series of an address or of a connection.
  - What it writes is in memory (C(/run/nft-offload-watch)); in O(directory) there is a link to it. It runs with the
    lowest priority, changes nothing else, and loads no tables.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - Whether the router is measured. V(absent) removes the script and its timer.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description:
      - The directory on the router that the exporter reads files C(*.prom) in. It is made where there is none.
      - By default C(/var/prometheus) on OpenWrt, as C(prometheus-node-exporter-lua-textfile) has it, and elsewhere
        C(/var/lib/prometheus/node-exporter), as Debian's C(prometheus-node-exporter) has it.
    type: str
  interval:
    description:
      - Seconds between two readings, whole minutes that an hour can be divided by, from V(60) to V(3600).
    type: int
    default: 300
notes:
  - One SSH exec when nothing changes, two when something does.
  - The timer is one of systemd's, on OpenWrt and Alpine a line in C(/etc/crontabs/root). Cron is started where it does
    not run.
  - The exporter itself is not installed.
seealso:
  - module: kmod.nft_offload.offload_info
  - module: kmod.nft_offload.offload_verify
"""

EXAMPLES = r"""
- name: Measure what offload does every five minutes
  kmod.nft_offload.watch:

- name: The same every minute, for an exporter that reads elsewhere
  kmod.nft_offload.watch:
    directory: /srv/textfile
    interval: 60

- name: Measure no more
  kmod.nft_offload.watch:
    state: absent
"""

RETURN = r"""
directory:
  description: The directory that the exporter reads; empty with O(state=absent).
  returned: success
  type: str
  sample: /var/lib/prometheus/node-exporter
interval:
  description: Seconds between two readings; 0 with O(state=absent).
  returned: success
  type: int
  sample: 300
file:
  description: The file with the gauges; empty with O(state=absent).
  returned: success
  type: str
  sample: /var/lib/prometheus/node-exporter/nft_offload.prom
actions:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample:
    - write /usr/local/lib/nft-offload/watch
failed_step:
  description: The action that the router refused.
  returned: when an action failed
  type: str
  sample: enable nft-offload-watch.timer
"""
