# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Network devices, their drivers and their features. Read by _observe/parse/ethtool.py.

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
  has ethtool || return 0
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

# DEVICE true|false: what OpenWrt's netifd reports of hw-tc-offload, where there is no ethtool
_netifd() {
  for _device in "$@"; do
    case $_device in *[\"\\]*) continue ;; esac
    ubus call network.device status "{\"name\":\"$_device\"}" |
      _DEVICE=$_device awk '/"hw-tc-offload":/ { print ENVIRON["_DEVICE"], /true/ ? "true" : "false" }'
  done
}

# read_nics RECORD FEATURES DEVICE...: the names of all devices; these features, and those in the record, of these devices,
# of those in the record, and of the NICs that switch ports hang on
read_nics() {
  section nics _nics
  _recorded=$(sed -n 's/^\([^# ][^ ]* [^ ]*\) .*/\1/p' "$1" 2>/dev/null)
  _regex=$2$(echo "$_recorded" | sed -n 's/.* /|/p' | sort -u | tr -d '\n')
  shift 2
  _seen=/
  _found=
  for _nic in "$@" $(_conduits | cut -d ' ' -f 2) $(echo "$_recorded" | cut -d ' ' -f 1); do
    case $_seen in */"$_nic"/*) continue ;; esac
    _seen=$_seen$_nic/
    [ -e "/sys/class/net/$_nic" ] || continue
    _found="$_found $_nic"
    read_features "$_regex" "$_nic"
  done
  # shellcheck disable=SC2086 # names of devices hold no blanks
  if ! has ethtool && has ubus; then section netifd _netifd $_found; fi
}

_nics() {
  for _path in /sys/class/net/*/; do
    _path=${_path%/}
    echo "device=${_path##*/}"
  done
  _conduits | sed 's/^/conduit=/'
}

# PORT CONDUIT: a port of a switch (DSA) stands above the NIC that carries its packets
_conduits() {
  grep -lx DEVTYPE=dsa /sys/class/net/*/uevent 2>/dev/null | while read -r _path; do
    _path=${_path%/uevent}
    for _lower in "$_path"/lower_*; do
      echo "${_path##*/} ${_lower##*/lower_}"
    done
  done
}
