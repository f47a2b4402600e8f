//! Certificates that were ordered, each for one name.

use rustls::sign::CertifiedKey;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};
use tokio::sync::mpsc;

#[cfg(feature = "acme")]
use super::{Certificates, Error, Files, certified, is_for};
#[cfg(feature = "acme")]
use std::path::Path;

/// All of them; none if nobody orders any.
#[derive(Debug)]
pub(in crate::gateway) struct Ordered {
    keys: RwLock<BTreeMap<String, Arc<CertifiedKey>>>,
    /// Who orders hears of names that clients asked for in vain.
    asked: Option<mpsc::Sender<String>>,
}

impl Ordered {
    pub(super) fn new(asked: Option<mpsc::Sender<String>>) -> Self {
        let keys = RwLock::default();
        Self { keys, asked }
    }

    fn keys(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<CertifiedKey>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one for this name; if there is none, it may be ordered.
    pub(super) fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let asked = self.asked.as_ref()?;
        let name = name.to_ascii_lowercase();
        let found = self.keys().get(&name).cloned();
        if found.is_none() {
            // Who comes when there are too many asks again.
            let _ = asked.try_send(name);
        }
        found
    }

    pub(super) fn first(&self) -> Option<Arc<CertifiedKey>> {
        self.keys().values().next().cloned()
    }
}

#[cfg(feature = "acme")]
impl Ordered {
    /// From now on to who asks for this name; connections that are there stay.
    pub(in crate::gateway) fn show(&self, name: &str, key: Arc<CertifiedKey>) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(name.to_owned(), key);
    }

    pub(in crate::gateway) fn hide(&self, name: &str) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.remove(name);
    }
}

#[cfg(feature = "acme")]
impl Certificates {
    pub(in crate::gateway) fn has_file_for(&self, name: &str) -> bool {
        self.in_file(name).is_some()
    }

    /// Reads chain and key of a name out of a file of both.
    pub(in crate::gateway) fn read(
        &self,
        name: &str,
        path: &Path,
        pem: &[u8],
    ) -> Result<Arc<CertifiedKey>, Error> {
        let files = Files {
            chain: path.into(),
            key: path.into(),
        };
        let key = certified(&self.provider, &files, pem, pem)?;
        let not_for = || Error::Name {
            path: path.into(),
            name: name.into(),
        };
        is_for(&key, name).then_some(key).ok_or_else(not_for)
    }
}

#[cfg(all(test, feature = "acme"))]
mod tests {
    use super::{Certificates, Ordered};
    use crate::gateway::acme::ASKED;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use std::path::Path;
    use tokio::sync::mpsc;

    /// Chain and key for a name.
    fn pem(name: &str) -> String {
        let made = generate_simple_self_signed([name.to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        format!("{}\n{}", cert.pem(), signing_key.serialize_pem())
    }

    /// (G21)
    #[test]
    fn who_orders_hears_of_no_more_names_than_it_can_look_at() {
        let (asked, mut heard) = mpsc::channel(ASKED);
        let ordered = Ordered::new(Some(asked));
        for number in 0..10_000 {
            assert!(ordered.find(&format!("{number}.TEST")).is_none());
        }
        let mut names = Vec::new();
        while let Ok(name) = heard.try_recv() {
            names.push(name);
        }
        assert_eq!((names.len(), names[0].as_str()), (ASKED, "0.test"));
    }

    /// (G20)
    #[test]
    fn a_certificate_that_has_come_is_shown_to_who_asks_for_its_name() {
        let (asked, mut heard) = mpsc::channel(ASKED);
        let certificates = Certificates::open(Vec::new(), Some(asked)).expect("none are needed");
        let path = Path::new("a.pem");
        let pem = pem("a.test");
        let other = certificates.read("b.test", path, pem.as_bytes());
        let error = other.expect_err("refused").to_string();
        assert_eq!(error, "the certificate in a.pem is not for b.test");
        let key = certificates.read("a.test", path, pem.as_bytes());
        let key = key.expect("a certificate");
        let ordered = &certificates.ordered;
        ordered.show("a.test", key);
        assert!(ordered.find("A.test").is_some() && heard.try_recv().is_err());
        assert!(certificates.any().is_some(), "better than nothing");
        ordered.hide("a.test");
        assert!(ordered.find("a.test").is_none() && heard.try_recv().is_ok());
    }
}
