# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/rpm
# Packages, through dnf 4 or 5 (_systems/dnf.py). Each verb leaves nothing behind when it fails.

_dnf() {
  run_manager dnf -y --setopt=install_weak_deps=False --setopt=exit_on_lock=True "$@"
}

_install() {
  _dnf install "$@" && check_rpms "$@"
}

# it ends with 0 where a source cannot be read, and says so again when something is installed
update_packages() {
  _dnf makecache
}

# simulate_install PACKAGE...: it shows the transaction and fails, because the answer is no
simulate_install() {
  _output=$(_dnf_simulate "$@" 2>&1) && return
  _rc=$?
  case $_output in *"Operation aborted"*) return 0 ;; esac
  print_failure
  return "$_rc"
}

_dnf_simulate() {
  dnf --assumeno --setopt=install_weak_deps=False --setopt=exit_on_lock=True install "$@"
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone; rpm knows no purge
uninstall_packages() {
  shift
  _dnf --setopt=clean_requirements_on_remove=True remove "$@"
}
