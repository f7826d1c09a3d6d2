#!/bin/sh
# timed.sh NAME COMMAND...: run a part of the tests and note how long it took; --sum prints the notes.
notes=build/times.txt
mkdir -p build
if [ "$1" = --sum ]; then
  echo "Time of each part:"
  cat "$notes"
  rm -f "$notes"
  exit 0
fi
name=$1
shift
echo "== $name"
start=$(date +%s)
"$@" || { echo "FAILED: $name"; rm -f "$notes"; exit 1; }
printf '%6d s  %s\n' $(($(date +%s) - start)) "$name" >> "$notes"
