//! The system calls that the process may still make.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::Error;

/// What becomes of a system call that the sensor has no use for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Filter {
    /// It is made.
    Off,
    /// It is made, and the kernel's audit log tells its number (`type=1326`).
    Log,
    /// It ends the process with SIGSYS.
    #[default]
    Enforce,
}

/// Rules by system call: none, or one of those, must match.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

const FILES: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_readlinkat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_umask,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
];

/// Calls that newer kernels replace by those above.
#[cfg(target_arch = "x86_64")]
const FILES_LEGACY: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_readlink,
    libc::SYS_chmod,
    libc::SYS_getdents,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const FILES_LEGACY: &[c_long] = &[];

/// Executable memory stays allowed: expressions of rules are compiled at each reload.
const MEMORY: &[c_long] = &[
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_brk,
    libc::SYS_mbind,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    libc::SYS_memfd_create,
    libc::SYS_membarrier,
];

const THREADS: &[c_long] = &[
    // Answered with ENOSYS below: its flags lie in memory, where a filter cannot look.
    libc::SYS_clone3,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_futex,
    // futex_waitv, futex_wake, futex_wait, futex_requeue; the same number everywhere.
    449,
    454,
    455,
    456,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_setparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_getattr,
    libc::SYS_sched_setattr,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_getcpu,
    libc::SYS_prctl,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
];

const TIME: &[c_long] = &[
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
];

const SIGNALS: &[c_long] = &[
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_tgkill,
];

const SOCKETS: &[c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
];

const EVENTS: &[c_long] = &[
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
];

const IDENTITY: &[c_long] = &[
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    // Maps of the steering program, through descriptors that are open already.
    libc::SYS_bpf,
];

/// Allowed calls without condition.
const ALLOWED: &[&[c_long]] =
    &[FILES, FILES_LEGACY, MEMORY, THREADS, TIME, SIGNALS, SOCKETS, EVENTS, IDENTITY];

/// Families of sockets: files, IPv4, IPv6. Name resolution also asks for routes.
const FAMILIES: &[u64] =
    &[libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64, libc::AF_NETLINK as u64];

/// Commands of bpf(2) on maps: look up, update, delete, next key, what a descriptor is, look up
/// and delete, batches.
const BPF_COMMANDS: &[u64] = &[1, 2, 3, 4, 15, 21, 24, 25, 26, 27];

/// What prctl(2) may do: names, what is set, timers' slack, huge pages, names of memory.
const PRCTL_OPTIONS: &[u64] = &[
    libc::PR_GET_DUMPABLE as u64,
    libc::PR_SET_NAME as u64,
    libc::PR_GET_NAME as u64,
    libc::PR_GET_SECCOMP as u64,
    libc::PR_CAPBSET_READ as u64,
    libc::PR_SET_TIMERSLACK as u64,
    libc::PR_SET_NO_NEW_PRIVS as u64,
    libc::PR_GET_NO_NEW_PRIVS as u64,
    libc::PR_SET_THP_DISABLE as u64,
    libc::PR_GET_THP_DISABLE as u64,
    libc::PR_SET_VMA as u64,
];

/// Puts the filters in force for all threads of the process.
pub(super) fn apply(filter: Filter) -> Result<Vec<String>, Error> {
    let step = "refuse other system calls";
    let (otherwise, said) = match filter {
        Filter::Off => return Ok(Vec::new()),
        Filter::Log => (SeccompAction::Log, "other system calls are logged"),
        Filter::Enforce => (SeccompAction::KillProcess, "other system calls end the process"),
    };
    // The last one forbids to set further ones.
    for program in programs(otherwise).map_err(|error| Error::step(step, error))? {
        seccompiler::apply_filter_all_threads(&program)
            .map_err(|error| Error::step(step, error))?;
    }
    Ok(vec![said.to_owned()])
}

/// Filters: of all that match, the kernel follows the strictest.
fn programs(otherwise: SeccompAction) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    [
        (unknown_calls(), SeccompAction::Allow, errno(libc::ENOSYS)),
        (refused_calls()?, SeccompAction::Allow, errno(libc::EPERM)),
        (allowed_calls()?, otherwise, SeccompAction::Allow),
    ]
    .into_iter()
    .map(|(rules, mismatch, matched)| {
        SeccompFilter::new(rules, mismatch, matched, architecture)?.try_into()
    })
    .collect()
}

/// Calls that a library tries before it takes an older one.
fn unknown_calls() -> Rules {
    [libc::SYS_clone3, libc::SYS_io_uring_setup].map(|call| (call, Vec::new())).into()
}

/// Calls that are refused for some arguments.
fn refused_calls() -> Result<Rules, seccompiler::BackendError> {
    let terminal_input = [libc::TIOCSTI, libc::TIOCLINUX];
    let other_netlink = SeccompRule::new(vec![
        is(0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64)?,
        is(2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE as u64)?,
    ])?;
    let mut typed = Vec::new();
    for request in terminal_input {
        typed.push(SeccompRule::new(vec![is(1, SeccompCmpOp::Eq, request)?])?);
    }
    Ok(Rules::from([
        (libc::SYS_socket, vec![none_of(0, FAMILIES)?, other_netlink]),
        (libc::SYS_bpf, vec![none_of(0, BPF_COMMANDS)?]),
        (libc::SYS_prctl, vec![none_of(0, PRCTL_OPTIONS)?]),
        // What is typed at a terminal is not for the sensor to say.
        (libc::SYS_ioctl, typed),
    ]))
}

fn allowed_calls() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = ALLOWED.concat().into_iter().map(|call| (call, Vec::new())).collect();
    // Io_uring is answered with ENOSYS, which needs no more than not being killed.
    rules.insert(libc::SYS_io_uring_setup, Vec::new());
    // New threads, no new processes.
    let thread = libc::CLONE_THREAD as u64;
    let new_thread = SeccompRule::new(vec![is(0, SeccompCmpOp::MaskedEq(thread), thread)?])?;
    rules.insert(libc::SYS_clone, vec![new_thread]);
    Ok(rules)
}

/// Matches when an argument is not in a list.
fn none_of(argument: u8, values: &[u64]) -> Result<SeccompRule, seccompiler::BackendError> {
    let each = values.iter().map(|&value| is(argument, SeccompCmpOp::Ne, value));
    SeccompRule::new(each.collect::<Result<_, _>>()?)
}

/// A condition on the lower half of an argument, which is all that these calls look at.
fn is(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}
