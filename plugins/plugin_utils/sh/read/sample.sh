# shellcheck shell=sh disable=SC2154 # the nonce stands before all fragments, and flowtables.sh found the flowtables
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/conntrack read/processor
# What traverses the forward chain, what the fast path takes before it, and what leaves again, over a few seconds and
# beside any firewall: counted by tables of our own, which only count, and which go again whatever happens to this shell.
# Of packets that a NIC forwards by itself they see nothing; for those there are its counters and conntrack's.

# read_sample SECONDS LINES MEASURE: MEASURE is yes to measure where there is a flowtable, always, or no where nothing on
# the router may be touched; LINES of conntrack. Needs flowtables.sh and nftables.sh before it.
read_sample() {
  _sample=
  if [ "$1" -gt 0 ]; then
    case $3:${_found-} in yes:*"flowtable "* | always:*) ! has nft || _begin_sample "$1" ;; esac
    remember_flows "$2"
    remember_processor
    sleep "$1"
    read_processor
  fi
  [ -z "$_sample" ] || section sample _end_sample
  read_conntrack "$2" "$1"
}

# _begin_sample SECONDS. The tables' name shows until when they are in use, in seconds of /proc/uptime; those of a
# shell that was killed together with its guard go when their time is over.
_begin_sample() {
  read -r _now _rest </proc/uptime
  _now=${_now%.*}
  _lasting=$(($1 + 60)) # nft may take its time on a slow router, and the guard goes with this shell anyway
  _why='no flowtable lists a device that there is'
  _unwatched=
  # not the nonce: other users can read the guard's command line
  _sample=nft_offload_sample_$((_now + _lasting + 5))_$$
  printf '%s\n' "$_rules" | awk -v now="$_now" '
    $1 == "table" && $3 ~ /^nft_offload_sample_[0-9]+_[0-9a-f]+$/ && split($3, part, "_") && part[4] < now { print $2, $3 }
  ' | while read -r _family _table; do nft delete table "$_family" "$_table"; done >/dev/null 2>&1
  # shellcheck disable=SC2046 # three words without blanks
  set -- $(printf '%s\n' "$_found" | _place)
  _family=$1 _low=$2 _high=$3
  _hooked=$({ printf '%s\n' "$_listed" && sed -n 's/^ *\([^: ]*\):.*/\1/p' /proc/net/dev; } | _to_hook)
  _exits=
  [ -z "$_hooked" ] || _exits=$({ printf '%s\n' "$_listed" && _lowers && sed -n 's/^ *\([^: ]*\):.*/\1/p' /proc/net/dev; } | _to_watch)
  _ct=no
  # without a flowtable, to ask for it may start it
  case ${_found-} in *"flowtable "*) _has_ct && _ct=yes ;; esac
  _start_guard
  trap '_drop_sample; exit 143' INT TERM
  trap _drop_sample EXIT
  _load_sample || {
    # a kernel without hooks at egress (Linux 5.16 on, NETFILTER_EGRESS), or a device that has just gone
    _unwatched=${_out:-nft failed with exit code $?}
    _exits=
    _load_sample
  } || {
    # a kernel without hooks at ingress: the forward chain can be counted still
    _why=${_out:-nft failed with exit code $?}
    _hooked=
    _load_sample
  }
  _begun=$?
  read -r _since _rest </proc/uptime
  _before=$(_device_counters)
}

# Reads flowtables as nft lists them; prints the family of a table that sees what they see, the lowest priority and the
# highest. Connection tracking is at work in their families, so that to ask for it there starts nothing.
_place() {
  awk '
    $1 == "table" { family = $2 }
    $1 == "flowtable" { fed[family] = 1 }
    $1 == "hook" {
      at = $4 + 0
      if ($4 == "filter") at = ($5 $6) + 0
      if (!n++ || at < low) low = at
      if (n == 1 || at > high) high = at
    }
    END {
      family = "inet"
      if (fed["ip"] && !fed["ip6"] && !fed["inet"]) family = "ip"
      if (fed["ip6"] && !fed["ip"] && !fed["inet"]) family = "ip6"
      print family, low - 1, high + 1
    }
  '
}

# Reads names that flowtables list, in one line, and the devices that there are; prints those listed, in quotes. A name
# with a quote in it nft could not read.
_to_hook() {
  awk '
    NR == 1 { for (i = 1; i <= NF; i++) listed[$i] = 1; next }
    /["*\\]/ { next }
    {
      found = $0 in listed
      for (name in listed) if (name ~ /[*]$/ && index($0, substr(name, 1, length(name) - 1)) == 1) found = 1
      if (found && n++ < 256) printf "%s\"%s\"", (n > 1 ? ", " : ""), $0
    }
  '
}

# above NAME LOWER, of all devices that stand on another one
_lowers() {
  (cd /sys/class/net && ls -d ./*/lower_*) 2>/dev/null | sed -n 's,^[.]/\(.*\)/lower_\(.*\)$,above \1 \2,p'
}

# Reads names that flowtables list, in one line, what _lowers prints, and the devices that there are; prints those by
# which packets leave, in quotes: what is listed, and what neither stands on another device nor is below one that is
# listed. So each packet is seen once, as long as no flowtable lists a device and the one below it.
_to_watch() {
  awk '
    NR == 1 { for (i = 1; i <= NF; i++) listed[$i] = 1; next }
    $1 == "above" && NF == 3 { upper[$2] = 1; if ($2 in listed) below[$3] = 1; next }
    /["*\\]/ || $0 == "lo" { next }
    {
      found = $0 in listed
      for (name in listed) if (name ~ /[*]$/ && index($0, substr(name, 1, length(name) - 1)) == 1) found = 1
      if ((found || !($0 in upper || $0 in below)) && n++ < 256) printf "%s\"%s\"", (n > 1 ? ", " : ""), $0
    }
  '
}

# Removes the tables when this shell is gone, or should be: in a session of its own where there is setsid, deaf to
# signals that ask, and not holding the connection open
_start_guard() {
  _own=
  has setsid && _own=setsid
  # shellcheck disable=SC2016 # for the other shell
  $_own sh -c '
    trap "" INT TERM
    while [ "$1" -gt 0 ] && kill -0 "$2"; do
      sleep 1
      shell=$2 family=$3 table=$4
      set -- "$(($1 - 1))" "$shell" "$family" "$table"
    done
    sleep 1
    nft delete table netdev "$4"
    nft delete table "$3" "$4"
  ' guard "$_lasting" "$$" "$_family" "$_sample" </dev/null >/dev/null 2>&1 6>&- 7>&- &
  _guard=$!
}

_drop_sample() {
  trap - EXIT INT TERM
  {
    nft delete table netdev "$_sample"
    nft delete table "$_family" "$_sample"
    kill -9 "$_guard"
    wait "$_guard"
  } >/dev/null 2>&1
}

# Without loading it: a rule uses it, it is loaded, or built in
_has_ct() {
  case $_rules in *"ct state "*) return ;; esac
  [ -d /sys/module/nft_ct ] || grep -q '/nft_ct[.]ko' "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
}

# All in one transaction; the error of nft is in _out
_load_sample() {
  _out=$({
    _forward_table
    [ -z "$_hooked" ] || _ingress_table
  } | nft -f - 2>&1)
}

# traversed: every packet through the forward chain, by where it came in and where it goes out.
# late: of TCP and UDP flows that are offloaded (IPS_OFFLOAD, 0x4000) and thus should have been taken before. Not those
# that the fast path passes on by design: SYN, FIN and RST, and datagrams that came in fragments.
# sent: TCP and UDP that leaves by the slow path, or that the router itself sends.
# slow: by flow, of those that are established and not offloaded. A closing TCP flow has a timeout of two minutes at most
# (nf_conntrack_proto_tcp.c: tcp_timeouts); UDP is assured after two seconds.
_forward_table() {
  case $_family in inet) _versions="4 6" ;; ip) _versions=4 ;; *) _versions=6 ;; esac
  echo "table $_family $_sample {"
  for _n in $_versions; do
    echo "set traversed$_n { type ifname . ifname; size 128; flags dynamic; }"
    echo "set late$_n { type ifname . ifname; size 128; flags dynamic; }"
    [ "$_ct" = no ] || echo "set slow$_n { typeof iifname . oifname . meta l4proto . ct id; size 1024; flags dynamic; }"
  done
  echo "chain forward { type filter hook forward priority -1000000; policy accept;"
  for _n in $_versions; do echo "$(_of "$_n") update @traversed$_n { iifname . oifname counter }"; done
  if [ "$_ct" = yes ]; then
    echo 'meta l4proto != { tcp, udp } return'
    echo 'tcp flags & (fin | syn | rst) != 0 return'
    echo 'meta l4proto udp meta length > 1500 return'
    for _n in $_versions; do
      echo "ct status & 0x4000 != 0 $(_of "$_n") update @late$_n { iifname . oifname counter }"
    done
    echo 'ct status & 0x4000 != 0 return'
    echo 'meta l4proto tcp ct expiration < 125s return'
    for _n in $_versions; do
      echo "ct state established ct status assured $(_of "$_n")" \
        "update @slow$_n { iifname . oifname . meta l4proto . ct id counter }"
    done
  fi
  echo '}'
  if [ -n "$_exits" ]; then
    for _n in $_versions; do echo "set sent$_n { type ifname . inet_proto; size 512; flags dynamic; }"; done
    echo 'chain sent { type filter hook postrouting priority 1000000; policy accept;'
    echo 'meta l4proto != { tcp, udp } return'
    for _n in $_versions; do echo "$(_of "$_n") update @sent$_n { oifname . meta l4proto counter }"; done
    echo '}'
  fi
  echo '}'
}

# _of 4 or 6: only that version of IP, in a table that sees both
_of() {
  [ "$_family" != inet ] || echo "meta nfproto ipv$1"
}

# What comes in before the flowtables, and what they left: by version of IP and protocol, also in PPPoE, there without
# the protocol; all bytes before them; and what leaves: TCP and UDP by version of IP, and all bytes. Astray is what leaves for
# the MAC address of nobody: from 'netfilter: flowtable: consolidate xmit path' on the fast path sends to a neighbour whose
# address is not known (nf_flow_table_ip.c: neigh->ha), where it asked for it before.
_ingress_table() {
  echo "table netdev $_sample {"
  for _set in arrived pppoe_before4 pppoe_before6 pppoe_after4 pppoe_after6 departed; do
    echo "set $_set { type ifname; size 256; flags dynamic; }"
  done
  for _set in before4 before6 after4 after6 left4 left6 astray4 astray6; do
    echo "set $_set { type ifname . inet_proto; size 1024; flags dynamic; }"
  done
  for _at in "before $_low" "after $_high"; do
    _when=${_at% *}
    echo "chain $_when { type filter hook ingress devices = { $_hooked } priority ${_at#* }; policy accept;"
    [ "$_when" = after ] || echo 'update @arrived { iifname counter }'
    echo "meta protocol ip update @${_when}4 { iifname . meta l4proto counter }"
    echo "meta protocol ip6 update @${_when}6 { iifname . meta l4proto counter }"
    echo "meta protocol 0x8864 @nh,48,16 0x0021 update @pppoe_${_when}4 { iifname counter }"
    echo "meta protocol 0x8864 @nh,48,16 0x0057 update @pppoe_${_when}6 { iifname counter }"
    echo '}'
  done
  if [ -n "$_exits" ]; then
    echo "chain left { type filter hook egress devices = { $_exits } priority 0; policy accept;"
    echo 'update @departed { oifname counter }'
    echo 'meta l4proto != { tcp, udp } return'
    echo 'meta protocol ip update @left4 { oifname . meta l4proto counter }'
    echo 'meta protocol ip6 update @left6 { oifname . meta l4proto counter }'
    echo '@ll,0,48 0 meta protocol ip update @astray4 { oifname . meta l4proto counter }'
    echo '@ll,0,48 0 meta protocol ip6 update @astray6 { oifname . meta l4proto counter }'
    echo '}'
  fi
  echo '}'
}

# NAME RX-BYTES RX-PACKETS TX-BYTES TX-PACKETS of the devices in quotes of _hooked
_device_counters() {
  { printf '%s\n' "$_hooked" && cat /proc/net/dev; } | awk '
    NR == 1 { gsub(/", "/, " "); gsub(/"/, ""); for (i = 1; i <= NF; i++) wanted[$i] = 1; next }
    sub(/:/, " ") && $1 in wanted { print $1, $2, $3, $10, $11 }
  '
}

_end_sample() {
  if [ "$_begun" = 0 ]; then
    read -r _until _rest </proc/uptime
    _after=$(_device_counters)
    _out=$(
      nft list table "$_family" "$_sample" && { [ -z "$_hooked" ] || nft list table netdev "$_sample"; }
    ) || _begun=$?
  fi
  _drop_sample
  if [ "$_begun" != 0 ]; then
    printf '%s\n' "$_out"
    return "$_begun"
  fi
  echo "family $_family"
  echo "classed $_ct"
  [ -n "$_hooked" ] || printf 'unhooked %s\n' "$_why" | head -n 1
  if [ -n "$_hooked$_unwatched" ]; then
    if [ -n "$_exits" ]; then
      printf 'exits %s\n' "$_exits" | sed 's/[",]//g'
    else printf 'unwatched %s\n' "$_unwatched" | head -n 1; fi
  fi
  printf '%s\n' "time $_since $_until" "$_before" "$_after" "$_out" | _reduce_sample
}

# Reads all that was counted; prints seconds SECONDS, device NAME RX-PACKETS RX-BYTES TX-PACKETS TX-BYTES, what the sets
# hold as SET KEY... PACKETS BYTES (those of pppoe_SET as SET), and of the slow flows with 10 packets and more SET IN OUT PROTOCOL FLOWS PACKETS BYTES;
# full SET of one that could not take another element.
# Names of devices hold no blank, and nft quotes them.
_reduce_sample() {
  awk '
    function bare(name) {
      return substr(name, 1, 1) == "\"" ? substr(name, 2, length(name) - 2) : name
    }
    function end_element() {
      if (++held[set] == room[set]) print "full", set
      if (set !~ /^slow/) { name = set; sub(/^pppoe_/, "", name); print name key, packets, bytes }
      else if (packets >= 10) { flows[set last]++; sum[set last] += packets; size[set last] += bytes }
      key = last = ""
    }
    $1 == "time" && NF == 3 { printf "seconds %.2f\n", $3 - $2; next }
    !set && NF == 5 && $2 $3 $4 $5 ~ /^[0-9]+$/ {
      if (!($1 in rx)) { rx[$1] = $3; rxb[$1] = $2; tx[$1] = $5; txb[$1] = $4 }
      else printf "device %s %.0f %.0f %.0f %.0f\n", $1, $3 - rx[$1], $2 - rxb[$1], $5 - tx[$1], $4 - txb[$1]
      next
    }
    $1 == "set" { set = $2 }
    $1 == "size" { room[set] = $2 }
    {
      for (i = 1; i <= NF; i++) {
        if (!inside) {
          if ($i == "elements" && $(i + 1) == "=") { inside = 1; i += 2; key = last = "" }
        } else if ($i == "}") inside = 0
        else if ($i == "counter") counting = 1
        else if (!counting) { if ($i != ".") { last = key; key = key " " bare($i) } }
        else if ($(i - 1) == "packets") packets = $i
        else if ($(i - 1) == "bytes") { bytes = $i; sub(/,$/, "", bytes); counting = 0; end_element() }
      }
    }
    END { for (key in flows) printf "%s %d %.0f %.0f\n", key, flows[key], sum[key], size[key] }
  '
}
