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
