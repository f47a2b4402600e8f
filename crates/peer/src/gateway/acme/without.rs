//! In place of orders where the feature is off.

use super::{
    super::{certificate::Certificates, proxy::Gateway},
    Acme, Error,
};
use crate::{daemon, overlay::Dial};
use std::{collections::BTreeMap, path::Path, sync::Arc};
use tokio::sync::mpsc;

/// There are none.
pub(in crate::gateway) enum Orders {}

impl Orders {
    pub(in crate::gateway) fn open(
        _: Acme,
        _: &str,
        _: &BTreeMap<String, u64>,
        _: &Path,
        _: &Arc<Certificates>,
        _: mpsc::Receiver<String>,
    ) -> Result<Self, daemon::Error> {
        Err(Error::NotBuilt.into())
    }

    pub(in crate::gateway) async fn run<D: Dial>(self, _: Arc<Gateway<D>>) {
        match self {}
    }
}
