#!/bin/sh
# Run units, tabs and kernels on every supported Python that this machine has.
ran=0
for version in 3.10 3.11 3.12 3.13; do
  python=
  for candidate in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
    "$candidate" -c "" 2> /dev/null && python=$candidate
  done
  if [ -z "$python" ]; then
    echo "Python $version: not on this machine"
    continue
  fi
  venv=.venv-$version
  [ -x "$venv/bin/pytest" ] || {
    "$python" -m venv "$venv"
    "$venv/bin/pip" install -q -e ".[archives,codecs,images,remote]" mfusepy nbclient nbformat hypothesis pytest pytest-randomly || exit 1
  }
  echo "== Python $version"
  "$venv/bin/python" -m pytest -q tests --ignore tests/browser -m "not slow and not gpu" \
    -W ignore::ResourceWarning -W ignore::DeprecationWarning -W ignore::RuntimeWarning \
    -W ignore::pytest.PytestUnraisableExceptionWarning || exit 1
  ran=$((ran + 1))
done
[ "$ran" -gt 0 ]
