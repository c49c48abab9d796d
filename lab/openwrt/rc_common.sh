#!/bin/sh
# A stand-in for OpenWrt's /etc/rc.common. It leaves out: procd, and every action except start, stop, restart, reload, boot,
# enable, disable and enabled.
# SPDX-License-Identifier: GPL-3.0-or-later
script=$1
action=${2:-help}
name=${script##*/}
START=
STOP=

stop() { true; }
reload() { restart; }
restart() {
  stop
  start
}
boot() { start; }
reload_service() { true; }

enable() {
  disable
  [ -z "$START" ] || ln -sf "../init.d/$name" "/etc/rc.d/S$START$name"
  [ -z "$STOP" ] || ln -sf "../init.d/$name" "/etc/rc.d/K$STOP$name"
}

disable() {
  rm -f /etc/rc.d/S??"$name" /etc/rc.d/K??"$name"
}

enabled() {
  [ -e "/etc/rc.d/S$START$name" ]
}

# shellcheck source=/dev/null
. "$script"
case $action in
start | stop | restart | reload | boot | enable | disable | enabled) "$action" ;;
*) exit 1 ;;
esac
