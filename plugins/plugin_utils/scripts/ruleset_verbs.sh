# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the ruleset module may do, beside verbs.sh.

# dry_load TEXT: a check run loads no module, so not where nft would need the flowtables' own; what the kernel loads to
# judge a text (nft_masq and the like) goes again
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

# stage_listing PATH FAMILY TABLE: how the kernel lists the table now, for later and for the confirmation
stage_listing() {
  _listing=$(nft -s -t list table "$2" "$3") || return
  keep listed "$2 $3 $1" || return
  stage "$1" 0644 "$_listing
"
}

# enable_unit UNIT: for the next boot and, so that reloads reach it, as active now
enable_unit() {
  systemctl daemon-reload && systemctl --quiet enable "$1" && systemctl start "$1"
}

disable_unit() {
  systemctl --quiet disable --now "$1"
}

# cut_flows [FROM TO]...: forget the connections between these devices, whichever where none is named. The next packet of
# each is a new connection to the rules. Those with a translated destination tell the router's address, so all of them.
# shellcheck disable=SC2086 # devices and options are words
cut_flows() {
  _forgotten=0
  while [ "$#" -gt 1 ]; do
    for _family in 4 6; do
      for _from in $(_networks "$_family" $1); do
        for _to in $(_networks "$_family" $2); do _forget "$_family" "$_from" "$_to" || return; done
      done
    done
    shift 2
  done
  _forget 4 any any --dst-nat || return
  echo "forgotten=$_forgotten"
}

# _networks FAMILY [DEVICE]...: what is reached through the devices; "any" for a default route, or for very many
_networks() {
  [ "$#" -gt 1 ] || echo any
  _version=$1
  shift
  for _device in "$@"; do
    # link-local addresses are never forwarded
    ip -o "-$_version" route show dev "$_device" 2>/dev/null | awk '
      $1 !~ /^(fe80|ff|multicast|unreachable|blackhole|prohibit)/ { found[NR] = $1; count++; if ($1 == "default") any = 1 }
      END { if (any || count > 64) print "any"; else for (line in found) print found[line] }'
  done | sort -u
}

# _forget FAMILY FROM TO [OPTION]...
# shellcheck disable=SC2086 # options are words
_forget() {
  _filter="-f ipv$1"
  [ "$2" = any ] || _filter="$_filter -s $2"
  [ "$3" = any ] || _filter="$_filter -d $3"
  shift 3
  # exit code 1 is also that of nothing to delete
  _told=$(conntrack -D $_filter "$@" 2>&1 >/dev/null)
  case $_told in
  *' flow entries have been deleted'*) ;;
  *)
    printf '%s\n' "$_told"
    return 1
    ;;
  esac
  _told=${_told% flow entries have been deleted*}
  _forgotten=$((_forgotten + ${_told##* }))
}
