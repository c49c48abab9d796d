# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/nic
# Every network device and what leads to it; a handful of processes however many devices there are.
# Names hold neither '/' nor ':' nor white space (dev_valid_name), so PATH:VALUE is unambiguous.
read_devices() {
  section devices _devices
  section links _links
  section forwarding _forwarding
  [ ! -e /proc/net/pppoe ] || section pppoe cat /proc/net/pppoe
  has ip || return 0
  section addresses _addresses
  section "routes ipv4" _default_routes -4
  section "routes ipv6" _default_routes -6
}

# Of every table, because several uplinks have one each
_default_routes() {
  ip "$1" route show table all default | head -n 256
}

# ./NAME/FILE:VALUE; DEVTYPE and IFINDEX come out of uevent
_devices() (
  cd /sys/class/net || exit
  grep -HE '^(DEVTYPE=|IFINDEX=|[0-9a-z])' ./*/uevent ./*/iflink ./*/flags ./*/type ./*/tun_flags 2>/dev/null
  :
)

# MODE ... ./NAME/LINK -> PATH: master, device, device/driver, lower_OTHER
_links() (
  cd /sys/class/net || exit
  ls -ld ./*/master ./*/device ./*/device/driver ./*/lower_* 2>/dev/null
  :
)

_forwarding() (
  cd /proc/sys/net || exit
  grep -H 1 ipv[46]/conf/*/forwarding ipv6/conf/*/force_forwarding 2>/dev/null
  :
)

# NAME FAMILY ADDRESS, link-local ones left out
_addresses() {
  ip -o addr | awk '($3 == "inet" || $3 == "inet6") && !/ scope link/ { print $2, $3, $4 }'
}

# read_nic_features FEATURES: of devices on a bus, and of those that a flowtable lists (see flowtables.sh)
read_nic_features() {
  _wanted=$1
  set --
  for _net in /sys/class/net/*; do
    case ${_listed-} in
    *" ${_net##*/} "*) ;;
    *) [ -e "$_net/device" ] || continue ;;
    esac
    set -- "$@" "${_net##*/}"
  done
  read_features "$_wanted" "$@"
  _eswitches "$@"
  if ! has ethtool && has ubus; then section netifd _netifd "$@"; fi
}

# _eswitches DEVICE...: mlx5 takes flows in switchdev mode only
_eswitches() {
  has devlink || return 0
  for _device in "$@"; do
    _driver=$(readlink "/sys/class/net/$_device/device/driver")
    [ "${_driver##*/}" = mlx5_core ] || continue
    _address=$(readlink -f "/sys/class/net/$_device/device")
    section "eswitch $_device" devlink dev eswitch show "pci/${_address##*/}"
  done
}
