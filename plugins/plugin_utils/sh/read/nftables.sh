# shellcheck shell=sh disable=SC2154 # flowtables.sh sets _listed
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/flowtables
# The live ruleset, as far as flow offload is concerned. After flowtables.sh.

# read_nftables FAMILY TABLE: what feeds the flowtables, their hooks, and the one table as nft lists it
read_nftables() {
  has nft || return 0
  section ruleset _ruleset
  case $_rules in *"vmap @"*) section maps _verdict_maps ;; esac
  read_live_table "$1" "$2"
  _any=
  _asked=/
  set -f # a name may hold a *
  for _device in $_listed; do
    case $_device in
    ?*\*) for _match in $(_matching "$_device"); do _list_hooks "$_match"; done ;;
    *) _list_hooks "$_device" ;;
    esac
  done
  set +f
  [ "$_listed" = " " ] || [ -n "$_any" ] || section hooks _count_hooks
}

# once, whether it is listed by its name or stands for eth*
_list_hooks() {
  case $_asked in */"$1"/*) return ;; esac
  _asked=$_asked$1/
  section "hooks $1" _hooks_of "$1"
}

_hooks_of() {
  _hooks=$(nft list hooks netdev device "$1" 2>&1)
  _code=$?
  case $_hooks in
  '') ;;
  *"No such device"*) printf '%s\n' "$_hooks" ;;
  *)
    _any=yes
    printf '%s\n' "$_hooks"
    ;;
  esac
  return "$_code"
}

# The devices that a name ending in * stands for (Linux 6.17 on), and itself: a device may be called so
_matching() (
  set +f
  cd /sys/class/net || exit
  for _name in *; do
    case $_name in "${1%\*}"*) echo "$_name" ;; esac
  done
)

# A kernel without NETFILTER_NETLINK_HOOK makes nft 1.0.6 list nothing, with success; any other has the forward chain's. Only
# where the devices have none: such a kernel looks for a module each time it is asked, a dozen times here.
_count_hooks() {
  nft list hooks 2>/dev/null | grep -c 'hook '
}

_ruleset() {
  _rules=$({ nft -s -t list ruleset || echo '# failed'; } | _reduce)
  _code=$?
  printf '%s\n' "$_rules"
  return "$_code"
}

# A terse listing has no elements, but those of a verdict map lead to chains
_verdict_maps() {
  printf '%s\n' "$_rules" | awk '
    $1 == "table" { at = $2 " " $3 }
    {
      gsub(/"[^"]*"/, "")
      while (match($0, /vmap @[^ ,;{}]+/)) {
        print at, substr($0, RSTART + 6, RLENGTH - 6)
        $0 = substr($0, RSTART + RLENGTH)
      }
    }
  ' | sort -u |
    while read -r _family _table _map; do nft -s list map "$_family" "$_table" "$_map"; done | _reduce
}

# From a ruleset, keeps in nft's own form: tables and their flags, hooks of chains, one rule of each chain that keeps flows
# from being offloaded (notrack, ct helper); and of tables with a flowtable, the rules that feed it, those that end a chain
# for everything or for what is established, and of all other rules only where they lead to, once for each chain, behind
# a _ that stands for their conditions. Nothing inside of a string counts. 48 KiB are the limit; "# more" marks a ruleset that is longer.
_reduce() {
  awk '
    function show(what) {
      size += length(what) + 1
      if (size > 49152) { more = 1; return }
      if (!shown) print object
      shown = 1
      print what
    }
    function once(what, kind) {
      if ((kind SUBSEP) in led) return
      led[kind SUBSEP] = 1
      show(what)
    }
    function lead(rest, edge) {
      if (rest ~ /(^|[ {:])return([ ,}]|$)/) once("_ return", "_ return")
      while (match(rest, /(jump|goto|vmap) +@?[^ ,;{}]+/)) {
        edge = "_ " substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        once(edge, edge)
      }
    }
    # a rule less what neither matches nor decides
    function plain(rule) {
      gsub(/counter (packets [0-9]+ bytes [0-9]+|name "")/, "", rule)
      gsub(/counter|comment ""/, "", rule)
      gsub(/log( (prefix|level|flags|group|snaplen|queue-threshold) [^ ]+)*/, "", rule)
      gsub(/ +/, " ", rule)
      gsub(/^ | $/, "", rule)
      return rule
    }
    function rule(  alone, text) {
      number++
      if (bare ~ /(^| )queue( |$)/ || /xt target "NFQUEUE"/) once("_ queue", "queue")
      if (bare ~ /maxseg size set / || /xt target "TCPMSS"/) once("_ tcp option maxseg size set", "mss")
      if (!feeds && bare !~ /notrack|ct helper/) return
      alone = depth == 2 && opens == closes ? plain(bare) : "_ _"
      text = $0
      sub(/^[ \t]+/, "", text)
      if (length(text) > 300) text = alone
      if (bare ~ /(^| )notrack( |$)/) once(alone == "notrack" && number > 1 ? "_ notrack" : text, "notrack")
      else if (bare ~ /(^| )ct helper set /) once(text, "helper")
      if (!feeds) return
      if (alone ~ /^(jump|goto) [^ {}]+$/) once(text, alone)
      else if (alone ~ /^(accept|drop|return|reject( [a-z0-9 -]*)?)$/ ||
        alone ~ /^ct state [^!@]*established[^@]*(accept|drop|[}])$/ && ends < 16) {
        ends++
        once(text, alone)
      } else lead(bare)
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
      sub(/[ \t]+$/, "", bare)
      opens = gsub(/[{]/, "{", bare)
      closes = gsub(/[}]/, "}", bare)
      if (depth == 0) {
        if (bare != "") print bare
        feeds = 0
      } else if (depth == 1) {
        if (opens > closes) {
          object = bare
          chain = bare ~ /^chain /
          if (bare ~ /^flowtable /) feeds = 1
          number = ends = 0
          split("", led)
        } else if (bare ~ /^flags /) print bare
      } else if (chain && match(bare, /flow (add|offload) @[^ ,;{}]+/)) {
        number++
        if (opens == closes && length($0) < 1000) { sub(/^[ \t]+/, ""); show($0) }
        else { show(substr(bare, RSTART, RLENGTH)); lead(bare) }
      } else if (chain && bare ~ /^type .* hook /) show(bare)
      else if (chain && bare != "" && bare !~ /^([}]|policy |comment )/) rule()
      else if (object ~ /^map /) lead(bare)
      before = depth
      depth += opens - closes
      if (depth < 0) depth = 0
      if (before > 1 && depth < 2 && shown) print "}"
      if (before && !depth) print "}"
      if (depth < 2) shown = 0
    }
    END {
      if (held != "") print "} } a string has no end: " substr(held, 1, 100)
      if (more) print "# more"
      exit failed
    }
  '
}
