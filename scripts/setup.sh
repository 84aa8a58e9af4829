#!/usr/bin/env bash
# setup.sh demo|test: makes .venv with what the demonstration, or the whole suite, uses. Installs the Debian packages
# they need when it may, else prints the one command to run. Nothing else outside .venv is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-test}

# python3-venv makes .venv; pango and a font render PDF/A-1.
packages=(python3-venv libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core)
extra=all
if [ "$what" = test ]; then
  # Judges that we did not write: signatures, PDF/A, mail, archives, datamatrix, cards, a TLS proxy.
  packages+=(xmlsec1 libpdfbox2-java libactivation-java libjaxb-api-java postfix libxml2-utils ripmime unzip dmtx-utils
    softhsm2 nginx-light libengine-pkcs11-openssl)
  command -v java >/dev/null || packages+=(default-jre-headless)
  # The browser that sees the pages: 110 MB, half a minute. Debian's name: elsewhere its tests skip and say so.
  browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  if [ -z "$browser" ] && grep -qs '^ID=debian' /etc/os-release; then packages+=(chromium); fi
  extra=dev
fi

missing=()
if command -v dpkg-query >/dev/null; then
  for p in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
fi
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then sudo=(); elif sudo -n true 2>/dev/null; then sudo=(sudo -n); else sudo=(no); fi
  if [ "${sudo[*]-}" = no ]; then
    echo "These Debian packages are missing: ${missing[*]}"
    echo "Run: sudo apt-get install -y --no-install-recommends ${missing[*]}"
    echo "Going on without them: what needs them says so and is skipped."
  else
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { "${sudo[@]}" apt-get update -qq &&
      "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } ||
      echo "apt-get failed; going on. Run: apt-get install -y --no-install-recommends ${missing[*]}"
  fi
fi

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
    then
      python=$candidate
      break
    fi
  done
fi
[ -n "$python" ] || { echo "Python 3.11 or later is needed: apt-get install -y python3 python3-venv"; exit 1; }
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check -e ".[$extra]"
touch ".venv/.ready-$what"
[ "$what" = demo ] || touch .venv/.ready-demo
