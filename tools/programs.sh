#!/bin/sh
# Install the programs that the tests need, from the system's packages where we may: Chromium for those in a browser,
# and what others are skipped without.
export DEBIAN_FRONTEND=noninteractive

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; }

missing() {
  for pair in fusermount3=fuse3 nginx=nginx-light 7z=p7zip-full bsdtar=libarchive-tools zip=zip; do
    PATH="$PATH:/usr/sbin" command -v "${pair%=*}" > /dev/null || echo "${pair#*=}"
  done
}

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; } > /dev/null

wanted=$(missing)
has_browser || wanted="$wanted chromium"
if [ -n "$wanted" ] && may_install; then
  apt-get update -qq
  # shellcheck disable=SC2086 # several names
  apt-get install -y -qq $wanted > /dev/null
fi
for name in $(missing); do
  echo "Not installed, so that some tests are skipped: $name" >&2
done
has_browser && exit 0
echo "The browser tests need Chromium. Install it, then run make test again:" >&2
echo "  Debian, Ubuntu: sudo apt-get install chromium" >&2
echo "  Fedora:         sudo dnf install chromium" >&2
echo "  macOS:          brew install --cask chromium" >&2
exit 1
