#!/bin/sh
# A stand-in for OpenWrt's `uci`. It leaves out: import, rename, reorder, -f, -m, -d, configuration outside of the
# directory, override directories, several statements on one line, locks, and the byte in parse errors.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compared with the real program (2025-12) by lists of commands, their output, exit codes and files: the output of get, show
# (also with -X), export and changes for strings, lists, quotes, comments and values of several lines; ids of unnamed
# sections; @type[n] and @type[-n]; set, add, add_list, del_list, delete, revert and the lines that they stage; commit (it
# drops comments, keeps the mode, writes nothing when nothing is staged); -c, -p, -P, -t, -q, -S; errors for missing entries
# and files that do not parse. Some of this is easily misunderstood:
#   -t DIR and -P DIR also read what others staged in /tmp/.uci, so a commit with -t writes that too;
#   -P never commits, and prints nothing;
#   batch always exits with 0, and so do commit, changes and export without a package;
#   a commit to a full disk leaves half a file and exits with 0;
#   a line goes on after a backslash at its end.
conf=${UCI_STAND_IN_CONF:-/etc/config}
save=/tmp/.uci
paths=
quiet=
strict=yes
commits=yes
extended=yes
named=
program=${0##*/}

usage() {
  echo "Usage: $program [<options>] <command> [<arguments>]" >&2
}

while getopts c:p:P:t:qsSXnN option; do
  case $option in
  c) conf=$OPTARG ;;
  p) paths="$paths $OPTARG" ;;
  P) save=$OPTARG commits= ;;
  t) save=$OPTARG ;;
  q) quiet=yes ;;
  s) strict=yes ;;
  S) strict= ;;
  X) extended= ;;
  n) named=1 ;;
  N) named= ;;
  *) usage && exit 0 ;;
  esac
done
shift $((OPTIND - 1))
[ "$#" -gt 0 ] || {
  usage
  exit 0
}
[ "$save" = /tmp/.uci ] || paths="/tmp/.uci $paths"

engine() {
  awk -v conf="$conf" -v save="$save" -v paths="$paths" -v extended="$extended" -v strict="$strict" -v quiet="$quiet" \
    -v app="$program" -v out="$out" -v named="$named" -f /usr/lib/stand-in/uci.awk </dev/null
}

# run_action ACTION TUPLE [TYPE]: on one package; writes the result to the files
run_action() {
  package=${2%%[.=]*}
  out=$(mktemp -d /tmp/uci.XXXXXX) || exit
  UCI_ACTION=$1 UCI_TUPLE=$2 UCI_TYPE=${3:-} engine
  code=$?
  if [ "$code" = 0 ] && [ -s "$out/stage" ]; then
    [ -d "$save" ] || mkdir "$save"
    cat "$out/stage" >>"$save/$package"
  fi
  [ ! -e "$out/left" ] || [ ! -e "$save/$package" ] || cat "$out/left" >"$save/$package"
  if [ -e "$out/written" ]; then
    new=$conf/.$package.uci-$$
    # like the real one, which does not check whether it could write
    cp -p "$conf/$package" "$new" 2>/dev/null
    cat "$out/new" 2>/dev/null >"$new"
    mv -f "$new" "$(readlink -f "$conf/$package")"
    : >"$save/$package"
  fi
  rm -rf "$out"
  return "$code"
}

command=$1
shift
case $command in
batch)
  [ -z "$in_batch" ] || exit 255
  # the words of each line, quoted for a shell
  awk '
    {
      quoted = ""
      while ($0 != "") {
        sub(/^[ \t]+/, "")
        text = ""
        while ($0 != "" && (c = substr($0, 1, 1)) !~ /[ \t#]/) {
          $0 = substr($0, 2)
          if (c == "\047" || c == "\"") {
            n = index($0 c, c)
            text = text substr($0, 1, n - 1)
            $0 = substr($0, n + 1)
          } else text = text c
        }
        if (c == "#") $0 = ""
        gsub(/\047/, "\047\\\047\047", text)
        quoted = quoted " \047" text "\047"
      }
      if (quoted != "" && quoted != " \047\047") print quoted
    }
  ' | while read -r line; do
    case $line in "'exit'"*) break ;; esac
    eval "set -- $line"
    [ "$#" -le 4 ] || {
      [ -n "$quiet" ] || echo "Too many arguments" >&2
      continue
    }
    (
      in_batch=yes
      export in_batch
      exec "$0" -c "$conf" ${commits:+-t "$save"} ${quiet:+-q} "$@" 2>&1 >&3 </dev/null | sed '/^Usage: /d'
    ) 3>&1 >&2
    case $1 in
    batch | export | changes | commit | add | add_list | del_list | show | get | set | delete | del | revert) ;;
    *) [ -n "$quiet" ] || echo "Unknown command" >&2 ;;
    esac
  done
  exit 0
  ;;
show | changes | commit | export)
  [ "$#" -le 1 ] || {
    usage
    exit 255
  }
  [ -n "$commits" ] || [ "$command" != commit ] || exit 0
  [ "$#" = 0 ] || {
    run_action "$command" "$1"
    exit
  }
  for file in "$conf"/*; do
    case ${file##*/} in *.* | *[!A-Za-z0-9_-]*) continue ;; esac
    [ ! -f "$file" ] || run_action "$command" "${file##*/}"
  done
  exit 0
  ;;
add)
  [ "$#" = 2 ] || {
    usage
    exit 255
  }
  [ -f "$conf/$1" ] || {
    [ -n "$quiet" ] || echo "$program: Entry not found" >&2
    exit 3
  }
  run_action add "$1" "$2"
  ;;
get | set | delete | del | add_list | del_list | revert)
  [ "$#" = 1 ] || {
    usage
    exit 255
  }
  [ "$command" != del ] || command=delete
  run_action "$command" "$1"
  ;;
*)
  usage
  exit 255
  ;;
esac
