#!/bin/sh
# Make sure that a Chromium is there for the browser tests: from the system's packages where we may.
for name in chromium chromium-browser google-chrome; do
  command -v "$name" > /dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null && exit 0
fi
echo "The browser tests need Chromium. Install it, then run make test again:" >&2
echo "  Debian, Ubuntu: sudo apt-get install chromium" >&2
echo "  Fedora:         sudo dnf install chromium" >&2
echo "  macOS:          brew install --cask chromium" >&2
exit 1
