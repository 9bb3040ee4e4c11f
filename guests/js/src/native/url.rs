//! URLs as the web defines them.

use rquickjs::function::Func;
use rquickjs::{Object, Result};
use url::{Url, quirks};

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("urlParse", Func::from(parse))?;
    native.set("urlChange", Func::from(change))?;
    native.set(
        "domainToAscii",
        Func::from(|domain: String| quirks::domain_to_ascii(&domain)),
    )?;
    native.set(
        "domainToUnicode",
        Func::from(|domain: String| quirks::domain_to_unicode(&domain)),
    )
}

/// The parts of a URL, resolved against a base if there is one; none if it is
/// not a URL.
fn parse(input: String, base: Option<String>) -> Option<Vec<String>> {
    let base = base.map(|base| Url::parse(&base)).transpose().ok()?;
    let url = Url::options().base_url(base.as_ref()).parse(&input).ok()?;
    Some(parts(&url))
}

/// The parts of `href` after a part got a value; a value the part cannot have
/// changes nothing.
fn change(href: String, part: String, value: String) -> Option<Vec<String>> {
    let mut url = Url::parse(&href).ok()?;
    // Each of these leaves the URL as it was when it refuses; three never do.
    let _refused = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => return None,
    };
    Some(parts(&url))
}

/// In the order of the fields of `URL` in the library.
fn parts(url: &Url) -> Vec<String> {
    vec![
        quirks::href(url).to_owned(),
        quirks::origin(url),
        quirks::protocol(url).to_owned(),
        quirks::username(url).to_owned(),
        quirks::password(url).to_owned(),
        quirks::host(url).to_owned(),
        quirks::hostname(url).to_owned(),
        quirks::port(url).to_owned(),
        quirks::pathname(url).to_owned(),
        quirks::search(url).to_owned(),
        quirks::hash(url).to_owned(),
    ]
}
