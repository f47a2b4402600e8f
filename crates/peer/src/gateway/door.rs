//! Connections of clients.

use super::proxy::Gateway;
use crate::overlay::Dial;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc};
use tokio::{net::TcpStream, sync::watch};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Whether nobody else can read what they say.
    pub(super) is_secure: bool,
}

/// Serves one connection to its end, or, when the gateway stops, to the end of the requests under way.
pub(super) async fn connection<D: Dial>(
    gateway: Arc<Gateway<D>>,
    stream: TcpStream,
    mut stopped: watch::Receiver<()>,
) {
    let Ok(address) = stream.peer_addr() else {
        return;
    };
    let client = Client {
        address: address.ip(),
        is_secure: false,
    };
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.limits.request)
        .max_buf_size(gateway.limits.header_bytes.max(8 << 10));
    let service = service_fn(move |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.handle(request, client).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    // How a client ends its connection is its own matter.
    let _ = connection.await;
}
