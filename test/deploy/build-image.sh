#!/usr/bin/env bash
# What a Dockerfile's steps are made of, for a build without an engine. Sourced by the script that
# image.ts writes, in a mount namespace of its own. Needs root.
#
# `machine STAGE` begins a stage on a throw-away overlay of this machine's root, which stands for an image
# with tools; `libraries STAGE FILE...` on nothing but what these programs are linked with, as distroless.
set -eu
mount --make-rprivate /
work="$(mktemp -d)"
mount -t tmpfs tmpfs "$work"

root() { printf '%s/%s/root' "$work" "$1"; }

machine() {
  stage="$1" folder=/
  mkdir -p "$work/$1/upper" "$work/$1/work" "$(root "$1")"
  mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$work/$1/upper,workdir=$work/$1/work" "$(root "$1")"
  mount --rbind /dev "$(root "$1")/dev"
  mount -t proc proc "$(root "$1")/proc"
  # Where the image of Node has it.
  install -D "$NODE" "$(root "$1")/usr/local/bin/node"
}

libraries() {
  stage="$1" folder=/
  mkdir -p "$(root "$1")/etc/ssl/certs"
  shift
  for file in "$@"; do ldd "$file"; done | grep -oE '/[^ ]+' | sort -u \
    | while read -r library; do cp -L --parents "$library" "$(root "$stage")"; done
  if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    cp /etc/ssl/certs/ca-certificates.crt "$(root "$stage")/etc/ssl/certs/"
  fi
}

workdir() {
  folder="$1"
  mkdir -p "$(root "$stage")$folder"
}

# copy FROM SOURCE... TARGET, where FROM is a stage or `context`. A folder's content is copied, a file into
# what ends with a slash.
copy() {
  local from="$1" target="${*: -1}" source to
  case "$target" in /*) ;; *) target="$folder/$target" ;; esac
  to="$(root "$stage")$target"
  for source in "${@:2:$#-2}"; do
    if [ "$from" = context ]; then source="$CONTEXT/$source"; else source="$(root "$from")$source"; fi
    if [ -d "$source" ]; then
      mkdir -p "$to"
      cp -a "$source/." "$to/"
    elif [ "${to%/}" != "$to" ]; then
      mkdir -p "$to"
      cp -a "$source" "$to"
    else
      mkdir -p "$(dirname "$to")"
      cp -a "$source" "$to"
    fi
  done
}

# cache TARGET FOLDER: a folder of this machine in the place of a cache mount.
cache() {
  mkdir -p "$2" "$(root "$stage")$1"
  mount --bind "$2" "$(root "$stage")$1"
}

run() {
  echo "$stage: $1"
  chroot "$(root "$stage")" /bin/sh -c "cd '$folder' && $1"
}

# export_to FOLDER: the last stage is the image.
export_to() {
  cp -a "$(root "$stage")/." "$1"
}
