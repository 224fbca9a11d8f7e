# Sourced: boots the systemd of a root in namespaces of its own, so that services run there as on a host.
# shellcheck shell=bash

booted=
# boot ROOT NAMESPACE LOG: 0 once its systemd takes commands; it has the interfaces of that network namespace.
boot() {
    local state
    boot_group=deploy-$$
    # shellcheck disable=SC2016 # they are expanded inside
    ip netns exec "$2" unshare --mount --propagation private bash -c '
        root=$1 group=$2
        # Its control groups are below one of their own, whatever this process is in.
        mount -t cgroup2 none "$root/mnt" && mkdir -p "$root/mnt/$group" && echo $$ >"$root/mnt/$group/cgroup.procs" &&
            umount "$root/mnt" || exit 1
        exec unshare --pid --fork --cgroup --uts --ipc bash -c '\''
            root=$1
            hostname bare
            mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys" || exit 1
            # What is set there would be set for this machine, but for the network.
            mount --bind "$root/proc/sys" "$root/proc/sys" && mount --bind "$root/proc/sys/net" "$root/proc/sys/net" &&
                mount -o remount,ro,bind "$root/proc/sys"
            mount -t cgroup2 none "$root/sys/fs/cgroup" && mount -t tmpfs none "$root/dev" || exit 1
            mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
            for one in null zero full random urandom tty fuse net/tun; do
                [ -e "/dev/$one" ] && touch "$root/dev/$one" && mount --bind "/dev/$one" "$root/dev/$one"
            done
            mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666 && ln -s pts/ptmx "$root/dev/ptmx"
            ln -s /proc/self/fd "$root/dev/fd"
            mount -t tmpfs none "$root/run" && mount -t tmpfs none "$root/tmp" || exit 1
            cd "$root" && mkdir -p mnt && pivot_root . mnt && umount -l /mnt || exit 1
            exec env -i container=proof PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
                --show-status=0 systemd.unit=multi-user.target'\'' - "$root"' \
        - "$1" "$boot_group" >>"$3" 2>&1 </dev/null &
    local outer=$!
    for _ in $(seq 60); do
        booted=$(pgrep -P "$outer" | head -n 1)
        state=$([ -z "$booted" ] || within systemctl is-system-running 2>/dev/null)
        case $state in running | degraded) return 0 ;; esac
        kill -0 "$outer" 2>/dev/null || break
        sleep 1
    done
    halt
    return 1
}
# within COMMAND...: on the host that was booted
within() {
    nsenter -t "$booted" -m -p -n -u -i -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 "${within_environment[@]}" "$@"
}
within_environment=()
# Switches it off, as by its plug; everything in it ends.
halt() {
    [ -n "$booted" ] || return 0
    kill -KILL "$booted" 2>/dev/null
    while kill -0 "$booted" 2>/dev/null; do sleep 0.1; done
    booted=
    # shellcheck disable=SC2016 # they are expanded inside
    unshare --mount --propagation private bash -c 'mount -t cgroup2 none /mnt && find "/mnt/$1" -depth -type d -exec rmdir {} \;' \
        - "$boot_group" 2>/dev/null
    return 0
}
