#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the command that runs containers here, docker or podman. Where there is none it fails, and says why.
why=
for command in docker podman; do
  if ! command -v "$command" >/dev/null; then
    why="$why, $command is not installed"
  elif said=$("$command" info 2>&1); then
    echo "$command"
    exit
  else
    why="$why, '$command info' fails: ${said##*
}"
  fi
done
echo "SKIPPED: no container can be run here${why}" >&2
exit 1
