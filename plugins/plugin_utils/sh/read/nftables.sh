# shellcheck shell=sh disable=SC2154 # flowtables.sh sets _listed
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/flowtables
# The live ruleset, as far as flow offload is concerned. After flowtables.sh.

# read_nftables FAMILY TABLE: what feeds the flowtables, their hooks, and the one table as nft lists it
read_nftables() {
  has nft || return 0
  section ruleset _ruleset
  case $_rules in *" @"*) section maps _elements ;; esac
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
  # without a flowtable nothing has to be shown of how packets get to one
  case ${_found-flowtable} in *flowtable*) _whole=1 ;; *) _whole=0 ;; esac
  _rules=$({ nft -s -t list ruleset || echo '# failed'; } | _reduce)
  _code=$?
  printf '%s\n' "$_rules"
  return "$_code"
}

# A terse listing has no elements. Those of verdict maps lead to chains, and sets of devices, protocols and the like decide:
# of 32 of them, the first 128 lines of each. "_" marks one that has more.
_elements() {
  printf '%s\n' "$_rules" | awk '
    $1 == "table" { at = $2 " " $3 }
    {
      gsub(/"[^"]*"/, "")
      sub(/ # .*/, "")
      while (match($0, /(vmap|iifname|oifname|iif|oif|l4proto|protocol|nexthdr|nfproto|state)( !=)? @[^ ,;{}]+/)) {
        found = substr($0, RSTART, RLENGTH)
        $0 = substr($0, RSTART + RLENGTH)
        print (found ~ /^vmap/ ? "map " : "set ") at " " substr(found, index(found, "@") + 1)
      }
    }
  ' | sort -u | head -n 32 |
    while read -r _kind _family _table _name; do nft -s list "$_kind" "$_family" "$_table" "$_name" </dev/null; done | awk '
      /^table / || /^\t(map|set) / || /^\t?}$/ { print; lines = 0; next }
      /^\t\telements = / { lines = 1 }
      lines {
        if (lines <= 128 && (size += length($0)) < 49152) print
        else if (!more[NR - lines]++) print (lines > 1 ? "}\n" : "") "_"
        lines++
      }
    '
}

# From a ruleset, keeps in nft's own form what decides which packets get to a flowtable, and what the fast path passes by:
# tables and their flags, the base chains of ip, ip6 and inet at prerouting, forward and postrouting, and those at ingress,
# with all that they lead to; where a bridge feeds a flowtable, its chains at prerouting and forward too. A rule stays as it
# is while there are few of its kind. Of many that name addresses, ports and the like, with one effect and nothing else
# between them, the first few stay, and "_ 12 addresses accept" stands for the rest ("_ 12 conditions accept" where not all
# of them name addresses), so that nothing is silently gone. In a chain with a "flow add" up to 64 of a run stay, in order,
# where there is room. Rules without an effect on either question are left out. Nothing inside of a string counts. 48 KiB are
# the limit: a chain that has no room is not there, and "# more" says that a base chain has none.
_reduce() {
  awk -v whole="${_whole-1}" '
    # a rule less what neither matches nor decides
    function plain(rule) {
      gsub(/counter (packets [0-9]+ bytes [0-9]+)/, "", rule)
      gsub(/counter( |$)|comment ""/, " ", rule)
      gsub(/log( (prefix|level|flags|group|snaplen|queue-threshold) [^ ]+)*/, "", rule)
      gsub(/ +/, " ", rule)
      gsub(/^ | $/, "", rule)
      return rule
    }
    # what a rule does where its conditions hold, in the words of nft; "any" for more than one thing
    function find_effect(rule,  found, number, rest) {
      if (match(rule, /flow (add|offload) @[^ ,;{}]+/)) return substr(rule, RSTART, RLENGTH)
      rest = rule
      while (match(rest, /(^|[ :])((jump|goto) [^ ,;{}]+|accept|drop|return|reject|queue|notrack|vmap @[^ ,;{}]+)([ ,]|$)/)) {
        found = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH - 1)
        gsub(/^[ :]+|[ ,]+$/, "", found)
        if (found ~ /^(jump|goto|vmap) /) edge[chain] = edge[chain] " " substr(found, 6)
        if (found == "reject") found = "drop"
        if (number && found != last_effect) number = 2
        else number = 1
        last_effect = found
      }
      if (number == 2) return "any"
      if (number && last_effect !~ /^vmap/) return last_effect
      if (number) return "any"
      if (rule ~ /ct helper set /) return "ct helper set \"\""
      if (rule ~ /maxseg size set /) return "tcp option maxseg size set rt mtu"
      if (rule ~ /(meta|ct) mark set /) return rule ~ /ct mark set / ? "ct mark set 0" : "meta mark set ct mark"
      if (rule ~ /(dscp|priority|ttl|hoplimit) set /) return "meta priority set 0"
      if (rule ~ /(^| )(limit|quota|update|add|meter|tproxy|synproxy|dup|ct count) /) return "limit rate 1/second"
      if (rule ~ /counter name /) return "counter name \"\""
      if (rule ~ /(^| )log( |$)/) return "log"
      return ""
    }
    function is_decidable(rule) {
      gsub(/(ct state|iifname|oifname|iif|oif|meta l4proto) vmap ([{][^{}]*[}]|@[^ ]+)/, "", rule)
      gsub(/(ct state|meta l4proto|meta nfproto|ip protocol|ip6 nexthdr|iifname|oifname|iif|oif) (!= )?([{][^{}]*[}]|[^ ,]+(,[^ ,]+)*)/, "", rule)
      return rule ~ /^ *((jump|goto) [^ {]+|accept|drop|return|reject.*|notrack|queue.*)? *$/
    }
    function names_addresses(rule) {
      gsub(/(ct state|meta l4proto|meta nfproto|ip protocol|ip6 nexthdr|iifname|oifname|iif|oif) (!= )?([{][^{}]*[}]|[^ ,]+(,[^ ,]+)*)/, "", rule)
      if (!gsub(/(ip6?|ether|tcp|udp|th) [sd](addr|port) ([{][^{}]*[}]|[^ !<>]+)/, "", rule)) return 0
      gsub(/(meta|ct) mark set [^ ]+|limit rate [^ ]+( [^ ]+\/[^ ]+)?( burst [0-9]+ [a-z]+)?|(counter name|ct helper set) ""/, "", rule)
      return rule ~ /^ *((jump|goto) [^ {]+|accept|drop|return|reject.*|notrack|queue.*|log)? *$/
    }
    function add_line(text) {
      body[chain] = body[chain] text "\n"
      size[chain] += length(text) + 1
    }
    # of the rules that one line stands for, those around a "flow add" are what it leaves out: there, they stay if few
    function end_run(  number, lines) {
      for (number = 1; number <= kinds; number++)
        if (left[number]) {
          if (number > 12) { merged += left[number] }
          else lines = lines "_ " left[number] (addresses[number] ? " addresses " : " conditions ") effects[number] "\n"
        }
      if (merged) lines = lines "_ " merged " conditions any\n"
      if (lines != "") {
        summary[++runs] = kept_text lines
        size[chain] += length(lines)
        if (skipped <= 64 && more_size[chain] + length(skipped_text) < 4096) {
          in_full[runs] = skipped_text
          more_size[chain] += length(skipped_text)
        } else in_full[runs] = summary[runs]
        body[chain] = body[chain] "\t" runs "\n"
      }
      merged = kinds = skipped = 0
      skipped_text = kept_text = ""
      split("", known)
      split("", left)
    }
    function write_body(number,  many, lines, at) {
      many = split(body[number], lines, "\n")
      for (at = 1; at < many; at++)
        if (lines[at] !~ /^\t/) print lines[at]
        else printf "%s", in_whole[number] ? in_full[substr(lines[at], 2) + 0] : summary[substr(lines[at], 2) + 0]
    }
    function rule(text, bare,  effect, kind) {
      effect = find_effect(bare)
      if (effect == "") { # nothing but a counter: accounting
        if (bare !~ /(^| )counter( |$)/) return
        effect = "counter name \"\""
      }
      if (effect ~ /^flow /) {
        end_run()
        add_line(length(text) < 1000 ? text : "_ 1 conditions " effect)
        return
      }
      if (is_decidable(plain(bare))) {
        if (length(text) > 1000 && bare ~ /vmap/) text = "_ 1 conditions any"
        else if (length(text) > 300) text = length(bare) > 1000 ? "_ 1 conditions " effect : bare
        if (!kinds && text == latest) return
        if (decided[chain]++ < 96 && size[chain] < 8192) {
          end_run()
          add_line(text)
          latest = text
          return
        }
      }
      latest = ""
      kind = known[effect]
      if (!kind) {
        kind = known[effect] = ++kinds
        effects[kind] = effect
        addresses[kind] = 1
        left[kind] = 0
        first[kind] = 0
      }
      if (first[kind] < 3 && opaque[chain] < 48 && size[chain] < 8192 && length(text) <= 300) {
        first[kind]++
        opaque[chain]++
        if (!skipped) add_line(text)
        else { # behind those that were skipped, which keep their order where they stay
          skipped++
          skipped_text = skipped_text text "\n"
          kept_text = kept_text text "\n"
          size[chain] += length(text) + 1
        }
        return
      }
      left[kind]++
      if (++skipped <= 64) skipped_text = skipped_text (length(text) <= 300 ? text : "_ 1 conditions " effect) "\n"
      if (!names_addresses(plain(bare))) addresses[kind] = 0
    }
    function queue_chain(number,  many, parts, at, target) {
      if (reached[number]) return
      reached[number] = 1
      queue[++waiting] = number
    }
    function queue_hook(hook,  number) {
      for (number = 1; number <= chains; number++) if (hooks[number] == hook) queue_chain(number)
    }
    # base chains were reached first, so they have room before the chains that they lead to
    function follow(  number, many, parts, at, target) {
      while (done < waiting) {
        number = queue[++done]
        if (total + size[number] > 47000) {
          if (hooks[number] != "" || feeds[number]) more = 1
          reached[number] = 2
          continue
        }
        total += size[number] + length(head[number]) + 3
        many = split(edge[number], parts, " ")
        for (at = 1; at <= many; at++) {
          if (parts[at] ~ /^@/) {
            for (target = 1; target <= chains; target++)
              if (table_of[target] == table_of[number] && hooks[target] == "" && !called[table_of[target], name[target]]) queue_chain(target)
          } else if ((table_of[number], parts[at]) in index_of) queue_chain(index_of[table_of[number], parts[at]])
        }
      }
    }
    $0 == "# failed" { failed = 1 }
    {
      if (held != "") $0 = held " " $0
      # what nft has no word for since iptables put it there
      gsub(/xt target "TCPMSS"/, "tcp option maxseg size set rt mtu")
      gsub(/xt target "NFQUEUE"/, "queue")
      bare = $0
      gsub(/"[^"]*"/, "\"\"", bare)
      quotes = gsub(/"/, "\"", bare)
      held = ""
      if (quotes % 2 && length($0) < 4000) { held = $0; next }
      sub(/#.*/, "", bare)
      gsub(/[ \t]+/, " ", bare)
      sub(/^ /, "", bare)
      sub(/ $/, "", bare)
      opens = gsub(/[{]/, "{", bare)
      closes = gsub(/[}]/, "}", bare)
      if (depth > 1 && kind == "chain" && opens > closes && bare !~ /(jump|goto) [{]$/ && length($0) < 65536) { held = $0; next }
      text = $0
      sub(/^[ \t]+/, "", text)
      if (depth == 0) {
        if (bare != "") {
          if (bare ~ /^table /) {
            tables++
            title[tables] = bare
            layer3 = bare ~ /^table (ip|ip6|inet) / || bare ~ /^table [^ ]+ [{]$/
            bridged = bare ~ /^table bridge / ? "bridge " : ""
          } else outside = outside bare "\n"
        }
      } else if (depth == 1) {
        if (opens > closes) {
          kind = bare
          sub(/ .*/, "", kind)
          if (kind == "chain") {
            chain = ++chains
            table_of[chain] = tables
            head[chain] = bare
            name[chain] = $2
            index_of[tables, $2] = chain
            latest = ""
          }
        } else if (bare ~ /^flags /) flags[tables] = flags[tables] bare "\n"
      } else if (kind == "chain") {
        if (bare ~ /^type .* hook /) {
          hooked[chain] = bare
          size[chain] += length(bare) + 1
          if (bare ~ /hook ingress /) hooks[chain] = "ingress"
          else if ((layer3 || bridged) && bare !~ /^type nat / && match(bare, /hook (prerouting|forward|postrouting) /))
            hooks[chain] = bridged substr(bare, RSTART + 5, RLENGTH - 6)
        } else if (bare ~ /^(policy |comment |})/ && opens == closes || bare == "}") {
          if (bare == "}" && depth > 2) add_line("}")
        } else if (bare != "") {
          if (bare ~ /flow (add|offload) @/) {
            feeds[chain] = 1
            if (bridged) bridges = 1
          }
          if (bare ~ /(^| )queue( |$)/) queues[chain] = 1
          if (bare ~ /maxseg size set /) clamps[chain] = 1
          if (depth > 2 || opens > closes) { # an anonymous chain
            end_run()
            latest = ""
            find_effect(bare)
            add_line(text)
          } else rule(text, bare)
        }
      }
      depth += opens - closes
      if (depth < 0) depth = 0
      if (depth < 2 && kind == "chain") { end_run(); kind = "" }
    }
    END {
      printf "%s", outside
      for (number = 1; number <= chains; number++) {
        many = split(edge[number], parts, " ")
        for (at = 1; at <= many; at++) called[table_of[number], parts[at]] = 1
      }
      if (whole) {
        queue_hook("forward")
        for (number = 1; number <= chains; number++) if (feeds[number]) queue_chain(number)
        queue_hook("prerouting")
        queue_hook("postrouting")
        queue_hook("ingress")
        if (bridges) {
          queue_hook("bridge forward")
          queue_hook("bridge prerouting")
        }
        follow()
        # no chain lacks room because of what is only more exact
        for (number = 1; number <= chains; number++)
          if (feeds[number] && reached[number] == 1 && total + more_size[number] <= 47000) {
            in_whole[number] = 1
            total += more_size[number]
          }
      }
      for (at = 1; at <= tables; at++) {
        print title[at]
        printf "%s", flags[at]
        for (; shown < chains && table_of[shown + 1] == at; shown++) {
          number = shown + 1
          if (reached[number] == 1) {
            printf "%s\n%s", head[number], hooked[number] == "" ? "" : hooked[number] "\n"
            write_body(number)
            print "}"
          }
          else if (hooked[number] != "" && reached[number] != 2 || queues[number] || clamps[number]) {
            printf "%s\n%s", head[number], hooked[number] == "" ? "" : hooked[number] "\n"
            if (queues[number]) print "_ queue"
            if (clamps[number]) print "_ tcp option maxseg size set"
            print "}"
          }
        }
        print "}"
      }
      if (held != "") print "} } a string has no end: " substr(held, 1, 100)
      if (more) print "# more"
      exit failed
    }
  '
}
