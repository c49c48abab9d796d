#!/bin/sh
# A stand-in for OpenWrt's `fw4`. It leaves out: rules except those that accept ICMPv6, redirects, NAT rules, ipsets, the
# parts of a zone below, and the commands reload-sets, network, device and zone.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compared with the real program (2025-03; same uci files, same ubus answers, same nft): of print, the head of the ruleset,
# the flowtable, the rule that feeds it, and the warnings; with flow_offloading and flow_offloading_hw absent, 0, 1 and
# in other spellings, in none, one and two sections of defaults; with devices of bridges and VLANs, missing devices, zones
# without networks, interfaces without devices; with staged changes of others (it uses them, committed or not); with NICs
# that refuse hardware. Exit codes and texts of check, start, reload, restart, stop, flush and an unknown command, with an
# nft that accepts the ruleset and one that refuses it, loaded and not loaded; and the files in /var/run. Note that
#   start and reload exit with 0 although nft refused the ruleset, and leave a state file as if it were loaded;
#   a value that is no boolean (TRUE, enabled) ends the program, so the next start leaves no ruleset at all;
#   reload of a firewall that is not loaded exits with 1, and flush deletes every table of the router;
#   it loads with nft -f /dev/stdin, and its state file is gone during every reload, while it holds its lock;
#   check exits with 0 for a zone whose masq is no boolean, and leaves that zone out of the ruleset;
#   what lies in /etc/nftables.d and /usr/share/nftables.d is included, the latter with a line on standard error, and
#   sections of includes are, those of type script after the load (the real one ends such a script after 30 s).
# Left out too: helpers, logging, limits, subnets of zones, disabled zones, includes in chains, and what happens to a zone
# with an invalid option other than masq.
# From its source, and not compared: a value that is no policy in the section of defaults ends the program too.
lock=/var/run/fw4.lock
state=/var/run/fw4.state
verbose=
known=

die() {
  [ -n "$QUIET" ] || echo "$@" >&2
  exit 1
}

warn() {
  [ -n "$QUIET" ] || echo "[!] $*" >&2
}

# default_of OPTION: its value in the section of defaults that counts; the values of a list one per line
default_of() {
  sed -n "/^firewall\.@defaults\[0\]\.$1=/ { s///; s/' '/\n/g; s/'//g; s/ /\n/g; p }" "$shown"
}

# boolean OPTION: prints 1 or nothing
boolean() {
  found=$(default_of "$1")
  case $found in
  1 | on | true | yes) echo 1 ;;
  0 | off | false | no | "") ;;
  *)
    warn "Section @defaults[0] option '$1' specifies invalid value '$found'"
    return 1
    ;;
  esac
}

# check_policy OPTION: is its value a policy, or the beginning of one?
check_policy() {
  found=$(default_of "$1" | awk '{ print tolower($0) }')
  for known_policy in accept reject drop; do
    case $known_policy in "$found"*) return ;; esac
  done
  warn "Section @defaults[0] option '$1' specifies invalid value '$(default_of "$1")'"
  return 1
}

# lower DEVICE: the device itself, or the devices below a bridge or a VLAN
lower() {
  [ -d "/sys/class/net/$1" ] || return 0
  case $(ubus call network.device status "{\"name\":\"$1\"}" | sed -n 's/.*"devtype": "\(.*\)".*/\1/p') in
  vlan | bridge)
    for path in "/sys/class/net/$1"/lower_*; do
      [ ! -e "$path" ] || (lower "${path##*/lower_}")
    done
    ;;
  *) echo "$1" ;;
  esac
}

listed() {
  sort -u | sed 's/.*/"&"/' | tr '\n' ',' | sed 's/,$//; s/,/, /g'
}

flowtable() {
  [ "$on" = 1 ] || return 0
  physical=$(zones physical)
  devices=
  hardware=
  if [ "$on_hw" = 1 ]; then
    devices=$(for device in $physical; do lower "$device"; done | listed)
    if [ -n "$physical" ]; then
      if nft -c "add table inet fw4-hw-offload-test;
        add flowtable inet fw4-hw-offload-test ft { hook ingress priority 0; devices = { $devices }; flags offload; }" \
        2>/dev/null; then
        hardware=yes
      else
        warn "Hardware flow offloading unavailable, falling back to software offloading"
        devices=
      fi
    fi
  fi
  [ -n "$devices" ] ||
    devices=$(for device in $physical; do [ ! -e "/sys/class/net/$device" ] || echo "$device"; done | listed)
  [ -n "$devices" ] || return 0
  printf '\t#\n\t# Flowtable\n\t#\n\n\tflowtable ft {\n\t\thook ingress priority 0;\n\t\tdevices = { %s };\n\t\tcounter;\n' "$devices"
  [ -z "$hardware" ] || printf '\t\tflags offload;\n'
  printf '\t}\n\n\n'
}

# zones physical: the devices of the zones, one per line, in the order of the zones; zones rules: the chains of the zones
zones() {
  awk -v mode="$1" -v offload="$offload" '
    function value(text) { sub(/^[^=]*=/, "", text); gsub(/\047/, "", text); return text }
    function policy(text) { text = tolower(substr(text, 1, 1)); return text == "a" ? "accept" : text == "r" ? "reject" : "drop" }
    function zone_policy(i, name) { return policy(value_of["zone", i, name] == "" ? value_of["defaults", 0, name] : value_of["zone", i, name]) }
    function invalid(i) { return value_of["zone", i, "masq"] !~ /^(1|on|true|yes|0|off|false|no|)$/ }
    function true(text) { return text == "1" || text == "on" || text == "true" || text == "yes" }
    function devices(name,   i, n, networks, text) {
      text = ""
      n = split(value_of["zone", number[name], "network"], networks, " ")
      for (i = 1; i <= n; i++)
        if (l3[networks[i]] != "" && l3[networks[i]] != "-") text = text (text == "" ? "" : ", ") "\"" l3[networks[i]] "\""
      n = split(value_of["zone", number[name], "device"], networks, " ")
      for (i = 1; i <= n; i++) text = text (text == "" ? "" : ", ") "\"" networks[i] "\""
      return text
    }
    function chain(name, side,   i, zone, own, own_name) {
      own = policy(value_of["defaults", 0, name])
      print "\tchain " name " {\n\t\ttype filter hook " name " priority filter; policy " (own == "accept" ? own : "drop") ";\n"
      if (name == "input") print "\t\tiif \"lo\" accept comment \"!fw4: Accept traffic from loopback\"\n"
      if (name == "output") print "\t\toif \"lo\" accept comment \"!fw4: Accept traffic towards loopback\"\n"
      if (name == "forward" && offload) print "\t\tmeta l4proto { tcp, udp } flow offload @ft;"
      print "\t\tct state vmap { established : accept, related : accept } comment \"!fw4: Handle flows\""
      for (i = 0; name == "input" && i < count["rule"]; i++)
        if (value_of["rule", i, "proto"] == "icmp" && value_of["rule", i, "family"] == "ipv6" && policy(value_of["rule", i, "target"]) == "accept")
          print "\t\tmeta l4proto ipv6-icmp iifname { " devices(value_of["rule", i, "src"]) " } accept"
      for (i = 0; i < count["zone"]; i++) {
        own_name = value_of["zone", i, "name"]
        zone = devices(own_name)
        if (invalid(i) || zone == "") continue
        print "\t\t" side " { " zone " } jump " name "_" own_name " comment \"!fw4: Handle " own_name " IPv4/IPv6 " name " traffic\""
      }
      if (own == "reject") print "\t\tjump handle_reject"
      print "\t}\n"
    }
    function zone_chains(i,   name, zone, j, verdict, to) {
      name = value_of["zone", i, "name"]
      zone = devices(name)
      print "\tchain input_" name " {\n\t\tjump " zone_policy(i, "input") "_from_" name "\n\t}\n"
      print "\tchain output_" name " {\n\t\tjump " zone_policy(i, "output") "_to_" name "\n\t}\n"
      print "\tchain forward_" name " {"
      for (j = 0; j < count["forwarding"]; j++) {
        to = value_of["forwarding", j, "dest"]
        if (value_of["forwarding", j, "src"] == name && (to in number) && !invalid(number[to]))
          print "\t\tjump accept_to_" to " comment \"!fw4: Accept " name " to " to " forwarding\""
      }
      print "\t\tjump " zone_policy(i, "forward") "_to_" name "\n\t}\n"
      for (j = 1; j <= 3; j++) {
        verdict = j == 1 ? "accept" : j == 2 ? "reject" : "drop"
        print "\tchain " verdict "_from_" name " {"
        if (zone != "") print "\t\tiifname { " zone " } counter " (verdict == "reject" ? "jump handle_reject" : verdict) " comment \"!fw4: " verdict " " name " IPv4/IPv6 traffic\""
        print "\t}\n\n\tchain " verdict "_to_" name " {"
        if (zone != "") print "\t\toifname { " zone " } counter " (verdict == "reject" ? "jump handle_reject" : verdict) " comment \"!fw4: " verdict " " name " IPv4/IPv6 traffic\""
        print "\t}\n"
      }
    }
    FNR == NR { l3[$1] = $2; physical[$1] = $3; next }
    match($0, /^firewall\.@[a-z]*\[[0-9]*\]/) {
      section = substr($0, 11, RLENGTH - 10)
      kind = section
      sub(/\[.*/, "", kind)
      at = section
      sub(/.*\[/, "", at)
      at += 0
      rest = substr($0, RLENGTH + 1)
      if (rest ~ /^=/) { count[kind] = at + 1; next }
      name = substr(rest, 2)
      sub(/=.*/, "", name)
      value_of[kind, at, name] = value(rest)
      if (kind == "zone" && name == "name") number[value(rest)] = at
    }
    END {
      if (mode == "invalid") {
        for (i = 0; i < count["zone"]; i++)
          if (invalid(i)) print i, value_of["zone", i, "name"], value_of["zone", i, "masq"]
        exit
      }
      if (mode == "physical") {
        for (i = 0; i < count["zone"]; i++) {
          if (invalid(i)) continue
          n = split(value_of["zone", i, "network"], networks, " ")
          for (j = 1; j <= n; j++) if (physical[networks[j]] !~ /^-?$/) print physical[networks[j]]
        }
        exit
      }
      chain("input", "iifname")
      chain("forward", "iifname")
      chain("output", "oifname")
      print "\tchain handle_reject {\n\t\tmeta l4proto tcp reject with tcp reset comment \"!fw4: Reject TCP traffic\""
      print "\t\treject with icmpx type port-unreachable comment \"!fw4: Reject any other traffic\"\n\t}\n"
      for (i = 0; i < count["zone"]; i++) if (!invalid(i)) zone_chains(i)
      print "\tchain srcnat {\n\t\ttype nat hook postrouting priority srcnat; policy accept;"
      for (i = 0; i < count["zone"]; i++)
        if (!invalid(i) && true(value_of["zone", i, "masq"]) && (zone = devices(value_of["zone", i, "name"])) != "")
          print "\t\tmeta nfproto ipv4 oifname { " zone " } masquerade comment \"!fw4: Masquerade IPv4 " value_of["zone", i, "name"] " traffic\""
      print "\t}"
    }' "$interfaces" "$shown"
}

# include POSITION: those that lie in a directory for it, then those of the configuration; $2 is what the directory is called
include() {
  for file in /usr/share/nftables.d/"$2"/*.nft; do
    [ ! -f "$file" ] || warn "Automatically including '$file'"
    [ ! -f "$file" ] || echo "include \"$file\""
  done
  included nftables "$1" | while read -r file; do [ ! -f "$file" ] || echo "include \"$file\""; done
}

# included TYPE [POSITION]: paths
included() {
  awk -v type="$1" -v position="$2" '
    match($0, /^firewall\.@include\[[0-9]*\]/) {
      at = substr($0, 19, RLENGTH - 19)
      rest = substr($0, RLENGTH + 2)
      name = rest
      sub(/=.*/, "", name)
      sub(/^[^=]*=\047/, "", rest)
      sub(/\047$/, "", rest)
      value[at, name] = rest
      if (at + 1 > count) count = at + 1
    }
    END {
      for (i = 0; i < count; i++) {
        if ((value[i, "type"] == "" ? "script" : value[i, "type"]) != type) continue
        if (type == "nftables" && (value[i, "position"] == "" ? "table-append" : value[i, "position"]) != position) continue
        print value[i, "path"]
      }
    }' "$shown"
}

# NAME L3_DEVICE DEVICE of each interface, from JSON as ubus indents it; or as they were at the last load
networks() {
  if [ -n "$AS_LOADED" ]; then
    grep -o '"[^"]*": { "device": "[^"]*", "physdev": "[^"]*" }' "$state" | awk -F '"' '{ print $2, $6, $10 }'
    return
  fi
  ubus call network.interface dump 2>/dev/null | awk -F '"' '
    function out() { if (name != "") print name, (l3 == "" ? device == "" ? "-" : device : l3), (device == "" ? "-" : device) }
    $2 == "interface" && $4 != "" { out(); name = $4; l3 = device = "" }
    $2 == "l3_device" { l3 = $4 }
    $2 == "device" { device = $4 }
    END { out() }'
}

render() {
  shown=$(mktemp /tmp/fw4.XXXXXX) && interfaces=$(mktemp /tmp/fw4.XXXXXX) || exit
  uci -q show firewall >"$shown"
  networks >"$interfaces"
  for number in 1 2 3; do
    ! grep -q "^firewall\.@defaults\[$number\]=" "$shown" || warn "Section @defaults[$number] : ignoring duplicate defaults section"
  done
  if ! { [ -n "$AS_LOADED" ] || { on=$(boolean flow_offloading) && on_hw=$(boolean flow_offloading_hw); }; } || ! check_policy input ||
    ! check_policy output || ! check_policy forward; then
    rm -f "$shown" "$interfaces"
    echo "Reference error: left-hand side expression is not an array or object" >&2
    return 254
  fi
  zones invalid | while read -r number name found; do
    warn "Section @zone[$number] ($name) option 'masq' specifies invalid value '$found'"
    warn "Section @zone[$number] ($name) skipped due to invalid options"
  done
  if [ -n "$known" ]; then
    zones physical | sed 's/.*/"&"/' | tr '\n' ',' | sed 's/,$//; s/,/, /g' >"$known"
    awk '{ print "\"" $1 "\": { \"device\": \"" $2 "\", \"physdev\": \"" $3 "\" }" }' "$interfaces" | tr '\n' ',' | sed 's/,$//' >"$known.networks"
    included script >"$known.scripts"
  fi
  offload=
  [ -n "$AS_LOADED" ] || offload=$(flowtable)
  printf '\ntable inet fw4\nflush table inet fw4\n'
  [ -n "$AS_LOADED" ] || ! nft --terse --json list flowtables inet 2>/dev/null |
    grep -q '{"flowtable": *{[^}]*"name": *"ft", *"table": *"fw4"' || echo "delete flowtable inet fw4 ft"
  include ruleset-prepend ruleset-pre
  printf '\ntable inet fw4 {\n'
  [ -z "$offload" ] || printf '%s\n\n\n' "$offload"
  printf '\tinclude "/etc/nftables.d/*.nft"\n'
  include table-prepend table-pre
  offload=${offload:+1} zones rules
  include table-append table-post
  echo "}"
  include ruleset-append ruleset-post
  rm -f "$shown" "$interfaces"
}

load() {
  rendered=$(mktemp /tmp/fw4.XXXXXX)
  known=$rendered.known
  render >"$rendered" || {
    rm -f "$rendered"*
    return 1
  }
  echo "{ \"zones\": [ { \"related_physdevs\": [ $(cat "$known") ] } ], \"networks\": { $(cat "$known.networks") } }" >"$state"
  scripts=$(cat "$known.scripts")
  rm -f "$known"*
  # shellcheck disable=SC2086 # an option, or none
  nft $verbose -f /dev/stdin <"$rendered"
  rm -f "$rendered"
  for script in $scripts; do (exec 9>&- && sh -c ". '$script'"); done
  # they set the exit code, whatever nft said
  true
}

start() {
  (
    flock -x 9
    case $1 in
    start) [ ! -f "$state" ] || die "The fw4 firewall appears to be already loaded." ;;
    reload)
      [ -f "$state" ] || die "The fw4 firewall does not appear to be loaded."
      rm -f "$state"
      ;;
    esac
    load
  ) 9>"$lock"
}

stop() {
  (
    flock -x 9
    nft delete table inet fw4
    rm -f "$state"
  ) 9>"$lock"
}

check() {
  rendered=$(mktemp /tmp/fw4.XXXXXX)
  render >"$rendered"
  code=$?
  [ "$code" != 0 ] || {
    nft $verbose -c -f /dev/stdin <"$rendered"
    code=$?
  }
  rm -f "$rendered"
  return "$code"
}

while [ -n "$1" ]; do
  case $1 in
  -q)
    export QUIET=1
    shift
    ;;
  -v)
    verbose=-e
    shift
    ;;
  *) break ;;
  esac
done

case $1 in
start | reload) start "$1" ;;
stop) stop ;;
flush)
  nft list tables | while read -r _table family table; do nft delete table "$family" "$table"; done
  rm -f "$state"
  ;;
restart)
  QUIET=1 check || die "The rendered ruleset contains errors, not doing firewall restart."
  stop || rm -f "$state"
  start
  ;;
check)
  [ -z "$QUIET" ] || exec >/dev/null 2>&1
  check && echo "Ruleset passes nftables check."
  ;;
print) render ;;
*) echo "Usage:" ;;
esac
