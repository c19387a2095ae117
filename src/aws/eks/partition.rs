//! Regions, and the hosts of AWS in them.

/// Whether a text has the form of a region's name.
///
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html#region-names-codes>
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    match parts.as_slice() {
        [words @ .., number] => {
            words.len() >= 2
                && words.iter().all(word)
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
        }
        [] => false,
    }
}

/// What the names of a region's hosts end with.
///
/// <https://github.com/aws/aws-sdk-go-v2/blob/main/codegen/smithy-aws-go-codegen/src/main/resources/software/amazon/smithy/aws/go/codegen/endpoints.json>
pub(super) fn suffix(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "amazonaws.com.cn",
        r if r.starts_with("us-iso-") => "c2s.ic.gov",
        r if r.starts_with("us-isob-") => "sc2s.sgov.gov",
        r if r.starts_with("eusc-") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// The URL of a service of a region, without a slash at its end.
pub(super) fn endpoint(service: &str, region: &str) -> String {
    format!("https://{service}.{region}.{}", suffix(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_other_texts() {
        for region in ["ap-northeast-1", "us-gov-west-1", "us-iso-east-1", "eu-west-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["", "tokyo", "eu-west", "EU-west-1", "eu-west-1/", "eu--1", "-1", "x.y-z-1"] {
            assert!(!is_region(other), "{other}");
        }
    }

    #[test]
    fn hosts_are_those_of_the_partition() {
        assert_eq!(endpoint("sts", "ap-northeast-1"), "https://sts.ap-northeast-1.amazonaws.com");
        assert_eq!(endpoint("eks", "cn-north-1"), "https://eks.cn-north-1.amazonaws.com.cn");
    }
}
