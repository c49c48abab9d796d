# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Forwarded flows in conntrack. Its table may hold millions: it comes in hash order, so that its first entries are a fair
# sample, and only counts and a few examples leave the router.

# find_flow_source: sets _source to where the entries are read: proc, netlink where the kernel has no such file or shows
# nothing in it (NF_CONNTRACK_PROCFS is off in Ubuntu's kernels), or nothing
find_flow_source() {
  _source=
  _entries=
  read -r _first </proc/net/nf_conntrack || read -r _entries </proc/sys/net/netfilter/nf_conntrack_count
  [ ! -r /proc/net/nf_conntrack ] || _source=proc
  # where nothing tracks, to ask by netlink would load connection tracking
  case ${_source:-none}:${_entries:-no} in
  *:no | proc:0) ;;
  *) ! has conntrack || _source=netlink ;;
  esac
} 2>/dev/null

# list_flows LINES: the first entries, in the form of /proc/net/nf_conntrack; after find_flow_source
list_flows() {
  case $_source in
  proc) head -n "$1" /proc/net/nf_conntrack ;;
  netlink) _list_by_netlink "$1" ;;
  esac
}

# conntrack goes on to the table's end where nothing reads it any more, unless a signal stops it: 3 s for 150,000 entries
# instead of 0.06. Up to 1.4.6 it lists one address family only, IPv4 unless told.
_list_by_netlink() (
  trap - PIPE
  case $(conntrack --version 2>/dev/null) in
  *" v0."* | *" v1."[0-3]* | *" v1.4."[0-6] | *" v1.4."[0-6][!0-9]*)
    _half=$((($1 + 1) / 2))
    conntrack -L -f ipv4 -o extended 2>/dev/null | head -n "$_half"
    conntrack -L -f ipv6 -o extended 2>/dev/null | head -n "$_half" | _spell_out
    ;;
  *) conntrack -L -o extended 2>/dev/null | head -n "$1" | _spell_out ;;
  esac
)

# Reads conntrack's lines; spells IPv6 addresses out, as the kernel does in its file and drivers in theirs
_spell_out() {
  awk '
    function whole(address, out, i, n, left, right, ends, high, low) {
      n = split(address, ends, "::")
      left = split(ends[1], high, ":")
      right = n > 1 ? split(ends[2], low, ":") : 0
      for (i = 1; i <= left; i++) out = out ":" substr("0000" high[i], length(high[i]) + 1)
      for (i = left + right; i < 8; i++) out = out ":0000"
      for (i = 1; i <= right; i++) out = out ":" substr("0000" low[i], length(low[i]) + 1)
      return substr(out, 2)
    }
    $1 == "ipv6" {
      for (i = 5; i <= NF; i++) if ($i ~ /^(src|dst)=/) $i = substr($i, 1, 4) whole(substr($i, 5))
    }
    { print }
  '
}

# remember_flows LINES: what offloaded flows have carried so far, so that read_conntrack can count what they carry from now on.
# Without nf_conntrack_acct there is nothing to remember.
remember_flows() {
  read -r _remembered_at _rest </proc/uptime
  _remembered=
  grep -q 1 /proc/sys/net/netfilter/nf_conntrack_acct 2>/dev/null || return 0
  find_flow_source
  _remembered=$(list_flows "$1" 2>/dev/null | _carried)
}

# read_conntrack LINES SECONDS: reads so many LINES; traffic was watched for SECONDS
read_conntrack() {
  section conntrack _conntrack "$@"
}

_conntrack() {
  find_flow_source
  [ -n "$_source" ] || {
    if [ ! -e /proc/sys/net/netfilter/nf_conntrack_count ]; then
      echo 'nothing on the router tracks connections'
    elif [ -e /proc/net/nf_conntrack ]; then
      echo '/proc/net/nf_conntrack may not be read'
    else
      echo 'there is no /proc/net/nf_conntrack, and no conntrack command to ask the kernel with'
    fi
    return 1
  }
  _error=$([ "$_source" != netlink ] || conntrack -C 2>&1) || {
    printf '%s\n' "$_error"
    return 1
  }
  echo "source $_source"
  read -r _at _rest </proc/uptime
  echo "waited $2"
  [ -z "${_remembered-}" ] || echo "between $_remembered_at $_at"
  {
    has ip && ip -o -4 addr
    (
      cd /proc/sys/net/netfilter &&
        grep . nf_conntrack_count nf_conntrack_max nf_conntrack_tcp_timeout_established \
          nf_conntrack_tcp_timeout_unacknowledged nf_conntrack_udp_timeout_stream
      [ ! -e /proc/net/if_inet6 ] || cat /proc/net/if_inet6
    )
    [ -z "${_remembered-}" ] || printf '%s\n' "$_remembered"
    _unresolved
    echo --
    list_flows "$1"
  } | _classify "$(($2 < 5 ? $2 : 5))"
}

# arp ADDRESS DEVICE of neighbours that ARP looks for and does not find (net/ipv4/arp.c: arp_state_to_flags), 64 at most
_unresolved() {
  awk 'NR > 1 && $3 == "0x0" && n++ < 64 { print "arp", $1, $6 }' /proc/net/arp 2>/dev/null
}

# Reads conntrack; prints was KEY ORIGINAL-PACKETS REPLY-PACKETS of offloaded flows
_carried() {
  awk '
    /OFFLOAD\]/ && /packets=/ {
      key = $1 $3
      n = split("", packets)
      for (i = 5; i <= NF; i++) {
        if ($i ~ /^packets=/) packets[++n] = substr($i, 9) + 0
        else if (!n && $i ~ /^(src|dst|sport|dport)=/) key = key "," $i
      }
      if (n == 2) print "was", key, packets[1], packets[2]
    }
  '
}

# Reads local addresses, limits, what _carried printed and, below --, conntrack; prints total ENTRIES, maximum ENTRIES,
# sampled LINES, counted LINES (those with a class), recent LINES (slow flows with a packet within the last $1 seconds), recent FAMILY
# PROTOCOL LINES, count FAMILY PROTOCOL CLASS LINES,
# pair FAMILY PROTOCOL CLASS FROM TO LINES RECENT (devices whose networks the two ends are in, the one that began first; -
# for an end that is in none; 128 at most, the rest as - -),
# carried CLASS FLOWS ORIGINAL-PACKETS REPLY-PACKETS (since _carried, of flows that both saw), one-way FAMILY CLASS FLOWS
# ONE-WAY (of these, TCP flows with 3 packets, and those with packets one way only), unresolved ADDRESS DEVICE FLOWS
# (offloaded flows with the address of an _unresolved neighbour), and example CLASS LINE, three of a class at most.
# /proc/net/if_inet6 has IPv6 addresses as 32 digits, conntrack prints them in full. The timeout column is not there for
# offloaded flows (nf_conntrack_standalone.c: ct_seq_show). A packet sets it again; to the shorter of its two limits while
# TCP data waits to be acknowledged (nf_conntrack_proto_tcp.c: nf_conntrack_tcp_packet).
_classify() {
  awk -v within="$1" '
    function fresh(left, limit) {
      limit = sysctl["nf_conntrack_" limit]
      return limit - within < left && left <= limit
    }
    # a small busybox has no ^
    function power(exponent, result) {
      for (result = 1; exponent > 0; exponent--) result *= 2
      return result
    }
    # the part of an address that a network of this prefix length has in common
    function common(address, length_of, part, digits, left) {
      if (!index(address, ":")) {
        split(address, part, ".")
        return int((((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4]) / power(32 - length_of))
      }
      gsub(/:/, "", address)
      digits = int(length_of / 4)
      left = length_of % 4
      if (!left) return substr(address, 1, digits)
      return substr(address, 1, digits) "." int(index("123456789abcdef", substr(address, digits + 1, 1)) / power(4 - left))
    }
    function add_network(address, length_of, device, key) {
      if (length_of + 0 < 1) return
      key = (index(address, ":") ? 6 : 4) " " length_of " " common(address, length_of)
      if (key in network && network[key] != device) device = "-"
      network[key] = device
      if (!known[(index(address, ":") ? 6 : 4) " " length_of]++) lengths[++kinds] = length_of
    }
    # the device with the longest prefix
    function place(address, version, i, longest, key, found) {
      if (address in placed) return placed[address]
      version = index(address, ":") ? 6 : 4
      found = "-"
      for (i = 1; i <= kinds; i++) {
        if (lengths[i] <= longest || !((version " " lengths[i]) in known)) continue
        key = version " " lengths[i] " " common(address, lengths[i])
        if (key in network) { found = network[key]; longest = lengths[i] }
      }
      placed[address] = found
      return found
    }
    $1 == "--" { flows = 1; next }
    !flows && $1 == "arp" && NF == 3 { lost[$2] = $3; next }
    !flows && $1 == "was" { there[$2] = $3; back[$2] = $4; next }
    !flows && split($0, part, ":") == 2 && part[1] ~ /^nf_conntrack_/ { sysctl[part[1]] = part[2]; next }
    !flows && $3 == "inet" {
      split($4, part, "/")
      here[part[1]] = 1
      if ($5 == "peer") split($6, part, "/")
      add_network(part[1], part[2], $2)
    }
    !flows && length($1) == 32 {
      address = substr($1, 1, 4)
      for (i = 5; i < 32; i += 4) address = address ":" substr($1, i, 4)
      here[address] = 1
      # link-local networks are the same on every device
      if ($4 != "20") {
        bits = index("123456789abcdef", substr($3, 1, 1)) * 16 + index("123456789abcdef", substr($3, 2, 1))
        add_network(address, bits, $6)
      }
    }
    !flows { next }
    {
      sampled++
      from = to = ""
      for (i = 5; i <= NF && to == ""; i++) if ($i ~ /^src=/) {
        if (from == "") from = substr($i, 5)
        else to = substr($i, 5)
      }
      if (/\[HW_OFFLOAD\]/) class = "hardware"
      else if (/\[OFFLOAD\]/) class = "software"
      else {
        if (from in here || to in here) class = "local"
        else if ($3 == "tcp" && $6 == "ESTABLISHED" || $3 == "udp" && /\[ASSURED\]/) class = "slow"
        else next
      }
      counted++
      count[$1 " " $3 " " class]++
      if (class == "local") next
      pair = $1 " " $3 " " class " " place(from) " " place(to)
      if (!(pair in between) && ++pairs > 128) pair = $1 " " $3 " " class " - -"
      between[pair]++
      if (class == "slow" && ($3 == "udp" && fresh($5, "udp_timeout_stream") || $3 == "tcp" &&
        (fresh($5, "tcp_timeout_established") || fresh($5, "tcp_timeout_unacknowledged")))) {
        recent++
        lately[pair]++
        active[$1 " " $3]++
      }
      if (seen[class]++ < 3) print "example " class " " $0
      if (class == "slow") next
      split("", met)
      for (i = 5; i <= NF; i++) if ($i ~ /^(src|dst)=/ && (part[1] = substr($i, 5)) in lost) met[part[1]] = 1
      for (address in met) looking[address]++
      if ($0 !~ /packets=/) next
      key = $1 $3
      n = split("", packets)
      for (i = 5; i <= NF; i++) {
        if ($i ~ /^packets=/) packets[++n] = substr($i, 9) + 0
        else if (!n && $i ~ /^(src|dst|sport|dport)=/) key = key "," $i
      }
      if (!(key in there) || packets[1] < there[key] || packets[2] < back[key]) next
      both[class]++
      went[class] += packets[1] - there[key]
      came[class] += packets[2] - back[key]
      if ($3 != "tcp" || packets[1] - there[key] + packets[2] - back[key] < 3) next
      tcp[$1 " " class]++
      if (packets[1] == there[key] || packets[2] == back[key]) alone[$1 " " class]++
    }
    END {
      print "total " sysctl["nf_conntrack_count"]
      print "maximum " sysctl["nf_conntrack_max"]
      for (key in count) print "count " key " " count[key]
      for (pair in between) print "pair " pair " " between[pair] " " lately[pair] + 0
      for (class in both) printf "carried %s %d %.0f %.0f\n", class, both[class], went[class], came[class]
      for (key in tcp) print "one-way " key " " tcp[key] " " alone[key] + 0
      for (address in looking) print "unresolved " address " " lost[address] " " looking[address]
      print "sampled " sampled + 0
      print "counted " counted + 0
      print "recent " recent + 0
      for (key in active) print "recent " key " " active[key]
    }
  '
}
