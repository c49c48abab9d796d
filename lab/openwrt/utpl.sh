#!/bin/sh
# A stand-in for ucode's `utpl`, and only for one template: that which renders fw4's ruleset with the networks of its state
# (sh/read/fw4_pending.sh). It leaves out the language: whatever it is given, it has the stand-in for fw4 print that.
# SPDX-License-Identifier: GPL-3.0-or-later
cat >/dev/null
AS_LOADED=yes exec /sbin/fw4 print
