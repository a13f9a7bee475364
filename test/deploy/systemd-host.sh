#!/usr/bin/env bash
# A systemd of its own, as PID 1 of new namespaces, on a throw-away overlay of this machine's root:
# units run under it exactly as on a host. The network is the machine's. Needs root.
#
#   systemd-host.sh FOLDER PACKAGE NODE
#
# FOLDER/etc is laid over /etc, FOLDER/units are all units there are, PACKAGE is the installed package
# `warren` and NODE its node program.
#
# Prints `systemd PID` when it is about to run, and ends with it. SIGTERM to this script ends all of it.
set -eu

if [ "${4:-}" != inside ]; then
  cgroups="$(mktemp -d)"
  mount -t cgroup2 cgroup2 "$cgroups"
  cgroup="$cgroups/warren-systemd-$$"
  end() {
    kill -KILL "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
    # Its processes are dead, but the kernel may still be taking them down.
    for _ in $(seq 100); do
      find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && break
      sleep 0.05
    done
    umount "$cgroups" && rmdir "$cgroups"
  }
  mkdir "$cgroup"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec unshare --cgroup --mount --uts --ipc --pid --fork --kill-child bash "$0" "$@" inside
  ) &
  child=$!
  trap 'exit 143' TERM
  trap end EXIT
  until pid="$(cat "/proc/$child/task/$child/children")" && [ -n "$pid" ]; do
    kill -0 "$child"
    sleep 0.05
  done
  echo "systemd ${pid% }"
  wait "$child"
  exit
fi

mount --make-rprivate /
space="$1/space" root="$1/root"
mkdir -p "$space" "$root"
mount -t tmpfs tmpfs "$space"
mkdir "$space/upper" "$space/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$space/upper,workdir=$space/work" "$root"
cd "$root"

# Nothing of the kernel's settings, which are the machine's, can be written.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
cp -a "$1/etc/." etc/
cp -r "$1/units" run/units
mkdir -p usr/local/lib/node_modules/warren
mount --bind "$2" usr/local/lib/node_modules/warren
touch usr/local/bin/node
mount --bind "$3" usr/local/bin/node
printf '#!/bin/sh\nexec node /usr/local/lib/node_modules/warren/dist/cli.js "$@"\n' >usr/local/bin/warren
chmod 755 usr/local/bin/warren
# A journal in memory alone.
mkdir -p etc/systemd
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >etc/systemd/journald.conf

mkdir run/old
# Not chroot: in one, no user namespace can be made.
pivot_root . run/old
umount -l run/old
# As on a host, and as credentials need it.
mount --make-rshared /
exec env -i container=warren PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
  SYSTEMD_UNIT_PATH=/run/units \
  /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no
