#!/usr/bin/env bash
# Runs a program as a container does: as PID 1 of its own, in a root that cannot be written to, without
# any right. Inside `unshare --mount --pid`; needs root.
#
#   contain.sh ROOT CONFIG USER PROGRAM ARGUMENT...      CONFIG is at /etc/warren
set -eu
image="$1" config="$2" user="$3"
shift 3

mount --make-rprivate /
mkdir -p "$image/proc" "$image/dev" "$image/etc/warren"
printf '127.0.0.1 localhost\n' >"$image/etc/hosts"
mount --bind "$image" "$image"
for name in null zero urandom; do
  touch "$image/dev/$name"
  mount --bind "/dev/$name" "$image/dev/$name"
done
mount --bind "$config" "$image/etc/warren"
mount -o remount,bind,ro "$image/etc/warren"
mount -o remount,bind,ro "$image"
mount -t proc proc "$image/proc"
exec env -i WARREN_LOG_FORMAT=json "$(command -v setpriv)" --no-new-privs \
  "$(command -v chroot)" --userspec="$user" --groups= "$image" "$@"
