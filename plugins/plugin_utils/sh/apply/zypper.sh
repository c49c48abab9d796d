# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/rpm
# Packages, through zypper (_systems/zypper.py). Each verb leaves nothing behind when it fails.

# _zypper: 102 and 103 say that something has to be restarted, 106 that another source could not be read; all is done then
_zypper() {
  _output=$(zypper --non-interactive "$@" 2>&1)
  _rc=$?
  case $_rc in 0 | 102 | 103 | 106) return 0 ;; esac
  print_failure
  return "$_rc"
}

_install() {
  _zypper install --no-recommends "$@" && check_rpms "$@"
}

update_packages() {
  _zypper refresh
}

# simulate_install PACKAGE...
simulate_install() {
  _zypper install --no-recommends --dry-run "$@"
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone; rpm knows no purge
uninstall_packages() {
  shift
  _zypper remove --clean-deps "$@"
}
