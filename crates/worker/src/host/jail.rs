//! The files that a worker can touch, from its first step to its last: its own, and those that name lookups read. Keys of
//! the peer, artifacts and states of other deals are out of reach even for who has taken the process over. (W24)

use super::{Refusal, process};
use crate::Config;
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use std::path::{Path, PathBuf};

/// The newest version of the kernel's interface that is asked for; older ones do what they can.
const VERSION: ABI = ABI::V6;

/// What is read besides: configuration of the system, the process itself and its program, libraries, randomness.
const READ: [&str; 8] = [
    "/dev/urandom",
    "/etc",
    "/lib",
    "/lib64",
    "/proc/self",
    "/proc/self/exe",
    "/run/systemd/resolve",
    "/usr",
];

/// What takes what nobody wants.
const NOWHERE: &str = "/dev/null";

/// Shuts this thread in, and all that it starts; whether the kernel does all of it. Comes before any other thread.
///
/// # Errors
/// A folder of the worker cannot be used.
pub(super) fn enter(config: &Config) -> Result<bool, Refusal> {
    let own = own(config)?;
    restrict(config, &own).map_err(|error| Refusal::host("cannot limit files", &error))
}

/// Folders in which the worker makes files, each there.
fn own(config: &Config) -> Result<Vec<PathBuf>, Refusal> {
    let folder = |file: &Path| file.parent().unwrap_or(Path::new(".")).to_owned();
    let mut own = vec![config.cache.clone(), folder(&config.control)];
    if let crate::config::Listen::Unix(socket) = &config.listen {
        own.push(folder(socket));
    }
    own.extend(config.deals.as_deref().map(folder));
    own.extend(config.state.as_deref().map(folder));
    own.iter()
        .try_for_each(|folder| process::own_folder(folder))?;
    Ok(own)
}

fn restrict(config: &Config, own: &[PathBuf]) -> Result<bool, RulesetError> {
    let writes = AccessFs::from_write(VERSION);
    let all = writes | AccessFs::ReadFile;
    let read = READ.iter().map(Path::new);
    let read = read
        .chain([config.artifact.as_path()])
        .chain(config.secrets.as_deref());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(VERSION))?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(own, all))?
        .add_rules(path_beneath_rules([NOWHERE], all))?
        .restrict_self()?;
    Ok(status.ruleset == RulesetStatus::FullyEnforced)
}

#[cfg(test)]
mod tests {
    use super::enter;
    use crate::{
        ArtifactHash, Config, Identity,
        config::{Limits, Listen, Outbound},
    };
    use rustix::thread::set_no_new_privs;
    use std::{fs, io, path::Path, thread};

    fn config(folder: &Path) -> Config {
        let own = folder.join("own");
        Config {
            identity: Identity {
                deal: 1,
                worker: 2,
                artifact: ArtifactHash([7; 32]),
            },
            artifact: folder.join("artifact"),
            control: own.join("control.sock"),
            listen: Listen::Unix(own.join("http.sock")),
            deals: None,
            cache: folder.join("cache"),
            units: vec![vec![]],
            secrets: None,
            state: None,
            group: None,
            outbound: Outbound::Public,
            limits: Limits::default(),
            orphan_seconds: 1,
            drain_seconds: 1,
        }
    }

    /// (W24)
    #[test]
    fn a_worker_touches_its_own_files_only() {
        let folder = std::env::temp_dir().join(format!("jail-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        for name in ["artifact", "key.json"] {
            fs::write(folder.join(name), name).expect("written");
        }
        let inside = folder.clone();
        let held = thread::spawn(move || {
            set_no_new_privs(true).expect("no new rights");
            let is_enforced = enter(&config(&inside)).expect("a jail");
            let own = fs::write(inside.join("own").join("a"), "a");
            let artifact = fs::read(inside.join("artifact"));
            let key = fs::read(inside.join("key.json"));
            let spoilt = fs::write(inside.join("artifact"), "spoilt");
            (is_enforced, own, artifact, key, spoilt)
        });
        let (is_enforced, own, artifact, key, spoilt) = held.join().expect("it ends well");
        own.expect("its own");
        assert_eq!(artifact.expect("what it runs"), b"artifact");
        if is_enforced {
            let kind = |result: io::Result<()>| result.expect_err("denied").kind();
            assert_eq!(kind(key.map(drop)), io::ErrorKind::PermissionDenied);
            assert_eq!(kind(spoilt), io::ErrorKind::PermissionDenied);
        }
        fs::remove_dir_all(folder).expect("removed");
    }
}
