# shellcheck shell=sh disable=SC2154 # events.sh sets the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# How the guard watches the tables of others: what they were is in others and other.full, see guard.sh.
# needs installed/guard_tables events

# list_others: every table but those of the change and those that come and go with a look at the router, less what changes
# by itself; without a line @@ at its end it is not whole
list_others() {
  ours=$(print_file tables) && [ -n "$ours" ] && listing=$(utc nft -s -t list ruleset) &&
    listing=$(printf '%s\n' "$listing" | normalise_listing) || return
  printf '%s\n@@\n%s\n' "$ours" "$listing" | awk "$whole_lines"'
    !named && $0 == "@@" { named = 1; next }
    !named { ours["table " $1 " " $2]; next }
    /^table / { skip = ("table " $2 " " $3) in ours || $3 ~ /^nft_offload_(sample|witness|rehearsal)_/ }
    !skip
    END { print "@@" }'
}

# is_whole FILE
is_whole() {
  [ "$(tail -n 1 "$1")" = @@ ]
}

# list_differing: lines new|changed FAMILY TABLE of others that came, or that are not as they were; @@ at the end. Nothing is
# written: /run may be full.
list_differing() {
  is_whole others && now=$(list_others) && case $now in *@@) ;; *) false ;; esac || return
  {
    print_file others
    printf '%s\n' "$now"
  } | awk "$whole_lines"'
    BEGIN { now = 0 }
    $0 == "@@" { now++; name = ""; next }
    /^table / { name = $2 " " $3; names[name]; there[now, name] }
    name != "" { text[now, name] = text[now, name] "\n" $0 }
    END {
      if (now != 2) exit 1
      for (name in names) if (text[0, name] != text[1, name]) print ((0, name) in there ? "changed " : "new ") name
      print "@@"
    }'
}

# means TABLE: no where nothing that was to be loaded can mean it, by its name, by a handle, or with all the rest. Then
# somebody else was at it meanwhile. In doubt the answer is yes.
means() {
  for text in load.*; do print_file "$text"; done | awk -v name="$1" '
    {
      gsub(/type (filter|nat|route) |priority [a-z]+/, " ")
      found += /ruleset|handle/
      words = split($0, word, /[^A-Za-z0-9_.\/\\-]+/)
      for (i = 1; i <= words; i++) found += word[i] == name
    }
    END { print found ? "yes" : "no" }'
}

# list_touched: lines new|changed FAMILY TABLE of others that differ and may be meant; @@ at the end
list_touched() {
  differing=$(list_differing) || return
  case $differing in *@@) ;; *) return 1 ;; esac
  while read -r how family table; do
    [ "$how" = @@ ] || [ "$(means "$table")" = no ] || printf '%s %s %s\n' "$how" "$family" "$table"
  done <<END
$differing
END
  echo @@
}

# restore_others ATTEMPT: where the load did not come to its good end, and only once: what they change later is theirs. What
# is not back after five attempts is lost. Where they cannot even be looked at, eight take two minutes; then that is told.
restore_others() {
  read_events . "$id" || return
  [ "$load" != loaded ] && [ -e others ] || return 0
  touched=$(list_touched) || {
    [ "$1" -ge 8 ] && mv others unknown
    return
  }
  names=
  while read -r how family table; do
    case $how in
    @@) ;;
    new) is_gone "$family" "$table" || nft delete table "$family" "$table" ;;
    changed)
      copy=$(awk -v start="table $family $table {" "$whole_lines"'
        index($0, start) == 1 { inside = 1 }
        inside
        inside && /^}/ { exit }' other.full)
      [ -n "$copy" ] && printf '%s\n' "$copy" >before.other && [ "$(print_file before.other)" = "$copy" ] &&
        back "$family" "$table" other </dev/null
      ;;
    esac || names="${names:+$names, }table $family $table"
  done <<END
$touched
END
  if [ -z "$names" ]; then rm -f others; else
    [ "$1" -ge 5 ] || return
    if printf '%s\n' "$names" >lost && [ "$(print_file lost)" = "$names" ]; then rm -f others; else mv others unknown; fi
  fi
}
