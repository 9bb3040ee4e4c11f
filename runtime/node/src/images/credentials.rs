//! What registries want to see: a Docker configuration, as Kubernetes keeps it
//! in secrets. It is never written to disk or into a log.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::reference::Reference;

/// Longest configuration: a hundred registries with tokens of 2 KiB.
const MAX_CONFIG_BYTES: usize = 256 << 10;
/// Most registries in one.
const MAX_LOGINS: usize = 256;
/// Other names of Docker's own registry.
const DOCKER_HOSTS: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "hub.docker.com"];
const DOCKER: &str = "docker.io";

/// What is shown to a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// A name and a password.
    Basic { name: String, password: String },
    /// A token with which others are had.
    Identity(String),
    /// A token for the registry itself.
    Bearer(String),
}

/// What tells logins apart without telling what they are.
pub(crate) type Fingerprint = [u8; 32];

impl Login {
    /// Two that are shown to the same registry are the same if this is. It is
    /// kept in memory alone: a short password could be found from it.
    pub(crate) fn fingerprint(&self, registry: &str) -> Fingerprint {
        let (kind, name, secret) = match self {
            Self::Basic { name, password } => ("basic", name.as_str(), password),
            Self::Identity(token) => ("identity", "", token),
            Self::Bearer(token) => ("bearer", "", token),
        };
        let mut hasher = Sha256::new();
        for part in [registry, kind, name, secret] {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// Logins, each for a part of the registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: String,
    /// Parts of the repository's path that have to be these; empty for all.
    path: String,
    login: Login,
}

/// One registry of a Docker configuration. What else may be there, such as an
/// e-mail address, says nothing to a registry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Credentials {
    /// Reads a Docker configuration: with `auths`, or of the older form
    /// without. Programs that it names to ask for more are not run.
    ///
    /// # Errors
    /// It is none, as a sentence that tells nothing of what is in it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if bytes.len() > MAX_CONFIG_BYTES {
            return Err(format!(
                "{} bytes of registry credentials; the most is {MAX_CONFIG_BYTES}",
                bytes.len()
            ));
        }
        let mut config: HashMap<String, Value> = parsed(bytes)?;
        let auths: HashMap<String, Auth> = match config.remove("auths") {
            Some(auths) => serde_json::from_value(auths).map_err(|_| malformed("auths"))?,
            None => {
                config.retain(|_, value| value.is_object());
                let all = config.into_iter().collect();
                serde_json::from_value(Value::Object(all)).map_err(|_| malformed("a registry"))?
            }
        };
        if auths.len() > MAX_LOGINS {
            return Err(format!(
                "credentials of {} registries; the most is {MAX_LOGINS}",
                auths.len()
            ));
        }
        let entries = auths.into_iter().filter_map(|(key, auth)| {
            let login = auth.login().transpose()?;
            Some(login.map(|login| Entry::new(&key, login)))
        });
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        // The first that fits is taken: those that say most come first.
        let says = |entry: &Entry| {
            let stars = entry.host.matches('*').count();
            (usize::MAX - entry.path.len(), stars, entry.host.clone())
        };
        entries.sort_by_cached_key(says);
        Ok(Self(entries))
    }

    /// What is shown to the registry of this image.
    pub(crate) fn login(&self, reference: &Reference) -> Option<&Login> {
        let host = docker_or(reference.registry());
        let fits = |entry: &&Entry| {
            is_host(&entry.host, host) && is_below(reference.repository(), &entry.path)
        };
        self.0.iter().find(fits).map(|entry| &entry.login)
    }
}

impl Auth {
    /// What it shows, if anything.
    fn login(self) -> Result<Option<Login>, String> {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        if let Some(token) = given(self.registrytoken) {
            return Ok(Some(Login::Bearer(token)));
        }
        if let Some(token) = given(self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(auth) = given(self.auth) {
            let plain = STANDARD.decode(auth.trim()).ok();
            let plain = plain.and_then(|plain| String::from_utf8(plain).ok());
            let pair = plain.as_deref().and_then(|plain| plain.split_once(':'));
            let (name, password) = pair.ok_or_else(|| malformed("an \"auth\""))?;
            return Ok(Some(Login::Basic {
                name: name.to_owned(),
                password: password.trim_end_matches('\0').to_owned(),
            }));
        }
        Ok(given(self.username).map(|name| Login::Basic {
            name,
            password: self.password,
        }))
    }
}

impl Entry {
    /// The login of a key such as `https://index.docker.io/v1/`, `ghcr.io/acme`
    /// or `*.example.com`.
    fn new(key: &str, login: Login) -> Self {
        let plain = key.split_once("://").map_or(key, |(_, rest)| rest);
        let (host, path) = plain.split_once('/').unwrap_or((plain, ""));
        let path = path.trim_matches('/');
        let path = match path.split_once('/') {
            Some(("v1" | "v2", rest)) => rest,
            None if matches!(path, "v1" | "v2") => "",
            _ => path,
        };
        Self {
            host: docker_or(&host.to_ascii_lowercase()).to_owned(),
            path: path.to_owned(),
            login,
        }
    }
}

fn docker_or(host: &str) -> &str {
    if DOCKER_HOSTS.contains(&host) {
        DOCKER
    } else {
        host
    }
}

/// Whether a host is of this pattern, in which `*` is all or a piece of what
/// stands between two dots. Ports are the same or it is none.
fn is_host(pattern: &str, host: &str) -> bool {
    let parts = |text: &str| -> (Vec<String>, Option<String>) {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.to_owned())),
            None => (text, None),
        };
        (name.split('.').map(str::to_owned).collect(), port)
    };
    let ((pattern, own), (host, port)) = (parts(pattern), parts(&host.to_ascii_lowercase()));
    own == port
        && pattern.len() == host.len()
        && pattern
            .iter()
            .zip(&host)
            .all(|(pattern, part)| matches(pattern, part))
}

fn matches(pattern: &str, part: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == part;
    };
    let Some(rest) = part.strip_prefix(before) else {
        return false;
    };
    // A second star is none: no registry's name holds one.
    rest.len() >= after.len() && rest.ends_with(after)
}

/// Whether a repository is `path`, or one below.
fn is_below(repository: &str, path: &str) -> bool {
    path.is_empty()
        || repository
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn parsed(bytes: &[u8]) -> Result<HashMap<String, Value>, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The error's own text repeats what it did not expect.
        format!(
            "the registry credentials are no Docker configuration in JSON: line {}, column {}",
            error.line(),
            error.column()
        )
    })
}

fn malformed(what: &str) -> String {
    format!("the registry credentials are no Docker configuration: {what} is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn basic(name: &str, password: &str) -> Login {
        Login::Basic {
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }

    fn shown(config: &Value, image: &str) -> Option<Login> {
        let credentials = Credentials::parse(config.to_string().as_bytes()).unwrap();
        credentials
            .login(&Reference::parse(image).unwrap())
            .cloned()
    }

    #[test]
    fn each_form_of_a_login_is_read() {
        let auth = STANDARD.encode("me:a:b");
        let config = json!({ "auths": {
            "a.io": { "auth": auth, "email": "me@a.io" },
            "b.io": { "username": "me", "password": "c" },
            "c.io": { "identitytoken": "t", "auth": STANDARD.encode("<token>:") },
            "d.io": { "registrytoken": "r" },
            "e.io": {},
        }, "credsStore": "desktop" });
        assert_eq!(shown(&config, "a.io/x"), Some(basic("me", "a:b")));
        assert_eq!(shown(&config, "b.io/x"), Some(basic("me", "c")));
        assert_eq!(
            shown(&config, "c.io/x"),
            Some(Login::Identity("t".to_owned()))
        );
        assert_eq!(
            shown(&config, "d.io/x"),
            Some(Login::Bearer("r".to_owned()))
        );
        assert_eq!(shown(&config, "e.io/x"), None);
        assert_eq!(shown(&config, "f.io/x"), None);
        let older = json!({ "a.io": { "auth": auth } });
        assert_eq!(shown(&older, "a.io/x"), Some(basic("me", "a:b")));
    }

    #[test]
    fn a_login_is_for_its_registry_and_the_longest_path_wins() {
        let named = |name: &str| json!({ "username": name });
        let config = json!({ "auths": {
            "https://index.docker.io/v1/": named("docker"),
            "ghcr.io": named("all"),
            "https://ghcr.io/v2/acme": named("acme"),
            "ghcr.io/acme/tools/": named("tools"),
            "*.example.com:5000": named("star"),
            "prod-*.example.com": named("prod"),
        }});
        let name = |image: &str| match shown(&config, image)? {
            Login::Basic { name, .. } => Some(name),
            _ => None,
        };
        for (image, expected) in [
            ("greet", Some("docker")),
            ("acme/greet:1", Some("docker")),
            ("ghcr.io/other/greet", Some("all")),
            ("ghcr.io/acme/greet", Some("acme")),
            ("ghcr.io/acme/tools/greet", Some("tools")),
            ("ghcr.io/acmeevil/greet", Some("all")),
            ("a.example.com:5000/x", Some("star")),
            ("a.example.com/x", None),
            ("a.b.example.com:5000/x", None),
            ("prod-1.example.com/x", Some("prod")),
            ("test-1.example.com/x", None),
            ("example.com/x", None),
        ] {
            assert_eq!(name(image).as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_what_is_secret() {
        let wrong = [
            br#"{"auths": {"a.io": {"auth": "secret!"}}}"#.to_vec(),
            br#"{"auths": {"a.io": {"auth": 77}}, "x": "secret"}"#.to_vec(),
            br#"{"auths": "secret"}"#.to_vec(),
            br#""secret""#.to_vec(),
            b"secret".to_vec(),
            format!(
                r#"{{"auths": {{"a.io": {{"auth": "{}"}}}}}}"#,
                STANDARD.encode("secret")
            )
            .into_bytes(),
            vec![b' '; MAX_CONFIG_BYTES + 1],
        ];
        for bytes in wrong {
            let error = Credentials::parse(&bytes).unwrap_err();
            assert!(
                !error.contains("secret") && error.contains("credentials"),
                "{error}"
            );
        }
        let many = (0..=MAX_LOGINS).map(|n| (format!("r{n}.io"), json!({ "username": "x" })));
        let many = json!({ "auths": many.collect::<serde_json::Map<_, _>>() });
        assert!(Credentials::parse(many.to_string().as_bytes()).is_err());
        assert_eq!(Credentials::parse(b""), Ok(Credentials::default()));
    }

    #[test]
    fn no_login_is_printed() {
        let config = json!({ "auths": { "a.io": { "username": "me", "password": "secret" } } });
        let credentials = Credentials::parse(config.to_string().as_bytes()).unwrap();
        assert!(!format!("{credentials:?}").contains("secret"));
    }

    #[test]
    fn fingerprints_tell_logins_and_registries_apart() {
        let prints = [
            basic("a", "bc").fingerprint("x"),
            basic("ab", "c").fingerprint("x"),
            basic("a", "bc").fingerprint("y"),
            Login::Bearer("bc".to_owned()).fingerprint("x"),
            Login::Identity("bc".to_owned()).fingerprint("x"),
        ];
        let distinct: std::collections::HashSet<_> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
        assert_eq!(basic("a", "bc").fingerprint("x"), prints[0]);
    }
}
