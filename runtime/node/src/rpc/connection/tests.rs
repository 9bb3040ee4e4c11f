//! Time stands still while anything happens, and else passes at once.

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsConnector;
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

    /// A controller comes in; gives how long it had to wait.
    async fn wait(&mut self) -> Duration {
        let begun = Instant::now();
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let name = NODE.try_into().unwrap();
        let stream = self.connect().await;
        let (client, taken) = tokio::join!(connector.connect(name, stream), self.taken.recv());
        client.unwrap();
        assert_eq!(taken.unwrap().peer.who(), "mote-controller@127.0.0.1");
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
async fn no_more_come_in_than_there_is_room_for() {
    let mut door = Door::open().await;
    let mut silent = Vec::new();
    for _ in 1..MAX_CONNECTIONS {
        silent.push(door.connect().await);
    }
    assert!(door.wait().await < HANDSHAKE_TIME, "there is room for one");

    let mut door = Door::open().await;
    for _ in 0..MAX_CONNECTIONS {
        silent.push(door.connect().await);
    }
    assert!(door.wait().await >= HANDSHAKE_TIME, "until one gives up");
}
