# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a plan may do to a router (_core/plan.py writes the calls). Each verb changes one thing and returns its exit code.
failed=
live=
committed=
staged=
made=
# what is behind the name of a file that is staged: a change has its id there, so that nothing of one ever acts on another
suffix=.nft-offload-new
# the function that a step is run by, where not every shell may take it
holder=

# step N VERB [ARGUMENT...]: unless an earlier one failed
step() {
  [ -z "$failed" ] || return 0
  _step=$1
  shift
  # shellcheck disable=SC2086 # or none
  if section "step.$_step" $holder "$@"; then
    case $1 in stage | removable | dry_load | rehearse) ;; *) live=yes ;; esac
  else
    failed=$_step
  fi
}

# undo N VERB [ARGUMENT...]: only when a step failed after something live was touched, and before any file was in place
undo() {
  [ -n "$failed" ] && [ -n "$live" ] && [ -z "$committed" ] || return 0
  _step=$1
  shift
  section "undo.$_step" "$@"
}

# finish: clear away what is still staged
finish() {
  for _file in $staged; do rm -f "$_file$suffix"; done
  for _dir in $made; do rmdir "$_dir" 2>/dev/null; done
  staged=
}

# make_dir DIR MODE
make_dir() {
  [ -d "$1" ] && return 0
  make_dir "${1%/*}" "$2" || return
  mkdir -m "$2" "$1" && made="$1 $made"
}

# stage PATH MODE TEXT: beside its target, read back, so that a full disk shows before anything changes. A file that only
# its owner may read is in a directory like it; one of ours that is not like that yet becomes so.
stage() {
  case $2 in
  *00)
    make_dir "${1%/*}" 0700 || return
    case ${1%/*} in */nft-offload | */nft-offload/history) chmod 0700 "${1%/*}" || return ;; esac
    ;;
  *) make_dir "${1%/*}" 0755 || return ;;
  esac
  if [ -d "$1" ]; then
    echo "$1: Is a directory"
    return 1
  fi
  staged="$staged $1"
  # what a run before has left, which may have other permissions, or be a link
  rm -f "$1$suffix" || return
  # only whoever has the lock knows that those of others are over
  [ -z "${change-}" ] || for _left in "$1".*-????????.nft-offload-new; do rm -f "$_left" || return; done
  # cat prints why it cannot write, a shell's own printf only that it cannot
  (umask 077 && printf '%s' "$3" | cat >"$1$suffix") || return
  chmod "$2" "$1$suffix" || return
  [ "$(cat "$1$suffix" && echo .)" = "$3." ] || {
    echo "$1: what was written does not read back"
    return 1
  }
}

# removable PATH: seen before anything changes. For root, `test -w` of busybox is true everywhere; the kernel knows.
removable() {
  touch -c "$1"
}

# commit: every staged file into place, each in one rename
commit() {
  sync
  committed=yes
  for _file in $staged; do mv -f "$_file$suffix" "$_file" || return; done
  staged=
}

# remove PATH: and its directory when that is ours and empty now
remove() {
  rm -f "$1" "$1$suffix" || return
  case ${1%/*} in */nft-offload | */nft-offload/history | */nftables.service.d | */rc.conf.d) rmdir "${1%/*}" 2>/dev/null ;; esac
  return 0
}
