#!/bin/sh /etc/rc.common
# A stand-in for OpenWrt's /etc/init.d/firewall. It leaves out procd and its triggers.
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck disable=SC2034 # rc.common reads it
START=19

start() { fw4 start; }
stop() { fw4 flush; }
restart() { fw4 restart; }
reload() { fw4 reload; }
