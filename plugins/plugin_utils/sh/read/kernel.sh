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
  _neighbours ipv4 arp
  _neighbours ipv6 ndisc
  _other_kernels | grep -vxF "$(uname -r)" | sort -u | head -n 8 | sed 's/^/other=/'
}

# _neighbours FAMILY TABLE: neighbours that are known, and how many of them are kept when they are not used
_neighbours() {
  {
    read -r _ && read -r _entries _
  } 2>/dev/null <"/proc/net/stat/$2_cache" && read -r _kept 2>/dev/null <"/proc/sys/net/$1/neigh/default/gc_thresh1" || return 0
  case $_entries in
  '' | *[!0-9a-f]*) ;;
  *) echo "neighbours=$1 $((0x$_entries)) $_kept" ;;
  esac
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

# read_tables: nft's tables, which unloading nf_tables would drop unless a chain in them has a hook, and which of them hold
# flowtables
read_tables() {
  ! grep -q '^nf_tables ' /proc/modules || {
    section tables nft list tables
    section flowtables nft list flowtables
  }
}
