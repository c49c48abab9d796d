# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/packages
# Packages, through apt and dpkg (_systems/apt.py). Each verb leaves nothing behind when it fails.

_installed() {
  dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p'
}

# needrestart would restart services of a running router because of a package that is not theirs
_apt() {
  run_manager env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -y -o DPkg::Lock::Timeout=60 \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

_install() {
  _apt --no-install-recommends install "$@"
}

_remove_only() {
  _apt purge "$@"
}

update_packages() {
  _apt update
}

# simulate_install PACKAGE...
simulate_install() {
  _apt -s --no-install-recommends install "$@"
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
