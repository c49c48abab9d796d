# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Readings for the ruleset module: our table, and whether each NIC takes a hardware flowtable.

# read_table FAMILY TABLE: stateless and terse, so that neither counters nor a set's elements look like a change
read_table() {
  section table nft -s -t list table "$1" "$2"
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
