//! Texts in the forms that Kubernetes gives them: labels, quantities, tolerations.

use k8s_openapi::api::core::v1::Toleration;

/// Whether a text is a label key: an optional DNS prefix and `/`, then a name of at most 63 characters.
///
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>
pub fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= 253 && prefix.split('.').all(super::setting::is_label) && is_qualified(name)
        }
        None => is_qualified(text),
    }
}

/// Whether a text is a label value that is not empty.
pub fn is_label_value(text: &str) -> bool {
    is_qualified(text)
}

fn is_qualified(text: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && alphanumeric(text.chars().next())
        && alphanumeric(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether a text is a quantity that is not negative, such as `250m`, `1.5` or `128Mi`.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub fn is_quantity(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let known = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let exponent = || {
        let power = suffix.strip_prefix(['e', 'E'])?;
        let power = power.strip_prefix(['-', '+']).unwrap_or(power);
        (!power.is_empty() && power.bytes().all(|b| b.is_ascii_digit())).then_some(())
    };
    digits > 0 && number.len() - digits <= 1 && (known.contains(&suffix) || exponent().is_some())
}

/// Reads tolerations as `kubectl taint` writes taints: `KEY=VALUE:EFFECT`, `KEY:EFFECT`, `KEY=VALUE` or `KEY`, separated by
/// commas; without an effect every effect is tolerated, without a value every value, and `*` tolerates every taint.
pub fn parse_tolerations(text: &str) -> Option<Vec<Toleration>> {
    text.split(',').map(|part| parse_toleration(part.trim())).collect()
}

fn parse_toleration(text: &str) -> Option<Toleration> {
    let exists = || Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() };
    if text == "*" {
        return Some(exists());
    }
    let (taint, effect) = match text.split_once(':') {
        Some((taint, effect @ ("NoSchedule" | "PreferNoSchedule" | "NoExecute"))) => (taint, Some(effect.to_owned())),
        Some(_) => return None,
        None => (text, None),
    };
    let (key, value) = match taint.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (taint, None),
    };
    if !is_label_key(key) {
        return None;
    }
    let key = Some(key.to_owned());
    match value {
        None => Some(Toleration { key, effect, ..exists() }),
        Some(value) if value.is_empty() || is_label_value(value) => Some(Toleration {
            key,
            operator: Some("Equal".to_owned()),
            value: Some(value.to_owned()),
            effect,
            ..Toleration::default()
        }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for right in ["eks.amazonaws.com/capacityType", "pool", "karpenter.sh/capacity-type", "a_b.c"] {
            assert!(is_label_key(right), "{right}");
        }
        for wrong in ["", "/x", "a/b/c", "-a", "Upper.Case/x", "a b", "x/"] {
            assert!(!is_label_key(wrong), "{wrong}");
        }
        assert!(is_label_value("SPOT"));
        assert!(!is_label_value("SPOT,ON_DEMAND"));
    }

    #[test]
    fn quantities() {
        for right in ["10m", "1", "1.5", "128Mi", "0.1", "2k", "1e3", "5E-1", ".5"] {
            assert!(is_quantity(right), "{right}");
        }
        for wrong in ["", "m", "-1", "1.2.3", "10 m", "10mi", "10MB", "1e", "one", "."] {
            assert!(!is_quantity(wrong), "{wrong}");
        }
    }

    #[test]
    fn tolerations() {
        let read = parse_tolerations("dedicated=batch:NoSchedule, spot:NoExecute,gpu,team=").unwrap();
        let told = |t: &Toleration| {
            let text = |o: &Option<String>| o.clone().unwrap_or_default();
            format!("{} {} {} {}", text(&t.key), text(&t.operator), text(&t.value), text(&t.effect))
        };
        let told: Vec<String> = read.iter().map(told).collect();
        assert_eq!(
            told,
            ["dedicated Equal batch NoSchedule", "spot Exists  NoExecute", "gpu Exists  ", "team Equal  "]
        );
        assert_eq!(parse_tolerations("*").unwrap()[0].key, None);
        for wrong in ["", "a:Sometimes", "=x", "a=b c", "a,,b"] {
            assert_eq!(parse_tolerations(wrong), None, "{wrong}");
        }
    }
}
