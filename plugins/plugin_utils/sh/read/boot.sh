# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the next boot will do, and which services look after the firewall now.

# read_boot RULESET PATH...: the ruleset's text (its head will do when it is very long), and which of the files exist
read_boot() {
  [ ! -f "$1" ] || section boot.ruleset head -c 65536 "$1"
  shift
  section boot.files _existing "$@"
}

_existing() {
  for _file in "$@"; do
    [ ! -f "$_file" ] || echo "$_file"
  done
}

# read_services BOOT_UNIT SERVICE...: one word per line, in order: is the unit enabled, is each service active
read_services() {
  [ -d /run/systemd/system ] || return 0
  section boot.enabled systemctl is-enabled "$1"
  shift
  section services systemctl is-active "$@"
}
