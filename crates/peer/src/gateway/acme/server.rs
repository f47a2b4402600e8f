//! What is said to the ACME server.

use super::{
    Acme, Challenges, Error,
    https::Https,
    store::{Account as Kept, Store},
};
use crate::gateway::CertificateError;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use std::time::Duration;

/// Whether the order goes on is asked again and again for so long.
const POLL: Duration = Duration::from_secs(60);

/// What the names of problems begin with.
const PROBLEM: &str = "urn:ietf:params:acme:error:";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server has none for anybody now.
    #[error("the ACME server gives no certificates: {0}")]
    Server(String),
    /// It knew us once.
    #[error("the ACME server does not know our account any more")]
    NoAccount,
    /// There is none for this name.
    #[error("the ACME server gives no certificate: {0}")]
    Name(String),
}

impl From<instant_acme::Error> for Failure {
    fn from(error: instant_acme::Error) -> Self {
        let why = error.to_string();
        let instant_acme::Error::Api(problem) = &error else {
            return Self::Server(why);
        };
        let kind = problem.r#type.as_deref();
        match kind.and_then(|kind| kind.strip_prefix(PROBLEM)) {
            Some("accountDoesNotExist") => Self::NoAccount,
            None | Some("rateLimited" | "serverInternal" | "userActionRequired") => {
                Self::Server(why)
            }
            Some(_) => Self::Name(why),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error.to_string())
    }
}

/// The server, and what it knows us as.
pub(super) struct Server {
    settings: Acme,
    https: Https,
    account: Option<Account>,
}

impl Server {
    /// # Errors
    /// The file of whom to trust cannot be used.
    pub(super) fn new(settings: Acme) -> Result<Self, CertificateError> {
        Ok(Self {
            https: Https::new(settings.root.as_deref())?,
            settings,
            account: None,
        })
    }

    /// Orders a certificate: its chain and its key, as PEM.
    pub(super) async fn certificate(
        &mut self,
        name: &str,
        store: &Store,
        challenges: &Challenges,
    ) -> Result<String, Failure> {
        let account = self.account(store).await?;
        let ordered = order(&account, name, challenges).await;
        if !matches!(ordered, Err(Failure::NoAccount)) {
            return ordered;
        }
        self.account = None;
        store.forget_account()?;
        let account = self.account(store).await?;
        order(&account, name, challenges).await
    }

    /// Ours, which is made if there is none.
    async fn account(&mut self, store: &Store) -> Result<Account, Failure> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        let directory = &self.settings.directory;
        let builder = Account::builder_with_http(Box::new(self.https.clone()));
        let account = match store.account::<AccountCredentials>(directory)? {
            Some(credentials) => builder.from_credentials(credentials).await,
            None => {
                let contact = self.settings.contact.iter();
                let contact: Vec<_> = contact.map(|mail| format!("mailto:{mail}")).collect();
                let contact: Vec<_> = contact.iter().map(String::as_str).collect();
                let new = NewAccount {
                    contact: &contact,
                    terms_of_service_agreed: self.settings.agree_to_terms,
                    only_return_existing: false,
                };
                let made = builder.create(&new, directory.clone(), None).await;
                let (account, credentials) = made.map_err(|error| server(&error))?;
                let directory = directory.clone();
                store.keep_account(&Kept {
                    directory,
                    credentials,
                })?;
                Ok(account)
            }
        };
        let account = account.map_err(|error| server(&error))?;
        self.account = Some(account.clone());
        Ok(account)
    }
}

/// Without an account there is nothing for anybody.
fn server(error: &instant_acme::Error) -> Failure {
    Failure::Server(error.to_string())
}

async fn order(account: &Account, name: &str, challenges: &Challenges) -> Result<String, Failure> {
    let names = [Identifier::Dns(name.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    prove(&mut order, challenges).await?;
    let polling = RetryPolicy::new().timeout(POLL);
    match order.poll_ready(&polling).await? {
        OrderStatus::Ready => {}
        status => return Err(Failure::Name(format!("the order is {status:?}"))),
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&polling).await?;
    Ok(format!("{chain}\n{key}"))
}

/// Shows the server that the name is ours, if it does not know yet.
async fn prove(order: &mut Order, challenges: &Challenges) -> Result<(), Failure> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::Http01);
        let none = || Failure::Name("it does not look at port 80".into());
        let mut challenge = challenge.ok_or_else(none)?;
        let answer = challenge.key_authorization();
        challenges.show(&challenge.token, answer.as_str());
        challenge.set_ready().await?;
    }
    Ok(())
}
