//! What others can make an endpoint hold, and whom they hold up by that.

use super::*;
use crate::overlay::{fetch, stream::Sending};
use iroh::endpoint::{Connection, QuicTransportConfig, RecvStream, SendStream, VarInt};
use std::{future::poll_fn, pin::Pin, task::Poll};
use tokio::io::AsyncWrite;

/// Bytes that one stream may hold here.
const BYTES: u32 = 4 << 10;
/// Streams of a connection: so many that the room of one is less than what is told at once.
const STREAMS: u32 = 16;

fn narrow() -> Limits {
    Limits {
        streams_per_connection: STREAMS,
        stream_bytes: BYTES,
        ..patient()
    }
}

/// An endpoint of somebody who keeps to no rules. Of what it is sent, so much waits, of a stream and of a connection.
async fn stranger(seed: u8, protocol: &[u8], of_one: u32, of_all: u32) -> Endpoint {
    let transport = QuicTransportConfig::builder()
        .stream_receive_window(VarInt::from_u32(of_one))
        .receive_window(VarInt::from_u32(of_all))
        .build();
    let binding = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(SecretKey::from_bytes(&[seed; 32]))
        .alpns(vec![protocol.to_vec()])
        .transport_config(transport)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("an address");
    binding.bind().await.expect("an endpoint")
}

async fn connect(from: &Endpoint, to: &Address, protocol: &[u8]) -> Connection {
    let id = EndpointId::from_bytes(&to.peer.0).expect("a key");
    let at = to.endpoints[0].parse().expect("an address");
    let connecting = from.connect(EndpointAddr::new(id).with_ip_addr(at), protocol);
    connecting.await.expect("a connection")
}

fn address(of: &Endpoint) -> Address {
    let listens = of.bound_sockets();
    Address {
        peer: PeerId(*of.id().as_bytes()),
        endpoints: listens.iter().map(ToString::to_string).collect(),
    }
}

/// Writes until nothing more is taken; how much was.
async fn fill(send: &mut (impl AsyncWrite + Unpin)) -> u64 {
    let mut taken = 0;
    poll_fn(|context| {
        while let Poll::Ready(wrote) = Pin::new(&mut *send).poll_write(context, &[0; 1024]) {
            taken += wrote.expect("it is open") as u64;
        }
        Poll::Ready(())
    })
    .await;
    taken
}

/// Asks for an artifact, and hears the first byte of the answer.
async fn ask(connection: &Connection, artifact: Hash) -> (SendStream, RecvStream, Option<Answer>) {
    let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
    let question = fetch::question(DEAL, artifact, 0);
    send.write_all(&question).await.expect("asked");
    let answer = Answer::read(receive.read_u8().await.expect("an answer"));
    (send, receive, answer)
}

/// A peer that gives `stranger` an artifact, of which that one takes little: so the stream stays, and nobody reads what comes on it.
async fn generous(limits: Limits, stranger: &Endpoint) -> (Peer, Hash) {
    let peer = peer_with(1, limits).await;
    let artifact = peer.add(&bytes(100_000));
    peer.admit(artifact.hash, address(stranger).peer);
    (peer, artifact.hash)
}

/// (O9)
#[tokio::test]
async fn who_asks_can_fill_what_a_stream_may_hold_and_holds_up_no_other_stream() {
    let stranger = stranger(2, ARTIFACT, 1024, 1 << 20).await;
    let (peer, artifact) = generous(narrow(), &stranger).await;
    let connection = connect(&stranger, &peer.address(), ARTIFACT).await;
    let mut unread = Vec::new();
    // Of those that have ended the other side hears when more than an eighth of all did.
    for _ in 0..STREAMS - STREAMS / 4 {
        let (mut send, receive, answer) = ask(&connection, artifact).await;
        assert_eq!(answer, Some(Answer::Yes));
        let sent = fill(&mut send).await;
        assert!(sent <= BYTES.into(), "{sent}");
        unread.push((send, receive));
    }
    // Much more than the room that is left goes through it.
    let all = async {
        for _ in 0..BYTES * STREAMS / 48 {
            let (mut send, _receive, answer) = ask(&connection, Hash([9; 32])).await;
            assert_eq!(answer, Some(Answer::Forbidden));
            send.finish().expect("open");
        }
    };
    timeout(PATIENCE, all).await.expect("it is not held up");
    connection.close(VarInt::from_u32(0), b"");
    peer.overlay.close().await;
}

/// (O9)
#[tokio::test]
async fn who_is_asked_can_fill_what_a_stream_may_hold_and_opens_none() {
    let flooder = stranger(2, REQUEST, 1 << 20, 1 << 20).await;
    let peer = peer_with(1, narrow()).await;
    let route = Route {
        deal: DEAL,
        worker: WorkerId(3),
        address: address(&flooder),
    };
    let flooding = async {
        let incoming = flooder.accept().await.expect("a connection");
        let connection = incoming.await.expect("a connection");
        let mut streams = Vec::new();
        for number in 1..=STREAMS {
            let (mut send, mut receive) = connection.accept_bi().await.expect("a stream");
            let mut question = [0; 16];
            receive.read_exact(&mut question).await.expect("a question");
            send.write_u8(Answer::Yes.byte()).await.expect("answered");
            if number < STREAMS {
                let sent = fill(&mut send).await;
                assert!(sent <= BYTES.into(), "{sent}");
            }
            streams.push((send, receive));
        }
        let opening = timeout(Duration::ZERO, connection.open_bi());
        assert!(opening.await.is_err(), "it opens a stream");
        (connection, streams)
    };
    let dialling = async {
        let mut dialled = Vec::new();
        for _ in 0..STREAMS {
            dialled.push(peer.overlay.dial(&route).await.expect("a stream"));
        }
        dialled
    };
    let ((_connection, mut theirs), mut ours) = tokio::join!(flooding, dialling);
    let (mut send, mut receive) = (theirs.pop().expect("the last").0, ours.pop().expect("it"));
    let much = vec![7; (2 * BYTES * STREAMS) as usize];
    let mut came = vec![0; much.len()];
    let both = async { tokio::join!(send.write_all(&much), receive.read_exact(&mut came)) };
    let (sent, read) = timeout(PATIENCE, both).await.expect("it is not held up");
    sent.expect("sent");
    read.expect("read");
    assert!(came == much, "other bytes came");
}

/// (O9)
#[tokio::test]
async fn streams_of_all_connections_are_bounded_and_one_too_many_holds_nothing() {
    let stranger = stranger(2, ARTIFACT, 1024, 1 << 20).await;
    let limits = Limits {
        streams: 2,
        ..narrow()
    };
    let (peer, artifact) = generous(limits, &stranger).await;
    let to = peer.address();
    let first = connect(&stranger, &to, ARTIFACT).await;
    let second = connect(&stranger, &to, ARTIFACT).await;
    let one = ask(&first, artifact).await;
    let other = ask(&second, artifact).await;
    assert_eq!([one.2, other.2], [Some(Answer::Yes); 2]);
    let (mut send, _receive, answer) = ask(&second, artifact).await;
    assert_eq!(answer, Some(Answer::Busy));
    let broken = async { while send.write_all(&[0; 1024]).await.is_ok() {} };
    timeout(PATIENCE, broken).await.expect("it is not taken");
    drop(one);
    let admitted = async { while ask(&second, artifact).await.2 == Some(Answer::Busy) {} };
    timeout(PATIENCE, admitted).await.expect("there is a place");
    first.close(VarInt::from_u32(0), b"");
    second.close(VarInt::from_u32(0), b"");
    peer.overlay.close().await;
}

/// (O2, O9)
#[tokio::test]
async fn a_stream_that_nobody_wants_any_more_ends_though_its_connection_has_no_room() {
    let reader = stranger(1, REQUEST, BYTES, BYTES * STREAMS).await;
    let writer = stranger(2, REQUEST, BYTES, BYTES * STREAMS).await;
    let to = address(&writer);
    let accepting = async {
        writer
            .accept()
            .await
            .expect("one")
            .await
            .expect("a connection")
    };
    let (asking, answering) = tokio::join!(connect(&reader, &to, REQUEST), accepting);
    let (mut unread, mut blocked, mut taken) = (Vec::new(), Vec::new(), 0);
    for _ in 0..STREAMS {
        let (mut send, receive) = asking.open_bi().await.expect("a stream");
        send.write_all(b"?").await.expect("asked");
        let (send_back, asked) = answering.accept_bi().await.expect("a stream");
        let mut send_back = Sending::new(send_back);
        taken += fill(&mut send_back).await;
        unread.push((send, receive));
        blocked.push((send_back, asked));
    }
    assert_eq!(taken, u64::from(BYTES * STREAMS), "all room is taken");
    // A sixteenth of the room is too little to tell of.
    drop(unread.remove(0));
    let writing = blocked[0].0.write_all(b"!");
    let wrote = timeout(PATIENCE, writing).await.expect("it is told");
    assert!(wrote.is_err());
}
