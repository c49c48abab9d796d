# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# OpenWrt's packages (_systems/feeds.py); apply/opkg.sh or apply/apk_openwrt.sh comes before this fragment. Nothing is ever
# forced: the kernel that a package of modules is for is the only thing that keeps the modules of another kernel out.
feeds_errors=
feeds_new=
feeds_asked=
feeds_updated=
# kB on a flash below which it may be full: file systems keep a reserve
feeds_little=256

# _installed: names; the manager's reason where it cannot list them
_installed() {
  _listed=$(_list_installed 2>&1) || {
    _rc=$?
    printf '%s\n' "$_listed" | tail -n 4
    return "$_rc"
  }
  # without warnings
  printf '%s\n' "$_listed" | sed -n 's/ - .*//; /^[^ :]*$/p'
}

# one feed of several may be down: what comes of it is seen when something is installed
update_packages() {
  feeds_errors=$(_update_lists 2>&1)
  feeds_updated=yes
}

# simulate_install PACKAGE...: lists may be older than the feed, and opkg downloads what it only simulates to install
simulate_install() {
  _simulate "$@" || { _update_once && _simulate "$@"; } || {
    _print_reason
    return 1
  }
}

# _update_once: fails when it was done
_update_once() {
  [ -z "$feeds_updated" ] && update_packages
}

# _simulate PACKAGE...: both may plan another kernel, with other modules, where they should refuse
_simulate() {
  _output=$(_plan_install "$@" 2>&1) || return
  ! echo "$_output" | grep -qE '(^|\) )(Upgrading|Downgrading|Replacing|Purging|Reinstalling) kernel '
}

_print_reason() {
  printf '%s\n' "$feeds_errors" | grep -iE 'fail|error|unavailable' | head -n 4
  # apk's reason comes first, and a line for each installed package after it
  printf '%s\n' "$_output" | awk '
    { line[NR] = $0 }
    /breaks:|dependency kernel|dependencies for|kernel [(]=|no such package|[)] [A-Z][a-z]+ kernel [(]|^[A-Z][a-z]+ kernel on / && ++count <= 6 { wanted[NR] }
    END { for (i = 1; i <= NR; i++) if (i in wanted || i > NR - 12) print line[i] }'
}

# install_packages PACKAGE...: exit codes of these managers are not to be relied on, so what is installed then counts
install_packages() {
  simulate_install "$@" || return
  _before=$(_installed) || {
    echo "$_before"
    return 1
  }
  feeds_asked=$(printf '%s\n' "$@" | grep -vxF "$(_world)")
  _add "$@" || { _update_once && _simulate "$@" && _add "$@"; }
  _rc=$?
  _after=$(_installed) && feeds_new=$(echo "$_after" | grep -vxF "$_before")
  _look_at_flash
  if [ "$_rc" = 0 ]; then
    # shellcheck disable=SC2086 # one word per package
    _check_files $feeds_new && _check_room && return
  else
    _check_room
    _print_reason
  fi
  uninstall_new
  return 1
}

# _add PACKAGE...: as simulated. apk goes on when one fails that another one needs.
_add() {
  _planned=$(echo "$_output" | sed -n 's/^.*Installing \([^ ]*\) (.*/\1/p')
  _output=$(_install "$@" 2>&1)
  # shellcheck disable=SC2086 # one word per package
  _all_installed "$@" $_planned
}

# _all_installed PACKAGE...
_all_installed() {
  for _package in "$@"; do _installed | grep -qxF "$_package" || return; done
}

# how much is left, and whether that is so little that the flash may have run full
_look_at_flash() {
  # shellcheck disable=SC2154 # the manager's
  _left=$(df -k "$feeds_info" 2>/dev/null | awk 'END { if ($(NF - 2) ~ /^[0-9]+$/) print $(NF - 2), "kB are left on", $NF }')
  _little=yes
  [ "${_left:-0}" = 0 ] || [ "${_left%% *}" -lt "$feeds_little" ] || _little=
}

# _check_files PACKAGE...: fails with the first file that is not whole. opkg says nothing, ends with 0 and leaves truncated
# files where the flash runs full.
_check_files() {
  for _package in "$@"; do
    _damage=$(cut -f 1 "$feeds_info/$_package.list" 2>/dev/null | _find_damage)
    [ -z "$_damage" ] || {
      echo "damaged: $_package $_damage${_left:+, and $_left}"
      return 1
    }
  done
}

# where nothing can be written any more, the manager's own lists may be truncated too
_check_room() {
  [ -z "$_little" ] || _can_write || {
    echo "${_left:+$_left: }No space left on device"
    return 1
  }
}

# _find_damage: of files on standard input the first that is not whole. Those in /etc may be gone, as scripts of uci-defaults
# are once they have run, and an empty file may be meant to be.
_find_damage() {
  while read -r _file; do
    case $_file in /lib/* | /usr/* | /bin/* | /sbin/*) ;; *) continue ;; esac
    if [ -L "$_file" ] || [ -d "$_file" ]; then
      continue
    elif [ ! -e "$_file" ]; then
      echo "$_file is missing"
    elif [ ! -s "$_file" ]; then
      case $_little$_file in yes* | *.ko) ;; *) continue ;; esac
      echo "$_file is empty"
    elif _is_truncated "$_file"; then
      echo "$_file is truncated"
    else
      continue
    fi
    return
  done
}

# _is_truncated FILE: a module, program or library (ELF) whose table of sections, which comes last, is not all there
_is_truncated() {
  has hexdump || return
  hexdump -v -n 64 -e '1/1 "%u "' "$1" | awk -v size="$(wc -c <"$1")" '
    function elf_number(start, bytes, place, value) {
      for (place = 1; place <= bytes; place++) value = value * 256 + $(start + ($6 == 2 ? place : bytes + 1 - place))
      return value
    }
    {
      if ($1 != 127 || $2 != 69 || $3 != 76 || $4 != 70) exit 1
      if (NF < 52) exit 0
      table = $5 == 2 ? elf_number(40, 8) : elf_number(32, 4)
      entries = $5 == 2 ? elf_number(58, 2) * elf_number(60, 2) : elf_number(46, 2) * elf_number(48, 2)
      exit !(table && table + entries > size)
    }'
}

# _can_write: a block that no file system compresses
_can_write() {
  dd if=/dev/urandom of="$feeds_info/.nft-offload-new" bs=4096 count=1 2>/dev/null
  _rc=$?
  rm -f "$feeds_info/.nft-offload-new"
  return "$_rc"
}

# uninstall_new: first what was asked for, installed or not; then what needs others goes before them. Prints what became of
# it, which _systems/feeds.py reads.
uninstall_new() {
  _came=$feeds_new
  feeds_asked=$(_world | grep -xF "$feeds_asked")
  # shellcheck disable=SC2086 # one word per package
  [ -z "$feeds_asked" ] || _remove $feeds_asked >/dev/null 2>&1
  feeds_asked=$(_world | grep -xF "$feeds_asked")
  feeds_new=$(_installed | grep -xF "$feeds_new")
  for _round in $feeds_new; do
    for _package in $feeds_new; do _remove "$_package" >/dev/null 2>&1; done
    feeds_new=$(_installed | grep -xF "$feeds_new")
    [ -n "$feeds_new" ] || break
  done
  _gone=$(_installed >/dev/null && printf '%s\n' "$_came" | grep -vxF "$feeds_new")
  _print_packages "taken out again" "$_gone"
  _print_packages "still installed" "$feeds_new"
  _print_packages "still in /etc/apk/world" "$feeds_asked"
  [ -z "$feeds_new$feeds_asked" ]
}

# _print_packages WHAT PACKAGES: nothing where there are none
_print_packages() {
  # shellcheck disable=SC2086 # on one line
  [ -z "$2" ] || echo "$1:" $2
}

# uninstall_packages remove|purge PACKAGE...: with what came for them alone; both leave no configuration that was not edited
uninstall_packages() {
  shift
  _output=$(_remove_with_orphans "$@" 2>&1)
  _after=$(_installed) || {
    echo "$_after"
    return 1
  }
  for _package in "$@"; do
    ! echo "$_after" | grep -qxF "$_package" || {
      echo "$_output" | tail -n 12
      return 1
    }
  done
}
