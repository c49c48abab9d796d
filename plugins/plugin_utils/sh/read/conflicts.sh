# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What else handles forwarded packets, beside the ruleset: queueing, policy routing, IPsec, the older iptables.
# Read by _observe/parse/link.py and _observe/parse/policy.py. Where a tool is missing, its section is too.

# read_conflicts: after read_flowtables, which sets _listed
read_conflicts() {
  if has ip; then
    section link _link
    section rules _mark_rules
    ! _has_xfrm || section xfrm ip xfrm policy count # iproute2 only: busybox ip knows no xfrm
  fi
  if has tc && [ "${_listed:- }" != " " ]; then section tc _tc; fi
  if has bpftool && [ "${_listed:- }" != " " ]; then section tcx _tcx; fi
  [ ! -e /proc/net/xfrm_stat ] || section xfrm_stat _xfrm_stat
  section legacy _legacy
  section accelerators _accelerators
  [ ! -d /run/netns ] || section namespaces _namespaces
  [ ! -r /etc/firewalld/firewalld.conf ] || section firewalld _firewalld
}

# NAME MTU QDISC [XDP] of every device; iproute2 puts @PARENT behind a name, and xdp, xdpgeneric, xdpoffload or xdpmulti where
# a program is attached
_link() {
  ip -o link | awk '{
    name = $2
    sub(/:$/, "", name)
    sub(/@[^@]*$/, "", name)
    mtu = qdisc = "-"
    xdp = ""
    for (i = 3; i < NF; i++) {
      if ($i == "link/ether") break
      if ($i ~ /^xdp[a-z]*(\/id:[0-9]+)?$/) xdp = " " $i
      if ($i == "mtu") mtu = $(i + 1)
      if ($i == "qdisc") qdisc = $(i + 1)
    }
    sub(/\/.*/, "", xdp)
    print name, mtu, qdisc xdp
  }'
}

# To list policies would load it; who has set up IPsec has it already
_has_xfrm() {
  [ -d /sys/module/xfrm_user ] || grep -q '/xfrm_user[.]ko' "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
}

# FAMILY RULE, of rules that ask for a mark; a router may have thousands of others
_mark_rules() {
  ip -4 rule | grep -m 8 fwmark | sed 's/^[0-9]*:[[:space:]]*/ipv4 /'
  ip -6 rule | grep -m 8 fwmark | sed 's/^[0-9]*:[[:space:]]*/ipv6 /'
  :
}

# DEVICE LINE: the kinds of qdiscs of each device that a flowtable lists, that stands on one or is below one, and the filters
# on what comes in; DEVICE egress LINE: those on what goes out. Few devices have any, and only those cost a process.
_tc() {
  _shown=$(tc qdisc show 2>/dev/null | _ASKED="$_listed$(_list_relatives)" awk '
    BEGIN { many = split(ENVIRON["_ASKED"], names, " "); for (i = 1; i <= many; i++) asked[names[i]] = 1 }
    {
      for (i = 3; i < NF && $i != "dev"; i++);
      device = $(i + 1)
      sub(/ dev [^ ]+/, "")
      if (device in asked && !seen[device, $2, / offloaded /]++) print device, $0
    }')
  printf '%s\n' "$_shown"
  for _device in $(printf '%s\n' "$_shown" | awk '$3 ~ /^(ingress|clsact)$/ && n++ < 64 { print $3 ":" $1 }'); do
    _filters "${_device#*:}" ingress
    case $_device in clsact:*) _filters "${_device#*:}" egress ;; esac
  done
}

# DEVICE DIRECTION PROGRAM: those of tcx (Linux 6.6 on), on the same devices; tc does not list them
_tcx() {
  bpftool net show 2>/dev/null | _ASKED="$_listed$(_list_relatives)" awk '
    BEGIN { many = split(ENVIRON["_ASKED"], names, " "); for (i = 1; i <= many; i++) asked[names[i]] = 1 }
    substr($2, 1, 4) == "tcx/" && NF > 2 {
      device = $1
      sub(/[(][0-9]+[)]$/, "", device)
      if (device in asked && lines++ < 64) print device, substr($2, 5), $3
    }'
}

# _filters DEVICE DIRECTION: without counters
_filters() {
  tc filter show dev "$1" "$2" 2>/dev/null | _DEVICE=$1 _DIRECTION=$2 awk '
    BEGIN { place = ENVIRON["_DEVICE"] (ENVIRON["_DIRECTION"] == "egress" ? " egress" : "") }
    NR > 400 { exit }
    NF && $1 !~ /^(index|random|Action|Sent|backlog|used_hw_stats)$/ && lines++ < 120 { print place, $0 }'
}

# Of the listed devices, 64 at most: VLANs, bridges and the like, three on each other, what they stand on themselves, and
# every PPP link
_list_relatives() (
  cd /sys/class/net || exit
  _below=$_listed
  _seen=$_listed
  _count=0
  for _level in 1 2 3; do
    _above=" "
    for _path in */lower_*; do
      _upper=${_path%%/*}
      case $_below in *" ${_path##*/lower_} "*) ;; *) continue ;; esac
      case $_seen in *" $_upper "*) continue ;; esac
      _above="$_above$_upper "
      _seen="$_seen$_upper "
    done
    _below=$_above
  done
  _above=$_listed
  for _level in 1 2; do
    _below=" "
    for _path in */lower_*; do
      _lower=${_path##*/lower_}
      case $_above in *" ${_path%%/*} "*) ;; *) continue ;; esac
      case $_seen in *" $_lower "*) continue ;; esac
      _below="$_below$_lower "
      _seen="$_seen$_lower "
    done
    _above=$_below
  done
  for _path in */type; do
    _type=
    read -r _type <"$_path"
    [ "$_type" = 512 ] || continue
    case $_seen in *" ${_path%/type} "*) ;; *) _seen="$_seen${_path%/type} " ;; esac
  done 2>/dev/null
  for _device in ${_seen#"$_listed"}; do
    [ "$_count" -lt 64 ] || break
    _count=$((_count + 1))
    echo "$_device"
  done
)

_xfrm_stat() {
  grep -vE '[[:space:]]0$' /proc/net/xfrm_stat | head -n 8
}

# Modules of other fast paths: Qualcomm's NSS and its ECM, Shortcut FE, natflow
_accelerators() {
  grep -oE '^(ecm|qca_nss_drv|qca_nss_ppe|shortcut_fe|shortcut_fe_cm|fast_classifier|natflow) ' /proc/modules | tr -d ' '
  :
}

# Names, 16 at most, but those that podman and Kubernetes give to their containers'
_namespaces() {
  _count=0
  for _path in /run/netns/*; do
    case ${_path##*/} in netns-* | cni-*) continue ;; esac
    [ -e "$_path" ] || continue
    _count=$((_count + 1))
    [ "$_count" -le 16 ] || break
    echo "${_path##*/}"
  done
}

# The devices of which firewalld makes a flowtable, or off
_firewalld() {
  sed -n 's/^[[:space:]]*NftablesFlowtable[[:space:]]*=[[:space:]]*//p' /etc/firewalld/firewalld.conf | head -c 1024
}

# FAMILY TABLE
_legacy() {
  sed 's/^/ip /' /proc/net/ip_tables_names
  sed 's/^/ip6 /' /proc/net/ip6_tables_names
  :
} 2>/dev/null
