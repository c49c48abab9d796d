# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What systemd reports of a unit of ours (_systems/systemd.py).

# read_unit UNIT: whether boot starts it, whether it is active, and whether systemd has read its files as they are
read_unit() {
  [ ! -d /run/systemd/system ] || section unit _unit "$1"
}

# systemd remembers the UnitFileState of a unit that it has loaded; is-enabled sees that a link was removed by hand
_unit() {
  echo "UnitFileState=$(systemctl is-enabled "$1" 2>/dev/null)"
  systemctl show -p ActiveState,NeedDaemonReload "$1"
}
