//! A forward proxy that leads well-known host names to stand-ins: the program under test asks for the real name, over real TLS.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::server::{end, on_thread};

/// A running proxy; it stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Leads each host name to an address, and refuses every other name as a proxy does that cannot resolve it.
    pub fn start(hosts: &[(&str, SocketAddr)]) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let hosts: Arc<BTreeMap<String, SocketAddr>> =
            Arc::new(hosts.iter().map(|(name, to)| ((*name).to_owned(), *to)).collect());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let log = Arc::clone(&asked);
        let thread = on_thread(stopped, async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _peer)) = listener.accept().await {
                let (hosts, log) = (Arc::clone(&hosts), Arc::clone(&log));
                tokio::spawn(async move {
                    // A client that goes away is none of the proxy's business.
                    let _gone = tunnel(stream, &hosts, &log).await;
                });
            }
        })?;
        Ok(Self { address, asked, stop: Some(stop), thread: Some(thread) })
    }

    /// As `HTTPS_PROXY` takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The names that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        end(&mut self.stop, &mut self.thread);
    }
}

/// One `CONNECT` and what follows it.
///
/// <https://www.rfc-editor.org/rfc/rfc9110#name-connect>
async fn tunnel(stream: TcpStream, hosts: &BTreeMap<String, SocketAddr>, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut client = BufReader::new(stream);
    let mut first = String::new();
    client.read_line(&mut first).await?;
    let mut header = String::new();
    while client.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let name = target.rsplit_once(':').map_or(target, |(name, _port)| name);
    log.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    let Some(address) = hosts.get(name) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(address).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
