# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/conntrack
# The flows that the driver took: its own table, where it publishes one (MediaTek: debugfs ppe0/bind and
# further ones, Airoha: ppe/bind), and the work that waits for it. Read by _observe/parse/ppe.py.
# A table has 32768 entries at most, and a few flows of it are looked at.

# read_driver_table SAMPLE WAIT: of SAMPLE lines of conntrack a few flows in hardware; where a direction of one, or an
# entry's flow, is missing, once more after two seconds, unless WAIT is 0
read_driver_table() {
  [ ! -e /proc/net/stat/nf_flowtable ] || section work cat /proc/net/stat/nf_flowtable
  for _bind in /sys/kernel/debug/ppe*/bind; do
    [ ! -e "$_bind" ] || {
      section ppe _driver_table "$@"
      return
    }
  done
}

_driver_table() {
  cat /sys/kernel/debug/ppe*/bind >/dev/null || return
  find_flow_source
  _sampled=$(list_flows "$1" | _in_hardware)
  [ -z "$_sampled" ] || printf '%s\n' "$_sampled" | sed 's/^/flow /'
  _how=
  if [ "$(cat /proc/sys/net/netfilter/nf_conntrack_count)" -lt "$1" ]; then
    _how=whole
  elif has conntrack && [ -d /sys/module/nf_conntrack_netlink ]; then # to ask would load it
    _how=ask
  fi
  _seen=$(_look_at_driver "$1")
  printf '%s\n' "$_seen"
  [ "$2" -gt 0 ] || return 0
  printf '%s\n' "$_seen" | grep -qE '^(missing|orphan) ' || return 0
  sleep 2
  _look_at_driver "$1"
}

# TCP flows in hardware: both of their directions carry packets
_in_hardware() {
  awk '$3 == "tcp" && /\[HW_OFFLOAD\]/ { print; if (++n == 8) exit }'
}

# One look, which ends with the line looked
_look_at_driver() {
  {
    printf '%s\n--\n' "$_sampled"
    [ "$_how" != whole ] || list_flows "$1"
    echo --
    cat /sys/kernel/debug/ppe*/bind | head -n 65536
  } | _match "$_how" | while read -r _kind _rest; do
    if [ "$_kind" != ask ]; then
      printf '%s %s\n' "$_kind" "$_rest"
    elif ! _in_conntrack "$_rest"; then
      printf 'orphan %s\n' "$_rest"
    fi
  done
}

# Reads sampled flows, below -- all of conntrack where HOW is whole, and below -- the driver's table; prints
#   entry LINE     of a direction of a sampled flow
#   missing TUPLE  of a direction that has no entry
#   orphan LINE    of an entry that is in no line of conntrack, 8 at most
#   ask LINE       of an entry to look up in conntrack where HOW is ask, 8 at most
#   bound ENTRIES, looked ENTRIES that are looked up
# Only entries that rewrite addresses are looked up: others may belong to a bridge, which conntrack knows nothing of.
# An entry is the packet as it comes in, so conntrack has its tuple in either direction; addresses are printed alike.
_match() {
  awk -v how="$1" '
    $1 == "--" { part++; next }
    part < 2 {
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^src=/) src = substr($i, 5)
        else if ($i ~ /^dst=/) dst = substr($i, 5)
        else if ($i ~ /^sport=/) sport = substr($i, 7)
        else if ($i ~ /^dport=/) {
          tuple = src ":" sport "->" dst ":" substr($i, 7)
          if (part) known[tuple]
          else wanted[tuple]
        }
      }
      next
    }
    {
      bound++
      from = to = ""
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^orig=/) from = substr($i, 6)
        else if ($i ~ /^new=/) to = substr($i, 5)
      }
      if (from in wanted) { print "entry " $0; found[from] }
      else if (how != "" && $3 " " $4 == "IPv4 5T" && to != "" && to != from) {
        if (how == "whole") {
          looked++
          if (!(from in known) && orphans++ < 8) print "orphan " $0
        } else if (looked < 8) {
          looked++
          print "ask " $0
        }
      }
    }
    END {
      for (tuple in wanted) if (!(tuple in found)) print "missing " tuple
      print "bound " bound + 0
      print "looked " looked + 0
    }
  '
}

# Does conntrack have the flow of an entry? It finds a flow by the tuple of either direction.
_in_conntrack() {
  _tuple=${1#* orig=}
  _tuple=${_tuple%% *}
  _from=${_tuple%%->*}
  _to=${_tuple##*->}
  for _protocol in tcp udp; do
    conntrack -G -p "$_protocol" -s "${_from%:*}" -d "${_to%:*}" --sport "${_from##*:}" --dport "${_to##*:}" \
      >/dev/null 2>&1 && return
  done
  return 1
}
