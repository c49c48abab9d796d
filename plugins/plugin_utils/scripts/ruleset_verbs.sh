# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the ruleset module may do, beside verbs.sh.
snapshots=

# snapshot FAMILY TABLE: kept on the router, where a large set costs nothing
snapshot() {
  _listed=$(nft -s list table "$1" "$2" 2>/dev/null) || return 0
  snapshots="$snapshots
$_listed"
}

# restore FAMILY TABLE: two transactions, because a hardware flowtable cannot be replaced in one (flow_block_cb_setup_simple)
restore() {
  nft delete table "$1" "$2" 2>/dev/null
  _kept=$(printf '%s\n' "$snapshots" | awk -v head="table $1 $2 {" 'index($0, head) == 1 { on = 1 } on { print } /^}/ { on = 0 }')
  [ -z "$_kept" ] || load "$_kept"
}

# load TEXT: one transaction, all or nothing
load() {
  printf '%s\n' "$1" | nft -f -
}

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

# drop_table FAMILY TABLE
drop_table() {
  nft delete table "$1" "$2"
}

# drop_table_if_there FAMILY TABLE
drop_table_if_there() {
  nft list table "$1" "$2" >/dev/null 2>&1 || return 0
  drop_table "$1" "$2"
}

# stage_listing PATH FAMILY TABLE: how the kernel lists the table now, without what comes and goes with the devices
stage_listing() {
  _listing=$(nft -s -t list table "$2" "$3") || return
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
