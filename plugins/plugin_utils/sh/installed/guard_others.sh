# shellcheck shell=sh disable=SC2154 # events.sh sets the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# How the guard watches the tables of others: what they were is in others and other.full, see guard.sh.
# needs installed/guard_tables events

# list_others: every table but those of the change and those that come and go with a look at the router, less what changes
# by itself; without a line @@ at its end it is not whole
list_others() {
  ours=$(print_file tables) && [ -n "$ours" ] && listing=$(utc nft -s -t list ruleset) &&
    listing=$(printf '%s\n' "$listing" | normalise_listing) || return
  printf '%s\n@@\n%s\n' "$ours" "$listing" | awk -v breaks=1 "$whole_lines"'
    torn != "" && !skip { print torn }
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
  } | awk -v breaks=1 "$whole_lines"'
    BEGIN { now = 0 }
    torn != "" && name != "" { text[now, name] = text[now, name] "\n" torn }
    $0 == "@@" { now++; name = ""; next }
    /^table / { name = $2 " " $3; names[name]; there[now, name] }
    name != "" { text[now, name] = text[now, name] "\n" $0 }
    END {
      if (now != 2) exit 1
      for (name in names) if (text[0, name] != text[1, name]) print ((0, name) in there ? "changed " : "new ") name
      print "@@"
    }'
}

# means TABLE: no where nothing that was to be loaded can mean it: it is not named outside of blocks, but for what stands
# behind one of our own tables' names, and there is no handle, variable or file, and nothing that means all tables. Then
# somebody else was at it meanwhile. In doubt the answer is yes.
means() {
  {
    print_file tables
    for text in load.*; do echo @@ && print_file "$text"; done
    echo @@
  } | awk -v name="$1" '
    $0 == "@@" { found += depth != 0; depth = 0; begun = 1; last = ""; next }
    !begun { own[$2]; next }
    {
      line = ""
      for (rest = $0; match(rest, /["#]/); rest = substr(rest, RSTART + 1)) {
        line = line substr(rest, 1, RSTART - 1) " "
        if (substr(rest, RSTART, 1) == "#") { rest = ""; break }
        rest = substr(rest, RSTART + 1)
        # a string goes on in the next line
        if (!match(rest, /"/)) { found++; rest = ""; break }
      }
      line = line rest
      gsub(/[{}]/, " & ", line)
      words = split(line, word, /[^A-Za-z0-9_.\/${}-]+/)
      for (i = 1; i <= words; i++) {
        if (word[i] == "") continue
        if (word[i] == "}" && --depth < 0) found++
        if (word[i] == "include") found++
        if (!depth && (word[i] ~ /^(ruleset|handle)$|[$]/ || (word[i] == name && !(last in own)))) found++
        if (word[i] == "{") depth++
        last = word[i]
      }
    }
    END { print found || !begun ? "yes" : "no" }'
}

# list_touched: lines new|changed FAMILY TABLE of others that differ and may be meant; @@ at the end
list_touched() {
  differing=$(list_differing) || return
  case $differing in *@@) ;; *) return 1 ;; esac
  printf '%s\n' "$differing" | while read -r how family table; do
    if [ "$how" = @@ ]; then echo @@; else
      [ "$(means "$table")" = no ] || printf '%s %s %s\n' "$how" "$family" "$table"
    fi
  done
}

# copy_of FAMILY TABLE BREAKS: what that table of somebody else held
copy_of() {
  awk -v start="table $1 $2 {" -v breaks="$3" "$whole_lines"'
    inside && torn != "" { print torn; exit }
    index($0, start) == 1 { inside = 1 }
    inside
    inside && /^}/ { exit }' other.full
}

# restore_others ATTEMPT: where the load did not come to its good end, and only once: what they change later is theirs. What
# is not back after five attempts is lost. Where they cannot even be looked at, eight take two minutes; then that is told.
restore_others() {
  read_events . "$id" || return
  [ "$load" != loaded ] && [ -e others ] || return 0
  touched=$(list_touched) || touched=
  case $touched in
  *@@) ;;
  *)
    [ "$1" -ge 8 ] && mv others unknown
    return
    ;;
  esac
  names=$(printf '%s\n' "$touched" | restore_touched)
  case $names in
  @@) rm -f others ;;
  *@@)
    [ "$1" -ge 5 ] || return
    names=${names%, @@}
    if printf '%s\n' "$names" >lost && [ "$(print_file lost)" = "$names" ]; then rm -f others; else mv others unknown; fi
    ;;
  *) return 1 ;;
  esac
}

# restore_touched: those of list_touched on standard input; the names of those that are not back, and @@
restore_touched() {
  while read -r how family table; do
    case $how in
    @@) ;;
    new) is_gone "$family" "$table" || nft delete table "$family" "$table" ;;
    changed)
      copy=$(copy_of "$family" "$table" 0)
      [ -n "$copy" ] || copy=$(copy_of "$family" "$table" 1)
      [ -n "$copy" ] && printf '%s\n' "$copy" >before.other && [ "$(print_file before.other)" = "$copy" ] &&
        back "$family" "$table" other
      ;;
    esac </dev/null >&2 || printf 'table %s %s, ' "$family" "$table"
  done
  echo @@
}
