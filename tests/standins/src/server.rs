//! Serves a stand-in's rules on the loopback interface, on a thread of its own, so that tests with and without a runtime use it alike.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::Response;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::request::{Reply, Request, pairs};
use crate::script::{Act, Script};

/// The rules of a service.
pub trait Rules: Send + Sync + 'static {
    /// The reply to a request.
    fn reply(&self, request: &Request) -> Reply;
}

struct Shared<R> {
    rules: R,
    script: Script,
    requests: Mutex<Vec<Request>>,
}

/// A running stand-in; it stops when dropped.
pub struct Server<R> {
    shared: Arc<Shared<R>>,
    address: SocketAddr,
    scheme: &'static str,
    // Dropped first: that ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<R: Rules> Server<R> {
    /// Serves over plain HTTP.
    pub fn plain(rules: R) -> io::Result<Self> {
        Self::plain_at(Ipv4Addr::LOCALHOST, rules)
    }

    /// Serves over plain HTTP at another address of this machine, such as its end of the link to a test cluster, which pods reach.
    pub fn plain_at(address: Ipv4Addr, rules: R) -> io::Result<Self> {
        Self::start(address, rules, None)
    }

    /// Serves over TLS.
    pub fn tls(rules: R, identity: Arc<ServerConfig>) -> io::Result<Self> {
        Self::start(Ipv4Addr::LOCALHOST, rules, Some(identity))
    }

    fn start(address: Ipv4Addr, rules: R, identity: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let scheme = if identity.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared { rules, script: Script::default(), requests: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = on_thread(stopped, async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => accept(listener, served, identity.map(TlsAcceptor::from)).await,
                Err(error) => eprintln!("a stand-in cannot listen: {error}"),
            }
        })?;
        Ok(Self { shared, address, scheme, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, or `https://`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The rules, for their state.
    pub fn rules(&self) -> &R {
        &self.shared.rules
    }

    /// What it does instead of keeping them.
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R> Drop for Server<R> {
    fn drop(&mut self) {
        end(&mut self.stop, &mut self.thread);
    }
}

/// Runs a future on a thread of its own until it is told to stop.
pub(crate) fn on_thread(
    stopped: oneshot::Receiver<()>,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("stand-in".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = stopped => {}
                () = work => {}
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
    })
}

/// Ends what [`on_thread`] started.
pub(crate) fn end(stop: &mut Option<oneshot::Sender<()>>, thread: &mut Option<JoinHandle<()>>) {
    drop(stop.take());
    if let Some(thread) = thread.take() {
        let _panicked = thread.join();
    }
}

async fn accept<R: Rules>(listener: TcpListener, shared: Arc<Shared<R>>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _peer)) = listener.accept().await {
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, shared).await,
                // A client that does not trust us ends the handshake; that is its right.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve<R: Rules>(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared<R>>) {
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    // An error is a client that went away, or a hang-up by the script.
    let _gone = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<R: Rules>(
    request: http::Request<Incoming>,
    shared: Arc<Shared<R>>,
) -> Result<Response<BoxBody<Bytes, io::Error>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: pairs(head.uri.query().unwrap_or_default()),
        headers: head.headers,
        body,
        at: Instant::now(),
    };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let mut ends = true;
    let reply = match shared.script.take(&request) {
        Some(Act::SlowBody) => {
            ends = false;
            shared.rules.reply(&request)
        }
        None => shared.rules.reply(&request),
        Some(Act::Reply(reply)) => reply,
        Some(Act::HangUp) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Act::Silence) => std::future::pending().await,
        Some(Act::Late(delay)) => {
            tokio::time::sleep(delay).await;
            shared.rules.reply(&request)
        }
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body =
        if ends { Full::new(Bytes::from(reply.body)).map_err(|never| match never {}).boxed() } else { endless() };
    response.body(body).map_err(io::Error::other)
}

/// A body that trickles in and never ends.
fn endless() -> BoxBody<Bytes, io::Error> {
    let spaces = futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok(Frame::data(Bytes::from_static(b" "))), ()))
    });
    BodyExt::boxed(StreamBody::new(spaces))
}

/// The content of a stand-in's state, whatever became of other threads.
pub(crate) fn taken<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
