# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Network devices, their drivers and their features. Read by _parse/ethtool.py.

# read_features FEATURES DEVICE...: FEATURES is an extended regular expression of feature names, '.*' for all
read_features() {
  _features=$1
  shift
  for _device in "$@"; do
    section "features $_device" _device_features "$_device" "$_features"
    section "driver $_device" _device_driver "$_device"
  done
}

_device_features() {
  ethtool -k "$1" | grep -E "^[[:space:]]*($2):"
}

# Virtual devices have a driver name for ethtool only, and a router without ethtool has sysfs only
_device_driver() {
  if has ethtool; then
    ethtool -i "$1" | grep '^driver:'
  else
    _driver=$(readlink "/sys/class/net/$1/device/driver") && echo "driver: ${_driver##*/}"
  fi
}
