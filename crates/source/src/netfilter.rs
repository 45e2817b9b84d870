//! A change of the host's packet filter, as the kernel announces it. Our own collector writes it.

use crate::loose::Loose;
use crate::prepare::lacks;
use crate::process::{told, user_id};
use crate::{SourceDef, Witness};
use event::document::{Document, SIZE_MAX};
use event::fact::Fact;
use event::flow::FilterChange;
use event::{Decoded, SmolStr, Time, Undecodable, dictionary};

/// The decoder's row.
pub const SOURCE: SourceDef = SourceDef {
    name: "netfilter",
    witness: Witness::Network,
    kind: dictionary::NETFILTER,
    about: "Changes of nftables and iptables: on Docker, that is where what keeps containers apart lives.",
    size_max: SIZE_MAX,
    recognise,
    finds_duplicates: false,
    decode,
    text: None,
    sample: r#"{"landwaiter_netfilter":"add","time":1795527678072015498,"object":"rule","family":"ip","table":"filter","chain":"DOCKER-USER","rule":"accept","pid":4021,"process":"iptables"}"#,
};

fn recognise(document: &Document) -> bool {
    Loose::root(document).has("landwaiter_netfilter")
}

fn decode(document: &Document, bytes: &[u8]) -> Result<Decoded, Undecodable> {
    let root = Loose::root(document);
    let action = root.get("landwaiter_netfilter").text();
    if action.is_empty() {
        return Err(lacks("what happened in landwaiter_netfilter"));
    }
    let tool = root.get("tool").text();
    let change = FilterChange {
        tool: if tool.is_empty() { SmolStr::new_static("nftables") } else { tool },
        action,
        object: root.get("object").text(),
        family: root.get("family").text(),
        table: root.get("table").text(),
        chain: root.get("chain").text(),
        rule: root.get("rule").text(),
        entries: root.get("entries").int(),
        pid: root.get("pid").int().unwrap_or(0),
        process: root.get("process").text(),
        login_uid: user_id(root.get("loginuid").int()),
    };
    Ok(told(dictionary::NETFILTER, root.get("time").int().map(Time), bytes, Some(Fact::Filter(Box::new(change)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_where_and_by_whom() {
        let document = Document::parse(SOURCE.sample.as_bytes()).unwrap();
        let Some(Fact::Filter(change)) = decode(&document, SOURCE.sample.as_bytes()).unwrap().fact else { panic!("a filter's change") };
        assert_eq!((change.action.as_str(), change.chain.as_str(), change.process.as_str()), ("add", "DOCKER-USER", "iptables"));
    }
}
