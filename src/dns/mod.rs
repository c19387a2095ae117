//! DNS as a check needs it: one question to one server, no cache in between, and every way not to answer told apart.
//!
//! A caching resolver that is asked for a name before it exists keeps the NXDOMAIN for up to the zone's negative TTL
//! (<https://www.rfc-editor.org/rfc/rfc2308#section-5>), and then denies a name that is there. So nothing here asks a caching resolver
//! for the name under test by itself: [`zone`] finds the servers that have the zone, [`addresses`] asks them, and who calls asks caching
//! resolvers last.

pub mod addresses;
pub mod compare;
pub mod question;
pub mod registry;
pub mod resolve;
pub mod survey;
pub mod system;
pub mod zone;

pub use self::addresses::{Answer, Records};
pub use self::compare::{Match, Target};
pub use self::zone::Zone;

use hickory_resolver::proto::rr::Name;

/// A text as a name from the root; `None` where it is no DNS name.
pub fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name.to_lowercase())
}

/// A name as people write it: without the root's dot, unless it is the root.
pub fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.') {
        Some(rest) if !rest.is_empty() => rest.to_lowercase(),
        _ => text,
    }
}
