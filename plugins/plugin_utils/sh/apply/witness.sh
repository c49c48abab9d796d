# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Users' traffic as a witness of a change: what is to be forwarded and what leaves, for some seconds before and after it.
# Counted by two tables of our own, which only count. They are there while it counts, not while the change is loaded, so
# that nobody takes them for somebody else's.
#   arrived, passed  at ingress, before and after all flowtables: what they took is the difference
#   offered, forwarded  the forward hook, before and after all rules
#   own              what the router itself sends
#   left             at egress: routed packets have an address of this router as their source, bridged ones have not
# "up" is the side of the default route, "down" the other one; without a default route all is "down".
# What a NIC forwards by itself meets none of these; the device's counters have it.
# And the gateways of default routes: those that answered before must answer after it.
witnessed=
answered=

# watch_before SECONDS: count what the router forwards now; one second is enough where it is nothing
watch_before() {
  answered=$(_gateways | while read -r _n _address _device; do
    if _gateway_answers "$_address" "$_device"; then echo "gateway $_n $_address $_device yes"; fi
  done)
  [ -z "$answered" ] || printf '%s\n' "$answered"
  _begin_watch || return 0
  sleep 1
  witnessed=$(_read_watch)
  if printf '%s\n' "$witnessed" | awk '
    $1 == "offered" || $1 == "delivered" || $1 == "hardware" { sum += $NF }
    END { exit sum >= 5 }
  '; then
    witnessed=
    echo quiet
  else
    [ "$1" -le 1 ] || sleep "$(($1 - 1))"
    witnessed=$(_read_watch)
    printf '%s\n' "$witnessed"
  fi
  _end_watch
}

# watch_after SECONDS LONGEST PERCENT: count again, and up to LONGEST seconds while a direction has less than PERCENT of
# what it had: what was forwarded may just have ended
watch_after() {
  [ -z "$witnessed" ] || _watch_after "$@"
  [ -z "$answered" ] || printf '%s\n' "$answered" | while read -r _word _n _address _device _rest; do
    _yes=no
    # a radio link may lose the packets of a first try
    if _gateway_answers "$_address" "$_device" || _gateway_answers "$_address" "$_device"; then _yes=yes; fi
    echo "gateway $_n $_address $_device $_yes"
  done
}

_watch_after() {
  sleep 1 # flows are on their way from one path to the other
  _begin_watch || return 0
  sleep "$1"
  while :; do
    _after=$(_read_watch)
    ! printf '%s\n' "$witnessed" -- "$_after" | _is_alive "$3" || break
    read -r _now _rest </proc/uptime
    # a slow router takes its time to count
    [ "$((${_now%.*} - ${_watch_from%.*}))" -lt "$(($2 - 1))" ] || break
    sleep 1
  done
  printf '%s\n' "$_after"
  _end_watch
}

# gateway FAMILY: ipv4 or ipv6; does one of that family's default routes answer
gateway() {
  _found=$(_gateways | grep "^${1#ipv} ")
  [ -n "$_found" ] || {
    echo "no default route of $1 has a gateway"
    return 1
  }
  while read -r _n _address _device; do
    ! _gateway_answers "$_address" "$_device" || return 0
  done <<END
$_found
END
  echo "no answer from: $_found"
  return 1
}

# _gateways: FAMILY ADDRESS DEVICE of default routes; an IPv4 route may have an IPv6 gateway
_gateways() {
  ! has ip || for _n in 4 6; do
    ip "-$_n" route show default 2>/dev/null | awk -v family="$_n" '
      {
        address = device = ""
        for (i = 1; i < NF; i++) {
          if ($i == "via") address = $(i + 1) == "inet6" || $(i + 1) == "inet" ? $(i + 2) : $(i + 1)
          if ($i == "dev") device = $(i + 1)
        }
        if (address != "" && device != "" && n++ < 3) print family, address, device
      }
    '
  done
}

# _gateway_answers ADDRESS DEVICE: an echo request, or the neighbour itself, since a gateway may answer no echo, or a rule
# drop it. A neighbour once known stays known for a while; it is asked again.
_gateway_answers() {
  case $1 in
  fe80:*) _echo="ping -6 -c 1 -W 1 $1%$2" ;;
  *:*) _echo="ping -6 -c 1 -W 1 $1" ;;
  *) _echo="ping -c 1 -W 1 $1" ;;
  esac
  ! $_echo >/dev/null 2>&1 || return 0
  # a small router's ip cannot do that
  ip neigh change "$1" dev "$2" nud probe 2>/dev/null || return 1
  for _try in 1 2 3 4; do
    case $(ip neigh show to "$1" dev "$2" 2>/dev/null) in
    *REACHABLE*) return 0 ;;
    *FAILED* | *INCOMPLETE*) return 1 ;;
    esac
    sleep 1
  done
  return 1
}

# _is_alive PERCENT: reads what was counted before and, below --, after; _confirm/witness.py judges it
_is_alive() {
  awk -v share="$1" '
    $1 == "--" { after = 1; next }
    $1 == "seconds" { seconds[after + 0] = $2; next }
    $1 == "hardware" { hardware[after + 0, $2] = $3; next }
    { count[after + 0, $1, $2, $3] = $4; if (!after) seen[$1 " " $2 " " $3] }
    END {
      for (key in seen) {
        split(key, part, " ")
        before = count[0, part[1], part[2], part[3]]
        now = count[1, part[1], part[2], part[3]]
        if (part[1] == "answered" && before >= 5 && !now) exit 1
        if (part[1] != "delivered" && part[1] != "heard") continue
        now += hardware[1, part[2]]
        if (before >= (part[1] == "heard" ? 10 : 20) && now / seconds[1] < share / 100 * before / seconds[0]) exit 1
      }
    }
  '
}

# _begin_watch: fails, and prints why, where nothing can be counted. The tables' name shows until when they are in use,
# in seconds of /proc/uptime.
_begin_watch() {
  has nft || {
    echo "unwatched there is no nft"
    return 1
  }
  read -r _now _rest </proc/uptime
  _now=${_now%.*}
  _witness=nft_offload_witness_$((_now + 120))_$$
  _within 10 nft list tables 2>/dev/null | awk -v now="$_now" '
    $3 ~ /^nft_offload_witness_[0-9]+_[0-9]+$/ && split($3, part, "_") && part[4] < now { print $2, $3 }
  ' | while read -r _family _table; do nft delete table "$_family" "$_table"; done >/dev/null 2>&1
  [ -n "${_leaves-}" ] || {
    _upward=$(_default_devices)
    _nics=$(awk 'NR > 1 { print $3 }' /proc/net/pppoe 2>/dev/null)
    _leaves=$(_list_leaves)
  }
  _egress=yes
  _start_sweeper
  _out=$(_witness_tables | _within 20 nft -f - 2>&1) || {
    # a kernel before 5.16 has no hook at egress
    _egress=no
    _out=$(_witness_tables | _within 20 nft -f - 2>&1) || {
      printf 'unwatched %s\n' "${_out:-nft failed}" | head -n 1
      _end_watch
      return 1
    }
  }
  read -r _watch_from _rest </proc/uptime
  _device_base=$(cat /proc/net/dev)
}

# _within SECONDS COMMAND [ARGUMENT...]: an nft that hangs must not hold a change up, let alone one that is loaded. What is
# started in the background has no standard input, other than by another number.
_within() {
  _seconds=$1
  shift
  {
    "$@" <&3 3<&- &
    _worker=$!
    (sleep "$_seconds" && kill -9 "$_worker") <&- >/dev/null 2>&1 3<&- &
    _killer=$!
  } 3<&0
  wait "$_worker"
  _rc_within=$?
  kill "$_killer" 2>/dev/null
  return "$_rc_within"
}

# _start_sweeper: removes the tables when this shell is gone, or should be
_start_sweeper() {
  _own=
  has setsid && _own=setsid
  # shellcheck disable=SC2016 # for the other shell
  $_own sh -c '
    trap "" INT TERM
    while [ "$1" -gt 0 ] && kill -0 "$2"; do
      sleep 1
      shell=$2 table=$3
      set -- "$(($1 - 1))" "$shell" "$table"
    done
    nft delete table netdev "$3"
    nft delete table inet "$3"
  ' sweeper 100 "$$" "$_witness" </dev/null >/dev/null 2>&1 &
  _sweeper=$!
}

_end_watch() {
  {
    _within 10 nft delete table netdev "$_witness"
    _within 10 nft delete table inet "$_witness"
    kill -9 "$_sweeper"
    wait "$_sweeper"
  } >/dev/null 2>&1
  return 0
}

# _default_devices: those of default routes, also of such as a small router's ip does not show
_default_devices() {
  {
    awk '$2 == "00000000" && $8 == "00000000" { print $1 }' /proc/net/route
    awk '$1 ~ /^0+$/ && $2 == "00" && $NF != "lo" { print $NF }' /proc/net/ipv6_route
  } 2>/dev/null | sort -u
}

# _list_leaves: up|down NAME ether|none of each device that is up and has no other below it: bridges, VLANs and PPPoE are
# counted at these, once. A port of a switch (DSA) is one; the NIC below it has frames with the switch's tag.
_list_leaves() {
  _below=" $(for _device in $_upward; do _lowest "$_device"; done | tr '\n' ' ') "
  for _device in /sys/class/net/*; do
    _name=${_device##*/}
    read -r _type 2>/dev/null <"$_device/type" || continue
    read -r _flags 2>/dev/null <"$_device/flags" || continue
    case $_type:$_name in 772:* | *[\"*\\]*) continue ;; 512:*) [ -z "$_nics" ] || continue ;; esac
    case $_flags in *[13579bdfBDF]) ;; *) continue ;; esac
    [ ! -d "$_device/dsa" ] || continue
    _has_no_lower "$_name" || continue
    _side=down
    case $_below in *" $_name "*) _side=up ;; esac
    _kind=none
    [ "$_type" != 1 ] || _kind=ether
    echo "$_side $_name $_kind"
  done | head -n 128
}

# _lowest NAME: the devices that it is made of
_lowest() {
  if _has_no_lower "$1"; then
    echo "$1"
    read -r _type 2>/dev/null <"/sys/class/net/$1/type"
    [ "${_type-}" != 512 ] || printf '%s\n' "$_nics"
    return
  fi
  for _lower in "/sys/class/net/$1"/lower_*; do _lowest "${_lower##*/lower_}"; done
}

# _has_no_lower NAME: or is the port of a switch
_has_no_lower() {
  for _lower in "/sys/class/net/$1"/lower_*; do
    [ ! -e "$_lower" ] || grep -q '^DEVTYPE=dsa' "/sys/class/net/$1/uevent"
    return
  done
}

# _leaves_of SIDE ether|none|any: their names in quotes
_leaves_of() {
  printf '%s\n' "$_leaves" | awk -v side="$1" -v kind="$2" '
    $1 == side && (kind == "any" || $3 == kind) { printf "%s\"%s\"", (n++ ? ", " : ""), $2 }
  '
}

# _witness_tables: as text for nft, in one transaction
_witness_tables() {
  _macs=$(cat /sys/class/net/*/address 2>/dev/null | grep -E '^..:..:..:..:..:..$' | sort -u | tr '\n' ',')
  _quoted=$(for _device in $_upward; do printf '"%s", ' "$_device"; done)
  echo "table netdev $_witness {"
  for _side in up down; do
    _any=$(_leaves_of "$_side" any)
    [ -n "$_any" ] || continue
    _counting_chain "arrived_$_side" "ingress devices = { $_any } priority -1000000" ''
    _counting_chain "passed_$_side" "ingress devices = { $_any } priority 1000000" ''
    [ "$_egress" = yes ] || continue
    for _kind in ether none; do
      _some=$(_leaves_of "$_side" "$_kind")
      _ours=
      [ "$_kind" = none ] || _ours="ether saddr { $_macs } "
      [ -z "$_some" ] || _counting_chain "left_${_side}_$_kind" "egress devices = { $_some } priority 1000000" "$_ours"
    done
  done
  echo "}"
  echo "table inet $_witness {"
  for _chain in "offered forward -1000000 iifname" "forwarded forward 1000000 oifname" "own output 1000000 oifname"; do
    # shellcheck disable=SC2086 # four words
    set -- $_chain
    echo "chain $1 { type filter hook $2 priority $3; policy accept;"
    for _n in 4 6; do
      for _side in up down; do
        case $_side:$_quoted in
        up:) continue ;;
        down:) _match= ;;
        up:*) _match="$4 { ${_quoted%, } }" ;;
        *) _match="$4 != { $_quoted\"lo\" }" ;;
        esac
        echo "$_match meta nfproto ipv$_n counter comment \"$_side $_n\""
        echo "$_match meta nfproto ipv$_n tcp flags & psh == psh counter comment \"$_side $_n data\""
        case $1 in offered) _flags=syn ;; forwarded) _flags='syn | ack' ;; *) continue ;; esac
        echo "$_match meta nfproto ipv$_n tcp flags & (fin | syn | rst | ack) == $_flags counter comment \"$_side $_n open\""
      done
    done
    echo "}"
  done
  echo "}"
}

# _counting_chain NAME HOOK MATCH: everything; then IPv4 and IPv6 that match, in PPPoE too; and what TCP carries, which is
# pushed: a connection may still be opened, while all that is said on it is lost
_counting_chain() {
  echo "chain $1 { type filter hook $2; policy accept;"
  echo 'counter comment "all"'
  echo "$3 meta protocol ip counter comment \"4\""
  echo "$3 meta protocol ip6 counter comment \"6\""
  echo "$3 meta protocol ip meta l4proto tcp tcp flags & psh == psh counter comment \"4 data\""
  echo "$3 meta protocol ip6 meta l4proto tcp tcp flags & psh == psh counter comment \"6 data\""
  echo "$3 meta protocol 0x8864 @nh,48,16 0x0021 counter comment \"4\""
  echo "$3 meta protocol 0x8864 @nh,48,16 0x0057 counter comment \"6\""
  echo "}"
}

# _read_watch: prints seconds SECONDS, and packets as offered|tried|said SIDE FAMILY PACKETS from a side, where tried are
# those that open a TCP connection and said those with what it carries; delivered|answered|heard SIDE FAMILY PACKETS to a
# side, the same; taken|left fast FAMILY PACKETS, of the fast path; hardware SIDE PACKETS to a side.
# A NIC counts every segment of what it sends, and nft the whole: only bytes can show that something went past nft.
_read_watch() {
  read -r _until _rest </proc/uptime
  {
    echo "time $_watch_from $_until"
    printf '%s\n' "$_leaves" | sed 's/^/leaf /'
    printf '%s\n' "$_device_base"
    echo --
    cat /proc/net/dev
    _within 10 nft list table inet "$_witness" # first: what nft takes for it must not look like a loss
    _within 10 nft list table netdev "$_witness"
  } 2>/dev/null | awk -v egress="$_egress" '
    function more(value) { return value > 0 ? value : 0 }
    $1 == "time" { printf "seconds %.2f\n", $3 - $2 }
    $1 == "leaf" { side[$2 == "up" ? "up" : "down", $3] = 1; next }
    $1 == "--" { second = 1; next }
    !chain && sub(/:/, " ") && NF > 12 {
      sign = second ? 1 : -1
      where = ("up", $1) in side ? "up" : ("down", $1) in side ? "down" : ""
      if (where) { bytes[where] += sign * $10; packets[where] += sign * $11 }
      next
    }
    $1 == "chain" { chain = $2; next }
    /counter packets/ {
      for (i = 1; i <= NF; i++) if ($i == "packets") { count = $(i + 1); size = $(i + 3) }
      label = $0
      sub(/.*comment "/, "", label)
      sub(/".*/, "", label)
      sub(/_(ether|none)$/, "", chain)
      sum[chain " " label] += count
      total[chain " " label] += size
    }
    END {
      for (f = 4; f <= 6; f += 2) {
        fast = left = 0
        for (n = 1; n <= 2; n++) {
          s = n == 1 ? "up" : "down"
          taken[s] = more(sum["arrived_" s " " f] - sum["passed_" s " " f])
        }
        for (n = 1; n <= 2; n++) {
          s = n == 1 ? "up" : "down"
          o = n == 1 ? "down" : "up"
          slow = sum["forwarded " s " " f]
          out = egress == "yes" ? more(sum["left_" s " " f] - sum["own " s " " f]) : slow + taken[o]
          fast += taken[s]
          left += out - slow
          printf "offered %s %d %.0f\n", s, f, sum["offered " s " " f] + taken[s]
          printf "delivered %s %d %.0f\n", s, f, out
          printf "tried %s %d %.0f\n", s, f, sum["offered " s " " f " open"]
          printf "answered %s %d %.0f\n", s, f, sum["forwarded " s " " f " open"]
          asked = more(sum["arrived_" s " " f " data"] - sum["passed_" s " " f " data"])
          fed = more(sum["arrived_" o " " f " data"] - sum["passed_" o " " f " data"])
          printf "said %s %d %.0f\n", s, f, sum["offered " s " " f " data"] + asked
          slow = sum["forwarded " s " " f " data"] + fed
          out = more(sum["left_" s " " f " data"] - sum["own " s " " f " data"])
          printf "heard %s %d %.0f\n", s, f, egress == "yes" ? out : slow
        }
        printf "taken fast %d %.0f\n", f, fast
        printf "left fast %d %.0f\n", f, more(left)
      }
      for (n = 1; n <= 2 && egress == "yes"; n++) {
        s = n == 1 ? "up" : "down"
        past = bytes[s] - total["left_" s " all"]
        if (past <= 0.15 * bytes[s]) packets[s] = 0
        printf "hardware %s %.0f\n", s, packets[s] ? more(packets[s] - sum["left_" s " all"]) : 0
      }
    }
  '
}
