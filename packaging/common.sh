# For the scripts of this folder: sourced, with `set -euo pipefail`, from the top of the tree.

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

wrong_usage() {
  printf '%s: %s; see --help\n' "${0##*/}" "$*" >&2
  exit 64
}

# need PROGRAM...: all of them are there, or what to do.
need() {
  local program
  for program; do
    command -v "$program" >/dev/null || fail "$program not found: packaging/install-packages build package"
  done
}

# The one place of the version; check_versions holds the change logs and the spec to it.
version() {
  sed -nE 's/^project\(saspd VERSION ([0-9.]+) .*/\1/p' CMakeLists.txt
}

check_versions() {
  local wanted
  wanted=$(version)
  [[ $(sed -nE '1s/^saspd \((.*)\) .*/\1/p' packaging/debian/changelog) == "$wanted" ]] ||
    fail "packaging/debian/changelog begins with another version than CMakeLists.txt: $wanted"
  [[ $(sed -nE 's/^Version: +//p' packaging/rpm/saspd.spec) == "$wanted" ]] ||
    fail "packaging/rpm/saspd.spec has another version than CMakeLists.txt: $wanted"
  [[ $(sed -nE '/^## /{s/^## ([^ ]+).*/\1/p;q}' packaging/CHANGELOG.md) == "$wanted" ]] ||
    fail "packaging/CHANGELOG.md begins with another version than CMakeLists.txt: $wanted"
}

# write_version VERSION TREE
write_version() {
  sed -i -E "s/^(project\(saspd VERSION) [0-9.]+/\1 $1/" "$2/CMakeLists.txt"
  sed -i -E "s/^(Version: +).*/\1$1/" "$2/packaging/rpm/saspd.spec"
  sed -i -E "1s/\([^)]*\)/($1)/" "$2/packaging/debian/changelog"
  sed -i -E "0,/^## /s/^## [^ ]+/## $1/" "$2/packaging/CHANGELOG.md"
}

# Seconds since 1970 of the last entry in the changelog: the time of everything that is packed.
source_date() {
  date --utc --date="$(sed -n '/^ -- /{s/.*>  //p;q}' packaging/debian/changelog)" +%s
}

# with_progress LOG COMMAND...: with the output in LOG, and every 20 s what it is at; its end, if it
# failed.
with_progress() {
  local log=$1 start=$SECONDS status=0 pid
  shift
  set -m  # a group of its own, for end_jobs
  "$@" >"$log" 2>&1 </dev/null &
  set +m
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if (((SECONDS - start) % 20 == 19)); then
      # "[12/80]" of ninja, "12/80 Test" of ctest
      printf '   %4d s  %.90s\n' $((SECONDS - start)) \
        "$(grep -aoE '^(\[[0-9]+/[0-9]+\]|.*[0-9]+/[0-9]+ Test.*)' "$log" | tail -n 1)"
    fi
  done
  wait "$pid" || status=$?
  ((status == 0)) || tail -n 40 "$log" >&2
  return "$status"
}

# What is still running, with all that it started.
end_jobs() {
  local job
  for job in $(jobs -p); do
    kill -- "-$job" 2>/dev/null || true
  done
  wait
}

# share_compiler_cache FOLDER: with CMAKE_CXX_COMPILER_LAUNCHER=ccache in the environment, a compilation
# below FOLDER is the same as one below another. debhelper hides the home, where the cache is.
share_compiler_cache() {
  [[ ${CMAKE_CXX_COMPILER_LAUNCHER-} == ccache ]] || return 0
  export CMAKE_CXX_COMPILER_LAUNCHER CCACHE_BASEDIR=$1
  CCACHE_DIR=$(ccache --get-config cache_dir)
  export CCACHE_DIR
}
