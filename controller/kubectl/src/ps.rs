//! `kubectl mote ps`: sandboxes, and what serves them.

use std::time::{SystemTime, UNIX_EPOCH};

use kube::api::ListParams;
use mote_client::table::Table;
use mote_client::text::age;
use serde::Serialize;

use crate::args::{PsArgs, TableForm, WhichArgs};
use crate::cluster::{Cluster, answer};
use crate::failure::Failure;
use crate::objects::{Sandbox, Tier};
use crate::print::print;

/// Sandboxes that are asked for at once, so that no answer is large.
const PAGE: u32 = 500;

/// Lists sandboxes.
pub(crate) async fn ps(args: &PsArgs, cluster: &Cluster) -> Result<(), Failure> {
    let which = &args.which;
    let sandboxes = list(cluster, which).await?;
    if sandboxes.is_empty() && which.form != TableForm::Json {
        crate::failure::say(&none(cluster, which));
        return Ok(());
    }
    print(text(&sandboxes, which, now())?.as_bytes()).await
}

/// That there are none.
pub(crate) fn none(cluster: &Cluster, which: &WhichArgs) -> String {
    match which.all_namespaces {
        true => "there are no sandboxes".to_owned(),
        false => format!("there are no sandboxes in namespace {}", cluster.namespace),
    }
}

/// The sandboxes that are asked for, by namespace and name.
pub(crate) async fn list(cluster: &Cluster, which: &WhichArgs) -> Result<Vec<Sandbox>, Failure> {
    let api = match which.all_namespaces {
        true => cluster.all_sandboxes(),
        false => cluster.sandboxes(),
    };
    let mut params = ListParams::default().limit(PAGE);
    params.label_selector.clone_from(&which.selector);
    let mut found = Vec::new();
    loop {
        let page = answer(api.list(&params)).await;
        let page = page.map_err(|denied| denied.during("list sandboxes"))?;
        found.extend(page.items.iter().map(Sandbox::from));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => break,
        }
    }
    found.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(found)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// A sandbox, for programs.
#[derive(Debug, Serialize)]
struct Row<'a> {
    namespace: &'a str,
    name: &'a str,
    tier: Tier,
    state: &'a str,
    node: Option<&'a str>,
    addresses: &'a [String],
    created: Option<i64>,
}

fn text(sandboxes: &[Sandbox], which: &WhichArgs, now: i64) -> Result<String, Failure> {
    match which.form {
        TableForm::Table => Ok(table(sandboxes, which.all_namespaces, false, now).text()),
        TableForm::Wide => Ok(table(sandboxes, which.all_namespaces, true, now).text()),
        TableForm::Name => Ok(names(sandboxes)),
        TableForm::Json => json(sandboxes.iter().map(row)),
    }
}

/// As `kubectl get -o name` has them.
pub(crate) fn names(sandboxes: &[Sandbox]) -> String {
    let lines = sandboxes.iter().map(|it| format!("sandbox/{}\n", it.name));
    lines.collect()
}

/// One JSON value, and a line end.
pub(crate) fn json(rows: impl Iterator<Item = impl Serialize>) -> Result<String, Failure> {
    let rows: Vec<_> = rows.collect();
    let text = serde_json::to_string_pretty(&serde_json::json!({ "sandboxes": rows }));
    let text = text.map_err(|error| Failure::Lost(format!("failed to write JSON: {error}")))?;
    Ok(text + "\n")
}

fn row(sandbox: &Sandbox) -> Row<'_> {
    Row {
        namespace: &sandbox.namespace,
        name: &sandbox.name,
        tier: sandbox.tier,
        state: sandbox.state.word(),
        node: sandbox.node.as_deref(),
        addresses: &sandbox.addresses,
        created: sandbox.created,
    }
}

fn table(sandboxes: &[Sandbox], namespaces: bool, wide: bool, now: i64) -> Table {
    let mut heading = Vec::new();
    heading.extend(namespaces.then_some("NAMESPACE"));
    heading.extend(["NAME", "TIER", "STATE", "NODE", "AGE"]);
    heading.extend(wide.then_some("ADDRESSES"));
    let mut table = Table::new(&heading);
    for sandbox in sandboxes {
        let mut cells = Vec::new();
        cells.extend(namespaces.then(|| sandbox.namespace.clone()));
        cells.extend([
            sandbox.name.clone(),
            sandbox.tier.word().to_owned(),
            sandbox.state.word().to_owned(),
            sandbox.node.clone().unwrap_or_default(),
            age_of(sandbox, now),
        ]);
        cells.extend(wide.then(|| sandbox.addresses.join(",")));
        table.row(cells);
    }
    table
}

/// How long ago it was created; nothing where that is not known.
pub(crate) fn age_of(sandbox: &Sandbox, now: i64) -> String {
    let created = sandbox.created;
    created.map_or_else(String::new, |created| age(now.saturating_sub(created)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::objects::State;

    pub(crate) fn sandbox(name: &str, tier: Tier) -> Sandbox {
        Sandbox {
            namespace: "n".to_owned(),
            name: name.to_owned(),
            tier,
            state: State::Ready,
            pod: name.to_owned(),
            node: Some("node-1".to_owned()),
            addresses: vec!["10.0.0.1".to_owned(), "fd00::1".to_owned()],
            created: Some(100),
            wakes: false,
            finished: false,
        }
    }

    fn which(form: TableForm, all_namespaces: bool) -> WhichArgs {
        WhichArgs {
            all_namespaces,
            selector: None,
            form,
        }
    }

    #[test]
    fn columns_are_added_by_flags() {
        let all = [sandbox("a", Tier::Wasm), sandbox("b", Tier::Pod)];
        let text = |form, all_namespaces| text(&all, &which(form, all_namespaces), 110).unwrap();
        assert_eq!(
            text(TableForm::Table, false),
            "NAME  TIER  STATE  NODE    AGE\n\
             a     wasm  Ready  node-1  10s\n\
             b     pod   Ready  node-1  10s\n"
        );
        let wide = text(TableForm::Wide, true);
        assert!(wide.starts_with("NAMESPACE  NAME"), "{wide}");
        assert!(wide.contains("10.0.0.1,fd00::1"), "{wide}");
        assert_eq!(text(TableForm::Name, false), "sandbox/a\nsandbox/b\n");
        let json: serde_json::Value = serde_json::from_str(&text(TableForm::Json, false)).unwrap();
        assert_eq!(json["sandboxes"][1]["tier"], "pod");
    }

    #[test]
    fn what_somebody_wrote_into_a_status_cannot_rewrite_the_terminal() {
        let mut evil = sandbox("a", Tier::Wasm);
        evil.state = State::Unready("\u{1b}[2J\r\n".to_owned(), String::new());
        evil.node = Some("\u{7}".to_owned());
        let text = text(&[evil], &which(TableForm::Table, false), 100).unwrap();
        assert!(
            text.chars().all(|it| it == '\n' || !it.is_control()),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 2);
    }
}
