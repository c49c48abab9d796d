# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Kernel modules: on disk, built in, loaded, and loaded at boot. Read by _observe/parse/modules.py.

# read_modules MODULE...
read_modules() {
  section modules _modules "$@"
}

_modules() {
  _tree=/lib/modules/$(uname -r)
  # file names may have - where the kernel has _
  _names=$(IFS='|' && echo "$*" | sed 's/_/[_-]/g')
  [ ! -d "$_tree" ] || echo tree=yes
  # a line of modules.dep names a module's file and everything it needs; OpenWrt has no such file and a flat directory
  _files=$(if [ -e "$_tree/modules.dep" ]; then cat "$_tree/modules.dep"; else ls "$_tree"; fi 2>/dev/null |
    grep -E "^([^:]*/)?($_names)\.ko")
  [ -z "$_files" ] || echo "$_files" | sed 's/[^ ]*\///g; s/^/file=/'
  grep -E "/($_names)\.ko" "$_tree/modules.builtin" 2>/dev/null | sed 's/^/builtin=/'
  for _name in "$@"; do
    [ ! -d "/sys/module/$_name" ] || echo "sys=$_name"
  done
  _live=$(echo "$_files" | tr ' ' '\n' | sed 's/\.ko.*//; s/.*\///; s/-/_/g' | sort -u | tr '\n' '|')
  _live=$(IFS='|' && echo "$_live$*|nf_[^ ]*|nft_[^ ]*|nfnetlink_hook")
  grep -E "^($_live) " /proc/modules 2>/dev/null | cut -d ' ' -f 1-4 | sed 's/^/live=/'
  _boot_modules | sed 's/#.*//' | grep -E "^[[:space:]]*($_names)([[:space:]]|$)" | sed 's/^/boot=/'
  [ "$(cat /proc/sys/kernel/modules_disabled 2>/dev/null)" != 1 ] || echo modules_disabled=1
  for _name in nf_conntrack_max nf_flowtable_tcp_timeout; do
    [ ! -e "/proc/sys/net/netfilter/$_name" ] || echo "sysctl=$_name"
  done
  sed 's/^/acct=/' /proc/sys/net/netfilter/nf_conntrack_acct 2>/dev/null
  _other_kernels | grep -vxF "$(uname -r)" | sort -u | head -n 8 | sed 's/^/other=/'
}

# Releases that have a module of the fast path on disk, whichever kernel runs
_other_kernels() (
  cd /lib/modules 2>/dev/null || exit
  for _file in */kernel/net/netfilter/nft_flow_offload.ko* */nft_flow_offload.ko*; do
    [ ! -e "$_file" ] || echo "${_file%%/*}"
  done
)

# What is loaded at boot: modules-load.d(5), where a file hides one of the same name further down; OpenWrt's modules.d
_boot_modules() {
  _seen=/
  for _file in /etc/modules-load.d/*.conf /run/modules-load.d/*.conf /usr/local/lib/modules-load.d/*.conf \
    /usr/lib/modules-load.d/*.conf; do
    case $_seen in */"${_file##*/}"/*) continue ;; esac
    [ ! -e "$_file" ] || {
      _seen=$_seen${_file##*/}/
      cat "$_file"
    }
  done
  for _file in /etc/modules /etc/modules.d/* /etc/modules-boot.d/*; do
    [ ! -f "$_file" ] || cat "$_file"
  done
}

# read_packages PACKAGE...: what dpkg says of each, and what apt could install of those that are not there
read_packages() {
  has dpkg-query && has apt-cache || return 0
  # Ubuntu's cloud kernels keep these modules in a package of their own
  modprobe -anq nf_flow_table nf_flow_table_inet nft_flow_offload || set -- "$@" "linux-modules-extra-$(uname -r)"
  section packages _packages "$@"
  _lacking=
  for _package in "$@"; do
    [ "$(_package_status "$_package")" = installed ] || _lacking="$_lacking $_package"
  done
  # shellcheck disable=SC2086 # package names hold no blanks (deb-control(5)), the plan checks those of the user
  [ -z "$_lacking" ] || section candidates apt-cache policy $_lacking
}

_packages() {
  for _package in "$@"; do echo "$_package $(_package_status "$_package")"; done
}

_package_status() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1
}

# read_removal RECORD: nft's tables, which unloading nf_tables would drop unless a chain in them has a hook, and which of
# them hold flowtables; and for each package that this collection brought what its removal would take along, and what shows
# that somebody uses it by now
read_removal() {
  ! grep -q '^nf_tables ' /proc/modules || {
    section tables nft list tables
    section flowtables nft list flowtables
  }
  has apt-get && [ -f "$1" ] || return 0
  while read -r _kind _package _found; do
    [ "$_kind $(_package_status "$_package")" = "package installed" ] || continue
    section "removal.$_package" apt-get -s remove "$_package"
    section "used.$_package" _used "$_package"
  done <"$1"
}

_used() {
  # '??5?????? c PATH' is a changed file of the configuration
  dpkg --verify "$1" | sed -n 's/^[^ ]*5[^ ]* *c \(.*\)/\1 was edited/p'
  dpkg-query -L "$1" | sed -n 's/.*\/systemd\/system\/\(.*\.service\)$/\1/p' | while read -r _unit; do
    systemctl --quiet is-active "$_unit" && echo "$_unit is active"
  done
}
