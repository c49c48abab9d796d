# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Commands for uci, the program under test, in a directory and with a /tmp and an /etc/config of its own.
mkdir -p /etc/config own
files() {
  for file in /etc/config/* /tmp/.uci/* own/*; do
    [ ! -f "$file" ] || {
      echo "--- $file"
      cat "$file"
    }
  done
}
run() {
  echo "\$ $*"
  "$@" >/tmp/output 2>&1
  code=$?
  sed '/^Usage: /q' /tmp/output
  [ "$code" = 0 ] || echo "[$code]"
}
fresh() {
  echo
  echo "=== $1"
  rm -rf /etc/config/* /tmp/.uci own/*
  cat >/etc/config/firewall
}
stock() {
  fresh "$1" <<'EOF'
# comments go when it is written
config defaults
	option syn_flood	1
	option input		REJECT   # and here

config zone 'lan'
	option name 'lan'
	list   network		'lan'
	list   network		"guest net"

config zone
	option name wan
	option say "it's \"so\" \\ far"
	option more 'two
lines'
	option empty ''

config rule
	option name 'a'
config rule
	option name 'b'
EOF
}

stock "printing"
run uci show firewall
run uci -X show firewall
run uci export firewall
run uci -n export firewall
run uci show firewall.lan
run uci show firewall.@zone[0].network
run uci show firewall.@rule[-1]
run uci show firewall.@rule[2]
run uci get firewall.@defaults[0]
run uci get firewall.@defaults[0].input
run uci get firewall.lan.network
run uci get firewall.@zone[1].say
run uci get firewall.@zone[1].more
run uci get firewall.@zone[1].empty
run uci get firewall.@zone[-1].name
run uci get firewall.@[0]
run uci get firewall.@rule[x]
run uci get firewall.@rule[0
run uci get firewall.nothing
run uci get firewall.@defaults[0].nothing
run uci -q get firewall.@defaults[0].nothing
run uci get nothing.at.all
run uci get firewall.a.b.c
run uci get firewall
run uci changes
run uci changes firewall
run uci changes nothing
run uci show

stock "setting"
run uci set firewall.@defaults[0].flow_offloading=1
run uci set firewall.@defaults[0].input=DROP
run uci set firewall.@defaults[0].syn_flood=1
run uci set firewall.@zone[1].say="it's"
run uci set firewall.@zone[1].more=
run uci set firewall.@zone[1].nothing=
run uci set firewall.new=zone
run uci set firewall.new.name=new
run uci set firewall.lan=rule
run uci set firewall.@nothing[0].a=b
run uci set firewall.nothing.a=b
run uci set firewall.@defaults[0]
run uci set firewall.@defaults[0].bad-name=1
run uci add firewall defaults
run uci set firewall.@defaults[-1].input=ACCEPT
run uci add firewall 'bad type'
run uci add nothing rule
run uci add_list firewall.new.network=one
run uci add_list firewall.new.network='two words'
run uci add_list firewall.@defaults[0].input=MORE
run uci del_list firewall.new.network=one
run uci del_list firewall.new.name=new
run uci del_list firewall.new.nothing=one
run uci delete firewall.@rule[0]
run uci delete firewall.@rule[0].name
run uci delete firewall.@rule[5]
run uci delete firewall.@rule[0].nothing
run uci del firewall.lan.network
run uci changes firewall
run uci changes
run uci show firewall
run uci get firewall.new.network
files
run uci commit firewall
files
run uci commit firewall
run uci changes firewall
run uci show firewall

stock "taking back"
run uci set firewall.@defaults[0].flow_offloading=1
run uci set firewall.@defaults[0].flow_offloading_hw=1
run uci set firewall.lan.name=LAN
run uci add_list firewall.lan.network=more
run uci delete firewall.@rule[0]
run uci revert firewall.@defaults[0].flow_offloading
run uci changes firewall
files
run uci revert firewall.lan
run uci revert firewall.@defaults[0].nothing
run uci revert firewall.@defaults[7]
run uci revert nothing
run uci changes
run uci revert firewall
run uci changes
run uci revert
files

stock "directories for what is staged"
run uci set firewall.@defaults[0].theirs=1
run uci -t own/save set firewall.@defaults[0].ours=1
run uci -t own/save changes firewall
run uci changes firewall
run uci -P own/save commit firewall
files
run uci -t own/save commit firewall
files
for file in own/save/*; do cat "$file"; done
run uci changes firewall
run uci -P own/dry set firewall.@defaults[0].dry=1
run uci -P own/dry changes firewall
run uci -p own/dry get firewall.@defaults[0].dry
run uci get firewall.@defaults[0].dry
mkdir own/conf && cp /etc/config/firewall own/conf/other
run uci -c own/conf -t own/other set other.@defaults[0].ours=2
run uci -c own/conf -t own/other commit other
run uci -c own/conf show other.@defaults[0]
files
for file in own/conf/*; do cat "$file"; done

stock "many at once"
uci batch 2>&1 <<'EOF'
set firewall.@defaults[0].flow_offloading=1
set firewall.@nothing[0].a=b
nonsense
set firewall.lan.name='two words'
set one two three four five
commit firewall
get firewall.lan.name
EOF
echo "[$?]"
run uci show firewall.lan
run uci nonsense
run uci commit nothing
run uci commit
run uci get
run uci set a b
files

for text in 'nonsense' 'option a b' 'config' 'config a!b c!d' 'config zone a b' 'option' "config zone 'a
" "config rule 'lan'" 'config zone
	option name-x 1' "config zone
	option a 'one' 'two'" 'config zone a#b
	option c d#e
	option f "g"h'; do
  printf "config zone 'lan'\n\toption name 'lan'\n%s\n" "$text" | fresh "a file with: $text"
  [ "${text#option}" = "$text" ] || sed -i 1,2d /etc/config/firewall
  uci show firewall 2>&1 | sed 's/, byte [0-9]*//'
  uci -S show firewall 2>/dev/null | sed 's/, byte [0-9]*//'
  uci set firewall.lan.name=x 2>&1 | sed 's/, byte [0-9]*//'
done

stock "rights"
chmod 600 /etc/config/firewall
run uci set firewall.lan.name=x
run uci commit firewall
find /etc/config -perm 600
