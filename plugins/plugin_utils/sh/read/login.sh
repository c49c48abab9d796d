# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# How this shell came to the router. Lines of key=value.

# read_login: the SSH connection, and the device to its other end
read_login() {
  section login _login
}

_login() {
  _over=$(ssh_connection)
  echo "ssh=$_over"
  _peer=${_over%% *}
  [ -n "$_peer" ] || return 0
  _device=$(ip route get "${_peer%%%*}" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  [ -n "$_device" ] || return 0
  echo "device=$_device"
  if _is_tunnel "$_device"; then echo tunnel=yes; fi
}

# The connection that this shell was started over; become takes it out of the environment, but not out of /proc. Empty where
# it came over none; fails where that cannot be seen.
ssh_connection() {
  _process=$$
  while [ "${_process:-0}" -gt 1 ]; do
    # of another user's, as that of sshd is to one who is not root
    if [ -r "/proc/$_process/environ" ]; then
      _found=$(tr '\000' '\n' 2>/dev/null <"/proc/$_process/environ") || return
      _found="
$_found
"
      case $_found in
      *'
SSH_CONNECTION='*)
        _found=${_found#*'
SSH_CONNECTION='}
        echo "${_found%%'
'*}"
        return
        ;;
      esac
    fi
    _parent=
    while read -r _key _value; do [ "$_key" != PPid: ] || _parent=$_value; done <"/proc/$_process/status" || return
    _process=$_parent
  done
}

# _is_tunnel DEVICE: one without hardware whose packets travel in others. Types are ARPHRD_* of linux/if_arp.h: none
# (tun, WireGuard), tunnel, tunnel6, sit, ipgre, ip6gre, and ppp where it is not PPPoE, whose session is no IP flow.
_is_tunnel() {
  [ ! -e "/sys/class/net/$1/device" ] || return 1
  [ ! -e "/sys/class/net/$1/tun_flags" ] || return 0
  case $(cat "/sys/class/net/$1/type" 2>/dev/null) in
  65534 | 768 | 769 | 776 | 778 | 823) return 0 ;;
  512) ! awk 'NR > 1 { found = 1 } END { exit !found }' /proc/net/pppoe 2>/dev/null ;;
  *) grep -Eq '^DEVTYPE=(wireguard|vxlan|geneve|gretap)' "/sys/class/net/$1/uevent" 2>/dev/null ;;
  esac
}
