# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What conntrack says of forwarded flows. Its table may hold millions: the file comes in hash order, so that its first
# lines are a fair sample, and only counts and a few examples leave the router.

# read_conntrack SAMPLE WAIT: looks at SAMPLE lines once a second, until an offloaded flow is among them (one in hardware
# where nftables.sh found a hardware flowtable: flows start in software there too), or WAIT seconds are over
read_conntrack() {
  section conntrack _conntrack "$@"
}

_conntrack() {
  head -n 1 /proc/net/nf_conntrack >/dev/null || return
  case ${_found-} in *"flags offload"*) _wanted=hardware ;; *) _wanted=software ;; esac
  _waited=0
  while _flows=$(_look "$1" "$_waited"); do
    case $_wanted:$_flows in *" hardware "* | software:*" software "*) break ;; esac
    [ "$_waited" -lt "$2" ] || break
    sleep 1
    _waited=$((_waited + 1))
  done
  echo "waited $_waited"
  printf '%s\n' "$_flows"
}

# _look SAMPLE WAITED
_look() {
  {
    has ip && ip -o -4 addr
    (
      cd /proc/sys/net/netfilter &&
        grep . nf_conntrack_count nf_conntrack_max nf_conntrack_tcp_timeout_established \
          nf_conntrack_tcp_timeout_unacknowledged nf_conntrack_udp_timeout_stream
      [ ! -e /proc/net/if_inet6 ] || cat /proc/net/if_inet6
    )
    echo --
    head -n "$1" /proc/net/nf_conntrack
  } | _classify "$(($2 < 5 ? $2 : 5))"
}

# Reads local addresses, limits and, below --, conntrack; prints total ENTRIES, maximum ENTRIES, sampled LINES,
# recent LINES (slow flows with a packet within the last $1 seconds) and recent FAMILY PROTOCOL LINES,
# count FAMILY PROTOCOL CLASS LINES, and example CLASS LINE, three of a class at most.
# /proc/net/if_inet6 has IPv6 addresses as 32 digits, conntrack prints them in full. The timeout column is not there for
# offloaded flows (nf_conntrack_standalone.c: ct_seq_show). A packet sets it anew; to the shorter of its two limits while
# TCP data waits to be acknowledged (nf_conntrack_proto_tcp.c: nf_conntrack_tcp_packet).
_classify() {
  awk -v within="$1" '
    function fresh(left, limit) {
      limit = sysctl["nf_conntrack_" limit]
      return limit - within < left && left <= limit
    }
    $1 == "--" { flows = 1; next }
    !flows && split($0, part, ":") == 2 && part[1] ~ /^nf_conntrack_/ { sysctl[part[1]] = part[2]; next }
    !flows && $3 == "inet" { split($4, part, "/"); here[part[1]] = 1 }
    !flows && length($1) == 32 {
      address = substr($1, 1, 4)
      for (i = 5; i < 32; i += 4) address = address ":" substr($1, i, 4)
      here[address] = 1
    }
    !flows { next }
    {
      sampled++
      from = back = ""
      for (i = 5; i <= NF && back == ""; i++) if ($i ~ /^src=/) {
        if (from == "") from = substr($i, 5)
        else back = substr($i, 5)
      }
      if (/\[HW_OFFLOAD\]/) class = "hardware"
      else if (/\[OFFLOAD\]/) class = "software"
      else if (from in here || back in here) class = "local"
      else if ($3 == "tcp" && $6 == "ESTABLISHED" || $3 == "udp" && /\[ASSURED\]/) class = "slow"
      else next
      count[$1 " " $3 " " class]++
      if (class == "local") next
      if (class == "slow" && ($3 == "udp" && fresh($5, "udp_timeout_stream") || $3 == "tcp" &&
        (fresh($5, "tcp_timeout_established") || fresh($5, "tcp_timeout_unacknowledged")))) {
        recent++
        active[$1 " " $3]++
      }
      if (seen[class]++ < 3) print "example " class " " $0
    }
    END {
      print "total " sysctl["nf_conntrack_count"]
      print "maximum " sysctl["nf_conntrack_max"]
      for (key in count) print "count " key " " count[key]
      print "sampled " sampled + 0
      print "recent " recent + 0
      for (key in active) print "recent " key " " active[key]
    }
  '
}
