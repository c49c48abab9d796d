# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# OpenWrt's packages (_systems/feeds.py); apply/opkg.sh or apply/apk_openwrt.sh comes before this fragment. Nothing is ever
# forced: the kernel that a package of modules is for is the only thing that keeps the modules of another kernel out.
feeds_errors=
feeds_new=
feeds_asked=
feeds_updated=

# _installed: names; the manager's reason where it cannot list them
_installed() {
  _listed=$(_list_installed 2>&1) || {
    _rc=$?
    printf '%s\n' "$_listed" | tail -n 4
    return "$_rc"
  }
  # without warnings
  printf '%s\n' "$_listed" | sed -n 's/ - .*//; /^[^ :]*$/p'
}

# one feed of several may be down: what comes of it is seen when something is installed
update_packages() {
  feeds_errors=$(_update_lists 2>&1)
  feeds_updated=yes
}

# simulate_install PACKAGE...: lists may be older than the feed, and opkg downloads what it only simulates to install
simulate_install() {
  _simulate "$@" || { _update_once && _simulate "$@"; } || {
    _print_reason
    return 1
  }
}

# _update_once: fails when it was done
_update_once() {
  [ -z "$feeds_updated" ] && update_packages
}

# _simulate PACKAGE...: both may plan another kernel, with other modules, where they should refuse
_simulate() {
  _output=$(_plan_install "$@" 2>&1) || return
  ! echo "$_output" | grep -qE '(^|\) )(Upgrading|Downgrading|Replacing|Purging|Reinstalling) kernel '
}

_print_reason() {
  printf '%s\n' "$feeds_errors" | grep -iE 'fail|error|unavailable' | head -n 4
  # apk's reason comes first, and a line for each installed package after it
  printf '%s\n' "$_output" | awk '
    { line[NR] = $0 }
    /breaks:|dependency kernel|dependencies for|kernel [(]=|no such package|[)] [A-Z][a-z]+ kernel [(]|^[A-Z][a-z]+ kernel on / && ++count <= 6 { wanted[NR] }
    END { for (i = 1; i <= NR; i++) if (i in wanted || i > NR - 12) print line[i] }'
}

# install_packages PACKAGE...: exit codes of these managers are not to be relied on, so what is installed then counts
install_packages() {
  simulate_install "$@" || return
  _before=$(_installed) || {
    echo "$_before"
    return 1
  }
  feeds_asked=$(printf '%s\n' "$@" | grep -vxF "$(_world)")
  _add "$@" || { _update_once && _simulate "$@" && _add "$@"; }
  _rc=$?
  _after=$(_installed) && feeds_new=$(echo "$_after" | grep -vxF "$_before")
  [ "$_rc" != 0 ] || return 0
  _print_reason
  uninstall_new
  return 1
}

# _add PACKAGE...: as simulated. apk goes on when one fails that another one needs.
_add() {
  _planned=$(echo "$_output" | sed -n 's/^.*Installing \([^ ]*\) (.*/\1/p')
  _output=$(_install "$@" 2>&1)
  # shellcheck disable=SC2086 # one word per package
  _all_installed "$@" $_planned
}

# _all_installed PACKAGE...
_all_installed() {
  for _package in "$@"; do _installed | grep -qxF "$_package" || return; done
}

# uninstall_new: first what was asked for, installed or not; then what needs others goes before them
uninstall_new() {
  feeds_asked=$(_world | grep -xF "$feeds_asked")
  # shellcheck disable=SC2086 # one word per package
  [ -z "$feeds_asked" ] || _remove $feeds_asked >/dev/null 2>&1
  feeds_asked=$(_world | grep -xF "$feeds_asked")
  feeds_new=$(_installed | grep -xF "$feeds_new")
  for _round in $feeds_new; do
    for _package in $feeds_new; do _remove "$_package" >/dev/null 2>&1; done
    feeds_new=$(_installed | grep -xF "$feeds_new")
    [ -n "$feeds_new" ] || break
  done
  [ -z "$feeds_new" ] || echo "still installed: $feeds_new"
  [ -z "$feeds_asked" ] || echo "still in /etc/apk/world: $feeds_asked"
  [ -z "$feeds_new$feeds_asked" ]
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone; both leave no configuration that was not edited
uninstall_packages() {
  shift
  _output=$(_remove_with_orphans "$@" 2>&1)
  _after=$(_installed) || {
    echo "$_after"
    return 1
  }
  for _package in "$@"; do
    ! echo "$_after" | grep -qxF "$_package" || {
      echo "$_output" | tail -n 12
      return 1
    }
  done
}
