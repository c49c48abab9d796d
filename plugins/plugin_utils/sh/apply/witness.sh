# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Users' traffic as a witness of a change: what is to be forwarded and what leaves, for some seconds before and after it.
# Counted by two tables of our own, which only count. They are there while it counts, not while the change is loaded, so
# that nobody takes them for somebody else's.
#   came             at ingress, before all else: what was sent to an address of one of this router's links
#   local            the input hook, before all rules: what of that is for the router itself; else it is to be forwarded
#   arrived, passed  at ingress, right before and after all flowtables: what they took is the difference
#   offered, forwarded  the forward hook, before and after all rules, without what a bridge forwards
#   own              what the router itself sends
#   left             at egress: routed packets have an address of this router as their source, bridged ones have not
# "up" is the side of the default route, "down" the other one; without a default route all is "down".
# What a NIC forwards by itself meets none of these; the device's counters have it. What tc redirects as it comes in, to
# shape it, is not seen at egress, and then what left the forward hook or was taken counts as what left.
# And the gateways of default routes: those that answered before must answer after it.
witnessed=
answered=
_hooks=
FIRST=-2147483648 # of two chains with the same priority the newer one comes first

# watch_before SECONDS: count what the router forwards now; one second is enough where it is nothing
watch_before() {
  answered=$(_gateways | _ask_gateways | grep ' yes$')
  [ -z "$answered" ] || printf '%s\n' "$answered"
  _begin_watch || return 0
  sleep 1
  witnessed=$(_read_watch before)
  if printf '%s\n' "$witnessed" | awk '
    $1 == "offered" || $1 == "delivered" || $1 == "hardware" { sum += $NF }
    $1 == "unwatched" { sum += 5 }
    END { exit sum >= 5 }
  '; then
    witnessed=
    echo quiet
  else
    [ "$1" -le 1 ] || sleep "$(($1 - 1))"
    witnessed=$(_read_watch before)
    printf '%s\n' "$witnessed"
    case $witnessed in *unwatched*) witnessed= ;; esac
  fi
  _end_watch
}

# watch_after SECONDS LONGEST PERCENT: count again, and up to LONGEST seconds while a direction has less than PERCENT of
# what it had: what was forwarded may just have ended
watch_after() {
  _asking=
  [ -z "$answered" ] || {
    # meanwhile: a dead gateway takes its time
    printf '%s\n' "$answered" | sed 's/^gateway //; s/ yes$//' | _ask_gateways &
    _asking=$!
  }
  [ -z "$witnessed" ] || _watch_after "$@"
  [ -z "$_asking" ] || wait "$_asking"
}

_watch_after() {
  sleep 1 # flows are on their way from one path to the other
  _begin_watch || return 0
  sleep "$1"
  while :; do
    _after=$(_read_watch after)
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
  printf '%s\n' "$_found" | {
    while read -r _n _address _device; do
      ! _gateway_answers "$_address" "$_device" || exit 0
    done
    exit 1
  } && return
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

# _ask_gateways: reads FAMILY ADDRESS DEVICE, asks all at the same time, and prints gateway FAMILY ADDRESS DEVICE yes|no
_ask_gateways() {
  while read -r _n _address _device; do
    {
      _yes=no
      ! _gateway_answers "$_address" "$_device" || _yes=yes
      echo "gateway $_n $_address $_device $_yes"
    } </dev/null &
  done
  wait
}

# _gateway_answers ADDRESS DEVICE: an echo request, or the neighbour itself, since a gateway may answer no echo, or a rule
# drop it. A neighbour once known stays known for a while; it is asked again, by the kernel three times in three seconds.
# A radio link may lose a first echo request. A dead gateway costs five seconds, which the time for confirmation has.
_gateway_answers() {
  case $1 in
  fe80:*) _echo="ping -6 -c 1 -W 1 $1%$2" ;;
  *:*) _echo="ping -6 -c 1 -W 1 $1" ;;
  *) _echo="ping -c 1 -W 1 $1" ;;
  esac
  ! $_echo >/dev/null 2>&1 || return 0
  ! $_echo >/dev/null 2>&1 || return 0
  # a small router's ip cannot do that
  ip neigh change "$1" dev "$2" nud probe 2>/dev/null || return 1
  for _wait in 1 1 1 0; do
    case $(ip neigh show to "$1" dev "$2" 2>/dev/null) in
    *REACHABLE*) return 0 ;;
    *FAILED* | *INCOMPLETE*) return 1 ;;
    esac
    sleep "$_wait"
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
  ' | while read -r _family _table; do _within 10 nft delete table "$_family" "$_table" </dev/null; done >/dev/null 2>&1
  _fast=$(_within 10 nft list flowtables 2>/dev/null | _flowtable_priorities)
  [ -n "${_leaves-}" ] || {
    _upward=$(_default_devices)
    _nics=$(awk 'NR > 1 { print $3 }' /proc/net/pppoe 2>/dev/null)
    _leaves=$(_list_leaves)
  }
  _start_sweeper
  _load_witness || {
    printf 'unwatched %s\n' "${_out:-nft failed}" | head -n 1
    _end_watch
    return 1
  }
  read -r _watch_from _rest </proc/uptime
  _device_base=$(cat /proc/net/dev)
}

# _load_witness: a kernel before 5.16 has no hook at egress, and one may lack that at ingress. What was there before the
# change is there after it, or the two do not compare.
_load_witness() {
  for _try in ${_hooks:-ingress,egress ingress none}; do
    _hooks=$_try
    _out=$(_witness_tables | _within 20 nft -f - 2>&1) && return
    [ "$?" -lt 128 ] || break # it hung, and would again
  done
  return 1
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

# _start_sweeper: removes the tables when this shell is gone, or should be, or could not; it tries for an hour
_start_sweeper() {
  _own=
  has setsid && _own=setsid
  # shellcheck disable=SC2016 # for the other shell
  $_own sh -c '
    trap "" HUP INT TERM
    left=$1 shell=$2 table=$3 pause=1
    while [ "$left" -gt 0 ] && kill -0 "$shell"; do
      sleep 1
      left=$((left - 1))
    done
    left=3600
    while [ "$left" -gt 0 ]; do
      nft delete table netdev "$table"
      nft delete table inet "$table"
      tables=$(nft list tables) && case $tables in *"$table"*) ;; *) break ;; esac
      sleep "$pause"
      left=$((left - pause))
      [ "$pause" -ge 60 ] || pause=$((pause * 2))
    done
  ' sweeper 100 "$$" "$_witness" </dev/null >/dev/null 2>&1 &
  _sweeper=$!
}

# _end_watch: what cannot be removed now is left to the sweeper
_end_watch() {
  {
    _within 10 nft delete table netdev "$_witness"
    _within 10 nft delete table inet "$_witness"
    if _tables=$(_within 10 nft list tables); then
      case $_tables in *"$_witness"*) ;; *)
        kill -9 "$_sweeper"
        wait "$_sweeper"
        ;;
      esac
    fi
  } >/dev/null 2>&1
  return 0
}

# _flowtable_priorities: reads their listing, prints the lowest and the highest priority
_flowtable_priorities() {
  awk '
    $1 == "hook" && $2 == "ingress" && $3 == "priority" {
      line = $0
      gsub(/.*priority |;.*|[[:space:]]/, "", line)
      sub(/^filter/, "0", line)
      n = line ~ /^0[+]/ ? substr(line, 3) + 0 : line ~ /^0-/ ? -substr(line, 3) : line + 0
      if (!seen++ || n < low) low = n
      if (seen == 1 || n > high) high = n
    }
    END { if (seen) print low, high }
  '
}

# _default_devices: those of default routes, also of such as a small router's ip does not show; but for names that would
# mean something else in a text for nft
_default_devices() {
  {
    awk '$2 == "00000000" && $8 == "00000000" { print $1 }' /proc/net/route
    awk '$1 ~ /^0+$/ && $2 == "00" && $NF != "lo" { print $NF }' /proc/net/ipv6_route
  } 2>/dev/null | grep -v '["*\\]' | sort -u
}

# _list_leaves: up|down NAME ether|none of each device that is up and has no other below it: bridges, VLANs and PPPoE are
# counted at these, once. A port of a switch (DSA) is one; the NIC below it has frames with the switch's tag. An ifb has
# what came in elsewhere, and only seems to send it.
_list_leaves() {
  _ifbs=" $(ip -d -o link show 2>/dev/null | awk '/[[:space:]]ifb[[:space:]]/ { sub(/:$/, "", $2); print $2 }' | tr '\n' ' ')"
  _below=" $(for _device in $_upward; do _lowest "$_device"; done | tr '\n' ' ') "
  for _device in /sys/class/net/*; do
    _name=${_device##*/}
    read -r _type 2>/dev/null <"$_device/type" || continue
    read -r _flags 2>/dev/null <"$_device/flags" || continue
    case $_ifbs in *" $_name "*) continue ;; esac
    case $_type:$_name in 772:* | *:ifb* | *[\"*\\]*) continue ;; 512:*) [ -z "$_nics" ] || continue ;; esac
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

# _leaves_of SIDE ether|none|any: their names in quotes, of those that are still there
_leaves_of() {
  printf '%s\n' "$_leaves" | while read -r _at _name _type; do
    [ "$_at" != "$1" ] || [ ! -e "/sys/class/net/$_name" ] || case $2 in any | "$_type") printf '"%s", ' "$_name" ;; esac
  done
}

# _bridge_calls_ip: whether bridged frames meet rules for IP (br_netfilter)
_bridge_calls_ip() {
  cat /proc/sys/net/bridge/bridge-nf-call-ip*tables /sys/class/net/*/bridge/nf_call_ip*tables 2>/dev/null | grep -q 1
}

# _witness_tables: as text for nft, in one transaction. All else takes a packet to the one chain of its side and family, so
# that it meets few rules.
_witness_tables() {
  _macs=$(cat /sys/class/net/*/address 2>/dev/null | grep -E '^..:..:..:..:..:..$' | sort -u | tr '\n' ',')
  _quoted=$(for _device in $_upward; do printf '"%s", ' "$_device"; done)
  echo "table netdev $_witness {"
  for _side in up down; do
    _any=$(_leaves_of "$_side" any)
    [ -n "$_any" ] || continue
    [ -z "$_fast" ] || {
      _link_chain "arrived_$_side" "ingress devices = { $_any } priority $((${_fast% *} - 1))"
      _link_chain "passed_$_side" "ingress devices = { $_any } priority $((${_fast#* } + 1))"
    }
    for _kind in ether none; do
      _some=$(_leaves_of "$_side" "$_kind")
      [ -n "$_some" ] || continue
      _to_us=
      _ours='counter comment "all"'
      [ "$_kind" = none ] || {
        _to_us="ether daddr != { $_macs } return"
        _ours="$_ours
ether saddr != { $_macs } return"
      }
      case $_hooks in *ingress*) _link_chain "came_${_side}_$_kind" "ingress devices = { $_some } priority $FIRST" "$_to_us" ;; esac
      case $_hooks in *egress) _link_chain "left_${_side}_$_kind" "egress devices = { $_some } priority 1000000" "$_ours" ;; esac
    done
  done
  echo "}"
  echo "table inet $_witness {"
  _routed=
  # what is to be routed was sent to this router, unless it came over a link without addresses
  [ -z "$_macs" ] || ! _bridge_calls_ip || _routed="ether daddr != { $_macs } return"
  _inet_chain offered "forward priority -1000000" iifname "$_routed"
  _inet_chain forwarded "forward priority 1000000" oifname "$_routed"
  _inet_chain own "output priority 1000000" oifname ""
  _inet_chain local "input priority $FIRST" iifname "meta pkttype != host return"
  echo "}"
}

# _link_chain NAME HOOK [RULES]: IPv4 and IPv6, in PPPoE too
_link_chain() {
  for _n in 4 6; do _family_chain "$1" "$_n"; done
  echo "chain ${1}_ppp {"
  echo '@nh,48,16 0x0021 counter comment "4"'
  echo '@nh,48,16 0x0057 counter comment "6"'
  echo "}"
  echo "chain $1 { type filter hook $2; policy accept;"
  [ -z "${3-}" ] || echo "$3"
  echo "meta protocol ip goto ${1}_4"
  echo "meta protocol ip6 goto ${1}_6"
  echo "meta protocol 0x8864 goto ${1}_ppp"
  echo "}"
}

# _inet_chain NAME HOOK iifname|oifname RULES: by the side of that device
_inet_chain() {
  for _side in up down; do
    for _n in 4 6; do _family_chain "$1_$_side" "$_n"; done
    echo "chain $1_$_side {"
    for _n in 4 6; do echo "meta nfproto ipv$_n goto $1_${_side}_$_n"; done
    echo "}"
  done
  echo "chain $1 { type filter hook $2; policy accept;"
  [ -z "$4" ] || echo "$4"
  [ -z "$_quoted" ] || echo "$3 { $_quoted } goto $1_up"
  echo "$3 != \"lo\" goto $1_down"
  echo "}"
}

# _family_chain NAME FAMILY: everything; and of TCP what is pushed, for a connection may still be opened while all that is
# said on it is lost; what is acknowledged; and what opens a connection, or answers that
_family_chain() {
  echo "chain $1_$2 {"
  case $1:$2 in # the router puts together what is for itself before it counts
  came_*:4) echo 'ip frag-off & 0x1fff != 0 return' ;;
  came_*:6) echo 'frag frag-off != 0 return' ;;
  esac
  echo 'counter comment "all"'
  echo 'meta l4proto != tcp return'
  echo 'tcp flags & psh == psh counter comment "data"'
  case $1 in
  came_* | local_* | offered_*) echo 'tcp flags & (fin | syn | rst | ack) == syn counter comment "open"' ;;
  *) echo 'tcp flags & (syn | rst | ack) == ack counter comment "ack"' ;;
  esac
  case $1 in forwarded_*) echo 'tcp flags & (fin | syn | rst | ack) == (syn | ack) counter comment "open"' ;; esac
  echo "}"
}

# _read_watch before|after: prints seconds SECONDS, and packets as offered|tried|said SIDE FAMILY PACKETS from a side, where
# tried are those that open a TCP connection and said those with what it carries; delivered|answered|heard|acked SIDE FAMILY
# PACKETS to a side, the same, and those that acknowledge; taken|left fast FAMILY PACKETS, of the fast path; hardware SIDE
# PACKETS to a side. Those that open a TCP connection to the router itself are to_router SIDE FAMILY PACKETS. Tried and said
# have in them what comes to no rule for what is forwarded, for want of a route or by a rule before it; all packets of that
# kind are stuck SIDE FAMILY PACKETS. And unseen SIDE FAMILY where most of what is forwarded to there is not seen at egress,
# by what was counted before the change. It is a number of packets (20) that ALIVE in _confirm/witness.py has too.
# A NIC counts every segment of what it sends, and nft the whole: only bytes can show that something went past nft.
# Where nft does not list all of it, as when somebody flushed the ruleset meanwhile: unwatched WHY, and no number.
_read_watch() {
  read -r _until _rest </proc/uptime
  {
    echo "time $_watch_from $_until"
    [ "$1" = before ] || printf '%s\n' "$witnessed" | grep '^unseen '
    printf '%s\n' "$_leaves" | sed 's/^/leaf /'
    printf '%s\n' "$_device_base"
    echo --
    cat /proc/net/dev
    # what came, what is forwarded, what left: in this order, what comes while nft lists does not look like a loss
    _within 10 nft list table netdev "$_witness" && echo whole
    echo --
    _within 10 nft list table inet "$_witness" && echo whole
    _within 10 nft list table netdev "$_witness" && echo whole
  } 2>/dev/null | awk -v hooks="$_hooks" -v when="$1" '
    BEGIN { egress = hooks ~ /egress/ }
    function more(value) { return value > 0 ? value : 0 }
    function other(s) { return s == "up" ? "down" : "up" }
    function of(what, s, f, label) {
      return sum[what "_" s "_" f " " label] + (label == "all" ? sum[what "_" s "_ppp " f] : 0)
    }
    function taken(s, f, label) { return more(of("arrived", s, f, label) - of("passed", s, f, label)) }
    function seen(s, f, label) { return more(of("left", s, f, label) - of("own", s, f, label)) }
    # what came from a side to be forwarded: less what is for the router itself, which may hand that on under a device of
    # another side
    function beyond(s, f, label) { return of("local", s, f, label) - of("came", s, f, label) }
    function came(s, f, label) {
      return more(-beyond(s, f, label) - (of("came", other(s), f, label) ? more(beyond(other(s), f, label)) : 0))
    }
    function met(s, f, label) { return of("offered", s, f, label) + taken(s, f, label) }
    function max(a, b) { return a > b ? a : b }
    function passed(s, f, label) { return of("forwarded", s, f, label) + taken(other(s), f, label) }
    function out(s, f, label) { return (s, f) in unseen ? passed(s, f, label) : seen(s, f, label) }
    $1 == "time" { printf "seconds %.2f\n", $3 - $2 }
    $1 == "unseen" { unseen[$2, $3] = 1; next }
    $1 == "leaf" { side[$2 == "up" ? "up" : "down", $3] = 1; next }
    $1 == "--" { part++; next }
    $0 == "whole" { whole++; next }
    !chain && sub(/:/, " ") && NF > 12 {
      sign = part ? 1 : -1
      where = ("up", $1) in side ? "up" : ("down", $1) in side ? "down" : ""
      if (where) { bytes[where] += sign * $10; packets[where] += sign * $11 }
      next
    }
    $1 == "chain" {
      chain = $2
      sub(/_(ether|none)/, "", chain)
      next
    }
    /counter packets/ && (chain ~ /^came_/) == (part < 2) {
      for (i = 1; i <= NF; i++) if ($i == "packets") { count = $(i + 1); size = $(i + 3) }
      label = $0
      sub(/.*comment "/, "", label)
      sub(/".*/, "", label)
      sum[chain " " label] += count
      total[chain " " label] += size
    }
    END {
      if (whole != 3) {
        print "unwatched nft did not list what was counted"
        exit
      }
      for (f = 4; f <= 6; f += 2) for (n = 1; n <= 2; n++) {
        s = n == 1 ? "up" : "down"
        all = passed(s, f, "all")
        if (!egress || when == "before" && all >= 20 && seen(s, f, "all") < all / 2) unseen[s, f] = 1
        if ((s, f) in unseen) { print "unseen", s, f; blind[s] = 1 }
      }
      for (f = 4; f <= 6; f += 2) {
        fast = left = 0
        for (n = 1; n <= 2; n++) {
          s = n == 1 ? "up" : "down"
          fast += taken(s, f, "all")
          left += out(s, f, "all") - of("forwarded", s, f, "all")
          printf "offered %s %d %.0f\n", s, f, met(s, f, "all")
          printf "stuck %s %d %.0f\n", s, f, more(came(s, f, "all") - met(s, f, "all"))
          printf "delivered %s %d %.0f\n", s, f, out(s, f, "all")
          printf "tried %s %d %.0f\n", s, f, max(of("offered", s, f, "open"), came(s, f, "open"))
          printf "to_router %s %d %.0f\n", s, f, of("local", s, f, "open")
          printf "answered %s %d %.0f\n", s, f, of("forwarded", s, f, "open")
          printf "said %s %d %.0f\n", s, f, max(met(s, f, "data"), came(s, f, "data"))
          printf "heard %s %d %.0f\n", s, f, out(s, f, "data")
          printf "acked %s %d %.0f\n", s, f, out(s, f, "ack")
        }
        printf "taken fast %d %.0f\n", f, fast
        printf "left fast %d %.0f\n", f, more(left)
      }
      for (n = 1; n <= 2 && egress; n++) {
        s = n == 1 ? "up" : "down"
        past = bytes[s] - total["left_" s " all"]
        if (past <= 0.15 * bytes[s] || s in blind) packets[s] = 0
        printf "hardware %s %.0f\n", s, packets[s] ? more(packets[s] - sum["left_" s " all"]) : 0
      }
    }
  '
}
