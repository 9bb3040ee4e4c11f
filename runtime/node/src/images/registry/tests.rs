use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::images::authorities::Authorities;

/// What a registry of these tests answers: a status, headers and a body.
type Answer = (StatusCode, Vec<(&'static str, String)>, Vec<u8>);

/// What is answered to a path and a login.
type Script = dyn Fn(&str, Option<&str>) -> Answer + Send + Sync;
/// A path that was asked for, and by which login.
type Asked = (String, Option<String>);

/// A registry whose answers a test makes up.
#[derive(Clone)]
struct Scripted {
    answer: Arc<Script>,
    /// The path and the authorization of each request.
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn respond(
    State(registry): State<Scripted>,
    request: axum::extract::Request,
) -> Response<Body> {
    let shown = request.headers().get(AUTHORIZATION);
    let shown = shown.map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path_and_query().unwrap().to_string();
    let (status, headers, body) = (registry.answer)(&path, shown.as_deref());
    registry.asked.lock().unwrap().push((path, shown));
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// Serves at `authority` until the test is over.
async fn scripted(
    answer: impl Fn(&str, Option<&str>) -> Answer + Send + Sync + 'static,
) -> (String, Scripted) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let registry = Scripted {
        answer: Arc::new(answer),
        asked: Arc::default(),
    };
    let router = Router::new().fallback(respond).with_state(registry.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (authority, registry)
}

fn registries(named: &[&str]) -> Registries {
    let gate = Gate::new(named.iter().map(|text| text.parse().unwrap()));
    Registries::new(gate, Authorities::default().store()).unwrap()
}

fn image(authority: &str) -> Reference {
    Reference::parse(&format!("{authority}/tools/greet:1")).unwrap()
}

fn found(body: &[u8]) -> Answer {
    (StatusCode::OK, Vec::new(), body.to_vec())
}

fn elsewhere(target: &str) -> Answer {
    let location = vec![("location", target.to_owned())];
    (StatusCode::TEMPORARY_REDIRECT, location, Vec::new())
}

fn wants(challenge: &str) -> Answer {
    let header = vec![("www-authenticate", challenge.to_owned())];
    (StatusCode::UNAUTHORIZED, header, Vec::new())
}

fn me() -> Login {
    Login::Basic {
        name: "me".to_owned(),
        password: "secret".to_owned(),
    }
}

fn sha(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn told(failure: Failure) -> String {
    let text = failure.to_string();
    assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn a_manifest_is_what_was_asked_for_or_refused() {
    let (authority, registry) = scripted(|_, _| found(b"manifest")).await;
    let (all, image) = (registries(&[&authority]), image(&authority));
    let mut one = all.of(&image, None);
    let (bytes, digest) = one.manifest(None).await.unwrap();
    assert_eq!((&bytes[..], digest), (&b"manifest"[..], sha(b"manifest")));
    assert!(one.manifest(Some(sha(b"manifest"))).await.is_ok());
    let failure = one.manifest(Some(sha(b"other"))).await.unwrap_err();
    assert!(matches!(failure, Failure::Invalid(_)), "{failure:?}");
    assert!(told(failure).contains(&sha(b"manifest").to_string()));
    let asked = registry.asked.lock().unwrap();
    assert_eq!(asked[0], ("/v2/tools/greet/manifests/1".to_owned(), None));
    assert!(!one.login_was_used());
}

#[tokio::test]
async fn a_manifest_has_a_longest_length() {
    for (bytes, taken) in [(MAX_MANIFEST_BYTES, true), (MAX_MANIFEST_BYTES + 1, false)] {
        let (authority, _) = scripted(move |_, _| found(&vec![b' '; bytes])).await;
        let (all, image) = (registries(&[&authority]), image(&authority));
        let asked = all.of(&image, None).manifest(None).await;
        assert_eq!(asked.is_ok(), taken);
        assert!(
            asked
                .err()
                .is_none_or(|failure| matches!(failure, Failure::Invalid(_)))
        );
    }
}

#[tokio::test]
async fn a_layer_is_as_long_as_it_was_said_to_be_and_no_other() {
    let (authority, _) = scripted(|_, _| found(b"layer")).await;
    let (all, image) = (registries(&[&authority]), image(&authority));
    for (of, bytes, why) in [
        (&b"layer"[..], 5, None),
        (b"layer", 4, Some("more")),
        (b"layer", 6, Some("less")),
        (b"other", 5, Some("something else")),
    ] {
        let (mut written, digest) = (Vec::new(), sha(of));
        let layer = Layer { digest, bytes };
        let fetched = all.of(&image, None).layer(layer, &mut written).await;
        match why {
            None => assert_eq!((fetched, &written[..]), (Ok(()), of)),
            Some(why) => assert!(told(fetched.unwrap_err()).contains(why)),
        }
    }
}

#[tokio::test]
async fn what_a_registry_answers_has_a_reason() {
    for (status, unknown) in [
        (404, true),
        (401, true),
        (403, true),
        (429, false),
        (500, false),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let (authority, _) = scripted(move |_, _| (status, Vec::new(), Vec::new())).await;
        let (all, image) = (registries(&[&authority]), image(&authority));
        let failure = all.of(&image, None).manifest(None).await.unwrap_err();
        assert_eq!(
            matches!(failure, Failure::Unknown(_)),
            unknown,
            "{failure:?}"
        );
        assert!(told(failure).contains(&authority));
    }
}

#[tokio::test]
async fn a_password_is_shown_to_who_asks_for_it_and_to_nobody_else() {
    let (store, seen) = scripted(|_, _| found(b"layer")).await;
    let target = format!("http://{store}/blob");
    let (authority, registry) = scripted(move |path, shown| match shown {
        None => wants("Basic realm=\"x\""),
        Some(_) if path.contains("blobs") => elsewhere(&target),
        Some(_) => found(b"manifest"),
    })
    .await;
    let (all, image, me) = (registries(&[&authority, &store]), image(&authority), me());
    let mut one = all.of(&image, Some(&me));
    one.manifest(None).await.unwrap();
    let layer = Layer {
        digest: sha(b"layer"),
        bytes: 5,
    };
    one.layer(layer, &mut Vec::new()).await.unwrap();
    assert!(one.login_was_used());
    assert_eq!(
        registry.asked.lock().unwrap().len(),
        3,
        "it is shown from then on"
    );
    assert_eq!(*seen.asked.lock().unwrap(), [("/blob".to_owned(), None)]);
    let failure = all.of(&image, None).manifest(None).await.unwrap_err();
    assert!(told(failure).contains("imagePullSecrets"));
}

#[tokio::test]
async fn a_token_is_had_where_the_registry_says() {
    let (tokens, seen) = scripted(|_, shown| match shown {
        Some("Basic bWU6c2VjcmV0") => found(br#"{"token": "t"}"#),
        Some(_) => (StatusCode::UNAUTHORIZED, Vec::new(), Vec::new()),
        None => found(br#"{"token": "nobody"}"#),
    })
    .await;
    let realm = format!("Bearer realm=\"http://{tokens}/token\",service=\"s\"");
    let (authority, _) = scripted(move |_, shown| match shown {
        Some("Bearer t") => found(b"manifest"),
        Some(_) => (StatusCode::FORBIDDEN, Vec::new(), Vec::new()),
        None => wants(&realm),
    })
    .await;
    let (all, image, me) = (registries(&[&authority, &tokens]), image(&authority), me());
    let mut one = all.of(&image, Some(&me));
    one.manifest(None).await.unwrap();
    assert!(one.login_was_used());
    let asked = seen.asked.lock().unwrap()[0].0.clone();
    assert_eq!(
        asked,
        "/token?scope=repository%3Atools%2Fgreet%3Apull&service=s"
    );
    for wrong in [
        None,
        Some(Login::Bearer("x".to_owned())),
        Some(Login::Basic {
            name: "me".to_owned(),
            password: "guess".to_owned(),
        }),
    ] {
        let failure = all
            .of(&image, wrong.as_ref())
            .manifest(None)
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Unknown(_)), "{failure:?}");
    }
    // Where tokens are given is asked only where the gate lets through.
    let narrow = registries(&[&authority]);
    let failure = narrow
        .of(&image, Some(&me))
        .manifest(None)
        .await
        .unwrap_err();
    assert!(told(failure).contains("--insecure-registry"));
}

#[tokio::test]
async fn a_token_has_a_longest_length() {
    let (tokens, _) = scripted(|_, _| found(&vec![b'"'; MAX_TOKEN_BYTES + 1])).await;
    let realm = format!("Bearer realm=\"http://{tokens}/token\"");
    let (authority, _) = scripted(move |_, _| wants(&realm)).await;
    let (all, image) = (registries(&[&authority, &tokens]), image(&authority));
    let failure = all.of(&image, None).manifest(None).await.unwrap_err();
    assert!(told(failure).contains("token longer"));
}

#[tokio::test]
async fn a_registry_leads_nowhere_that_it_could_not_be_itself() {
    let (stranger, seen) = scripted(|_, _| found(b"inner")).await;
    let inner = format!("http://{stranger}/");
    for target in [
        inner.as_str(),
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://localhost/",
        "http://example.com/",
        "file:///etc/passwd",
        "",
    ] {
        let answer = elsewhere(target);
        let (authority, _) = scripted(move |_, _| answer.clone()).await;
        let (all, image) = (registries(&[&authority]), image(&authority));
        let failure = all.of(&image, None).manifest(None).await.unwrap_err();
        assert!(
            matches!(failure, Failure::Unreachable(_)),
            "{target}: {failure:?}"
        );
    }
    assert!(seen.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_registry_does_not_lead_on_for_ever() {
    let (authority, registry) = scripted(|path, _| elsewhere(&format!("{path}x"))).await;
    let (all, image) = (registries(&[&authority]), image(&authority));
    let failure = all.of(&image, None).manifest(None).await.unwrap_err();
    assert!(told(failure).contains("5 times"));
    assert_eq!(registry.asked.lock().unwrap().len(), MAX_REDIRECTS + 1);
}

#[tokio::test]
async fn a_name_that_leads_to_the_node_itself_is_not_asked() {
    let (authority, seen) = scripted(|_, _| found(b"inner")).await;
    let port = authority.rsplit_once(':').unwrap().1;
    for name in [format!("localhost:{port}"), authority.clone()] {
        let (all, image) = (registries(&[]), image(&name));
        let failure = all.of(&image, None).manifest(None).await.unwrap_err();
        assert!(told(failure).contains("this machine itself"));
    }
    assert!(seen.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn by_tls_a_registry_is_who_an_authority_says() {
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_cert = params.self_signed(&issuer_key).unwrap();
    let issuer = rcgen::Issuer::new(params, issuer_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap();
    let authority = tls(cert.der().clone(), &key).await;
    let ask = async |roots: Authorities, name: &str| {
        let all = Registries::new(Gate::anywhere(), roots.store()).unwrap();
        let image = image(&authority.replace("127.0.0.1", name));
        all.of(&image, None).manifest(None).await
    };
    let own = Authorities::and(issuer_cert.pem().as_bytes()).unwrap();
    let (bytes, _) = ask(own.clone(), "localhost").await.unwrap();
    assert_eq!(&bytes[..], b"tls");
    for (roots, name) in [(Authorities::default(), "localhost"), (own, "127.0.0.1")] {
        let failure = ask(roots, name).await.unwrap_err();
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
        assert!(told(failure).contains("certificate"));
    }
}

/// A registry of one answer, by TLS.
async fn tls(cert: CertificateDer<'static>, key: &rcgen::KeyPair) -> String {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut connection) = acceptor.accept(connection).await else {
                continue;
            };
            let _ = connection.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntls";
            connection.write_all(answer).await.unwrap();
            let _ = connection.shutdown().await;
        }
    });
    authority
}
