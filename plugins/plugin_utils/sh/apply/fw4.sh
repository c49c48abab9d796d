# shellcheck shell=sh
# shellcheck disable=SC2154 # apply/change.sh sets it
# SPDX-License-Identifier: GPL-3.0-or-later
# What the fw4_offload module may do, beside apply/change.sh.

# queued_script stage|commit: what sh/installed/fw4.sh does of that name, with the change that was queued as the first
queued_script() {
  if [ "$1" = stage ]; then
    # for whoever clears away what is left of a change
    staged="$staged /etc/config/.firewall"
    echo /etc/config/.firewall >>"$change/staged" || return
  fi
  sh "$change/load.1" "$1"
}
