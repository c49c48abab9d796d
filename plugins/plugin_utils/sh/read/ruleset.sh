# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# needs read/login
# Readings for the ruleset module: our table, and whether each NIC takes a hardware flowtable.

# read_table FAMILY TABLE RULESET: stateless and terse, so that neither counters nor a set's elements look like a change.
# Of a table that seems to be somebody else's, the elements too, for a diff of what would be lost; and the table that
# the file for boot names, where that is another one, for it would go. The second table too, where there is one.
read_table() {
  section table nft -s -t list table "$1" "$2"
  _rc_table=$?
  section software_table nft -s -t list table "$1" "$2_software"
  _named=$(sed -n '2s/^table \([^ ]* [^ ]*\).*/\1/p' "$3" 2>/dev/null)
  [ "$_named" != "$1 $2" ] || return 0
  [ -z "$_named" ] || section old_table nft -s -t list table "${_named%% *}" "${_named#* }"
  [ "$_rc_table" != 0 ] || nft -t list table "$1" "$2" | grep -q '^.comment "kmod.nft_offload"$' ||
    section table_whole _whole_table "$1" "$2"
  return 0
}

_whole_table() {
  nft -s list table "$1" "$2" | head -c 65536
}

# read_ssh_ports: that this connection came to, then those that an SSH server listens on, as its configuration says
read_ssh_ports() {
  section ssh_ports _ssh_ports
}

_ssh_ports() {
  _over=$(ssh_connection)
  [ -z "$_over" ] || echo "${_over##* }"
  cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null | sed -n \
    -e 's/^\([^#]*[^#[:space:]]\)[[:space:]]*#.*/\1/' \
    -e 's/^[[:space:]]*[Pp][Oo][Rr][Tt][[:space:]=]\{1,\}\([0-9]\{1,5\}\)[[:space:]]*$/\1/p' \
    -e 's/^[[:space:]]*ListenAddress[[:space:]].*[]0-9]:\([0-9]\{1,5\}\)[[:space:]]*$/\1/p'
  cat /etc/systemd/system/ssh*.socket.d/*.conf /etc/systemd/system/ssh*.socket 2>/dev/null |
    sed -n 's/^ListenStream=\(.*:\)\{0,1\}\([0-9]\{1,5\}\)$/\2/p'
  ! has uci || uci -q show dropbear | sed -n "s/^dropbear\..*\.Port='\{0,1\}\([0-9]\{1,5\}\)'\{0,1\}$/\1/p"
}

# read_links: the devices that exist
read_links() {
  section links _link_names
}

_link_names() {
  for _link in /sys/class/net/*; do echo "${_link##*/}"; done
}

# probe_hardware DEVICE...: nft -c asks the driver itself and takes the answer back (see nf_tables: prepare, then abort)
probe_hardware() {
  for _device in "$@"; do
    section "probe $_device" nft -c "add table inet nft_offload_probe
      add flowtable inet nft_offload_probe ft { hook ingress priority 0; devices = { \"$_device\" }; flags offload; }"
  done
}

# probe_if_loaded DEVICE...: nft -c would load missing modules by itself; a check run must not
probe_if_loaded() {
  flowtables_loaded || return 0
  probe_hardware "$@"
}

flowtables_loaded() {
  grep -q '^nf_flow_table_inet ' /proc/modules ||
    grep -q '/nf_flow_table_inet\.ko' "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
}
