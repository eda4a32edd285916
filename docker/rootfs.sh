#!/bin/sh
# Fills a folder with what one dynamically linked program needs to run, taken from the Debian around it: runs inside
# the image build. Each library comes with its licence and its record of the package database, so that scanners for
# known defects see what is inside.
#   docker/rootfs.sh PROGRAM LICENSE COPYRIGHT ROOT
set -eu
program=$1 licence=$2 copyright=$3 root=$4
user=kyanite uid=10001

fail() { echo "rootfs.sh: $1" >&2; exit 1; }

mkdir -p "$root/usr/bin" "$root/usr/share/doc/kyanite" "$root/usr/share/kyanite" "$root/etc/ssl/certs" \
  "$root/var/lib/dpkg/status.d" "$root/proc" "$root/sys" "$root/dev"
install -d -m 1777 "$root/tmp"
# /lib and its like are links into /usr.
for link in /lib /lib32 /lib64 /libx32 /bin /sbin; do
  [ ! -L "$link" ] || { cp -P "$link" "$root/"; mkdir -p "$root/$(readlink "$link")"; }
done

install -m 0755 "$program" "$root/usr/bin/kyanite"
install -m 0644 "$licence" "$root/usr/share/doc/kyanite/LICENSE"
# The notices of what is compiled into it.
install -m 0644 "$copyright" "$root/usr/share/doc/kyanite/copyright"

linked=$(ldd "$program") || fail "$program cannot be loaded here: $linked"
case $linked in
  *"not found"*) echo "$linked" | grep 'not found' >&2; fail "libraries are missing; add their package to the set runtime" ;;
esac
libraries=$(echo "$linked" | sed -n -e 's/^.* => \(\/[^ ]*\) .*$/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) .*$/\1/p' | sort -u)

# The package a file is of; the database may know it below / or below /usr.
package_of() {
  for name in "$1" "/usr$1" "${1#/usr}"; do
    owner=$(dpkg-query -S "$name" 2> /dev/null | head -n 1 | cut -d: -f1) || true
    [ -z "$owner" ] || { echo "$owner"; return; }
  done
  fail "no package has $1"
}

packages=" base-files ca-certificates"
for library in $libraries; do
  folder=$(cd "$(dirname "$library")" && pwd -P)
  mkdir -p "$root$folder"
  cp -L "$library" "$root$folder/"
  packages="$packages $(package_of "$folder/$(basename "$(readlink -f "$library")")")"
done
packages=$(printf '%s\n' $packages | sort -u)

for package in $packages; do
  dpkg-query -s "$package" > "$root/var/lib/dpkg/status.d/$package"
  [ -e "/usr/share/doc/$package/copyright" ] || fail "the licence of $package is missing"
  mkdir -p "$root/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done

# For requests to others: key sets of an issuer, storage accounts.
[ -s /etc/ssl/certs/ca-certificates.crt ] || fail "ca-certificates left no /etc/ssl/certs/ca-certificates.crt"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -L /etc/ssl/openssl.cnf "$root/etc/ssl/" 2> /dev/null || true
mkdir -p "$root/usr/lib/ssl"
ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
[ ! -e "$root/etc/ssl/openssl.cnf" ] || ln -s /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"
cp -L /etc/os-release "$root/etc/os-release"
cp -L /etc/debian_version "$root/etc/debian_version"

echo "root:x:0:0:root:/:/sbin/nologin" > "$root/etc/passwd"
echo "$user:x:$uid:$uid:Kyanite:/data:/sbin/nologin" >> "$root/etc/passwd"
printf 'root:x:0:\n%s:x:%s:\n' "$user" "$uid" > "$root/etc/group"
echo "hosts: files dns" > "$root/etc/nsswitch.conf"
install -d -m 0700 -o "$uid" -g "$uid" "$root/data"

# What is in it, by size: build.sh prints this.
{
  printf '%8s KiB  %s\n' "$(du -k "$root/usr/bin/kyanite" | cut -f1)" "kyanite"
  for library in $libraries; do
    folder=$(cd "$(dirname "$library")" && pwd -P)
    printf '%8s KiB  %s\n' "$(du -k "$root$folder/$(basename "$library")" | cut -f1)" \
      "$(basename "$library") ($(package_of "$folder/$(basename "$(readlink -f "$library")")"))"
  done
  printf '%8s KiB  %s\n' "$(du -k "$root/etc/ssl/certs/ca-certificates.crt" | cut -f1)" "certificates of the system"
  printf '%8s KiB  %s\n' "$(du -sk "$root/usr/share" | cut -f1)" "licences"
} | sort -rn > "$root/usr/share/kyanite/contents.txt"
