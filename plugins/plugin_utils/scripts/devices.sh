# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every network device and what leads to it; a handful of processes however many devices there are.
# Names hold neither '/' nor ':' nor white space (dev_valid_name), so PATH:VALUE is unambiguous.
read_devices() {
  section devices _devices
  section links _links
  section forwarding _forwarding
  if has ip; then
    section addresses _addresses
    section routes _routes
  fi
}

# NAME/FILE:VALUE; DEVTYPE and IFINDEX come out of uevent
_devices() {
  _net=/sys/class/net
  grep -HE '^(DEVTYPE=|IFINDEX=|[0-9a-z])' $_net/*/uevent $_net/*/iflink $_net/*/flags $_net/*/type $_net/*/tun_flags \
    2>/dev/null | sed 's|^/sys/class/net/||'
  sed 's|^|pppoe:|' /proc/net/pppoe 2>/dev/null
  return 0
}

# NAME/LINK -> PATH: master, device, device/driver, lower_OTHER
_links() {
  _net=/sys/class/net
  # shellcheck disable=SC2012 # what each link points to is wanted, in one process
  ls -ld $_net/*/master $_net/*/device $_net/*/device/driver $_net/*/lower_* 2>/dev/null | sed 's|.* /sys/class/net/||'
}

_forwarding() {
  grep -H 1 /proc/sys/net/ipv[46]/conf/*/forwarding 2>/dev/null | sed 's|^/proc/sys/net/||'
  return 0
}

# NAME FAMILY ADDRESS, link-local ones left out
_addresses() {
  ip -o addr | awk '($3 == "inet" || $3 == "inet6") && !/ scope link/ { print $2, $3, $4 }'
}

_routes() {
  ip -4 route show table all default 2>&1 | sed 's/^/ipv4 /'
  ip -6 route show table all default 2>&1 | sed 's/^/ipv6 /'
}

# read_nic_features FEATURES: of devices on a bus, and of those that a flowtable lists (see nftables.sh)
read_nic_features() {
  _wanted=$1
  _listed=" $(_flowtable_devices | tr '\n' ' ')"
  set --
  for _net in /sys/class/net/*; do
    case $_listed in
      *" ${_net##*/} "*) ;;
      *) [ -e "$_net/device" ] || continue ;;
    esac
    set -- "$@" "${_net##*/}"
  done
  read_features "$_wanted" "$@"
}
