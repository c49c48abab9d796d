# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the ruleset module may do, beside apply/change.sh.

# dry_load TEXT: a check run loads no module, so not where nft would need the flowtables' own; what the kernel loads to
# check a text (nft_masq and the like) is unloaded again
dry_load() {
  flowtables_loaded || return 0
  _before=$(_netfilter_modules)
  printf '%s\n' "$1" | nft -c -f -
  _rc=$?
  while _unload_since "$_before"; do :; done
  return "$_rc"
}

_netfilter_modules() {
  sed -n 's/^\(nft*_[^ ]*\) .*/\1/p' /proc/modules
}

# _unload_since MODULES: those that came later; fails when none of them goes
_unload_since() {
  _rest=1
  for _module in $(_netfilter_modules | grep -vxF "$1"); do rmmod "$_module" 2>/dev/null && _rest=0; done
  return "$_rest"
}

# flush_connections [FROM TO]...: between these devices, any where none is named, all but those that are named with a "!".
# The rules re-evaluate the next packet of each as that of a new connection. The entries of those with a translated
# destination hold the router's address, so all of them. What goes back through the one device that has the default route
# cannot be distinguished from all else that goes through it, and is rare.
flush_connections() {
  _flushed=0
  while [ "$#" -gt 1 ]; do
    for _family in 4 6; do
      _targets=$(_networks "$_family" "$2")
      for _from in $(_networks "$_family" "$1"); do
        for _to in $_targets; do
          [ "$_from $_to" = "any any" ] && _one_device "$1" "$2" || _flush "$_family" "$_from" "$_to" || return
        done
      done
    done
    shift 2
  done
  _flush 4 any any --dst-nat || return
  echo "flushed=$_flushed"
}

# _one_device FROM TO
_one_device() {
  [ "$1" = "$2" ] && case $1 in '' | '!'* | *' '*) false ;; esac
}

# _networks FAMILY DEVICES: what is reached through the devices, by any table of routes; "any" for a default route, for more
# networks than are worth a scan of all connections each, and in doubt
_networks() {
  # busybox lists no devices of a route with several; link-local addresses are never forwarded
  ip -o "-$1" route show table all 2>/dev/null | awk -v devices=" $2 " '
    function ours(device) {
      if (index(devices, "!")) return device != "lo" && !index(devices, " !" device " ")
      return index(devices, " " device " ")
    }
    function here(field, dev) {
      for (field = 1; field < NF; field++) if ($field == "dev") { dev = 1; if (ours($(field + 1))) return 1 }
      return !dev
    }
    devices !~ /[^ ]/ { any = 1; exit }
    /^(local|broadcast|anycast|multicast|unreachable|blackhole|prohibit|throw|fe80|ff)/ || $1 in found || !here() { next }
    $1 == "default" || $1 == "nexthop" || count == 8 { any = 1; exit }
    { found[$1]; count++ }
    END { if (any || !NR) print "any"; else for (network in found) print network }'
}

# _flush FAMILY FROM TO [OPTION]...
# shellcheck disable=SC2086 # options are words
_flush() {
  _filter="-f ipv$1"
  [ "$2" = any ] || _filter="$_filter -s $2"
  [ "$3" = any ] || _filter="$_filter -d $3"
  shift 3
  # exit code 1 is also that of nothing to delete
  _out=$(conntrack -D $_filter "$@" 2>&1 >/dev/null)
  case $_out in
  *' flow entries have been deleted'*) ;;
  *)
    printf '%s\n' "$_out"
    return 1
    ;;
  esac
  _out=${_out% flow entries have been deleted*}
  _flushed=$((_flushed + ${_out##* }))
}
