# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The live ruleset, as far as flow offload is concerned.

# read_nftables FAMILY TABLE: flowtables, what feeds them, their hooks, and the one table as nft lists it
read_nftables() {
  has nft || return 0
  section flowtables _flowtables
  section ruleset _ruleset
  case $_rules in *"vmap @"*) section maps _verdict_maps ;; esac
  section live nft -s -t list table "$1" "$2"
  set -f # a name may hold a *
  for _device in $_listed; do
    section "hooks $_device" nft list hooks netdev device "$_device"
  done
  set +f
  [ "$_listed" = " " ] || section hooks _count_hooks
}

# A kernel without NETFILTER_NETLINK_HOOK makes nft 1.0.6 list nothing, with success; any other has the forward chain's
_count_hooks() {
  nft list hooks 2>/dev/null | grep -c 'hook '
}

_flowtables() {
  _found=$(nft list flowtables)
  _code=$?
  printf '%s\n' "$_found"
  _listed=" $(printf '%s\n' "$_found" | awk '
    sub(/^[ \t]*devices = [{]/, "") {
      gsub(/["{},]/, " ")
      for (i = 1; i <= NF; i++) if (!seen[$i]++) printf "%s ", $i
    }
  ')"
  return "$_code"
}

_ruleset() {
  _rules=$({ nft -s -t list ruleset || echo '# failed'; } | _reduce)
  _code=$?
  printf '%s\n' "$_rules"
  return "$_code"
}

# A terse listing has no elements, but those of a verdict map lead to chains
_verdict_maps() {
  printf '%s\n' "$_rules" | awk '$1 == "table" { at = $2 " " $3 } $1 == "vmap" { print at, substr($2, 2) }' | sort -u |
    while read -r _family _table _map; do nft -s list map "$_family" "$_table" "$_map"; done | _reduce
}

# From a ruleset, keeps in nft's own form: tables and their flags, hooks of chains, rules that feed flowtables, and of
# all other rules only where they lead to, and that they queue packets or set the MSS, once for each chain. Nothing
# inside of a string counts, but what iptables named there.
_reduce() {
  awk '
    function show(what) {
      if (!shown) print object
      shown = 1
      print what
    }
    function once(what) {
      if (!(what in led)) show(what)
      led[what] = 1
    }
    function lead(rest) {
      while (match(rest, /(jump|goto|vmap) +@?[^ ,;{}]+/)) {
        edge = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        once(edge)
      }
    }
    $0 == "# failed" { failed = 1 }
    {
      if (held != "") $0 = held " " $0
      bare = $0
      gsub(/"[^"]*"/, "\"\"", bare)
      held = ""
      quotes = gsub(/"/, "\"", bare)
      if (quotes % 2 && length($0) < 4000) { held = $0; next }
      sub(/#.*/, "", bare)
      sub(/^[ \t]+/, "", bare)
      opens = gsub(/[{]/, "{", bare)
      closes = gsub(/[}]/, "}", bare)
      if (depth == 0) {
        if (bare != "") print bare
      } else if (depth == 1) {
        if (opens > closes) { object = bare; split("", led) }
        else if (bare ~ /^flags /) print bare
      } else if (match(bare, /flow (add|offload) @[^ ,;{}]+/)) {
        if (opens == closes && length($0) < 1000) { sub(/^[ \t]+/, ""); show($0) }
        else { show(substr(bare, RSTART, RLENGTH)); lead(bare) }
      } else if (bare ~ /^type .* hook /) show(bare)
      else {
        if (bare ~ /(^| )queue( |$)/ || /xt target "NFQUEUE"/) once("_ queue")
        if (bare ~ /maxseg size set / || /xt target "TCPMSS"/) once("_ tcp option maxseg size set")
        lead(bare)
      }
      before = depth
      depth += opens - closes
      if (depth < 0) depth = 0
      if (before > 1 && depth < 2 && shown) print "}"
      if (before && !depth) print "}"
      if (depth < 2) shown = 0
    }
    END {
      if (held != "") print "} } a string has no end: " substr(held, 1, 100)
      exit failed
    }
  '
}
