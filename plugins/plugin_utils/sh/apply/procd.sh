# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How OpenWrt's boot comes to start what was installed (_systems/procd.py).

# enable_init NAME: makes its link in /etc/rc.d, and removes those of other numbers, which it had in earlier versions
enable_init() {
  "/etc/init.d/$1" enable || return
  _start=$(sed -n 's/^START=//p' "/etc/init.d/$1")
  for _link in /etc/rc.d/S[0-9][0-9]"$1"; do
    [ "$_link" = "/etc/rc.d/S$_start$1" ] || rm -f "$_link"
  done
}
