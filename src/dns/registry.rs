//! Who wrote a record, as external-dns keeps it in TXT records beside it.
//!
//! <https://kubernetes-sigs.github.io/external-dns/latest/docs/registry/txt/>

use std::net::SocketAddr;

use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::question::{Recursion, ask};

/// The owner of a record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The `--txt-owner-id` of the external-dns that wrote it.
    pub owner: String,
    /// The object that it was written for, such as `ingress/NAMESPACE/NAME`; empty where the TXT record does not say.
    pub resource: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "external-dns with owner id {:?}", self.owner)?;
        if !self.resource.is_empty() {
            write!(f, ", for {}", self.resource)?;
        }
        Ok(())
    }
}

/// Looks up the owner of a host's records; `None` where no TXT record tells one. A registry with a prefix of its own is not found.
pub async fn owner_of(server: SocketAddr, host: &Name, recursion: Recursion) -> Option<Owner> {
    for candidate in registry_names(host) {
        let Ok(message) = ask(server, &candidate, RecordType::TXT, recursion).await else { return None };
        let mut texts = message.answers.iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect::<String>()),
            _ => None,
        });
        if let Some(owner) = texts.find_map(|text| parse(&text)) {
            return Some(owner);
        }
    }
    None
}

/// The names that external-dns uses: one for each type of record, and before version 0.16 also the host's own.
fn registry_names(host: &Name) -> Vec<Name> {
    let first = host.iter().next().map(|label| String::from_utf8_lossy(label).into_owned()).unwrap_or_default();
    let parent = host.base_name();
    let typed = ["a", "cname", "aaaa"].iter().filter_map(|kind| parent.prepend_label(format!("{kind}-{first}")).ok());
    typed.chain([host.clone()]).collect()
}

/// Reads `heritage=external-dns,external-dns/owner=blue,external-dns/resource=ingress/web/web`.
fn parse(text: &str) -> Option<Owner> {
    let text = text.trim_matches('"');
    let value = |key: &str| text.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    if value("heritage")? != "external-dns" {
        return None;
    }
    Some(Owner {
        owner: value("external-dns/owner")?.to_owned(),
        resource: value("external-dns/resource").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_and_its_object() {
        let text = "\"heritage=external-dns,external-dns/owner=blue,external-dns/resource=ingress/ns/web\"";
        let expected = Owner { owner: "blue".into(), resource: "ingress/ns/web".into() };
        assert_eq!(parse(text), Some(expected));
        for other in ["v=spf1 -all", "heritage=other,external-dns/owner=x", "heritage=external-dns", ""] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_registrys_names() {
        let host = crate::dns::name("web.example.com").unwrap();
        let names: Vec<String> = registry_names(&host).iter().map(crate::dns::shown).collect();
        assert_eq!(names, ["a-web.example.com", "cname-web.example.com", "aaaa-web.example.com", "web.example.com"]);
    }
}
