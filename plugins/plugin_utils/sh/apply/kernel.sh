# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the kernel_support module may do, beside verbs.sh. Each verb leaves nothing behind when it fails.
modules_new=
packages_new=

_loaded() {
  cut -d ' ' -f 1 /proc/modules
}

_installed() {
  dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p'
}

# Only the end of a long output travels, and only of a failure
_quiet() {
  _said=$("$@" 2>&1) && return 0
  _rc=$?
  echo "$_said" | tail -n 12
  return "$_rc"
}

# needrestart would restart services of a running router because of a package that is not theirs
_apt() {
  _quiet env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -y -o DPkg::Lock::Timeout=60 \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# load_modules MODULE...
load_modules() {
  _before=$(_loaded)
  for _module in "$@"; do
    _quiet modprobe "$_module" || {
      _rc=$?
      break
    }
    _rc=0
  done
  modules_new="$modules_new $(_loaded | grep -vxF "$_before")"
  [ "$_rc" = 0 ] || unload_new
  return "$_rc"
}

# unload_new: what load_modules brought; as long as a round unloads something, another one is worth it
unload_new() {
  while [ -n "$modules_new" ]; do
    _left=
    _progress=
    for _module in $modules_new; do
      if rmmod "$_module" 2>/dev/null; then _progress=yes; else _left="$_left $_module"; fi
    done
    modules_new=$_left
    [ -n "$_progress" ] || break
  done
  [ -z "$modules_new" ] || {
    echo "still loaded:$modules_new"
    return 1
  }
}

# unload_modules MODULE...: in this order, all or none
unload_modules() {
  _gone=
  for _module in "$@"; do
    _quiet rmmod "$_module" || {
      _rc=$?
      for _back in $_gone; do modprobe "$_back"; done
      return "$_rc"
    }
    _gone="$_module $_gone"
  done
}

update_packages() {
  _apt update
}

# simulate_install PACKAGE...
simulate_install() {
  _apt -s --no-install-recommends install "$@"
}

# install_packages PACKAGE...
install_packages() {
  _before=$(_installed)
  _apt --no-install-recommends install "$@"
  _rc=$?
  packages_new=$(_installed | grep -vxF "$_before")
  [ "$_rc" = 0 ] || uninstall_new
  return "$_rc"
}

# uninstall_new: what install_packages brought, with what came along
uninstall_new() {
  # shellcheck disable=SC2086 # one word a package
  [ -z "$packages_new" ] || _apt purge $packages_new
}

# uninstall remove|purge PACKAGE...: with what was there for them alone, which is what an autoremove would not take now
uninstall() {
  _how=$1
  shift
  _orphans=$(_removals autoremove)
  # shellcheck disable=SC2046
  _apt "$_how" $(_removals --auto-remove remove "$@" | grep -vxF "$_orphans")
}

_removals() {
  apt-get -s "$@" | sed -n 's/^Remv \([^ ]*\).*/\1/p'
}
