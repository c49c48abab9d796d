# shellcheck shell=sh
# shellcheck disable=SC2154 # read/change.sh and read/fw4.sh set the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/change read/fw4
# What the next load of OpenWrt's firewall would make live besides our options, because it was committed, or put beside the
# configuration, and never loaded. Read by _observe/parse/fw4_pending.py. After read/fw4.sh and read/change.sh.
#
# fw4's text and nft's listing differ in notation, so nft lists both: fw4's text becomes a table of another name, dormant,
# without flowtables and without what its sets hold, and is gone again before fw4's lock is released.

# read_fw4_pending DIR: not while a change waits (DIR is that of changes): what is loaded then is not what was committed
read_fw4_pending() {
  has fw4 && has uci && [ -z "$fw4_held" ] || return 0
  change_home "$1"
  find_pending
  [ -z "$pending" ] || return 0
  section fw4.pending _fw4_pending
}

# fw4_seen: a digest of what fw4 makes its ruleset of, so that a load can refuse what came after this look
fw4_seen() {
  {
    uci -q show firewall | sed -n "s/^firewall\.[^.]*\.path='\(.*\)'$/\1/p"
    printf '%s\n' /etc/config/firewall /etc/nftables.d/*.nft /usr/share/nftables.d/*/*.nft /usr/share/nftables.d/*/*/*.nft
  } | while read -r _file; do [ ! -f "$_file" ] || md5sum "$_file"; done | md5sum
}

# Lines "+ WHAT" would become live, "- WHAT" would go, "~ WHAT" would go and is not of fw4's making; "zone NAME" of a zone
# that would go; "table FAMILY NAME" of each table that the load touches; "seen DIGEST"; "? WHY" where that cannot be seen.
_fw4_pending() {
  echo "seen $(fw4_seen)"
  _tries=0
  while :; do
    _locked=
    ! hold_fw4 20 || _locked=yes
    _found=$(_fw4_differences)
    release_fw4
    # held, nothing comes between; else something may have
    _tries=$((_tries + 1))
    if [ -n "$_locked" ] || [ "$_tries" -ge 3 ] || ! printf '%s\n' "$_found" | grep -q '^[-+?]'; then break; fi
    sleep 2
  done
  printf '%s\n' "$_found"
}

_fw4_differences() {
  [ -f "$fw4_state" ] && nft -t list table inet fw4 >/dev/null 2>&1 || return 0
  _text=$(_fw4_as_loaded | fw4_scratch)
  printf '%s\n' "$_text" | sed -n 's/^#@ unclear /? /p; s/^#@ \(table .*\)/\1/p'
  ! printf '%s\n' "$_text" | grep -q '^#@ unclear ' || return 0
  printf '%s\n' "$_text" | sed -n 's/^#@ outside //p' | while read -r _file _statement; do
    # shellcheck disable=SC3013 # busybox and dash have it
    [ ! "$_file" -nt "$fw4_state" ] || printf '+ %s: %s (the file is newer than what is loaded)\n' "$_file" "$_statement"
  done
  # nft lists hours in UTC as they were when the offset of the zone was that of the load; which is no difference where
  # nobody changed them since
  _hours=
  # shellcheck disable=SC3013 # busybox and dash have it
  [ ! /etc/config/firewall -nt "$fw4_state" ] || _hours=count
  _fw4_sweep
  if _output=$(printf '%s\n' "$_text" | fw4_within 10 nft -f - 2>&1); then
    printf '%s\n' "$_text" | sed -n 's/^#@ table //p' | while read -r _family _name _; do
      {
        nft -s list table "$_family" "$_name" 2>/dev/null
        echo @@
        nft -s list table "$_family" "$_name.nft-offload" 2>/dev/null
      } | _fw4_compare "$_family $_name" "$_hours"
    done
  else
    printf '? nft does not take what fw4 makes: %s\n' "$(printf '%s' "${_output:-it takes too long}" | head -n 3 | tr '\n' ' ')"
  fi
  _fw4_sweep
}

_fw4_sweep() {
  nft list tables 2>/dev/null | while read -r _ _family _name; do
    case $_name in *.nft-offload) nft delete table "$_family" "$_name" ;; esac
  done
}

# fw4_within SECONDS COMMAND...: a small router has no timeout(1). nft waits for name servers, and would hold fw4's lock.
fw4_within() {
  _limit=$1
  shift
  # what runs in the background has no input of its own
  { "$@" <&8 8<&- & } 8<&0
  _child=$!
  # it must not hold the lock any longer than this shell
  (
    while kill -0 "$_child"; do
      _limit=$((_limit - 1))
      [ "$_limit" -ge 0 ] || kill -9 "$_child"
      sleep 1
    done
  ) </dev/null >/dev/null 2>&1 8<&- 9>&- &
  wait "$_child" 2>/dev/null
}

# The ruleset as fw4 would make it of the present configuration, with the networks as they were when it was loaded last: an
# interface that went down or came up since is no difference. Without offload, and without what sets hold.
_fw4_as_loaded() {
  if has utpl; then
    utpl -S - 2>/dev/null <<'END' && return
{%
  let file = require("fs").open("/var/run/fw4.state");
  let state = json(file.read("all"));
  let fw4 = require("fw4");
  fw4.read_ubus = () => ({ networks: state.networks, ubus_rules: state.ubus_rules });
  fw4.resolve_offload_devices = () => [];
  fw4.check_flowtable = () => false;
  fw4.print_setentries = () => null;
  fw4.parse_all_defaults = fw4.parse_defaults;
  fw4.parse_defaults = function(values) {
    let others = { ...values };
    delete others.flow_offloading;
    delete others.flow_offloading_hw;
    return this.parse_all_defaults(others);
  };
  fw4.load(false);
  include("/usr/share/firewall4/templates/ruleset.uc", { fw4, type, exists, length, include });
%}
END
  fi
  fw4 -q print 2>/dev/null
}

# fw4_scratch: fw4's text -> text for nft in which each table is a dormant one named NAME.nft-offload. Nothing that stands
# outside of a table's block gets there, nor anything that cannot be shown to stay inside; both are comments with #@.
# Includes are written out for that. In our terms: strings, comments and braces are all that has to be understood of nft.
fw4_scratch() {
  # busybox's awk takes a copy of what was never set for a string
  awk '
    BEGIN { depth = floor = quoted = skipping = nested = 0 }
    function unclear(why) { print "#@ unclear " why }
    # code: the line without its comment; depth and, where it closed what was open before floor, broke
    function scan(line,   rest, c) {
      code = ""
      rest = line
      closed = 0
      while (match(rest, /["#{}]/)) {
        c = substr(rest, RSTART, 1)
        if (!quoted && c == "#") { rest = substr(rest, 1, RSTART - 1); break }
        code = code substr(rest, 1, RSTART)
        rest = substr(rest, RSTART + 1)
        if (c == "\"") quoted = !quoted
        if (quoted) continue
        if (c == "{") { if (closed) broke = 1; depth++ }
        if (c == "}") { depth--; if (depth < floor) broke = 1; if (depth == 0) closed = 1 }
      }
      code = code rest
      if (closed && rest !~ /^[ \t;]*$/) broke = 1
    }
    function include_file(pattern, where,   command, path, files, n, i, line, before, held) {
      if (pattern !~ /^\/[]A-Za-z0-9_.\/*?@+=:,~[-]+$/ || ++nested > 16) { unclear(where ": include \"" pattern "\""); return }
      command = "for f in " pattern "; do [ ! -f \"$f\" ] || echo \"$f\"; done"
      n = 0
      while ((command | getline path) > 0) files[++n] = path
      close(command)
      for (i = 1; i <= n; i++) {
        held = floor
        before = floor = depth
        while ((getline line < files[i]) > 0) take(line, files[i])
        close(files[i])
        if (depth != before || broke || quoted) { unclear(files[i] ": its braces or quotes do not match"); depth = before; broke = quoted = 0 }
        floor = held
      }
      nested--
    }
    function take(line, where,   was, head, name, words, n) {
      if (line ~ /^[ \t]*include[ \t]+"[^"]*"[ \t;]*(#.*)?$/ && !quoted) {
        name = line
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        include_file(name, where)
        return
      }
      was = depth
      # a string may go on over lines: a name with a line end in it
      within = quoted
      scan(line)
      if (within) {
        if (kind == "define" || (kind == "block" && !skipping && flowtable == "")) print code
        else if (kind != "block") broke = 1
        return
      }
      if (code ~ /(^|[ \t;{}])include[ \t"\\]/ && code !~ /"[^"]*include[^"]*"/) unclear(where ": " code)
      if (was == 0) {
        kind = ""
        if (code ~ /^[ \t;]*$/) return
        if (match(code, /^[ \t]*table[ \t]+[^ \t{]+([ \t]+[^ \t{]+)?[ \t]*[{]/)) {
          head = substr(code, 1, RLENGTH - 1)
          n = split(head, words, " ")
          name = n == 3 ? words[2] " " words[3] : "ip " words[2]
          blocks[name] = 1
          kind = "block"
          if (!(name in seen)) { seen[name] = 1; print "#@ table " name }
          print "table " name ".nft-offload {\n\tflags dormant;" substr(code, RLENGTH + 1)
        } else if (code ~ /^[ \t]*(re)?define[ \t][^;]*$/) {
          kind = "define"
          print code
        } else {
          kind = "outside"
          n = split(code, words, /[ \t;]+/)
          outside(words, n, code, where)
        }
        return
      }
      if (kind == "define") { print code; return }
      if (kind != "block") return
      if (was == 1 && depth == 2 && match(code, /^[ \t]*flowtable[ \t]+[^ \t{]+/)) {
        flowtable = substr(code, RSTART, RLENGTH)
        sub(/.*[ \t]/, "", flowtable)
        hook = ""
      }
      if (flowtable != "") {
        if (match(code, /hook[ \t]+[a-z]+[ \t]+priority[ \t]+[^;}]*/)) hook = substr(code, RSTART, RLENGTH)
        if (depth == 1) {
          if (flowtable != "ft") print "\tflowtable " flowtable " { " hook "; }"
          flowtable = ""
        }
        return
      }
      if (skipping) { if (depth == skipping) skipping = 0; return }
      if (was == 2 && code ~ /^[ \t]*elements[ \t]*=/) { if (depth > was) skipping = was; return }
      if (code ~ /flow[ \t]+(add|offload)[ \t]+@ft/) return
      gsub(/flags[ \t]+offload[ \t]*;?/, "", code)
      print code
    }
    # outside: the statement; one that only clears the way for a block of the same table is none
    function outside(words, n, code, where,   i, name) {
      i = words[1] == "" ? 2 : 1
      if (words[i] ~ /^(add|create|flush|delete|destroy)$/ && words[i + 1] ~ /^(table|flowtable)$/) i++
      else if (words[i] != "table") i = 0
      if (i) {
        name = words[i + 1] ~ /^(ip|ip6|inet|arp|bridge|netdev)$/ ? words[i + 1] " " words[i + 2] : "ip " words[i + 1]
        cleared[name] = code
        from[name] = where
        return
      }
      print "#@ outside " where " " code
      for (i = 2; i < n; i++) if (words[i] ~ /^(ip|ip6|inet|arp|bridge|netdev)$/ && words[i - 1] ~ /^[a-z]+$/) {
        name = words[i] " " words[i + 1]
        if (!(name in seen)) { seen[name] = 1; print "#@ table " name " outside" }
      }
    }
    { take($0, "-") }
    END {
      if (depth != 0 || broke || quoted) unclear("-: its braces or quotes do not match")
      for (name in cleared) if (!(name in blocks)) {
        print "#@ outside " from[name] " " cleared[name]
        if (!(name in seen)) print "#@ table " name " outside"
      }
    }'
}

# _fw4_compare TABLE HOURS: the listings of both tables, with @@ between. What is live and has not fw4's mark may be of an
# include that is a script, or of a program such as miniupnpd. What a load cannot change where it is there already, because
# the kernel keeps the one that it has, is no difference: the rate of a limit, say. Nor are hours, where HOURS is empty.
_fw4_compare() {
  awk -v table="$1" -v hours="$2" '
    BEGIN { side = held = skip = 0 }
    $0 == "@@" { side = 1; next }
    /^\tflags dormant/ || /^table / || /^[}]/ || /^[ \t]*$/ { next }
    /^\t[^\t}]/ {
      object = $0
      gsub(/^\t| [{]$/, "", object)
      sub(/[ \t]*# count [0-9]+$/, "", object)
      if (object ~ /^comment /) next
      skip = object ~ /^flowtable /
      if (!skip && !((side, object) in count)) { count[side, object] = 0; objects[side, ++total[side]] = object }
      next
    }
    /^\t[}]/ { object = ""; next }
    held { if (/[}]$/) held = 0; next }
    /^\t\telements = [{]/ { if (!/[}]$/) held = 1; next }
    skip || object == "" || /flow add @ft/ { next }
    {
      sub(/^\t+/, "")
      sub(/[ \t]+# count [0-9]+$/, "")
      gsub(/ ?flags offload;?/, "")
      if (object ~ /^(limit|quota|counter|ct [a-z]+|synproxy|secmark) / || (object !~ /^chain / && /^comment /)) next
      if (hours == "") gsub(/meta hour [^a-z]*/, "meta hour ")
      line[side, object, ++count[side, object]] = $0
      have[side, object, $0]++
    }
    # made: by fw4, which comments all but two kinds of its rules
    function made(text) { return text ~ /comment "!fw4: / || text ~ /^jump (handle_reject|(accept|reject|drop)_(from|to)_[^ ]+)$/ }
    function show(sign, object, text) { if (++shown <= 100) print sign " " table " " object (text == "" ? "" : ": " substr(text, 1, 200)) }
    END {
      if (total[1] + 0 == 0) exit
      for (i = 1; i <= total[1]; i++) {
        object = objects[1, i]
        if (!((0, object) in count)) show("+", object, "")
        n = 0
        for (j = 1; j <= count[0, object] + 0; j++) {
          text = line[0, object, j]
          if ((1, object, text) in have || object !~ /^chain / || made(text)) live[++n] = text
          else show("~", object, text)
        }
        same = n == count[1, object]
        for (j = 1; same && j <= n; j++) same = live[j] == line[1, object, j]
        if (same) continue
        differs = 0
        for (j = 1; j <= n; j++) { text = live[j]; if (--have[1, object, text] < 0) { show("-", object, text); differs = 1 } }
        for (j = 1; j <= count[1, object]; j++) { text = line[1, object, j]; if (--have[0, object, text] < 0) { show("+", object, text); differs = 1 } }
        if (!differs) show("+", object, "the same rules in another order")
      }
      for (i = 1; i <= total[0]; i++) {
        object = objects[0, i]
        if ((1, object) in count || object !~ /^chain /) continue
        # what is left of a zone that was removed long ago is empty
        if (object ~ /^chain input_/ && count[0, object]) print "zone " substr(object, 13)
        for (j = 1; j <= count[0, object]; j++) {
          text = line[0, object, j]
          if (text ~ /hook .* priority /) continue
          show(made(text) ? "-" : "~", object, text)
        }
      }
      if (shown > 100) print "+ and " (shown - 100) " more"
    }'
}
