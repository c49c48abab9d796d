#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs inside the router's root file system while it is built: customize.sh PACKAGE...
# PACKAGEs go into the router's own repository and are not installed.
set -eu
export DEBIAN_FRONTEND=noninteractive

# A flat repository: the packages, and their dependencies that are not installed.
mkdir -p /var/lib/lab/apt
cd /var/lib/lab/apt
apt-get install --yes --quiet --download-only --no-install-recommends "$@"
mv /var/cache/apt/archives/*.deb .
for deb in *.deb; do
  dpkg-deb --field "$deb"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d ' ' -f 1)"
done >Packages
rm -f /etc/apt/sources.list /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap
# Faster installs: no questions beforehand (in Perl), no waiting for the disk.
rm -f /etc/apt/apt.conf.d/70debconf
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/lab
echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections
for list in /etc/apt/sources.list.d/*; do
  [ "$list" = /etc/apt/sources.list.d/lab.sources ] || rm "$list"
done

# Debian already has a group operator, so these users share the group users.
for user in operator auditor guest; do
  useradd --create-home --no-user-group --gid users --shell /bin/bash "$user"
done
echo auditor:auditor-lab | chpasswd
chmod 0440 /etc/sudoers.d/lab
visudo --check --quiet
find /etc/ssh -name 'ssh_host_*' ! -name 'ssh_host_ed25519_key*' -delete

# The driver.
kernel=$(basename /lib/modules/*)
built_for=$(modinfo -F vermagic /usr/lib/lab/labnic.ko)
if [ "${built_for%% *}" != "$kernel" ]; then
  echo "the driver is for ${built_for%% *} and the kernel is $kernel: the mirror was just updated, build again" >&2
  exit 1
fi
mkdir -p "/lib/modules/$kernel/extra"
mv /usr/lib/lab/labnic.ko "/lib/modules/$kernel/extra/"
depmod "$kernel"

# The lab boots with a minimal initramfs without udev, which loads the disk drivers and mounts. That saves seconds.
mkdir -p /boot/lab/bin /boot/lab/usr/lib /boot/lab/dev /boot/lab/root
ln -s usr/lib /boot/lab/lib
cp /usr/lib/klibc/bin/sh /usr/lib/klibc/bin/insmod /usr/lib/klibc/bin/mount /usr/lib/klibc/bin/run-init /boot/lab/bin
cp /usr/lib/klibc-*.so /boot/lab/usr/lib
for module in virtio_pci virtio_blk ext4; do
  modprobe --set-version "$kernel" --show-depends "$module"
done | while read -r verb file _; do # "builtin NAME" or "insmod FILE OPTIONS", dependencies first
  name=${file##*/}
  name=${name%.xz}
  if [ "$verb" = insmod ] && [ ! -e "/boot/lab/$name" ]; then
    case $file in
    *.xz) xz -dc "$file" ;;
    *) cat "$file" ;;
    esac >"/boot/lab/$name"
    echo "insmod /$name"
  fi
done >/boot/lab/drivers
cat >/boot/lab/init <<'EOT'
#!/bin/sh
. /drivers
mount -t devtmpfs dev /dev
mount -t ext4 /dev/vda /root
mount -t devtmpfs dev /root/dev
exec run-init /root /sbin/init
EOT
chmod +x /boot/lab/init
(cd /boot/lab && find . | cpio --quiet --create --format=newc) >/boot/lab-initrd
rm -r /boot/lab

# For a quick boot: services that a lab router does not need are off.
systemctl --quiet enable lab-net lab-sink lab-ready
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer getty.target systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
  systemd-pstore.service systemd-hwdb-update.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
  systemd-firstboot.service systemd-sysusers.service systemd-update-done.service systemd-random-seed.service \
  systemd-journal-catalog-update.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount ldconfig.service \
  systemd-udev-load-credentials.service systemd-hibernate-clear.service systemd-pcrmachine.service \
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-tpm2-setup.service \
  systemd-tpm2-setup-early.service modprobe@.service \
  sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-tracing.mount \
  dev-hugepages.mount dev-mqueue.mount run-lock.mount tmp.mount; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
mkdir -p /etc/systemd/system-generators
for generator in /usr/lib/systemd/system-generators/*; do
  ln -s /dev/null "/etc/systemd/system-generators/${generator##*/}"
done
systemctl --quiet set-default multi-user.target
rm -rf /etc/update-motd.d/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/cache/apt/*.bin
: >/etc/fstab
