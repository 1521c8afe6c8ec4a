#!/bin/sh
# packages.sh PACKAGE... -- installs the distribution packages that are missing.
#
# As root on Debian or Ubuntu it installs them and says so; elsewhere it prints the line to run and exits 1.
set -eu

missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing:$missing. This is not Debian or Ubuntu: install them with your package manager." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "missing:$missing. Run: sudo apt-get install$missing" >&2
    exit 1
fi
echo "installing from the distribution:$missing"
export DEBIAN_FRONTEND=noninteractive
# policy-rc.d keeps services that come with a package (PostgreSQL, Redis) from being started on this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086  # one word per package is meant
apt-get install -qq -y --no-install-recommends $missing >/dev/null
