# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What kernel_support may do with opkg and apk, beside verbs.sh and kernel_verbs.sh. Neither is ever told to force
# anything: what a package of modules is for is the only thing that keeps the modules of another kernel out.
feeds_said=
feeds_new=
feeds_asked=
feeds_updated=

# _feed_installed: names; where the manager does not tell them, what it says instead
_feed_installed() {
  _listed=$(if has opkg; then opkg list-installed; else apk info; fi 2>&1) || {
    _rc=$?
    printf '%s\n' "$_listed" | tail -n 4
    return "$_rc"
  }
  # without warnings
  printf '%s\n' "$_listed" | sed -n 's/ - .*//; /^[^ :]*$/p'
}

# one feed of several may be down: what comes of it is seen when something is installed
update_feeds() {
  if has opkg; then feeds_said=$(opkg update 2>&1); else feeds_said=$(apk update 2>&1); fi
  feeds_updated=yes
}

# simulate_from_feeds PACKAGE...: lists may be older than the feed, and opkg downloads what it only simulates to install
simulate_from_feeds() {
  _simulate "$@" || { _update_once && _simulate "$@"; } || {
    _tell
    return 1
  }
}

# _update_once: fails when it was done
_update_once() {
  [ -z "$feeds_updated" ] && update_feeds
}

# _simulate PACKAGE...: apk may plan another kernel, with other modules, where it should refuse
_simulate() {
  if has opkg; then
    _said=$(opkg --noaction install "$@" 2>&1)
  else
    _said=$(apk add --simulate "$@" 2>&1)
  fi || return
  ! echo "$_said" | grep -qE '\) (Upgrading|Downgrading|Replacing|Purging|Reinstalling) kernel '
}

_tell() {
  printf '%s\n' "$feeds_said" | grep -iE 'fail|error|unavailable' | head -n 4
  # apk's reason comes first, and a line for each installed package after it
  printf '%s\n' "$_said" | awk '
    { line[NR] = $0 }
    /breaks:|dependency kernel|dependencies for|kernel [(]=|no such package|[)] [A-Z][a-z]+ kernel [(]/ && ++told <= 6 { tells[NR] }
    END { for (i = 1; i <= NR; i++) if (i in tells || i > NR - 12) print line[i] }'
}

# install_from_feeds PACKAGE...: exit codes of these managers are not to be relied on, so what is there then counts
install_from_feeds() {
  simulate_from_feeds "$@" || return
  _before=$(_feed_installed) || {
    echo "$_before"
    return 1
  }
  feeds_asked=$(printf '%s\n' "$@" | grep -vxF "$(_world)")
  _add "$@" || { _update_once && _simulate "$@" && _add "$@"; }
  _rc=$?
  _after=$(_feed_installed) && feeds_new=$(echo "$_after" | grep -vxF "$_before")
  [ "$_rc" != 0 ] || return 0
  _tell
  uninstall_feed_new
  return 1
}

# _add PACKAGE...: as simulated. apk goes on when one fails that another one needs.
_add() {
  _planned=$(echo "$_said" | sed -n 's/^.*Installing \([^ ]*\) (.*/\1/p')
  if has opkg; then _said=$(opkg install "$@" 2>&1); else _said=$(apk add "$@" 2>&1); fi
  # shellcheck disable=SC2086 # one word a package
  _all_there "$@" $_planned
}

# _all_there PACKAGE...
_all_there() {
  for _package in "$@"; do _feed_installed | grep -qxF "$_package" || return; done
}

# _world: names of what apk was asked for; it tries to bring in what is missing of that with every call
_world() {
  sed 's/[=<>~@].*//' /etc/apk/world 2>/dev/null
}

# uninstall_feed_new: first what was asked for, installed or not; then what needs others goes before them
uninstall_feed_new() {
  # shellcheck disable=SC2086 # one word a package
  has opkg || [ -z "$feeds_asked" ] || apk del $feeds_asked >/dev/null 2>&1
  feeds_asked=$(_world | grep -xF "$feeds_asked")
  feeds_new=$(_feed_installed | grep -xF "$feeds_new")
  for _round in $feeds_new; do
    for _package in $feeds_new; do _remove "$_package" >/dev/null 2>&1; done
    feeds_new=$(_feed_installed | grep -xF "$feeds_new")
    [ -n "$feeds_new" ] || break
  done
  [ -z "$feeds_new" ] || echo "still installed: $feeds_new"
  [ -z "$feeds_asked" ] || echo "still in /etc/apk/world: $feeds_asked"
  [ -z "$feeds_new$feeds_asked" ]
}

_remove() {
  if has opkg; then opkg remove "$@"; else apk del "$@"; fi
}

# uninstall_from_feeds PACKAGE...: with what came for them alone
uninstall_from_feeds() {
  if has opkg; then
    _said=$(opkg --autoremove remove "$@" 2>&1)
  else
    _said=$(apk del "$@" 2>&1)
  fi
  _after=$(_feed_installed) || {
    echo "$_after"
    return 1
  }
  for _package in "$@"; do
    ! echo "$_after" | grep -qxF "$_package" || {
      echo "$_said" | tail -n 12
      return 1
    }
  done
}
