# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/nic
# Every network device and what leads to it; a handful of processes however many devices there are.
# Names hold neither '/' nor ':' nor white space (dev_valid_name), so PATH:VALUE is unambiguous.
read_devices() {
  _types=$(cd /sys/class/net && grep -H 769 ./*/type 2>/dev/null)
  section devices _devices
  section links _links
  section forwarding _forwarding
  [ ! -e /proc/net/pppoe ] || section pppoe _pppoe
  has ip || return 0
  section addresses _addresses
  section "routes ipv4" _routes -4
  section "routes ipv6" _routes -6
  case $_types in *:769*) section tunnels _tunnels ;; esac
}

# session DEVICE NUMBER: PPPoE sessions over each device, of which a server has thousands.
# pppd PPP DEVICE: where pppd's command line names the device, as netifd of OpenWrt starts it; it may hold a password too.
_pppoe() (
  awk 'NR > 1 && NF == 3 { sessions[$3]++ } END { for (device in sessions) print "session", device, sessions[device] }' \
    /proc/net/pppoe
  _looked=0
  for _net in /sys/class/net/*; do
    read -r _type <"$_net/type" || continue
    [ "$_type" = 512 ] || continue
    _looked=$((_looked + 1))
    [ "$_looked" -le 32 ] || break
    read -r _pid <"/var/run/${_net##*/}.pid" || continue
    read -r _program <"/proc/$_pid/comm" || continue
    [ "$_program" = pppd ] || continue
    tr '\0' '\n' <"/proc/$_pid/cmdline" | _PPP=${_net##*/} awk 'sub(/^nic-/, "") { print "pppd", ENVIRON["_PPP"], $1; exit }'
  done
) 2>/dev/null

# _routes FAMILY: the default routes as they are, of every table, because several uplinks have one each; which devices
# routes leave by; of IPv4 the IPv6 gateways, of IPv6 the devices where a router is
_routes() (
  _list_routes "$1" default | head -n 256
  _paths "$1"
  if [ "$1" = -6 ]; then _routers; else _ipv6_gateways 4096; fi
) 2>/dev/null

# _list_routes FAMILY [SELECTOR...]: ends when its reader does, which the shell around it does not (prelude.sh)
_list_routes() (
  trap - PIPE
  _family=$1
  shift
  ip "$_family" route show table all "$@"
)

# path DEVICE TABLE via|link: a router of the Internet has a million routes, so only the first 4096 are looked at. On most
# routers those are all. Where there are more, the kernel is asked about devices that none of these leaves by, and that
# have no address of the family: 8 of them, because each time it looks through all of its routes.
_paths() {
  _found=$(_list_routes "$1" | _reduce_paths)
  _more=$?
  printf '%s\n' "$_found"
  [ "$_more" -ne 0 ] || return 0
  _addressed=" $(ip -o "$1" addr | awk '!/ scope link/ { printf "%s ", $2 }')"
  _asked=0
  for _net in /sys/class/net/*; do
    _name=${_net##*/}
    case $_addressed in *" $_name "*) continue ;; esac
    case $_found in *"path $_name "*) continue ;; esac
    [ ! -e "$_net/brport" ] || continue
    [ ! -e "$_net/bonding_slave" ] || continue
    read -r _flags <"$_net/flags" || continue
    [ "$((_flags & 1))" -eq 1 ] || continue
    _forwards=
    # dash reads bytes one by one, of which a sysctl has the first only: no line ends, and read fails
    read -r _forwards <"/proc/sys/net/ipv${1#-}/conf/$_name/forwarding"
    [ "$_forwards" = 1 ] || continue
    _asked=$((_asked + 1))
    [ "$_asked" -le 8 ] || break
    _list_routes "$1" dev "$_name" | _reduce_paths "$_name"
  done
}

# _reduce_paths [DEVICE]: that of every route, for `ip route show dev X` names none. Fails where there are more routes than
# it looks at.
_reduce_paths() {
  _DEVICE=${1-} awk '
    NR > 4096 { exit }
    $1 != "nexthop" {
      skip = $1 ~ /^(local|broadcast|anycast|multicast|unreachable|blackhole|prohibit|throw|fe[89ab]|ff|169[.]254[.]|22[4-9][.]|23[0-9][.])/
      table = "main"
    }
    {
      device = ENVIRON["_DEVICE"]
      how = "link"
      for (i = 1; i < NF; i++) {
        if ($i == "dev") device = $(++i)
        else if ($i == "table") table = $(++i)
        else if ($i == "via") { how = "via"; i++ }
      }
      path = device " " table
      if (!skip && device != "" && (how == "via" || !(path in paths))) paths[path] = how
    }
    END {
      for (path in paths) print "path", path, paths[path]
      exit NR > 4096
    }'
}

# _ipv6_gateways LINES: of IPv4 routes that have one, gateway DEVICE ADDRESS, two for each device; and gateways whole, or
# first where there are more routes than LINES. Another ip than that of iproute2 does not show them: main, for
# /proc/net/route has the main table, with the flag of a gateway and no address (net/ipv4/fib_trie.c: fib_route_seq_show).
_ipv6_gateways() {
  case $(ip -V 2>/dev/null) in
  *iproute2*)
    _list_routes -4 | awk -v most="$1" '
      NR > most { exit }
      / via inet6 / {
        device = to = ""
        for (i = 1; i < NF && device == ""; i++) {
          if ($i == "inet6") to = $(i + 1)
          if ($i == "dev") device = $(i + 1)
        }
        if (seen[device]++ < 2 && all++ < 256) print "gateway", device, to
      }
      END { print "gateways", (NR > most ? "first" : "whole") }
    '
    ;;
  *)
    awk -v most="$1" '
      NR > most { exit }
      NR > 1 && $3 == "00000000" && $4 ~ /[2367ABEF]$/ && !seen[$1]++ && all++ < 256 { print "gateway", $1, "-" }
      END { print "gateways", (NR > most ? "first" : "main") }
    ' /proc/net/route
    ;;
  esac
}

# below TUNNEL DEVICE: by which device the route to the other end of an ip6tnl leaves, of 16 of them at most. sysfs has
# that end as the broadcast address.
_tunnels() {
  printf '%s\n' "$_types" | sed -n 's,^[.]/\([^/]*\)/type:769$,\1,p' | head -n 16 | while read -r _tunnel; do
    _end=$(awk '{ gsub(/:/, ""); for (i = 1; i <= 32; i += 4) printf "%s%s", (i > 1 ? ":" : ""), substr($0, i, 4) }' \
      "/sys/class/net/$_tunnel/broadcast" 2>/dev/null)
    case $_end in '' | 0000:0000:0000:0000:0000:0000:0000:0000) continue ;; esac
    ip -6 route get "$_end" 2>/dev/null | awk -v tunnel="$_tunnel" '
      { for (i = 1; i < NF; i++) if ($i == "dev") { print "below", tunnel, $(i + 1); exit } }
    '
  done
}

# router DEVICE: where a neighbour says that it is one, as on a link between routers before any route is learnt
_routers() {
  (
    trap - PIPE
    ip -6 neigh show
  ) | awk '
    NR > 4096 { exit }
    $1 ~ /^fe[89ab]/ && $2 == "dev" && / router( |$)/ && !/ (FAILED|INCOMPLETE)/ && !seen[$3]++ { print "router", $3 }'
  :
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

# FILE:1 of what is on; of bridges whether the rules for IP see what they pass on (br_netfilter)
_forwarding() (
  cd /proc/sys/net || exit
  grep -H 1 ipv[46]/conf/*/forwarding ipv6/conf/*/force_forwarding bridge/bridge-nf-call-ip*tables 2>/dev/null
  cd /sys/class/net || exit
  grep -H 1 ./*/bridge/nf_call_ip*tables 2>/dev/null
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
