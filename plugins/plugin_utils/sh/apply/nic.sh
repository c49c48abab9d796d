# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Features of NICs (_nic/verbs.py).

# set_feature DEVICE FEATURE on|off REQUESTED: the kernel answers ethtool with success when a driver refuses (net/ethtool/
# features.c), so what became of it is read back. A refused request would stay recorded and be tried again with the
# next change of any feature, so what was requested before takes its place.
set_feature() {
  ethtool -K "$1" "$2" "$3"
  _rc=$?
  ethtool -k "$1" | grep -qE "^[[:space:]]*$2: $3( |\$)" && return 0
  ethtool -K "$1" "$2" "$4"
  [ "$_rc" -gt 0 ] || echo "$2 did not become $3"
  return 1
}
