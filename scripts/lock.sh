#!/usr/bin/env bash
# Write requirements/*.txt: exact versions with hashes, for every supported Python and platform.
# pyproject.toml says what is needed; this says which file exactly. Needs the uv program.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-uv}
common=(pip compile --quiet --universal --python-version 3.11 --generate-hashes
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --no-strip-extras)

# The widest set first; the others may only repeat its versions, so that one
# package never has two versions in the project.
"$uv" "${common[@]}" "$@" --all-extras pyproject.toml requirements/dev.in \
  --output-file requirements/dev.txt
narrow=("${common[@]}" --constraints requirements/dev.txt)
"$uv" "${narrow[@]}" pyproject.toml --output-file requirements/base.txt
"$uv" "${narrow[@]}" --extra llm pyproject.toml --output-file requirements/llm.txt
"$uv" "${narrow[@]}" --extra tee pyproject.toml --output-file requirements/tee.txt
"$uv" "${narrow[@]}" --extra server --extra client --extra jwt --extra otel pyproject.toml \
  --output-file requirements/server.txt
"$uv" "${narrow[@]}" requirements/build.in --output-file requirements/build.txt
# What the benchmarks compare with has an environment, and versions, of its own.
"$uv" "${common[@]}" requirements/bench-peers.in --output-file requirements/bench-peers.txt
"$uv" "${common[@]}" requirements/bench-dojo.in --output-file requirements/bench-dojo.txt

if grep -nEi '://|--(extra-)?index|--find-links' requirements/*.txt; then
  echo "lock: a lock names a place packages came from" >&2
  exit 1
fi
