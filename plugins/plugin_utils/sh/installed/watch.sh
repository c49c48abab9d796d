#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by kmod.nft_offload: what offload does on this router, as gauges in the text format of Prometheus, which an
# exporter reads in the directory $1, every $2 seconds. It measures and judges nothing, and changes nothing but its own file,
# which is in memory (/run): in $1 there is a link to it.
umask 022
export LC_ALL=C
home=/run/nft-offload-watch
[ -d /run ] || home=/var/run/nft-offload-watch
kept=/etc/nft-offload
most=20000 # connections that are read

# No two at a time, and none for ever: a tool may hang.
mkdir -p "$home" || exit
pid=
read -r pid 2>/dev/null <"$home/pid"
case $pid in
'' | *[!0-9]*) ;;
*)
  if grep -q nft-offload/watch "/proc/$pid/cmdline" 2>/dev/null; then
    # what it waits for goes with it
    for child in /proc/[0-9]*/stat; do
      read -r _ _ _ parent _ 2>/dev/null <"$child" || continue
      [ "$parent" != "$pid" ] || kill -9 "$(basename "${child%/stat}")" 2>/dev/null
    done
    kill -9 "$pid" 2>/dev/null
  fi
  ;;
esac
echo $$ >"$home/pid"
new=$home/new.$$
trap 'rm -f "$new"' EXIT

failed=
# try TOOL COMMAND...: what it prints; a tool that fails, or is not there, is named in failed
try() {
  tool=$1
  shift
  said=$("$@" 2>/dev/null) || failed="$failed $tool"
}

# gauge NAME HELP: the lines on standard input, 'LABELS VALUE' with LABELS in braces or none, as samples of that gauge
gauge() {
  sed "1i\\
# HELP nft_offload_$1 $2\\
# TYPE nft_offload_$1 gauge
s/^/nft_offload_$1/"
}

# label TEXT: as the value of a label
label() {
  printf '%s' "$1" | tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g'
}

exists() {
  if [ -e "$1" ]; then echo ' 1'; else echo ' 0'; fi
}

describe_router() {
  try nft nft --version
  said=${said#nftables v}
  printf '{kernel="%s",nft="%s"} 1\n' "$(label "$(uname -r)")" "$(label "${said%% *}")" | gauge info 'The router, always 1.'
}

# from 'DEVICE nft-command', one for each flowtable that it shall be in
list_expected() {
  [ -f "$kept/devices" ] || return 0
  sed 's/ .*//; /^$/d; /^#/d' "$kept/devices" | sort -u | while read -r device; do
    printf '{device="%s"} 1\n' "$(label "$device")"
  done | gauge device_expected 'Devices that shall be in a flowtable, always 1.'
}

list_bound() {
  try nft nft list flowtables
  printf '%s\n' "$said" | awk '
    $1 == "table" { family = $2; table = $3 }
    $1 == "flowtable" { name = $2; path = "software"; devices = "" }
    $1 == "devices" { devices = $0 }
    $1 == "flags" && /offload/ { path = "hardware" }
    $1 == "}" && devices != "" {
      sub(/^[^{]*\{ */, "", devices); sub(/ *\}.*$/, "", devices)
      n = split(devices, listed, ", *")
      for (i = 1; i <= n && i <= 256; i++) {
        gsub(/"/, "", listed[i]); gsub(/\\/, "\\\\", listed[i])
        if (listed[i] != "") printf "{device=\"%s\",flowtable=\"%s %s %s\",path=\"%s\"} 1\n", listed[i], family, table, name, path
      }
      devices = ""
    }
  ' | gauge device_bound 'Devices of flowtables that the kernel has, always 1.'
}

# from 'DEVICE FEATURE VALUE FOUND'
list_features() {
  [ -f "$kept/features" ] || return 0
  grep -v '^#' "$kept/features" | while read -r device feature wanted _; do
    if [ "$wanted" = on ]; then value=1; else value=0; fi
    printf '{device="%s",feature="%s"} %s\n' "$(label "$device")" "$(label "$feature")" "$value"
  done | gauge feature_expected 'What features of NICs are set to: 1 is on.'
  grep -v '^#' "$kept/features" | while read -r device feature _; do
    shown=$(ethtool -k "$device" 2>/dev/null | sed -n "s/^$feature: \([a-z]*\).*/\1/p")
    case $shown in on) value=1 ;; off) value=0 ;; *) continue ;; esac
    printf '{device="%s",feature="%s"} %s\n' "$(label "$device")" "$(label "$feature")" "$value"
  done | gauge feature 'What they are: 1 is on.'
}

# read_connections: one a line, as the kernel or conntrack prints them, those of TCP and UDP
read_connections() {
  if [ -r /proc/net/nf_conntrack ]; then
    head -n "$most" /proc/net/nf_conntrack
  else
    conntrack -C >/dev/null 2>&1 || return
    conntrack -L -o extended 2>/dev/null | head -n "$most"
  fi
}

count_connections() {
  try connections read_connections
  printf '%s\n' "$said" | awk '
    $3 == "tcp" || $3 == "udp" {
      path = /\[HW_OFFLOAD\]/ ? "hardware" : /\[OFFLOAD\]/ ? "software" : "slow"
      flows[path]++
      for (i = 1; i <= NF; i++) if ($i ~ /^packets=[0-9]+$/) { counted = 1; packets[path] += substr($i, 9) }
    }
    END {
      n = split("hardware software slow", paths)
      for (i = 1; i <= n; i++) printf "connections {path=\"%s\"} %d\n", paths[i], flows[paths[i]]
      if (counted) for (i = 1; i <= n; i++) printf "connection_packets {path=\"%s\"} %.0f\n", paths[i], packets[paths[i]]
    }
  ' >"$new.flows"
  sed -n 's/^connections //p' "$new.flows" |
    gauge connections "Connections of TCP and UDP by the path of their packets, of the first $most."
  sed -n 's/^connection_packets //p' "$new.flows" |
    gauge connection_packets 'Packets of these connections in both directions, where connection tracking counts them.'
  rm -f "$new.flows"
  for name in count max; do
    read -r value 2>/dev/null <"/proc/sys/net/netfilter/nf_conntrack_$name" || continue
    case $name in
    count) echo " $value" | gauge connections_tracked 'Connections that connection tracking has.' ;;
    max) echo " $value" | gauge connections_limit 'Connections that it has room for.' ;;
    esac
  done
}

# what boot has to load, whether boot starts what loads it, and what the last boot loaded
describe_boot() {
  [ -e "$kept/ruleset.nft" ] || [ -e "$kept/devices" ] || return 0
  exists "$kept/ruleset.nft" | gauge boot_ruleset 'Whether there is a ruleset for boot.'
  enabled=0
  for link in /etc/systemd/system/*.wants/nft-offload.service /etc/rc.d/S[0-9]*nft-offload /etc/runlevels/*/nft-offload; do
    [ ! -e "$link" ] || enabled=1
  done
  echo " $enabled" | gauge boot_enabled 'Whether boot starts what loads it.'
  loaded=
  for record in /run/nft-offload/boot /var/run/nft-offload/boot; do
    [ ! -f "$record" ] || loaded=$(sed -n 's/^loaded=\([a-z]*\).*/\1/p' "$record")
  done
  case $loaded in
  confirmed | kept | emergency | none)
    echo "{ruleset=\"$loaded\"} 1" | gauge boot_loaded 'What the last boot loaded: the confirmed ruleset, a kept one, or else.'
    ;;
  esac
}

# the last verdict of a controller: lines 'rung N', 'required N', 'time SECONDS', 'finding ID SEVERITY'
repeat_verdict() {
  [ -f "$home/verdict" ] || return 0
  sed -n 's/^rung \([0-9]\)$/ \1/p' "$home/verdict" | gauge verdict_rung 'The highest rung that was proven, 1 to 7; 0: none.'
  sed -n 's/^required \([0-9]\)$/ \1/p' "$home/verdict" | gauge verdict_required_rung 'The rung that was demanded.'
  sed -n 's/^time \([0-9]\{1,11\}\)$/ \1/p' "$home/verdict" |
    gauge verdict_timestamp_seconds 'When a controller verified this router.'
  awk '$1 == "finding" && NF == 3 && $2 ~ /^[a-z0-9.-]+$/ && $3 ~ /^[a-z]+$/ { printf "{id=\"%s\",severity=\"%s\"} 1\n", $2, $3 }' \
    "$home/verdict" | gauge finding 'What the controller found then, always 1.'
}

{
  describe_router
  list_expected
  list_bound
  list_features
  count_connections
  describe_boot
  repeat_verdict
  for tool in nft connections; do
    case " $failed " in *" $tool "*) value=1 ;; *) value=0 ;; esac
    echo "{source=\"$tool\"} $value"
  done | gauge read_error 'Whether it could not be read.'
  echo " $2" | gauge interval_seconds 'Seconds between two readings.'
  echo " $(date +%s)" | gauge last_read_timestamp_seconds 'When all of this was read.'
} >"$new" && mv -f "$new" "$home/nft_offload.prom" || exit
rm -f "$home/pid"
mkdir -p "$1" || exit
[ "$(readlink "$1/nft_offload.prom")" = "$home/nft_offload.prom" ] || ln -sf "$home/nft_offload.prom" "$1/nft_offload.prom"
