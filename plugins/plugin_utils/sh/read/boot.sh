# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the next boot will do, and which services look after the firewall now.

# read_boot_record PATH...: what boot loaded, of the first of the files that exists
read_boot_record() {
  for _file in "$@"; do
    [ ! -f "$_file" ] || {
      section boot.record head -c 2000 "$_file"
      break
    }
  done
}

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

# read_services SERVICE...: is each of them active? One word per line, in order. Of procd's: does boot start it?
read_services() {
  if [ -d /run/systemd/system ]; then
    section services systemctl is-active "$@"
  elif [ -d /run/openrc/started ]; then
    section services _started_openrc "$@"
  elif [ -d /etc/rc.d ]; then section services _started "$@"; fi
}

_started_openrc() {
  for _service in "$@"; do
    if [ -L "/run/openrc/started/$_service" ]; then echo active; else echo inactive; fi
  done
}

# /etc/rc.d/S99NAME
_started() {
  _enabled=/
  for _link in /etc/rc.d/S[0-9]*; do
    _link=${_link##*/S}
    _enabled=$_enabled${_link#"${_link%%[!0-9]*}"}/
  done
  for _service in "$@"; do
    case $_enabled in */"$_service"/*) echo active ;; *) echo inactive ;; esac
  done
}
