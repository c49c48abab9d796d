# shellcheck shell=sh
# shellcheck disable=SC2086,SC2154 # $1 of put are options of uci; the lines before these ones set the rest
# SPDX-License-Identifier: GPL-3.0-or-later
# One change of OpenWrt's firewall, as a guard (guard.sh) loads it and puts it back. What stands before these lines:
#   section  of /etc/config/firewall that holds the options; empty: there is none yet
#   changes  lines "OPTION VALUE FOUND", - for no such option; what was found may have blanks in it
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
new=/etc/config/.firewall.nft-offload-new
copy=${0%/*}/copy
# there from just before this change first touches what is staged, and what is loaded: no more than that is put back
staging=${0%/*}/staging
reloading=${0%/*}/reloading
# there from when this change is the first to write the record
recorded=${0%/*}/recorded
# fw4's state before this change, and a mark that its networks are others now
kept=${0%/*}/fw4.state
moved=${0%/*}/moved
state=/var/run/fw4.state
lock=/var/run/fw4.lock

# hold_fw4 SECONDS, release_fw4: as in sh/read/fw4.sh
hold_fw4() {
  type flock >/dev/null 2>&1 && { true >>"$lock"; } 2>/dev/null || return
  exec 9>>"$lock"
  seconds=0
  until flock -n 9; do
    [ "$seconds" -lt "$1" ] || {
      exec 9>&-
      return 1
    }
    sleep 1
    seconds=$((seconds + 1))
  done
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

# put CONFIG SECTION [OPTION...]: the changes, each option on its own, since a batch ends with 0 whatever happens in it
put() {
  [ -n "$section" ] || section=$(uci $1 add "$2" defaults) || return
  printf '%s\n' "$changes" | while read -r option value _found; do
    if [ "$value" != - ]; then
      uci $1 set "$2.$section.$option=$value" || exit
    elif uci -q $1 get "$2.$section.$option" >/dev/null; then
      uci $1 delete "$2.$section.$option" || exit
    fi
  done
}

# compose: the new text of the configuration, beside it, and read back
compose() {
  rm -rf "$copy"
  mkdir "$copy" && cp "$config" "$copy/nft_offload" || return
  put "-c $copy -t $copy/staged" nft_offload && uci -c "$copy" -t "$copy/staged" commit nft_offload || return
  cp -p "$config" "$new" && cat "$copy/nft_offload" >"$new" && cmp "$copy/nft_offload" "$new" && [ -s "$new" ]
}

# stage: is there room for it? It is written once more when it is confirmed, so that nothing is left of one that is not
stage() {
  [ -z "$changes" ] || {
    compose && rm -f "$new"
  }
}

locked() {
  exec 8<"$config"
  ! type flock >/dev/null 2>&1 || flock -x 8
}

# unstage: only what is ours of what is staged
unstage() {
  [ -n "$section" ] || section=$(cat "${0%/*}/section" 2>/dev/null)
  [ -n "$section" ] || return 0
  if [ -e "${0%/*}/section" ]; then
    uci -q revert "firewall.$section"
    return 0
  fi
  printf '%s\n' "$changes" | while read -r option _value _found; do uci -q revert "firewall.$section.$option"; done
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

# keep_state: a copy, and with it the proof that the firewall runs. While somebody else loads it, its state file is gone.
keep_state() {
  for _again in 5 4 3 2 1 0; do
    hold_fw4 20 || true
    if [ -f "$state" ]; then
      cp "$state" "$kept.new" && cmp "$state" "$kept.new" && mv -f "$kept.new" "$kept"
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

# keeps_zones COMPLAINTS: fw4 leaves a zone out for an option that it does not take, and its check passes
keeps_zones() {
  made=$(fw4 -q print 2>/dev/null | zones)
  for zone in $(nft -s -t list table inet fw4 2>/dev/null | zones); do
    ! echo "$made" | grep -qxF "$zone" || continue
    if [ "$others" = load ] && ! echo "$1" | grep -qF "($zone) skipped"; then continue; fi
    echo "fw4 would leave out the zone $zone, which is live: $(echo "$1" | grep -F '[!]' | head -n 3 | tr '\n' ' ')"
    return 1
  done
}

# settled: `fw4 reload` exits with 0 whatever nft refused. An interface that comes up has it loaded once more.
settled() {
  for _again in 2 1 0; do
    hold_fw4 20 || true
    planned=$(fw4 -q print 2>/dev/null | flowtable)
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

load() {
  alone "$(uci -q changes firewall)" || return
  keep_state || return
  [ -z "$seen" ] || [ "$(fw4_seen)" = "$seen  -" ] || {
    echo "the firewall's configuration was changed since the router was read"
    return 1
  }
  if [ -n "$changes" ]; then
    : >"$staging" || return
    [ -n "$section" ] || {
      section=$(uci add firewall defaults) || return
      echo "$section" >"${0%/*}/section" || {
        uci -q revert "firewall.$section"
        return 1
      }
    }
    put "" firewall || return
  fi
  said=$(fw4 check 2>&1) || {
    echo "$said" | tail -n 20
    return 1
  }
  keeps_zones "$said" || return
  alone "$(uci -q changes firewall | grep -vE "^(-?firewall\.${section}[.]flow_offloading(_hw)?(=|$)|firewall\.$section=)")" || return
  : >"$reloading" && fw4 reload && settled "$desired"
}

# to_disk PATH: an older sync knows no files, and does it for all of them
to_disk() {
  sync "$1" 2>/dev/null || sync
}

# commit: the record first, so that a power failure cannot leave a configuration of ours without what was there before
commit() {
  [ -n "$changes" ] || return 0
  locked
  compose && to_disk "$new" || return
  if [ -e "$record.nft-offload-new" ]; then
    [ -e "$record" ] || : >"$recorded" || return
    to_disk "$record.nft-offload-new" && mv -f "$record.nft-offload-new" "$record" && to_disk "${record%/*}" || return
  fi
  mv -f "$new" "$config" && to_disk "${config%/*}" && unstage
}

# restore: what is staged and fw4's state, as found; the configuration on flash too, where somebody committed everything that
# was staged. The guard has put back before what the kernel ran. fw4 loads nothing here: that would make live, and leave
# there, whatever else was committed, staged, or put into a file that it includes.
restore() {
  rm -f "$new"
  if [ -e "$staging" ]; then
    unstage
    changes=$(printf '%s\n' "$changes" | while read -r option _value found; do
      [ "$(uci -q get "firewall.$section.$option" || echo -)" = "$found" ] || echo "$option $found"
    done)
    [ -z "$changes" ] || commit || return
    [ ! -e "$recorded" ] || {
      rm -f "$record" && to_disk "${record%/*}" || return
      rmdir "${record%/*}" 2>/dev/null
    }
  fi
  [ -e "$reloading" ] || return 0
  hold_fw4 30 || ! type flock >/dev/null 2>&1 || {
    echo "another load of the firewall holds its lock"
    return 1
  }
  restore_state
  code=$?
  release_fw4
  [ "$code" = 0 ] && follow_networks
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
  cp "$kept" "$state.nft-offload-new" && mv -f "$state.nft-offload-new" "$state"
}

# networks: of fw4's state, the part that netifd makes
networks() {
  sed 's/.*"networks": //; s/, "[a-z_]*rules": .*//'
}

# follow_networks: what is back knows nothing of an interface that came up meanwhile. It is loaded, once, where that makes
# nothing else live: nothing is staged, and the configuration is the one that was found to be what is live.
follow_networks() {
  [ -e "$moved" ] || return 0
  rm -f "$moved"
  if [ "$others" = refuse ] && [ "$(fw4_seen)" = "$seen  -" ] && [ -z "$(uci -q changes firewall)" ]; then
    fw4 -q reload
    [ -f "$state" ] || cp "$kept" "$state"
  else
    echo "an interface came up meanwhile: use /etc/init.d/firewall reload"
  fi
}

case $1 in
load) load ;;
stage) stage ;;
commit) commit ;;
restore) restore ;;
esac
