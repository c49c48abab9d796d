#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the command that runs containers here, docker or podman. Without either it fails with the reason.
why=
for command in docker podman; do
  if ! command -v "$command" >/dev/null; then
    why="$why, $command is not installed"
  elif output=$("$command" info 2>&1); then
    echo "$command"
    exit
  else
    why="$why, '$command info' fails: ${output##*
}"
  fi
done
echo "SKIPPED: no container can be run here${why}" >&2
exit 1
