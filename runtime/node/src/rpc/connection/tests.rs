//! Time stands still while anything happens, and else passes at once.

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::rustls::ClientConfig;

use super::*;
use crate::rpc::identity::tests::{NODE, acquainted};
use crate::rpc::tests::open;

/// A node that takes connections.
struct Door {
    address: SocketAddr,
    client: Arc<ClientConfig>,
    taken: Receiver<Connection>,
    _folders: (tempfile::TempDir, tempfile::TempDir),
}

impl Door {
    async fn open() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (folder, identity, client) = acquainted();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&open(state.path(), |_| {}).0.node.0.shared);
        let (sender, taken) = channel(1);
        tokio::spawn(accept(listener, identity, shared, sender));
        Self {
            address,
            client,
            taken,
            _folders: (state, folder),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A controller shows who it is.
    async fn knock(&self) -> ClientStream<TcpStream> {
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let name = NODE.try_into().unwrap();
        let stream = self.connect().await;
        connector.connect(name, stream).await.unwrap()
    }

    /// A controller comes in.
    async fn enter(&mut self) -> (ClientStream<TcpStream>, Connection) {
        let client = self.knock().await;
        (client, self.taken.recv().await.unwrap())
    }

    /// A controller comes in; gives how long it had to wait.
    async fn wait(&mut self) -> Duration {
        let begun = Instant::now();
        let (_client, taken) = self.enter().await;
        assert_eq!(taken.peer.who(), "mote-controller@127.0.0.1");
        begun.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_given_up() {
    let door = Door::open().await;
    let mut silent = door.connect().await;
    let begun = Instant::now();
    let mut told = Vec::new();
    silent.read_to_end(&mut told).await.unwrap();
    assert_eq!(told, b"");
    assert!(begun.elapsed() >= HANDSHAKE_TIME);
}

#[tokio::test(start_paused = true)]
async fn those_who_say_nothing_keep_no_controller_out_however_many_come() {
    let mut door = Door::open().await;
    let mut silent = Vec::new();
    for _ in 0..MAX_HANDSHAKES + 9 {
        silent.push(door.connect().await);
    }
    assert!(door.wait().await < HANDSHAKE_TIME);
    // Who was first made room for the last.
    let begun = Instant::now();
    silent[0].read_to_end(&mut Vec::new()).await.unwrap();
    assert!(begun.elapsed() < HANDSHAKE_TIME);
}

#[tokio::test(start_paused = true)]
async fn no_more_controllers_come_in_than_there_is_room_for() {
    let mut door = Door::open().await;
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        held.push(door.enter().await);
    }
    let mut late = door.knock().await;
    let ended = late.read_to_end(&mut Vec::new()).await;
    assert_eq!(ended.unwrap_or(0), 0);
    assert!(door.taken.is_empty());
    held.pop();
    door.enter().await;
}
