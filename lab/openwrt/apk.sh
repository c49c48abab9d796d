#!/bin/sh
# A stand-in for OpenWrt's `apk`. It leaves out: every command but update, add, del, info and list,
# every option but --simulate, and what feed.sh leaves out.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# It was not compared with the real program; its messages come from bug reports. From its source (3.0), also not compared:
# add and del write /etc/apk/world even if packages failed; every call installs what is in it and removes what nothing in
# it needs, which a dry run of del prints too; the reasons that keep a package are printed in lines of 50 columns.
# /etc/stand-in/replaces-kernel: plan another kernel instead of refusing, as early versions did.
# shellcheck disable=SC2154 # feed.sh sets feed and installed
lists=/var/cache/apk/index
info=/lib/apk/packages
world=/etc/apk/world # lines NAME or NAME=VERSION
# shellcheck source=/dev/null
. /usr/lib/stand-in/feed.sh
mkdir -p "$info" "${lists%/*}" "${world%/*}"
touch "$world"
dry=

options() {
  while [ "${1#-}" != "$1" ]; do
    case $1 in -s | --simulate) dry=yes ;; esac
    shift
  done
  packages=$*
}

in_world() {
  sed 's/[=<>~@].*//' "$world"
}

# lacking: the dependencies of the installed packages
lacking() {
  while read -r name _version; do index_line "$name" | sed 's/.* //; /^-$/d' | tr , '\n'; done <"$installed"
}

# to_world NAME...: add these; out_of_world NAME...: remove these
to_world() {
  for name in "$@"; do in_world | grep -qx "$name" || echo "$name" >>"$world"; done
}

out_of_world() {
  for name in "$@"; do sed -i "/^$name\([=<>~@].*\)\{0,1\}\$/d" "$world"; done
}

# going NAME...: the packages that nothing needs once these are out of the world
going() {
  gone=" "
  more=yes
  while [ -n "$more" ]; do
    more=
    for name in "$@" $(grep -svxF "$(in_world)" "$installed.auto"); do
      [ -n "$(version_of "$name")" ] || continue
      case $gone in *" $name "*) continue ;; esac
      for user in $(users "$name"); do
        case $gone in *" $user "*) ;; *) continue 2 ;; esac
      done
      gone="$gone$name "
      more=yes
    done
  done
  echo "$gone"
}

# kept_by NAME: packages of the world that need it
kept_by() {
  for user in $(users "$1"); do
    ! in_world | grep -qx "$user" || echo "$user"
    kept_by "$user"
  done | sort -u
}

add() {
  unknown=
  broken=
  # shellcheck disable=SC2046,SC2086 # one word per package
  plan=$(plan_for $(lacking) $(in_world) $packages)
  for name in $plan; do
    case $name in
    \?*)
      unknown="$unknown  ${name#\?} (no such package):
    required by: world[${name#\?}]
"
      continue
      ;;
    esac
    for_kernel=$(index_line "$name" | cut -d ' ' -f 3)
    [ "$for_kernel" = - ] || [ "$for_kernel" = "$(version_of kernel)" ] || broken="$broken $name"
  done
  kernel=
  if [ -n "$broken" ] && [ -e /etc/stand-in/replaces-kernel ]; then
    kernel=$(index_line "${broken##* }" | cut -d ' ' -f 3)
    broken=
  fi
  [ -z "$unknown$broken" ] || {
    {
      echo "ERROR: unable to select packages:"
      [ -z "$broken" ] || echo "  kernel-$(version_of kernel):"
      for name in $broken; do
        echo "    breaks: $name-$(index_line "$name" | cut -d ' ' -f 2)[kernel=$(index_line "$name" | cut -d ' ' -f 3)]"
      done
      [ -z "$broken" ] || {
        echo "    satisfies: world[kernel=$(version_of kernel)]"
        # one line of 50 columns for each installed package
        while read -r name version; do
          [ "$name" = kernel ] || echo "               $name-${version}[kernel=$(version_of kernel)]"
        done <"$installed"
      }
      printf '%s' "$unknown"
    } >&2
    return 1
  }
  total=$(echo "$plan${kernel:+ kernel}" | wc -w)
  number=0
  [ -z "$kernel" ] || {
    # and the packages that were built for it
    others=$(sed -n 's/^\(kmod-[^ ]*\) .*/\1/p' "$installed")
    total=$((total + $(echo "$others" | wc -w)))
    number=1
    printf '(%*d/%d) Upgrading kernel (%s -> %s)\n' "${#total}" 1 "$total" "$(version_of kernel)" "$kernel"
    for name in $others; do
      number=$((number + 1))
      printf '(%*d/%d) Upgrading %s (%s -> %s)\n' "${#total}" "$number" "$total" "$name" "$(version_of "$name")" "$kernel"
    done
    [ -n "$dry" ] || sed -i "s/^\(kernel\|kmod-[^ ]*\) .*/\1 $kernel/" "$installed"
  }
  install_plan
  failed=$?
  # whether or not that worked
  # shellcheck disable=SC2086
  [ -n "$dry" ] || to_world $packages
  [ "$failed" = 0 ] || echo "$failed errors; 1 MiB in $(wc -l <"$installed") packages"
  [ "$failed" != 0 ] || echo "OK: 1 MiB in $(wc -l <"$installed") packages"
  return "$failed"
}

# install_plan: install the packages of the plan
install_plan() {
  failed=0
  for name in $plan; do
    number=$((number + 1))
    echo "($number/$total) Installing $name ($(index_line "$name" | cut -d ' ' -f 2))"
    [ -n "$dry" ] && continue
    if [ -e "$feed/down" ]; then
      echo "ERROR: $name-$(index_line "$name" | cut -d ' ' -f 2): network error (check Internet connection and firewall)" >&2
      failed=$((failed + 1))
    elif ! has_file "$name"; then
      echo "ERROR: $name-$(index_line "$name" | cut -d ' ' -f 2): remote server returned error (try 'apk update')" >&2
      failed=$((failed + 1))
    elif [ "$(free_space)" -lt "$(index_line "$name" | cut -d ' ' -f 4)" ]; then
      echo "ERROR: $name-$(index_line "$name" | cut -d ' ' -f 2): No space left on device" >&2
      failed=$((failed + 1))
    else
      unpack "$name" "$info/$name.list" "$packages $(in_world | tr '\n' ' ')"
      echo "Executing $name-$(index_line "$name" | cut -d ' ' -f 2).post-install"
      run_postinst "$name" "$info/$name.list"
    fi
  done
  return "$failed"
}

del() {
  # shellcheck disable=SC2086 # one word per package
  set -- $packages
  for package in "$@"; do
    [ -n "$(version_of "$package")$(index_line "$package")" ] || in_world | grep -qx "$package" || {
      echo "ERROR: No such package: $package" >&2
      exit 1
    }
  done
  old=$(cat "$world")
  out_of_world "$@"
  # shellcheck disable=SC2046
  plan=$(plan_for $(in_world))
  gone=$(going "$@")
  ! echo "$plan" | grep -q '^?' || {
    echo "$old" >"$world"
    echo "ERROR: unable to select packages:" >&2
    echo "$plan" | sed -n 's/^?\(.*\)/  \1 (no such package):\n    required by: world[\1]/p' >&2
    exit 1
  }
  for package in "$@"; do
    [ -n "$(version_of "$package")" ] || continue
    case $gone in *" $package "*) continue ;; esac
    [ -n "$header" ] || echo "World updated, but the following packages are not removed due to:"
    header=yes
    echo "  $package:" "$(kept_by "$package" | tr '\n' ' ')"
    [ -n "$dry" ] || echo "$package" >>"$installed.auto"
  done | awk '
    # lines of 50 columns
    {
      line = "  " $1
      indent = length(line) + 1
      for (i = 2; i <= NF; i++) {
        if (/^  / && i > 2 && length(line) + length($i) + 1 >= 50) { print line; line = sprintf("%" indent - 1 "s", "") }
        line = line " " $i
      }
      print /^  / ? line : $0
    }
    END { if (NR) print "" }'
  # shellcheck disable=SC2086
  total=$(echo $gone $plan | wc -w)
  number=0
  for package in $gone; do
    number=$((number + 1))
    echo "($number/$total) Purging $package ($(version_of "$package"))"
    [ -n "$dry" ] || remove_files "$package" "$info/$package.list"
  done
  install_plan
  failed=$?
  [ -z "$dry" ] || echo "$old" >"$world"
  return "$failed"
}

command=$1
shift
case $command in
update)
  if [ -e "$feed/down" ]; then
    echo "WARNING: updating and opening http://feed/packages.adb: network error (check Internet connection and firewall)" >&2
    echo "1 unavailable, 0 stale; 0 distinct packages available"
    exit 1
  fi
  cp "$feed/index" "$lists"
  echo "OK: $(wc -l <"$lists") distinct packages available"
  ;;
add)
  options "$@"
  add
  ;;
del)
  options "$@"
  del
  ;;
info)
  [ "$#" -gt 0 ] || sed 's/ .*//' "$installed"
  [ "$#" -gt 0 ] || exit 0
  code=0
  shift
  for package in "$@"; do
    if [ -n "$(version_of "$package")" ]; then echo "$package"; else code=1; fi
  done
  exit "$code"
  ;;
list)
  case $1 in
  -I | --installed) sed -n "s/^\(${2:-[^ ]*}\) \(.*\)/\1-\2 x86_64 {\1} (GPL-2.0) [installed]/p" "$installed" ;;
  *) sed -n "s/^\($1\) \([^ ]*\) .*/\1-\2 x86_64 {\1} (GPL-2.0)/p" "$lists" 2>/dev/null ;;
  esac
  ;;
*) exit 1 ;;
esac
