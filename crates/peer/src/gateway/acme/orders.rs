//! Orders certificates, one after the other, and shows them.

use super::{
    super::{
        CertificateError,
        certificate::Certificates,
        domain::{self, Domain},
        proxy::Gateway,
        target,
    },
    Acme, Error,
    names::{Names, Origin, Validity},
    server::{Failure, Server},
    store::Store,
    validity,
};
use crate::{daemon, overlay::Dial};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Time for one certificate.
const ORDER: Duration = Duration::from_secs(300);
/// How often the clock is looked at: it may have been set meanwhile.
const LOOK: Duration = Duration::from_secs(3600);

/// What gets certificates for a gateway.
pub(in crate::gateway) struct Orders {
    domain: String,
    names: Names,
    server: Server,
    store: Store,
    certificates: Arc<Certificates>,
    asked: mpsc::Receiver<String>,
}

impl Orders {
    /// Takes up what was got before.
    ///
    /// # Errors
    /// The configuration cannot be followed, or the folder not be used.
    pub(in crate::gateway) fn open(
        settings: Acme,
        domain: &str,
        domains: &BTreeMap<String, u64>,
        folder: &Path,
        certificates: &Arc<Certificates>,
        asked: mpsc::Receiver<String>,
    ) -> Result<Self, daemon::Error> {
        let listed = std::iter::once(domain).chain(domains.keys().map(String::as_str));
        let mut listed = settings.check(listed)?;
        listed.retain(|name| !certificates.has_file_for(name));
        let mut orders = Self {
            domain: domain.to_owned(),
            names: Names::new(settings.names, listed),
            store: Store::open(folder)?,
            server: Server::new(settings)?,
            certificates: certificates.clone(),
            asked,
        };
        orders.take_up()?;
        Ok(orders)
    }

    fn take_up(&mut self) -> Result<(), Error> {
        let now = now();
        for name in self.store.names()? {
            let is_domain = name
                .parse::<Domain>()
                .is_ok_and(|domain| domain.to_string() == name);
            let is_wanted = is_domain && !self.certificates.has_file_for(&name);
            if is_wanted && self.names.ask(&name, self.origin(&name), now) {
                self.show_kept(&name)?;
            }
        }
        Ok(())
    }

    fn show_kept(&mut self, name: &str) -> Result<(), Error> {
        let pem = self.store.certificate(name)?;
        match self.show(name, &pem) {
            Ok(validity) => self.names.obtained(name, validity),
            // It is ordered anew.
            Err(error) => tracing::warn!(%error, name, "a certificate that was kept is of no use"),
        }
        Ok(())
    }

    /// How a name comes here that the configuration does not list.
    fn origin(&self, name: &str) -> Origin {
        match target::below(name, &self.domain) {
            Some(_) => Origin::Below,
            None => Origin::Own,
        }
    }

    /// Orders what is to be ordered, for as long as the gateway lives.
    pub(in crate::gateway) async fn run<D: Dial>(mut self, gateway: Arc<Gateway<D>>) {
        loop {
            self.forget();
            if let Some((name, origin)) = self.names.next(now()) {
                self.order(&name, origin, &gateway).await;
            }
            tokio::select! {
                Some(name) = self.asked.recv() => self.consider(&name, &gateway).await,
                () = rest(self.names.due()) => {}
            }
        }
    }

    fn forget(&mut self) {
        for name in self.names.forget(now()) {
            self.take_away(&name);
        }
    }

    fn take_away(&self, name: &str) {
        self.certificates.ordered.hide(name);
        if let Err(error) = self.store.forget(name) {
            tracing::warn!(%error, name, "a certificate stays in its file");
        }
    }

    /// Takes up a name that a client asked for, if it is that of a deal that is served.
    async fn consider<D: Dial>(&mut self, name: &str, gateway: &Gateway<D>) {
        let Ok(name) = name.parse::<Domain>().map(|name| name.to_string()) else {
            return;
        };
        if gateway.served_at(&name).await.is_none() {
            return;
        }
        let (origin, now) = (self.origin(&name), now());
        if self.names.ask(&name, origin, now) {
            return;
        }
        let holder = |name: &str| holder(name, &self.domain, gateway);
        let Some(gone) = self.names.give_way(&name, origin, now, holder) else {
            tracing::info!(name, "there is no room for one more certificate");
            return;
        };
        tracing::info!(name, gone, "a name makes room for another's");
        self.take_away(&gone);
        self.names.ask(&name, origin, now);
    }

    async fn order<D: Dial>(&mut self, name: &str, origin: Origin, gateway: &Gateway<D>) {
        if origin != Origin::Listed && gateway.served_at(name).await.is_none() {
            let seconds = self.names.failed(name, now());
            tracing::info!(
                name,
                seconds,
                "no certificate is ordered: no deal is served there"
            );
            return;
        }
        let ordering = self
            .server
            .certificate(name, &self.store, &gateway.challenges);
        let ordered = timeout(ORDER, ordering).await;
        gateway.challenges.hide();
        let late = || Err(Failure::Server("it takes too long".into()));
        let pem = ordered.unwrap_or_else(|_| late());
        match pem.and_then(|pem| self.take(name, &pem)) {
            Ok(validity) => {
                self.names.obtained(name, validity);
                tracing::info!(name, until = validity.until, "a certificate has come");
            }
            Err(failure) => self.put_off(name, &failure),
        }
    }

    /// Shows and keeps a certificate that has come.
    fn take(&mut self, name: &str, pem: &str) -> Result<Validity, Failure> {
        let useless = |error: CertificateError| Failure::Name(error.to_string());
        let validity = self.show(name, pem.as_bytes()).map_err(useless)?;
        if validity.due() <= now() {
            // The next would be ordered at once, and the next after it.
            let why = "it is as good as over\nhint: see whether this machine's clock is right";
            return Err(Failure::Name(why.into()));
        }
        if let Err(error) = self.store.keep(name, pem) {
            // It is shown all the same: the next start orders it again.
            tracing::warn!(%error, name, "a certificate cannot be kept");
        }
        Ok(validity)
    }

    fn show(&self, name: &str, pem: &[u8]) -> Result<Validity, CertificateError> {
        let path = self.store.path(name);
        let key = self.certificates.read(name, &path, pem)?;
        let validity = key.cert.first().and_then(|first| validity::of(first));
        let validity = validity.ok_or(CertificateError::Validity { path })?;
        self.certificates.ordered.show(name, key);
        Ok(validity)
    }

    fn put_off(&mut self, name: &str, failure: &Failure) {
        let seconds = match failure {
            Failure::Server(_) | Failure::NoAccount => self.names.pause(now()),
            Failure::Name(_) => self.names.failed(name, now()),
        };
        tracing::warn!(%failure, name, seconds, "a certificate has not come; it is ordered again");
    }
}

/// Who has a name: below the gateway's domain the owner of the deal, if that is served; else whoever has the domain.
fn holder<D: Dial>(name: &str, domain: &str, gateway: &Gateway<D>) -> Option<String> {
    let Some(labels) = target::below(name, domain) else {
        return Some(domain::registered(name).to_owned());
    };
    let (deal, _) = target::by_labels(labels)?;
    let owner = gateway.balancer().owner(deal);
    owner.map(|owner| owner.to_string())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Waits until then, but not too long.
async fn rest(until: Option<u64>) {
    let left = until.map(|until| Duration::from_secs(until.saturating_sub(now())));
    sleep(left.map_or(LOOK, |left| left.min(LOOK))).await;
}
