# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# OpenWrt's firewall: UCI's options about offload, what fw4 makes of them, what is live. Read by _observe/parse/fw4.py.

fw4_lock=/var/run/fw4.lock
fw4_state=/var/run/fw4.state

read_fw4() {
  has fw4 && has uci || return 0
  fw4_held=$(_fw4_uci_answers) || {
    section fw4.uci _fw4_uci_held
    return 0
  }
  section fw4.uci _fw4_uci
  section fw4.staged uci -q changes firewall
  _fw4_look
  section fw4.print _fw4_printed
  section fw4.live _fw4_live
  section fw4.loaded printf '%s\n' "$_loaded"
  section fw4.devices _fw4_devices
}

# _fw4_uci_answers: nobody holds a lock that uci, and with it fw4, would wait for without an end
_fw4_uci_answers() {
  has flock || return 0
  for _file in /etc/config/firewall /tmp/.uci/firewall; do
    [ ! -f "$_file" ] || (exec 9<"$_file" && _fw4_wait 20) || {
      echo "another program has held the lock of $_file for more than 20 s"
      return 1
    }
  done
}

_fw4_uci_held() {
  echo "$fw4_held"
  return 1
}

# hold_fw4 SECONDS: take the lock of fw4, whose every load removes its state file for a moment, and an interface that comes
# up causes a load. A small busybox's flock knows no time limit. Fails where the lock cannot be had. Nothing that takes the
# lock itself may run until release_fw4.
hold_fw4() {
  has flock && { true >>"$fw4_lock"; } 2>/dev/null || return
  exec 9>>"$fw4_lock"
  _fw4_wait "$1" || {
    exec 9>&-
    return 1
  }
}

# _fw4_wait SECONDS: for the lock of what is open as 9
_fw4_wait() {
  _seconds=0
  until flock -n 9; do
    [ "$_seconds" -lt "$1" ] || return 1
    sleep 1
    _seconds=$((_seconds + 1))
  done
}

release_fw4() {
  exec 9>&-
}

# What fw4 would make, what is live and what fw4 thinks of it, at one moment. What differs then may be a load that waits
# for the lock, or, where it could not be had, one that is under way: such a look is repeated.
_fw4_look() {
  for _again in 2 1 0; do
    hold_fw4 20 || true
    _printed=$(fw4 print 2>&1)
    _printed_rc=$?
    _live=$(nft list flowtable inet fw4 ft 2>&1)
    _live_rc=$?
    _loaded=$(_fw4_loaded)
    release_fw4
    [ "$_again" != 0 ] || break
    # loaded as printed, or not at all, and it does not think so either
    case $_loaded in
    *state*table*) [ "$(_fw4_printed | _fw4_flowtable)" != "$(printf '%s\n' "$_live" | _fw4_flowtable)" ] || break ;;
    *state* | *table*) ;;
    *) break ;;
    esac
    sleep 2
  done
}

# the devices of a flowtable, and whether it is in hardware
_fw4_flowtable() {
  awk '
    /flowtable ft [{]/ { inside = 1; print "flowtable" }
    inside && /devices = / { gsub(/.*[{]|["},;]/, " "); for (i = 1; i <= NF; i++) print $i }
    inside && /flags .*offload/ { print "hardware" }
    inside && /^[ \t]*[}]/ { inside = 0 }' | sort
}

_fw4_live() {
  printf '%s\n' "$_live"
  return "$_live_rc"
}

# Sections of defaults, by their ids: NAME of @defaults[n] is none that a later section could not have. And the ids of zones.
_fw4_uci() {
  _shown=$(uci -X show firewall 2>&1) || {
    _rc=$?
    echo "$_shown" | tail -n 3
    return "$_rc"
  }
  printf '%s\n' "$_shown" | awk -F '[.=]' '
    $0 ~ /^firewall\.[A-Za-z0-9_]*=defaults$/ { defaults[$2] = 1; print; next }
    $0 ~ /^firewall\.[A-Za-z0-9_]*=zone$/
    $2 in defaults && $3 ~ /^flow_offloading(_hw)?$/'
}

# The flowtable and the rule that feeds it, out of many lines; warnings and errors of fw4
_fw4_printed() {
  printf '%s\n' "$_printed" | awk '
    /^[ \t]*flowtable / { inside = 1 }
    inside || /flow (offload|add) @/ || /^[[]!]/ || /rror: / { print }
    /^[ \t]*[}]/ { inside = 0 }'
  return "$_printed_rc"
}

_fw4_loaded() {
  [ ! -f "$fw4_state" ] || echo state
  ! nft list tables 2>/dev/null | grep -qx 'table inet fw4' || {
    echo table
    [ "$_live_rc" = 0 ] || ! _fw4_is_empty || echo empty
  }
  ! /etc/init.d/firewall enabled 2>/dev/null || echo enabled
  # MediaTek's Wi-Fi takes flows through it alone
  ! grep -qsx N /sys/module/mt79*/parameters/wed_enable || echo wed-off
}

# Chains, and not one rule: what is left where nft refused the ruleset, which it takes as a whole or not at all
_fw4_is_empty() {
  nft -s -t list table inet fw4 2>/dev/null | awk '
    /^[ \t]*chain / { chains++; inside = 1; next }
    /^[ \t]*}/ { inside = 0 }
    inside && !/^[ \t]*(type .* hook .*|policy .*|comment .*)?$/ { rules++ }
    END { exit !chains || rules }'
}

# NAME KIND TARGET driver|- FEATURE of each device that the zones' networks are on, below bridges and VLANs; TARGET is the NIC
# that the ports of a switch (DSA) hang on, and whose hw-tc-offload counts. fw4 finds what is below by netifd's devtype, and
# lists the bridge or VLAN itself where netifd shows none: then TARGET is what is below, and there is no FEATURE.
_fw4_devices() {
  grep -o '"related_physdevs": \[[^]]*\]' "$fw4_state" 2>/dev/null | sed 's/.*\[//; s/[]",]/ /g' | tr ' ' '\n' |
    sort -u | while read -r _name; do [ -z "$_name" ] || _fw4_lower "$_name"; done | sort -u
}

# _fw4_feature NIC: hw-tc-offload of it in ethtool's words, or true or false where only netifd tells, which it does where
# the driver answers ETHTOOL_GLINKSETTINGS; nothing where neither does
_fw4_feature() {
  has ethtool && ethtool -k "$1" 2>/dev/null | sed -n 's/^hw-tc-offload: //p' | grep . && return
  _fw4_netifd "$1" | sed -n 's/.*"hw-tc-offload": \([a-z]*\).*/\1/p'
}

_fw4_netifd() {
  ubus call network.device status "{\"name\":\"$1\"}" 2>/dev/null
}

_fw4_lower() (
  [ -d "/sys/class/net/$1" ] || exit 0
  _kind=$(sed -n 's/^DEVTYPE=//p' "/sys/class/net/$1/uevent" 2>/dev/null)
  _target=$1
  case $_kind in
  bridge | vlan)
    _shown=$(_fw4_netifd "$1" | grep -E '"devtype": "(bridge|vlan)"')
    for _below in "/sys/class/net/$1"/lower_*; do
      [ -e "$_below" ] || continue
      _below=${_below##*/lower_}
      if [ -n "$_shown" ]; then _fw4_lower "$_below"; else echo "$1 $_kind $_below -"; fi
    done
    exit
    ;;
  dsa) for _below in "/sys/class/net/$1"/lower_*; do [ ! -e "$_below" ] || _target=${_below##*/lower_}; done ;;
  esac
  _driver=-
  [ ! -e "/sys/class/net/$_target/device/driver" ] || _driver=driver
  echo "$1 ${_kind:-ethernet} $_target $_driver $(_fw4_feature "$_target")"
)
