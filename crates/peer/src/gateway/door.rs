//! Connections of clients: plain or by TLS, HTTP/1.1 or HTTP/2.

use super::{Limits, proxy::Gateway};
use crate::overlay::Dial;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{
    convert::Infallible,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// Streams that a client of HTTP/2 began and reset before they were looked at; more end its connection.
const RESET_STREAMS: usize = 20;
/// A client of HTTP/2 that is silent is asked whether it is there after so long, and has as long to answer.
const ASK: Duration = Duration::from_secs(20);
/// Bytes of one HTTP/2 stream on their way in each direction.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same of all streams of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A socket that clients connect to.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// None: a function of another deal.
    pub(super) address: Option<IpAddr>,
    /// Whether nobody else can read what they say.
    pub(super) is_secure: bool,
    pub(super) activity: Arc<Activity>,
}

impl Client {
    /// A function of another deal.
    pub(super) fn inside() -> Self {
        Self {
            address: None,
            is_secure: false,
            activity: Arc::new(Activity::new()),
        }
    }
}

impl Door {
    /// Serves who comes until the gateway stops, and those who are here to the end of their requests.
    pub(super) async fn serve<D: Dial>(
        self,
        gateway: Arc<Gateway<D>>,
        places: Arc<Semaphore>,
        stopped: watch::Receiver<()>,
    ) {
        let mut connections = JoinSet::new();
        let mut stopping = stopped.clone();
        loop {
            let accept = async {
                // Never closed.
                let place = places.clone().acquire_owned().await;
                (place, self.listener.accept().await)
            };
            tokio::select! {
                _ = stopping.changed() => break,
                Some(_) = connections.join_next() => {}
                (place, accepted) = accept => match accepted {
                    Ok((stream, _)) => {
                        let serving = connection(gateway.clone(), stream, self.tls.clone(), stopped.clone());
                        connections.spawn(async move {
                            serving.await;
                            drop(place);
                        });
                    }
                    // Out of files, for instance: it passes when connections end.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                },
            }
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }
}

async fn connection<D: Dial>(
    gateway: Arc<Gateway<D>>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    stopped: watch::Receiver<()>,
) {
    let Ok(address) = stream.peer_addr() else {
        return;
    };
    let client = Client {
        address: Some(address.ip().to_canonical()),
        is_secure: tls.is_some(),
        activity: Arc::new(Activity::new()),
    };
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return converse(gateway, stream, client, stopped).await;
    };
    let shaking = timeout(gateway.limits.request, tls.accept(stream));
    if let Ok(Ok(stream)) = shaking.await {
        converse(gateway, stream, client, stopped).await;
    }
}

/// Serves one connection to its end, or, when the gateway stops, to the end of the requests under way. Whether it is HTTP/1.1
/// or HTTP/2 its first bytes say.
async fn converse<D: Dial>(
    gateway: Arc<Gateway<D>>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: Client,
    mut stopped: watch::Receiver<()>,
) {
    let (limits, activity) = (gateway.limits.clone(), client.activity.clone());
    let service = service_fn(move |request| {
        let (gateway, client) = (gateway.clone(), client.clone());
        async move { Ok::<_, Infallible>(gateway.handle(request, client).await) }
    });
    let builder = builder(&limits);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let rest = tokio::select! {
        _ = connection.as_mut() => return,
        () = activity.ceased(&limits) => limits.request,
        _ = stopped.changed() => limits.drain,
    };
    connection.as_mut().graceful_shutdown();
    // How a client ends its connection is its own matter.
    let _ = timeout(rest, connection).await;
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(RESET_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .keep_alive_interval(ASK)
        .keep_alive_timeout(ASK);
    builder
}

/// What goes on over a connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    requests: usize,
    /// When one began or ended, or a part of an answer left.
    last: Instant,
}

impl Activity {
    fn new() -> Self {
        let state = Mutex::new(State {
            requests: 0,
            last: Instant::now(),
        });
        Self { state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there has been no request for a while, or no part of an answer left for a long one.
    async fn ceased(&self, limits: &Limits) {
        loop {
            let left = {
                let state = self.state();
                let most = if state.requests == 0 {
                    limits.idle
                } else {
                    limits.stall
                };
                most.checked_sub(state.last.elapsed())
            };
            let Some(left) = left.filter(|left| !left.is_zero()) else {
                return;
            };
            sleep(left.min(limits.idle)).await;
        }
    }
}

/// A request on a connection, until its answer has ended.
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        let busy = Self(activity.clone());
        busy.0.state().requests += 1;
        busy.moves();
        busy
    }

    /// Something of the answer leaves.
    pub(super) fn moves(&self) {
        self.0.state().last = Instant::now();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.last = Instant::now();
    }
}
