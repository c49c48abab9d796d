# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a controller found of this router, for the watch (sh/installed/watch.sh), in memory.

# record_verdict LINES: with the router's own time
record_verdict() {
  _home=/run/nft-offload-watch
  [ -d /run ] || _home=/var/run/nft-offload-watch
  (
    umask 022
    mkdir -p "$_home" && printf '%s\ntime %s\n' "$1" "$(date +%s)" >"$_home/verdict.new" && mv -f "$_home/verdict.new" "$_home/verdict"
  )
}
