//! The system calls that a process may make from now on; all others fail with `EPERM`. (W24)
//!
//! Who breaks out of WebAssembly finds itself in a process that starts no programs, makes no memory executable, writes no
//! files but those that are open, and, where its function asks nobody, opens no connections.

use super::Refusal;
use libc::{
    ENOSYS, EPERM, FIONBIO, FIONREAD, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, PROT_EXEC, c_long,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};
use std::{collections::BTreeMap, env::consts::ARCH};

/// What a thread needs to compute: memory, time, other threads' signs of life, its end.
const COMPUTE: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_read,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_write,
];

/// What serving needs besides: sockets that are there, files that are open, threads, events.
const SERVE: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_fallocate,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_geteuid,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_lseek,
    libc::SYS_membarrier,
    libc::SYS_newfstatat,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_rseq,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_writev,
];

/// The same, where the architecture has them.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[libc::SYS_epoll_wait, libc::SYS_poll, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[c_long] = &[];

/// What asking others needs besides, names looked up.
const ASK: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_sendmmsg,
    libc::SYS_uname,
];

/// Kinds of sockets that it makes: the internet's, and the system's own for its addresses.
const FAMILIES: &[i32] = &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Scans and clears pages of a pool's memory: `PAGEMAP_SCAN` of linux/fs.h.
const PAGEMAP_SCAN: u64 = 0xc060_6610;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// For the process of a compiler, once it has its engine.
///
/// # Errors
/// The kernel does not take the filter.
pub(super) fn compiler() -> Result<(), Refusal> {
    install(memory(plain(COMPUTE)))
}

/// For a worker, once it serves. `asks`: its function may ask others over HTTP.
///
/// # Errors
/// The kernel does not take the filter.
pub(super) fn worker(asks: bool) -> Result<(), Refusal> {
    install(memory(plain(COMPUTE)).and_then(|rules| serve(rules, asks)))
}

fn plain(calls: &[c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// Memory that is not executable.
fn memory(mut rules: Rules) -> Result<Rules, BackendError> {
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule(2, without(PROT_EXEC), 0)?]);
    }
    Ok(rules)
}

fn serve(mut rules: Rules, asks: bool) -> Result<Rules, BackendError> {
    rules.extend(plain(SERVE));
    rules.extend(plain(OLD));
    // Threads, not processes. See `threads` for `clone3`.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(
        libc::SYS_clone,
        vec![rule(0, SeccompCmpOp::MaskedEq(thread), thread)?],
    );
    rules.insert(libc::SYS_clone3, Vec::new());
    let writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    rules.insert(libc::SYS_openat, vec![rule(2, without(writes), 0)?]);
    let among = |place, values: &[u64]| -> Result<Vec<SeccompRule>, BackendError> {
        values
            .iter()
            .map(|value| rule(place, SeccompCmpOp::Eq, *value))
            .collect()
    };
    let controls = [FIONBIO, FIONREAD, PAGEMAP_SCAN];
    rules.insert(libc::SYS_ioctl, among(1, &controls)?);
    rules.insert(libc::SYS_prctl, among(0, &[libc::PR_SET_NAME as u64])?);
    if asks {
        rules.extend(plain(ASK));
        let families: Vec<u64> = FAMILIES.iter().map(|family| *family as u64).collect();
        rules.insert(libc::SYS_socket, among(0, &families)?);
    }
    Ok(rules)
}

/// That argument `place`, as 32 bits, compares to `value`.
fn rule(place: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let width = SeccompCmpArgLen::Dword;
    let condition = SeccompCondition::new(place, width, comparison, value)?;
    SeccompRule::new(vec![condition])
}

/// With none of these bits.
fn without(bits: i32) -> SeccompCmpOp {
    SeccompCmpOp::MaskedEq(bits as u64)
}

/// For all threads of this process, and all that come.
fn install(rules: Result<Rules, BackendError>) -> Result<(), Refusal> {
    let trouble = |error: &dyn std::fmt::Display| {
        Refusal::host("cannot limit the system calls of this process", error)
    };
    let programs = rules.and_then(programs).map_err(|error| trouble(&error))?;
    programs.iter().try_for_each(|program| {
        seccompiler::apply_filter_all_threads(program).map_err(|error| trouble(&error))
    })
}

/// What the kernel runs at each system call.
fn programs(rules: Rules) -> Result<[BpfProgram; 2], BackendError> {
    let program = |rules, otherwise, listed| -> Result<BpfProgram, BackendError> {
        SeccompFilter::new(rules, otherwise, listed, TargetArch::try_from(ARCH)?)?.try_into()
    };
    // Its arguments lie in memory, where no filter sees them. Who is told that there is no such call uses `clone`.
    let absent = SeccompAction::Errno(ENOSYS as u32);
    let threads = program(plain(&[libc::SYS_clone3]), SeccompAction::Allow, absent)?;
    let denied = SeccompAction::Errno(EPERM as u32);
    Ok([threads, program(rules, denied, SeccompAction::Allow)?])
}

#[cfg(test)]
mod tests {
    use super::{COMPUTE, Rules, memory, plain, programs, serve};
    use rustix::thread::set_no_new_privs;
    use std::{
        fs::{self, File},
        io,
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
        process::Command,
        thread,
    };

    /// What comes of `work` in a thread that is held to these rules.
    fn held<T: Send + 'static>(rules: Rules, work: impl FnOnce() -> T + Send + 'static) -> T {
        let programs = programs(rules).expect("filters");
        let held = thread::spawn(move || {
            set_no_new_privs(true).expect("no new rights");
            for program in programs {
                seccompiler::apply_filter(&program).expect("the kernel takes it");
            }
            work()
        });
        held.join().expect("it ends well")
    }

    fn worker(asks: bool) -> Rules {
        memory(plain(COMPUTE))
            .and_then(|rules| serve(rules, asks))
            .expect("rules")
    }

    fn is_denied<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// (W24)
    #[test]
    fn a_worker_starts_no_programs_and_makes_no_files() {
        let file = std::env::temp_dir().join(format!("filter-{}", std::process::id()));
        let made = file.clone();
        let (program, files) = held(worker(true), move || {
            (
                is_denied(Command::new("/bin/true").status()),
                is_denied(File::create(made)),
            )
        });
        assert!(program && files && !file.exists());
        held(worker(true), || fs::read("/proc/self/status")).expect("files are read");
        let sum = held(worker(true), || {
            thread::spawn(|| 1 + 1).join().expect("a thread")
        });
        assert_eq!(sum, 2, "threads are started");
    }

    /// (W24)
    #[test]
    fn a_worker_connects_only_if_its_function_may_ask_and_never_to_the_machines_own_sockets() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connect = move |asks| held(worker(asks), move || TcpStream::connect(address));
        connect(true).expect("a connection");
        assert!(is_denied(connect(false)));
        assert!(is_denied(held(worker(true), || UnixStream::connect(
            "/run/any.sock"
        ))));
    }

    /// (W4, W24)
    #[test]
    fn a_compiler_opens_nothing_at_all() {
        let rules = memory(plain(COMPUTE)).expect("rules");
        assert!(is_denied(held(rules, || File::open("/etc/hosts"))));
    }
}
