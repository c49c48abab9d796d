# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Files as they are on the router.

# read_files PATH...: only those that exist
read_files() {
  for _file in "$@"; do
    [ -f "$_file" ] && section "file.$_file" cat "$_file"
  done
}
