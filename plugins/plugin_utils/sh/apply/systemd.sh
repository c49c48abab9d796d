# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How systemd and udev come to start what was installed (_systems/systemd.py).

reload_managers() {
  systemctl daemon-reload && reload_udev
}

reload_udev() {
  udevadm control --reload
}

# enable_unit UNIT: for the next boot and, so that reloads reach it, as active now. Enabling makes systemd read its files
# again, which takes seconds on a slow router.
enable_unit() {
  systemctl --quiet enable "$1" && systemctl start "$1"
}

# disable_unit UNIT: not at the next boot, and not active any more
disable_unit() {
  systemctl --quiet disable --now "$1"
}
