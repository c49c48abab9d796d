# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Commands for fw4. Of a ruleset only its head, the flowtable and the rule that feeds it: the stand-in's others differ.
ruleset() {
  awk '
    /^table inet fw4 [{]/ { print; inside = 1; next }
    !inside && NF { print }
    /flowtable ft [{]/ { block = 1 }
    block || /@ft/ { print }
    /^\t[}]/ { block = 0 }' | sed 's/^[[:space:]]*#.*//; /^$/d'
}
shown() {
  echo "\$ fw4 print"
  fw4 print 2>/tmp/output | ruleset
  filter_errors </tmp/output
}
# without the position in the program where the real one ends
filter_errors() {
  awk '/^Usage/ { print; exit } /^In / { skip = 1 } /^([[]|The )/ { skip = 0 } !skip'
}
run() {
  echo "\$ $*"
  "$@" >/tmp/output 2>&1
  code=$?
  filter_errors </tmp/output
  [ "$code" = 0 ] || echo "[$code]"
}
firewall() {
  echo
  echo "=== $1"
  cat >/etc/config/firewall
}
zones() {
  firewall "$1" <<EOF
config defaults
$2

config zone
	option name lan
	list network lan
	option forward ACCEPT

config zone
	option name wan
	list network wan
	list network vpn
	list network away

config zone
	option name other
	list device eth0
EOF
}
mkdir -p /etc/stand-in /sys/class/net/eth0 /sys/class/net/eth1 /sys/class/net/eth1.7/lower_eth1 \
  /sys/class/net/br-lan/lower_lan1 /sys/class/net/br-lan/lower_lan2 /sys/class/net/lan1 /sys/class/net/lan2
echo DEVTYPE=bridge >/sys/class/net/br-lan/uevent
echo DEVTYPE=vlan >/sys/class/net/eth1.7/uevent
echo DEVTYPE=dsa >/sys/class/net/lan1/uevent
printf '%s\n' "lan br-lan br-lan static up" "wan eth1.7 pppoe-wan pppoe up" "vpn - - wireguard down" \
  "away eth9 eth9 dhcp up" "unzoned eth0 eth0 dhcp up" >/etc/stand-in/interfaces

zones "nothing said" ""
shown
for value in 0 1 off on true yes TRUE ''; do
  zones "flow_offloading '$value'" "	option flow_offloading '$value'"
  shown
  zones "flow_offloading_hw '$value'" "	option flow_offloading 1
	option flow_offloading_hw '$value'"
  shown
done
zones "what is no truth value ends the run" "	option flow_offloading 'maybe'"
run fw4 -q print
run fw4 -q check
zones "hardware alone" "	option flow_offloading_hw 1"
shown
echo "hardware lan1" >/etc/stand-in/nft-refuses
zones "hardware that lan1 refuses" "	option flow_offloading 1
	option flow_offloading_hw 1"
shown
rm /etc/stand-in/nft-refuses

zones "two sections of defaults" "	option flow_offloading 1

config defaults
	option flow_offloading 0"
shown
zones "two sections of defaults, the other way round" "	option flow_offloading 0

config defaults
	option flow_offloading 1
	option flow_offloading_hw 1"
shown
firewall "no section of defaults" <<'EOF'
config zone
	option name lan
	list network lan
EOF
shown
firewall "no zones" <<'EOF'
config defaults
	option flow_offloading 1
EOF
shown

zones "staged, not committed" ""
uci set firewall.@defaults[0].flow_offloading=1
shown
uci -t /tmp/own set firewall.@defaults[0].flow_offloading_hw=1
shown
uci revert firewall
shown

zones "loading" "	option flow_offloading 1"
run fw4
run fw4 nonsense
run fw4 reload
run fw4 -q reload
run fw4 stop
run fw4 check
run fw4 -q check
run fw4 start
shown
nft list flowtable inet fw4 ft
# what the zones' networks are on; the real one keeps them zone by zone
grep -o '"related_physdevs": [[][^]]*]' /var/run/fw4.state | sed 's/.*[[]//; s/[]",]/ /g' | tr ' ' '\n' | sort -u
run fw4 start
run fw4 -q start
run fw4 reload
run fw4 restart
nft list tables
echo "text forward" >/etc/stand-in/nft-refuses
uci set firewall.@defaults[0].flow_offloading=0
run fw4 check
run fw4 reload
nft list flowtable inet fw4 ft
[ -f /var/run/fw4.state ] && echo "as if it were loaded"
echo "check forward" >/etc/stand-in/nft-refuses
run fw4 check
run fw4 -q check
run fw4 reload
nft list flowtable inet fw4 ft
run fw4 restart
run fw4 stop
run fw4 start
nft list tables
[ -f /var/run/fw4.state ] && echo "as if it were loaded"
rm /etc/stand-in/nft-refuses
run fw4 reload
uci set firewall.@defaults[0].flow_offloading=maybe
run fw4 check
run fw4 reload
run fw4 restart
nft list tables
[ -f /var/run/fw4.state ] || echo "no state"
uci revert firewall
run fw4 start
run fw4 stop
run fw4 stop
printf 'table inet mine {\n}\n' | nft -f -
run fw4 start
nft list tables
run fw4 flush
nft list tables
[ -f /var/run/fw4.state ] || echo "no state"
