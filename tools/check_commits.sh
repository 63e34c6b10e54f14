#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks that the subjects of commits have at most 72 characters. ./dev check lists runs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Earlier commits have longer subjects. If a long one has been published, which cannot be changed, set this to that commit.
start=832efe36aee5970bb3834d1bdda682b4307c0855

git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || exit 0 # an archive of the sources has no commits
range=("$start..HEAD")
git merge-base --is-ancestor "$start" HEAD 2>/dev/null || range=(-1 HEAD) # a shallow clone has only the newest commits
long=$(git log --no-merges --format='%h %s' "${range[@]}" | python3 -c '
import sys
for line in sys.stdin:
    if len(line.rstrip("\n").partition(" ")[2]) > 72: print(line, end="")')
[[ -z $long ]] || printf 'these subjects have more than 72 characters:\n%s\n' "$long"
[[ -z $long ]]
