# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# OpenWrt's firewall: UCI's options about offload, what fw4 makes of them, what is live. Read by _observe/parse/fw4.py.

read_fw4() {
  has fw4 && has uci || return 0
  section fw4.uci _fw4_uci
  section fw4.staged uci -q changes firewall
  section fw4.print _fw4_print
  section fw4.live nft list flowtable inet fw4 ft
  section fw4.loaded _fw4_loaded
  section fw4.devices _fw4_devices
}

# Sections of defaults, by their ids: NAME of @defaults[n] is none that a later section could not have
_fw4_uci() {
  _shown=$(uci -X show firewall 2>&1) || {
    _rc=$?
    echo "$_shown" | tail -n 3
    return "$_rc"
  }
  printf '%s\n' "$_shown" | awk -F '[.=]' '
    $0 ~ /^firewall\.[A-Za-z0-9_]*=defaults$/ { defaults[$2] = 1; print; next }
    $2 in defaults && $3 ~ /^flow_offloading(_hw)?$/'
}

# The flowtable and the rule that feeds it, out of many lines; warnings and errors of fw4
_fw4_print() {
  _printed=$(fw4 print 2>&1)
  _rc=$?
  echo "$_printed" | awk '
    /^[ \t]*flowtable / { inside = 1 }
    inside || /flow (offload|add) @/ || /^[[]!]/ || /rror: / { print }
    /^[ \t]*[}]/ { inside = 0 }'
  return "$_rc"
}

_fw4_loaded() {
  [ ! -f /var/run/fw4.state ] || echo state
  ! nft list tables 2>/dev/null | grep -qx 'table inet fw4' || echo table
  ! /etc/init.d/firewall enabled 2>/dev/null || echo enabled
  # MediaTek's Wi-Fi takes flows through it alone
  ! grep -qsx N /sys/module/mt79*/parameters/wed_enable || echo wed-off
}

# NAME KIND TARGET true|false|changeable of each device that the zones' networks are on, below bridges and VLANs; TARGET is the
# NIC that the ports of a switch (DSA) hang on, and whose hw-tc-offload counts
_fw4_devices() {
  grep -o '"related_physdevs": \[[^]]*\]' /var/run/fw4.state 2>/dev/null | sed 's/.*\[//; s/[]",]/ /g' | tr ' ' '\n' |
    sort -u | while read -r _name; do [ -z "$_name" ] || _fw4_lower "$_name"; done | sort -u
}

# off, and not for good, as far as can be seen: without ethtool, a driver may have it
_fw4_changeable() {
  if has ethtool; then
    ethtool -k "$1" 2>/dev/null | grep -qx 'hw-tc-offload: off'
  else
    [ -e "/sys/class/net/$1/device/driver" ]
  fi
}

_fw4_lower() (
  [ -d "/sys/class/net/$1" ] || exit 0
  _kind=$(sed -n 's/^DEVTYPE=//p' "/sys/class/net/$1/uevent" 2>/dev/null)
  _target=$1
  case $_kind in
  bridge | vlan)
    for _below in "/sys/class/net/$1"/lower_*; do
      [ ! -e "$_below" ] || _fw4_lower "${_below##*/lower_}"
    done
    exit
    ;;
  dsa) for _below in "/sys/class/net/$1"/lower_*; do [ ! -e "$_below" ] || _target=${_below##*/lower_}; done ;;
  esac
  _on=$(ubus call network.device status "{\"name\":\"$_target\"}" 2>/dev/null | sed -n 's/.*"hw-tc-offload": \([a-z]*\).*/\1/p')
  [ "${_on:-false}" = true ] || ! _fw4_changeable "$_target" || _on=changeable
  echo "$1 ${_kind:-ethernet} $_target ${_on:-unknown}"
)
