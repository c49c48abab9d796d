# shellcheck shell=sh
# shellcheck disable=SC2030,SC2031,SC2086,SC2154 # options of uci are words; a section that is added to a copy is of no use elsewhere; the lines before these ones set the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# One change of OpenWrt's firewall, as a guard (guard.sh) loads it and puts it back. What stands before these lines:
#   section  of /etc/config/firewall that holds the options; empty: there is none yet
#   changes  lines "OPTION VALUE", - for no such option
#   desired  hardware, software, auto (either) or disabled: what must be live in the end
#   record   where it is kept what was found
#   seen     digest of what fw4 makes its ruleset of, when that was compared with what is live; empty: it was not
#   others   load where zones may go that the configuration does not have any more, else refuse
# usage: load | stage | commit | restore
#
# What is to be confirmed is staged, in memory: fw4 uses that like what is committed, and a power failure ends in the old
# configuration. Every uci reads what others staged too, -t and -P or not; so what is written to flash comes from a copy
# under another name, for which nobody staged anything. That also keeps what `uci commit` does to a full disk away from it.
config=/etc/config/firewall
# uci lists what has no dot before its name as a configuration
read -r id <"${0%/*}/id"
new=/etc/config/.firewall.$id.nft-offload-new
copy=${0%/*}/copy
# what fw4 complains of
complained=${0%/*}/complained
# there from just before this change first touches what is staged, and what is loaded: no more than that is put back
staging=${0%/*}/staging
reloading=${0%/*}/reloading
# what UCI had for each option by then, one file an option
found=${0%/*}/found
# there from just before this change adds a section of its own, and then has its name
added=${0%/*}/section
# names the record once that is in place, for whoever puts the other files there
placed=${0%/*}/placed
# there from when this change is the first to write the record
recorded=${0%/*}/recorded
# fw4's state before this change, and a mark that its networks are others now
kept=${0%/*}/fw4.state
moved=${0%/*}/moved
# what is told with the reason for which the change was undone
told=${0%/*}/told
state=/var/run/fw4.state
lock=/var/run/fw4.lock
# seconds to wait for a lock that somebody else holds
patience=20

# wait_for_lock FD SECONDS: the flock of a small busybox knows no time limit
wait_for_lock() {
  seconds=0
  until flock -n "$1"; do
    [ "$seconds" -lt "$2" ] || return 1
    sleep 1
    seconds=$((seconds + 1))
  done
}

# hold_fw4 SECONDS, release_fw4: as in sh/read/fw4.sh. Fails with 1 where another one holds it, with 2 where there is none
# to hold.
hold_fw4() {
  type flock >/dev/null 2>&1 && { true >>"$lock"; } 2>/dev/null || return 2
  exec 9>>"$lock"
  wait_for_lock 9 "$1" || {
    exec 9>&-
    return 1
  }
}

release_fw4() {
  exec 9>&-
}

# fw4_seen: as in sh/read/fw4_pending.sh
fw4_seen() {
  {
    uci -q show firewall | sed -n "s/^firewall\.[^.]*\.path='\(.*\)'$/\1/p"
    printf '%s\n' /etc/config/firewall /etc/nftables.d/*.nft /usr/share/nftables.d/*/*.nft /usr/share/nftables.d/*/*/*.nft
  } | while read -r _file; do [ ! -f "$_file" ] || md5sum "$_file"; done | md5sum
}

# call_uci ARGUMENT...: one that fails says so, also where it keeps that to itself
call_uci() {
  uci "$@" || {
    echo "uci $*: exit code $?" >&2
    return 1
  }
}

# list_staged: an uci that fails lists nothing either
list_staged() {
  call_uci -q changes firewall
}

# get_value OPTION [CONFIG OPTIONS]: what UCI has for it, - for nothing. That uci cannot get it proves nothing, unless it
# shows all the rest.
get_value() {
  uci -q $3 get "${2:-firewall}.$section.$1" && return
  shown=$(call_uci -q $3 -X show "${2:-firewall}") || return
  case "
$shown" in *"
${2:-firewall}.$section.$1="*)
    echo "uci gets nothing for $1, which it shows" >&2
    return 1
    ;;
  esac
  echo -
}

# put LINES CONFIG [OPTIONS]: lines "OPTION VALUE", each on its own, since a batch ends with 0 whatever happens in it. A
# value may have blanks in it.
put() {
  printf '%s\n' "$1" | while IFS= read -r line; do
    option=${line%% *}
    value=${line#* }
    if [ "$value" != - ]; then
      call_uci $3 set "$2.$section.$option=$value" || exit
    else
      now=$(get_value "$option" "$2" "$3") || exit
      [ "$now" = - ] || call_uci $3 delete "$2.$section.$option" || exit
    fi
  done
}

# has_values LINES CONFIG OPTIONS
has_values() {
  printf '%s\n' "$1" | while IFS= read -r line; do
    now=$(get_value "${line%% *}" "$2" "$3") || exit
    [ "$now" = "${line#* }" ] || {
      echo "uci set ${line%% *}: it has ${now} then"
      exit 1
    }
  done
}

# compose LINES: the new text of the configuration, beside it, and read back
compose() {
  rm -rf "$copy"
  mkdir "$copy" && cp "$config" "$copy/nft_offload" || return
  (
    there="-c $copy -t $copy/staged"
    [ -n "$section" ] || section=$(call_uci $there add nft_offload defaults) || exit
    put "$1" nft_offload "$there" && call_uci $there commit nft_offload && has_values "$1" nft_offload "$there"
  ) || return
  cp -p "$config" "$new" && cat "$copy/nft_offload" >"$new" && cmp "$copy/nft_offload" "$new" && [ -s "$new" ]
}

# stage: is there room for it? It is written once more when it is confirmed, so that nothing is left of one that is not
stage() {
  [ -z "$changes" ] || {
    compose "$changes" && rm -f "$new"
  }
}

# lock_config: as uci does, which would wait without an end
lock_config() {
  type flock >/dev/null 2>&1 || return 0
  exec 8<"$config"
  wait_for_lock 8 "$patience" || {
    exec 8<&-
    echo "another program has held the lock of $config for more than $patience s"
    return 1
  }
}

# uci_answers: nobody holds a lock that uci would wait for without an end
uci_answers() {
  type flock >/dev/null 2>&1 || return 0
  for file in "$config" /tmp/.uci/firewall; do
    [ ! -f "$file" ] || (exec 8<"$file" && wait_for_lock 8 "$patience") || {
      echo "another program has held the lock of $file for more than $patience s"
      return 1
    }
  done
}

# find_section: the one that was there, or the one that this change added. It may have ended before the name was kept.
find_section() {
  [ -z "$section" ] && [ -e "$added" ] || return 0
  read -r section <"$added" || section=
  [ -z "$section" ] || return 0
  staged=$(list_staged) || return
  section=$(printf '%s\n' "$staged" | while IFS= read -r line; do
    case $line in
    firewall.*.*) ;;
    firewall.*=*defaults*)
      name=${line%%=*}
      echo "${name#firewall.}"
      break
      ;;
    esac
  done)
}

# unstage: only what is ours of what is staged; whether that is gone is seen in what is left
unstage() {
  find_section || return
  [ -n "$section" ] || return 0
  if [ -e "$added" ]; then
    uci -q revert "firewall.$section"
  else
    printf '%s\n' "$changes" | while read -r option _value; do uci -q revert "firewall.$section.$option"; done
  fi
  staged=$(list_staged) || return
  printf '%s\n' "$staged" | while IFS= read -r line; do
    ! is_ours "$line" || {
      echo "uci revert firewall: it is still staged: $line"
      exit 1
    }
  done
}

# is_ours LINE: of `uci changes`; one of a list has + or - before the =
is_ours() {
  name=${1%%=*}
  name=${name#-}
  name=${name%[+-]}
  case $name in
  "firewall.$section") [ -e "$added" ] ;;
  "firewall.$section".*)
    [ -e "$added" ] || case "
$changes" in *"
${name##*.} "*) ;; *) false ;; esac
    ;;
  *) false ;;
  esac
}

# flowtable: what of a ruleset or a listing counts: its devices in order, and whether it is in hardware
flowtable() {
  awk '
    /flowtable ft [{]/ { inside = 1; print "flowtable" }
    inside && /devices = / {
      gsub(/.*[{]|["},;]/, " ")
      for (i = 1; i <= NF; i++) print "device " $i
    }
    inside && /flags .*offload/ { print "hardware" }
    inside && /^[ \t]*[}]/ { inside = 0 }' | sort -u
}

# keep_state: a copy, and with it the proof that the firewall runs, and that the copies of its tables are of the same load.
# While somebody else loads it, its state file is gone. A lock that cannot be had now is one that fw4 would wait for without
# an end.
keep_state() {
  for _again in 5 4 3 2 1 0; do
    hold_fw4 "$patience"
    [ "$?" != 1 ] || {
      echo "another load of the firewall has held its lock for more than $patience s"
      return 1
    }
    if [ -f "$state" ]; then
      cp -p "$state" "$kept.new" && cmp "$state" "$kept.new" && mv -f "$kept.new" "$kept" && sh "${0%/*}/guard" unchanged
      code=$?
      release_fw4
      return "$code"
    fi
    release_fw4
    [ "$_again" = 0 ] || sleep 1
  done
  echo "the firewall does not run"
  return 1
}

# zones: names of those that have rules in a listing, or in what fw4 prints
zones() {
  awk '
    /^[ \t]*chain input_[^ ]* [{]/ { zone = $2; sub(/^input_/, "", zone); next }
    zone != "" && /^[ \t]*[}]/ { zone = "" }
    zone != "" && NF && !/^[ \t]*#/ { print zone; zone = "" }'
}

# render: made, what fw4 makes of the configuration, and complaints. It is checked as `fw4 check` does, which would make it
# once more to print nothing of it: on a slow router each time takes seconds.
render() {
  made=$(fw4 print 2>"$complained")
  code=$?
  complaints=$(cat "$complained") || return
  if [ "$code" = 0 ]; then
    checked=$(printf '%s\n' "$made" | nft -c -f - 2>&1) && return
  fi
  printf '%s\n' "$complaints" "$checked" | tail -n 20
  return 1
}

# keeps_zones MADE COMPLAINTS: fw4 leaves a zone out for an option that it does not take, and nft has nothing against that
keeps_zones() {
  with_rules=$(printf '%s\n' "$1" | zones)
  for zone in $(nft -s -t list table inet fw4 2>/dev/null | zones); do
    ! echo "$with_rules" | grep -qxF "$zone" || continue
    if [ "$others" = load ] && ! echo "$2" | grep -qF "($zone) skipped"; then continue; fi
    echo "fw4 would leave out the zone $zone, which is live: $(echo "$2" | grep -F '[!]' |
      grep -vF '[!] Automatically including ' | head -n 3 | tr '\n' ' ')"
    return 1
  done
}

# settled DESIRED MADE: `fw4 reload` exits with 0 whatever nft refused. An interface that comes up has it loaded once more,
# and then fw4 makes another ruleset than it did just before.
settled() {
  planned=$(printf '%s\n' "$2" | flowtable)
  for _again in 2 1 0; do
    hold_fw4 20 || true
    [ "$_again" = 2 ] || planned=$(fw4 -q print 2>/dev/null | flowtable)
    live=$(nft list flowtable inet fw4 ft 2>/dev/null | flowtable)
    tables=$(nft list tables)
    release_fw4
    if [ "$planned" = "$live" ] || [ "$_again" = 0 ]; then break; fi
    sleep 1
  done
  echo "$tables" | grep -qx 'table inet fw4' || {
    echo "fw4 reload: there is no table inet fw4"
    return 1
  }
  [ "$planned" = "$live" ] || {
    echo "fw4 reload: live is ${live:-nothing}, and not what fw4 print has: ${planned:-nothing}" | tr '\n' ' '
    return 1
  }
  case $1/$live in
  hardware/ | software/ | auto/)
    echo "fw4 makes no flowtable: no zone has a network with a device that is there"
    return 1
    ;;
  hardware/*hardware* | software/*hardware*) [ "$1" = hardware ] || {
    echo "fw4 offloads to hardware, and software is requested"
    return 1
  } ;;
  hardware/*)
    echo "fw4 fell back to software: a device refuses hardware"
    return 1
    ;;
  disabled/?*)
    echo "fw4 still has a flowtable"
    return 1
    ;;
  esac
}

# alone OTHERS: lines of `uci changes` that are not ours, which fw4 would load too
alone() {
  [ -z "$1" ] || {
    echo "somebody staged changes of the firewall since the router was read: $(echo "$1" | head -n 3 | tr '\n' ' ')"
    return 1
  }
}

# note_found: before anything of ours is staged. What is not kept whole could not be put back.
note_found() {
  printf '%s\n' "$changes" | while read -r option _value; do
    now=-
    [ -z "$section" ] || now=$(get_value "$option") || exit
    case $now in *'
'*)
      echo "firewall.$section.$option has a value of several lines"
      exit 1
      ;;
    esac
    printf '%s\n' "$now" >"$found.$option" && kept_value=$(cat "$found.$option") && [ "$kept_value" = "$now" ] || exit
  done
}

load() {
  uci_answers && staged=$(list_staged) && alone "$staged" && keep_state || return
  [ -z "$seen" ] || [ "$(fw4_seen)" = "$seen  -" ] || {
    echo "the firewall's configuration was changed since the router was read"
    return 1
  }
  if [ -n "$changes" ]; then
    note_found && : >"$staging" || return
    [ -n "$section" ] || {
      : >"$added" && section=$(call_uci add firewall defaults) && echo "$section" >"$added" || return
    }
    put "$changes" firewall || return
  fi
  render && keeps_zones "$made" "$complaints" && staged=$(list_staged) || return
  alone "$(printf '%s\n' "$staged" | grep -vE "^(-?firewall\.${section}[.]flow_offloading(_hw)?(=|$)|firewall\.$section=)")" || return
  : >"$reloading" && fw4 reload && settled "$desired" "$made"
}

# to_disk PATH: an older sync knows no files, and does it for all of them
to_disk() {
  sync "$1" 2>/dev/null || sync
}

# commit LINES: the record first, so that a power failure cannot leave a configuration of ours without what was there before
commit() {
  [ -n "$1" ] || return 0
  lock_config && compose "$1" && to_disk "$new" || return
  staged=$record.$id.nft-offload-new
  if [ -e "$staged" ]; then
    [ -e "$record" ] || : >"$recorded" || return
    to_disk "$staged" && echo "$record" >>"$placed" && mv -f "$staged" "$record" && to_disk "${record%/*}" || return
  fi
  mv -f "$new" "$config" && to_disk "${config%/*}" && unstage
}

# restore: what is staged and fw4's state, as found; the configuration on flash too, where somebody committed everything that
# was staged. The guard has put back before what the kernel ran. fw4 loads nothing here: that would make live, and leave
# there, whatever else was committed, staged, or put into a file that it includes. The guard comes again, after a pause that
# grows, for as long as this fails: it must not end well before all is as found, whatever the reason.
restore() {
  rm -f "$new"
  [ ! -e "$staging" ] || restore_uci || return
  [ -e "$reloading" ] || return 0
  hold_fw4 30
  [ "$?" != 1 ] || {
    echo "another load of the firewall has held its lock for more than 30 s"
    return 1
  }
  restore_state
  code=$?
  release_fw4
  [ "$code" = 0 ] && follow_networks
}

restore_uci() {
  uci_answers && unstage && { [ -e "$added" ] || locate; } && lines=$(differing) || return
  [ -z "$lines" ] || {
    commit "$lines" && lines=$(differing) || return
    [ -z "$lines" ] || {
      echo "uci: it was put back, and does not read so: $lines"
      return 1
    }
  }
  [ ! -e "$recorded" ] || {
    rm -f "$record" && to_disk "${record%/*}" || return
    # it stays where there is something else in it
    rmdir "${record%/*}" 2>/dev/null || true
  }
}

# locate: the section has another name where somebody put another one before it, and none where it is gone
locate() {
  shown=$(call_uci -q -X show firewall) || return
  case "
$shown
" in *"
firewall.$section=defaults
"*) return 0 ;; esac
  section=$(printf '%s\n' "$shown" | while IFS= read -r line; do
    case $line in
    firewall.*.*) ;;
    firewall.*=defaults)
      name=${line%=defaults}
      echo "${name#firewall.}"
      break
      ;;
    esac
  done)
}

# differing: lines "OPTION VALUE" of what was found, where UCI has something else now
differing() {
  [ -n "$section" ] || return 0
  printf '%s\n' "$changes" | while read -r option _value; do
    was=$(cat "$found.$option") && now=$(get_value "$option") || exit
    [ "$now" = "$was" ] || printf '%s %s\n' "$option" "$was"
  done
}

# restore_state: a load that is killed leaves none, and every later one refuses then. One that somebody else began while ours
# was staged may have come after the guard, which then has to do it once more.
restore_state() {
  before=$(sed -n '/^table inet fw4 /,/^}/p' "${0%/*}"/before.* | flowtable | grep -v '^device ')
  live=$(nft list flowtable inet fw4 ft 2>/dev/null | flowtable | grep -v '^device ')
  [ "$before" = "$live" ] || {
    echo "somebody else loaded the firewall while it was put back"
    return 1
  }
  [ ! -f "$state" ] || [ "$(networks <"$state")" = "$(networks <"$kept")" ] || : >"$moved"
  # with its time: what is newer was not loaded
  cp -p "$kept" "$state.nft-offload-new" && mv -f "$state.nft-offload-new" "$state"
}

# networks: of fw4's state, the part that netifd makes
networks() {
  sed 's/.*"networks": //; s/, "[a-z_]*rules": .*//'
}

# follow_networks: what is back knows nothing of an interface that came up meanwhile. It is loaded, once, where that makes
# nothing else live: nothing is staged, and the configuration is the one that was found to be what is live.
follow_networks() {
  [ -e "$moved" ] || return 0
  staged=$(list_staged) || return
  rm -f "$moved"
  if [ "$others" = refuse ] && [ -z "$staged" ] && [ "$(fw4_seen)" = "$seen  -" ]; then
    fw4 -q reload
    [ -f "$state" ] || cp -p "$kept" "$state"
  else
    echo "an interface came up meanwhile: use /etc/init.d/firewall reload" >"$told"
  fi
}

case $1 in
load) load ;;
stage) stage ;;
commit) commit "$changes" ;;
restore) restore ;;
esac
