# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/packages
# Packages, through pacman (_systems/pacman.py). Each verb leaves nothing behind when it fails.

_installed() {
  pacman -Qq 2>/dev/null
}

_pacman() {
  run_manager pacman --noconfirm --noprogressbar "$@"
}

_install() {
  _pacman -S --needed "$@"
}

_remove_only() {
  _pacman -Rn "$@"
}

# only where there are none: newer lists beside older packages are a partial upgrade, which Arch does not support
update_packages() {
  for _list in "$(pacman-conf DBPath)"/sync/*.db; do
    [ ! -e "$_list" ] || return 0
  done
  _pacman -Sy
}

# simulate_install PACKAGE...
simulate_install() {
  _pacman -S --needed --print "$@"
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone
uninstall_packages() {
  _how=-Rs
  [ "$1" = remove ] || _how=-Rsn
  shift
  _pacman "$_how" "$@"
}
