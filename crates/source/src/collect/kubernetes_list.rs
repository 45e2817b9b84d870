//! A complete list of one resource, and how it becomes records.

use super::kubernetes_watch::{Failure, Metadata, ask, send};
use super::outlet::Outlet;
use crate::LIST_SIZE_MAX;
use http_body_util::{BodyExt, Limited};
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::timeout;

/// A list longer than this is refused: 20,000 large pods.
const LIST_BYTES_MAX: usize = 512 << 20;
/// A list that is not there by now will not come.
const LIST_WAIT: Duration = Duration::from_secs(120);

/// A list as the server gave it.
pub(super) struct List {
    bytes: Vec<u8>,
}

impl List {
    /// Asks for everything at once: a page is no complete list.
    pub(super) async fn ask(client: &Client, path: &str) -> Result<List, Failure> {
        let body = Limited::new(ask(client, path).await?.into_body(), LIST_BYTES_MAX);
        match timeout(LIST_WAIT, body.collect()).await {
            Err(_) => Err(Failure::Connection("the list did not come to its end".into())),
            Ok(Err(error)) => Err(Failure::Connection(error.to_string())),
            Ok(Ok(body)) => Ok(List { bytes: body.to_bytes().to_vec() }),
        }
    }
}

/// Sends a list as one record, and gives its version; empty when it has none. A list too large for a record is told object by object: what has gone meanwhile
/// is then not told, and that is said.
pub(super) async fn emit_list(outlet: &Outlet, list: List, kind: &str) -> String {
    let Ok(read) = serde_json::from_slice::<Read<'_>>(&list.bytes) else {
        outlet.note_dropped(1, "a list could not be read");
        return String::new();
    };
    let version = read.metadata.resource_version.clone().into_owned();
    if list.bytes.len() <= LIST_SIZE_MAX {
        send(outlet, &list.bytes).await;
        return version;
    }
    for item in &read.items {
        let Some(rest) = item.get().trim_start().strip_prefix('{') else { continue };
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        let version = &read.api_version;
        let event = format!(r#"{{"type":"ADDED","object":{{"kind":"{kind}","apiVersion":"{version}"{comma}{rest}}}"#);
        send(outlet, event.as_bytes()).await;
    }
    outlet.note_dropped(1, "a list was longer than 16 MiB; objects that went away unseen are not told");
    version
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
}
