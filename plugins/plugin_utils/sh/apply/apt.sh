# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/kernel
# Packages, through apt and dpkg (_systems/apt.py); apply/kernel.sh comes before this fragment. Each verb leaves nothing
# behind when it fails.
packages_new=

_installed() {
  dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p'
}

# needrestart would restart services of a running router because of a package that is not theirs
_apt() {
  _quiet env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -y -o DPkg::Lock::Timeout=60 \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
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
  # shellcheck disable=SC2086 # one word per package
  [ -z "$packages_new" ] || _apt purge $packages_new
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone, which is what an autoremove would not take now
uninstall_packages() {
  _how=$1
  shift
  _orphans=$(_removals autoremove)
  # shellcheck disable=SC2046
  _apt "$_how" $(_removals --auto-remove remove "$@" | grep -vxF "$_orphans")
}

_removals() {
  apt-get -s "$@" | sed -n 's/^Remv \([^ ]*\).*/\1/p'
}
