# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How packages are installed, all or none, whatever the package manager. Its own fragment has
#   _installed             prints what is installed, one a line, each by the name under which it can be removed
#   _install PACKAGE...
#   _remove_only PACKAGE...  these and nothing that they need
packages_new=

# run_manager COMMAND [ARGUMENT...]: prints what it says only where it fails: lines about errors, and the last ones
run_manager() {
  _output=$("$@" 2>&1) && return
  _rc=$?
  print_failure
  return "$_rc"
}

print_failure() {
  printf '%s\n' "$_output" | grep -iE 'error|signature|gpg|no space' | head -n 6
  printf '%s\n' "$_output" | tail -n 12
}

# install_packages PACKAGE...: how it ended is kept in a variable that undoing it does not touch
install_packages() {
  _before=$(_installed)
  _ended=0
  _install "$@" || _ended=$?
  packages_new=$(_installed | grep -vxF "$_before")
  [ "$_ended" = 0 ] || uninstall_new
  return "$_ended"
}

# uninstall_new: what install_packages brought, with what came along
uninstall_new() {
  # shellcheck disable=SC2086 # one word per package
  [ -z "$packages_new" ] || _remove_only $packages_new
}
