#!/usr/bin/env bash
# Makes .venv with every extra. Installs the Debian packages that the tests and the PDF writer use when it may,
# else prints the one command to run. Nothing outside .venv is touched unless run as root or with sudo -n.
set -euo pipefail
cd "$(dirname "$0")/.."

# python3-venv makes .venv; pango renders PDF/A-1; xmlsec1, Java and PDFBox Preflight judge our output in tests.
PACKAGES=(python3-venv libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
          xmlsec1 default-jre-headless libpdfbox2-java unzip)

missing=()
if command -v dpkg-query >/dev/null; then
  for p in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  # A Java from elsewhere does as well.
  if command -v java >/dev/null; then missing=("${missing[@]/default-jre-headless/}"); fi
  missing=($(printf '%s\n' "${missing[@]+"${missing[@]}"}" | grep . || true))
fi
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then SUDO=""; elif sudo -n true 2>/dev/null; then SUDO="sudo -n"; else SUDO="none"; fi
  if [ "$SUDO" = none ]; then
    echo "These Debian packages are missing: ${missing[*]}"
    echo "Run: sudo apt-get install -y ${missing[*]}"
    echo "Going on without them: what needs them says so and is skipped."
  else
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { $SUDO apt-get update -qq && $SUDO apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } ||
      echo "apt-get failed: going on; run 'apt-get install -y ${missing[*]}' to have every test"
  fi
fi

PYTHON=${PYTHON:-}
if [ -z "$PYTHON" ]; then
  for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      PYTHON=$candidate
      break
    fi
  done
fi
[ -n "$PYTHON" ] || { echo "Python 3.11 or later is needed: apt-get install -y python3 python3-venv"; exit 1; }
[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check -e '.[dev]'
