//! One question to one server, over UDP, and over TCP where the answer does not fit.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::{DnsHandle, DnsRequestSender, FirstAnswer};
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, Message, Query};
use hickory_resolver::proto::rr::{Name, RecordType};

/// How long one question may take, the repetition included.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// When a question is repeated, in case its datagram was lost.
const REPEAT_AFTER: Duration = Duration::from_millis(900);

/// Whether the server should ask others on our behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursion {
    /// Yes: it is a resolver.
    Desired,
    /// No: only what it has itself. An authoritative server answers in the same way without, and a resolver tells its cache only.
    No,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing came back.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The server cannot be reached from here, or answers what is no DNS message.
    #[error("{0}")]
    Unreachable(String),
}

/// Asks one server for one type of record. The answer's own code (NXDOMAIN, SERVFAIL …) is the message's.
pub async fn ask(
    server: SocketAddr,
    name: &Name,
    record: RecordType,
    recursion: Recursion,
) -> Result<Message, NoAnswer> {
    match tokio::time::timeout(PATIENCE, ask_both(server, name, record, recursion)).await {
        Ok(Ok(message)) => Ok(message),
        Err(_elapsed) => Err(NoAnswer::Silent(PATIENCE)),
        Ok(Err(NetError::Timeout)) => Err(NoAnswer::Silent(PATIENCE)),
        Ok(Err(NetError::Io(error))) => Err(NoAnswer::Unreachable(error.to_string())),
        Ok(Err(error)) => Err(NoAnswer::Unreachable(error.to_string())),
    }
}

async fn ask_both(
    server: SocketAddr,
    name: &Name,
    record: RecordType,
    recursion: Recursion,
) -> Result<Message, NetError> {
    let mut options = DnsRequestOptions::default();
    options.recursion_desired = recursion == Recursion::Desired;
    options.retry_interval = REPEAT_AFTER;
    let request = || DnsRequest::from_query(Query::query(name.clone(), record), options);
    let provider = TokioRuntimeProvider::default();
    let mut udp = UdpClientStream::builder(server, provider.clone())
        .with_timeout(Some(PATIENCE))
        // It counts the first try as well.
        .with_max_retries(2)
        .with_os_port_selection(true)
        .build();
    let answer = udp.send_message(request()).first_answer().await?;
    if !answer.metadata.truncation {
        return Ok(answer.into_message());
    }
    let tcp = TcpClientStream::exchange(server, None, PATIENCE, None, provider).await?;
    Ok(tcp.send(request()).first_answer().await?.into_message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{MessageType, OpCode, ResponseCode};
    use hickory_resolver::proto::rr::rdata::A;
    use hickory_resolver::proto::rr::{RData, Record};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    fn reply_to(request: &[u8], shape: impl Fn(&mut Message)) -> Vec<u8> {
        let request = Message::from_vec(request).unwrap();
        let mut reply = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
        reply.queries.clone_from(&request.queries);
        reply.metadata.recursion_desired = request.metadata.recursion_desired;
        shape(&mut reply);
        reply.to_vec().unwrap()
    }

    /// Answers datagrams, but for the first `lost` ones.
    async fn serve(socket: UdpSocket, lost: usize, shape: impl Fn(&mut Message)) {
        let mut buffer = [0; 1500];
        for number in 0.. {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            if number >= lost {
                socket.send_to(&reply_to(&buffer[..length], &shape), from).await.unwrap();
            }
        }
    }

    async fn ask_server(socket: UdpSocket, lost: usize, shape: impl Fn(&mut Message)) -> Result<Message, NoAnswer> {
        let server = socket.local_addr().unwrap();
        let host = crate::dns::name("web.example.com").unwrap();
        tokio::select! {
            answer = ask(server, &host, RecordType::A, Recursion::No) => answer,
            () = serve(socket, lost, shape) => unreachable!("it serves for ever"),
        }
    }

    async fn local() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    #[tokio::test]
    async fn the_servers_own_code_comes_through() {
        for code in [ResponseCode::NXDomain, ResponseCode::ServFail, ResponseCode::Refused] {
            let message = ask_server(local().await, 0, |reply| reply.metadata.response_code = code).await.unwrap();
            assert_eq!(message.metadata.response_code, code);
            assert!(!message.metadata.recursion_desired);
        }
    }

    #[tokio::test]
    async fn a_lost_datagram_is_repeated_and_silence_ends() {
        let answer = ask_server(local().await, 1, |reply| reply.metadata.authoritative = true).await;
        assert!(answer.unwrap().metadata.authoritative);
        let started = tokio::time::Instant::now();
        assert_eq!(ask_server(local().await, 99, |_| ()).await, Err(NoAnswer::Silent(PATIENCE)));
        assert!(started.elapsed() < PATIENCE * 2);
    }

    #[tokio::test]
    async fn a_truncated_answer_is_asked_for_again_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).await.unwrap();
        let over_tcp = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = usize::from(stream.read_u16().await.unwrap());
            let mut request = vec![0; length];
            stream.read_exact(&mut request).await.unwrap();
            let reply = reply_to(&request, |reply| {
                let owner = reply.queries[0].name().clone();
                reply.answers.push(Record::from_rdata(owner, 60, RData::A(A::new(192, 0, 2, 1))));
            });
            stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&reply).await.unwrap();
            std::future::pending::<()>().await;
        };
        let answer = tokio::select! {
            answer = ask_server(socket, 0, |reply| reply.metadata.truncation = true) => answer,
            () = over_tcp => unreachable!("it stays connected"),
        };
        assert_eq!(answer.unwrap().answers.len(), 1);
    }
}
