# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs apply/packages
# Packages, through Alpine's apk (_systems/apk_alpine.py). Each verb leaves nothing behind when it fails; apk itself keeps
# /etc/apk/world as it was then.

_installed() {
  apk info 2>/dev/null
}

_apk() {
  run_manager apk --no-progress --wait 60 "$@"
}

_install() {
  _apk add "$@"
}

# what it brought along goes with it
_remove_only() {
  _apk del "$@"
}

update_packages() {
  _apk update
}

# simulate_install PACKAGE...
simulate_install() {
  _apk add --simulate "$@"
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone
uninstall_packages() {
  _how=
  [ "$1" = remove ] || _how=--purge
  shift
  _apk del ${_how:+"$_how"} "$@"
}
