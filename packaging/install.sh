#!/bin/sh
# Installs Slipstream from a release: fetches the tarball, checks its sum, and puts its files in place.
#
#   sh install.sh --from https://downloads.example.org/slipstream/0.1.0
#
#   --from PLACE     where the release lies: an address or a folder [SLIPSTREAM_FROM]
#   --prefix DIR     where it goes [default: /usr/local as root, else ~/.local]
#   --service        also the systemd service, started at once (as root)
#   --uninstall      removes what was installed; data and settings are kept
#
# DESTDIR is put before every path; nothing is started then.
set -eu

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

usage() {
  echo "usage: install.sh --from ADDRESS-OR-FOLDER [--prefix DIR] [--service] [--uninstall]"
}

# fetch NAME FILE: copies one file of the release.
fetch() {
  case $from in
    http://* | https://*)
      if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --retry 3 --output "$2" "$from/$1"
      elif command -v wget >/dev/null; then
        wget --quiet --output-document "$2" "$from/$1"
      else
        fail "neither curl nor wget is installed"
      fi
      ;;
    *) cp "${from#file://}/$1" "$2" ;;
  esac || fail "$from/$1 cannot be fetched"
}

sum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# put MODE FILE TARGET: a file in place at once, also over one that is running.
put() {
  mkdir -p "${3%/*}"
  cp "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f "$3.new" "$3"
}

# Whether systemd is to be spoken to.
live() {
  [ -z "${DESTDIR:-}" ] && [ -d /run/systemd/system ]
}

share_files="man/man1/slipstream.1.gz bash-completion/completions/slipstream zsh/site-functions/_slipstream
fish/vendor_completions.d/slipstream.fish"

service() {
  put 0644 "$1/slipstream.sysusers" "$root/etc/sysusers.d/slipstream.conf"
  sed "s|/usr/bin/slipstream|$prefix/bin/slipstream|" "$1/slipstream.service" >"$work/unit"
  put 0644 "$work/unit" "$root/etc/systemd/system/slipstream.service"
  [ -e "$root/etc/slipstream/slipstream.toml" ] || put 0644 "$1/slipstream.toml" "$root/etc/slipstream/slipstream.toml"
  [ -e "$root/etc/slipstream/slipstream.env" ] || put 0600 "$1/slipstream.env" "$root/etc/slipstream/slipstream.env"
  if live; then
    systemd-sysusers slipstream.conf
    systemctl daemon-reload
    systemctl enable slipstream.service
    systemctl restart slipstream.service
  fi
}

uninstall() {
  if [ -e "$root/etc/systemd/system/slipstream.service" ]; then
    if live; then systemctl disable --now slipstream.service; fi
    rm -f "$root/etc/systemd/system/slipstream.service" "$root/etc/sysusers.d/slipstream.conf"
    if live; then systemctl daemon-reload; fi
  fi
  rm -f "$root$prefix/bin/slipstream"
  for file in $share_files; do rm -f "$root$prefix/share/$file"; done
  echo "removed from $prefix; settings in /etc/slipstream and data in /var/lib/slipstream are kept where there are any"
}

# Everything is in functions: a download of this script that breaks off runs nothing.
main() {
  from=${SLIPSTREAM_FROM:-} prefix='' with_service='' remove='' root=${DESTDIR:-}
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --prefix)
        [ $# -gt 1 ] || fail "$1 wants a value"
        if [ "$1" = --from ]; then from=${2%/}; else prefix=${2%/}; fi
        shift
        ;;
      --service) with_service=yes ;;
      --uninstall) remove=yes ;;
      --help) usage; exit 0 ;;
      *) usage >&2; exit 2 ;;
    esac
    shift
  done
  [ -n "$prefix" ] || if [ "$(id -u)" -eq 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
  case $prefix in /*) ;; *) fail "--prefix must be an absolute path" ;; esac
  [ -z "$with_service" ] || [ "$(id -u)" -eq 0 ] || [ -n "$root" ] || fail "--service must be run as root"
  if [ -n "$remove" ]; then
    uninstall
    exit 0
  fi
  [ -n "$from" ] || { usage >&2; exit 2; }
  [ "$(uname -s)" = Linux ] || fail "releases are for Linux; on $(uname -s) build from source: cargo build --release"

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT INT TERM
  fetch SHA256SUMS "$work/SHA256SUMS"
  machine=$(uname -m)
  line=$(grep "slipstream-[^ ]*-$machine-linux.tar.gz\$" "$work/SHA256SUMS" | head -n 1) ||
    fail "$from has no release for $machine; build from source: cargo build --release"
  name=${line##* }
  fetch "$name" "$work/release.tar.gz"
  [ "$(sum "$work/release.tar.gz")" = "${line%% *}" ] || fail "$name is not what SHA256SUMS says; it was damaged or exchanged"
  tar -xzf "$work/release.tar.gz" -C "$work"
  release=$work/${name%.tar.gz}
  version=$("$release/bin/slipstream" --version) || fail "the binary does not run here: it wants Linux with the GNU C library"

  for file in $share_files; do put 0644 "$release/share/$file" "$root$prefix/share/$file"; done
  put 0755 "$release/bin/slipstream" "$root$prefix/bin/slipstream"
  [ -z "$with_service" ] || service "$release/service"
  echo "installed $version as $prefix/bin/slipstream"
  case ":$PATH:" in *":$prefix/bin:"*) ;; *) echo "put $prefix/bin on your PATH" ;; esac
}

main "$@"
