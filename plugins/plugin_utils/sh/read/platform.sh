# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What kind of router this is: key=value lines, read by _observe/parse/platform.py.
read_platform() {
  section platform _platform
}

_platform() {
  echo "uid=$(id -u)"
  echo "kernel=$(uname -r)"
  grep -E '^(ID|VERSION_ID|PRETTY_NAME)=' /etc/os-release 2>/dev/null | sed 's/^/os./'
  if [ -d /run/systemd/system ]; then
    echo init=systemd
  elif [ -x /sbin/procd ]; then
    echo init=procd
  fi
  for _command in nft ethtool ip conntrack modprobe udevadm systemctl apt-get opkg apk fw4 fw3 uci ubus; do
    has "$_command" && echo "has=$_command"
  done
  has nft && echo "nft=$(nft --version 2>&1)"
  return 0
}
