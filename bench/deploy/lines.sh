# Sourced by the proofs of this folder: their lines, `N. what: figure: holds|falls short|skipped`, and tools.
# shellcheck shell=bash

short=0
say() { # say N WHAT FIGURE yes|no
    if [ "$4" = yes ]; then printf '%s. %s: %s: holds\n' "$1" "$2" "$3"
    else short=1; printf '%s. %s: %s: falls short\n' "$1" "$2" "$3"; fi
}
skipped() { printf '%s. %s: skipped (%s)\n' "$1" "$2" "$3"; }
# packages NAME...: those of Debian that are not there yet; fails if they can't be had.
packages() {
    local name missing=()
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "installing Debian packages: ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
# A sensor with all features: BATELEUR_SENSOR, or built.
sensor() {
    if [ -z "${BATELEUR_SENSOR:-}" ]; then
        packages clang libelf-dev zlib1g-dev libhwloc-dev libudev-dev libssl-dev pkg-config make cmake g++ || return 1
        cargo build --release --locked -p sensor --features full --target-dir target/full --quiet >&2 || return 1
        BATELEUR_SENSOR=$PWD/target/full/release/bateleur
    fi
    export BATELEUR_SENSOR
}
# bare FILE PACKAGES: the root of a bare Debian 12 as an archive, with further packages (a,b,c), made once.
bare() {
    [ -s "$1" ] && return 0
    mkdir -p "$(dirname "$1")"
    packages mmdebstrap debian-archive-keyring || return 1
    mmdebstrap --quiet --variant=minbase ${2:+--include="$2"} bookworm "$1.part.tar" >&2 && mv "$1.part.tar" "$1"
}
