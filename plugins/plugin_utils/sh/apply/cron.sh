# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# busybox's cron, which OpenWrt and Alpine start things with again and again (_systems/cron.py).

# restart_cron: so that it runs, now and after a boot, and reads its table. OpenWrt's runs only while that has a line.
restart_cron() {
  if has rc-update; then
    rc-update --quiet add crond default && rc-service --quiet crond restart
  else
    /etc/init.d/cron enable && /etc/init.d/cron restart
  fi
}
