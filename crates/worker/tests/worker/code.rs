//! How artifacts become code, and where that is kept.

use crate::support::{Folder, start};
use functions::{HELLO, hostile};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use worker::{Config, control::Reason, supervisor::Error};

/// Starts a worker and ends it; why it did not start.
async fn run(folder: &Folder, config: &Config) -> Result<(), (Reason, String)> {
    match start(folder, config).await {
        Ok(mut worker) => {
            worker.control.stop().await.expect("stopping");
            assert!(worker.ended().await);
            Ok(())
        }
        Err(Error::CannotRun { reason, detail }) => Err((reason, detail)),
        Err(other) => panic!("{other}"),
    }
}

/// The files of a cache.
fn files(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// (W3)
#[tokio::test]
async fn code_is_compiled_once_and_only_our_own_private_file_is_used() {
    let folder = Folder::new("code");
    let config = folder.config(HELLO);
    run(&folder, &config).await.expect("compiled");
    let [file] = &files(&config.cache)[..] else {
        panic!("one file");
    };
    let changed = || {
        fs::metadata(file)
            .expect("a file")
            .modified()
            .expect("a time")
    };
    let mode = fs::metadata(file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let first = changed();
    run(&folder, &config).await.expect("from the folder");
    assert_eq!(changed(), first, "nothing is compiled");

    // Spoilt, or writable by others: compiled again.
    fs::write(file, b"spoilt").expect("written");
    run(&folder, &config).await.expect("compiled again");
    set_mode(file, 0o666);
    run(&folder, &config).await.expect("compiled again");
    let mode = fs::metadata(file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Anybody could put anything into such a folder.
    set_mode(&config.cache, 0o777);
    let (reason, _) = run(&folder, &config).await.expect_err("a refusal");
    assert_eq!(reason, Reason::Host);
}

/// (W4)
#[tokio::test]
async fn a_compiler_that_needs_more_than_its_memory_ends_alone() {
    let folder = Folder::new("compiler");
    let mut config = folder.config(HELLO);
    config.limits.compile_memory_bytes = 1 << 20;
    let (reason, detail) = run(&folder, &config).await.expect_err("a refusal");
    assert_eq!(reason, Reason::BeyondLimits);
    let said = "compiling takes more memory than the limit, 1 MiB";
    assert_eq!(detail, said);
    assert!(files(&config.cache).is_empty());
}

/// (W4)
#[tokio::test]
async fn a_function_that_takes_the_compiler_too_much_memory_is_told_how_much_there_is() {
    let folder = Folder::new("memory");
    let with = |function| {
        let mut config = folder.config(function);
        config.limits.compile_memory_bytes = 128 << 20;
        config
    };
    run(&folder, &with(HELLO)).await.expect("it is enough");
    let refused = run(&folder, &with(hostile::COMPILE_BOMB)).await;
    let said = "compiling takes more memory than the limit, 128 MiB".to_owned();
    assert_eq!(refused, Err((Reason::BeyondLimits, said)));
}

/// (W4)
#[tokio::test]
async fn a_function_that_keeps_the_compiler_busy_is_refused_in_time() {
    let folder = Folder::new("busy");
    let mut config = folder.config(hostile::COMPILE_BOMB);
    config.limits.compile_seconds = 2;
    let begin = Instant::now();
    let (reason, detail) = run(&folder, &config).await.expect_err("a refusal");
    assert_eq!(reason, Reason::CompileTimeout, "{detail}");
    // All of an artifact have half a minute more on the wall, which a busy machine may need.
    assert!(begin.elapsed() < Duration::from_secs(2 + 30 + 10));
    assert!(files(&config.cache).is_empty());
}
