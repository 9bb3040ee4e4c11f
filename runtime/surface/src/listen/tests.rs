//! Time stands still while anything happens, and else passes at once.

use axum::Router;
use axum::routing::get;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use super::*;

/// Of each peer, two may be on trial.
const PLACES: usize = 2 * TRIAL_PART;
/// Frames of RFC 9113, section 6.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
/// `END_STREAM` and `END_HEADERS`.
const WHOLE: u8 = 5;

fn limits() -> ListenLimits {
    ListenLimits {
        connections: PLACES,
        ..ListenLimits::default()
    }
}

/// Serves a page that takes its connection off its trial.
async fn open_on_trial() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keep = |request: Request<Body>| async move {
        request.extensions().get::<Stay>().unwrap().keep();
    };
    let router = Router::new().route("/", get(keep));
    let opened = |_| {
        let stay = Stay::on_trial();
        Some((stay.clone(), stay))
    };
    let for_ever = std::future::pending();
    tokio::spawn(serve_those(listener, router, limits(), opened, for_ever));
    address
}

/// Serves a page that comes so late.
async fn open(late: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let slow = move || sleep_until(Instant::now() + late);
    let router = Router::new().route("/", get(slow));
    let for_ever = std::future::pending();
    tokio::spawn(serve(listener, router, limits(), || (), for_ever));
    address
}

async fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether a request is answered; the connection stays.
async fn is_answered(stream: &mut TcpStream) -> bool {
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut answer = [0; 12];
    asked.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200"
}

/// A client of HTTP/2 that answers pings.
struct Http2(TcpStream);

impl Http2 {
    async fn open(to: SocketAddr) -> Self {
        let mut client = Self(connect([127, 0, 0, 1], to).await);
        client.0.write_all(PREFACE).await.unwrap();
        client.send(SETTINGS, 0, 0, &[]).await;
        client
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        // A connection that has ended is found out by reading.
        let _ = self.0.write_all(&frame).await;
    }

    /// Asks for `/`.
    async fn ask(&mut self, id: u32) {
        // `:method: GET`, `:scheme: http`, `:path: /`, `:authority: a`.
        let head = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
        self.send(HEADERS, WHOLE, id, &head).await;
    }

    /// Reads to the end of the connection; gives the streams that were answered,
    /// and when.
    async fn ends(mut self) -> Vec<(u32, Duration)> {
        let (began, mut answered) = (Instant::now(), Vec::new());
        loop {
            let mut head = [0; 9];
            if self.0.read_exact(&mut head).await.is_err() {
                return answered;
            }
            let [a, b, c, kind, flags, id @ ..] = head;
            let length = u32::from_be_bytes([0, a, b, c]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.unwrap();
            match (kind, u32::from_be_bytes(id)) {
                (PING, _) if flags != ACK => self.send(PING, ACK, 0, &payload).await,
                (HEADERS, id) => answered.push((id, began.elapsed())),
                _ => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_is_asked_ends_though_it_answers_pings() {
    let address = open(Duration::ZERO).await;
    let began = Instant::now();
    assert_eq!(Http2::open(address).await.ends().await, []);
    let idle = limits().idle_time;
    let ended = began.elapsed();
    assert!(ended >= idle && ended < 2 * idle, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn one_whose_request_waits_for_its_answer_stays_until_it_comes() {
    let idle = limits().idle_time;
    let late = 10 * idle;
    let address = open(late).await;
    let began = Instant::now();
    let mut client = Http2::open(address).await;
    client.ask(1).await;
    let answered = client.ends().await;
    assert!(
        matches!(answered[..], [(1, at)] if at >= late),
        "{answered:?}"
    );
    assert!(began.elapsed() >= late + idle);
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_many_connections_on_trial_keeps_no_other_out() {
    let address = open_on_trial().await;
    let (greedy, other) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    let mut crowd = Vec::new();
    for _ in 0..2 {
        crowd.push(connect(greedy, address).await);
    }
    for _ in 0..PLACES {
        let mut more = connect(greedy, address).await;
        assert_eq!(more.read(&mut [0]).await.unwrap_or(0), 0, "it is closed");
    }
    assert!(is_answered(&mut connect(other, address).await).await);
    // Whose trial is over makes room for another.
    assert!(is_answered(&mut crowd[0]).await);
    assert!(is_answered(&mut connect(greedy, address).await).await);
}
