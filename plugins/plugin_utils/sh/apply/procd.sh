# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How OpenWrt's boot comes to start what was installed (_systems/procd.py).

# enable_init NAME: makes its link in /etc/rc.d
enable_init() {
  "/etc/init.d/$1" enable
}
