# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What kind of router this is: key=value lines, read by _observe/parse/platform.py.
read_platform() {
  section platform _platform
}

_platform() {
  echo "uid=$(id -u)"
  echo "kernel=$(uname -r)"
  grep -E '^(ID|ID_LIKE|VERSION_ID|PRETTY_NAME)=' /etc/os-release 2>/dev/null | sed 's/^/os./'
  if [ -d /run/systemd/system ]; then
    echo init=systemd
  elif [ -x /sbin/procd ]; then
    echo init=procd
  elif [ -d /run/openrc ] && grep -q '^[^ ]* / tmpfs ' /proc/mounts; then
    # Alpine's diskless mode: what is not committed with lbu is gone with the power
    echo init=openrc-diskless
  elif [ -d /run/openrc ]; then
    echo init=openrc
  else
    echo "init=$(_other_init)"
  fi
  for _command in nft ethtool ip conntrack modprobe udevadm systemctl apt-get dnf zypper pacman opkg apk fw4 fw3 uci ubus; do
    has "$_command" && echo "has=$_command"
  done
  _conntrack_file
  has nft && echo "nft=$(nft --version 2>&1)"
  return 0
}

# _other_init: what starts services here, by the name that a message can have. sysvinit and busybox call their first process
# init, and runit, s6 and dinit theirs by their name.
_other_init() {
  _first=$(cat /proc/1/comm 2>/dev/null)
  case $_first in
  runit*) echo runit ;;
  s6-*) echo s6 ;;
  init)
    case $(ls -l /sbin/init 2>/dev/null) in
    *busybox*) echo busybox ;;
    *) echo sysvinit ;;
    esac
    ;;
  *) echo "$_first" ;;
  esac
}

# Is there a /proc/net/nf_conntrack on this kernel (NF_CONNTRACK_PROCFS)? It appears when something tracks.
_conntrack_file() {
  if [ -e /proc/net/nf_conntrack ]; then
    echo conntrack_file=yes
  elif [ -e /proc/sys/net/netfilter/nf_conntrack_count ] ||
    grep -q '^# CONFIG_NF_CONNTRACK_PROCFS is not set' "/boot/config-$(uname -r)" 2>/dev/null; then
    echo conntrack_file=no
  fi
}
