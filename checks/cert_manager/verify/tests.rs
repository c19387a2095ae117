//! Certificates made here, each wrong in one way, and the words in which each is refused.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SerialNumber, date_time_ymd,
};

use super::super::chain::anchors;
use super::super::handshake::{HandshakeError, shake_hands};
use super::super::root_ca::RootCa;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn ca() -> RootCa {
    RootCa::make("the run's CA", now(), HOUR).unwrap()
}

/// What cert-manager would sign for the default demand.
fn leaf() -> CertificateParams {
    let mut params = CertificateParams::new(["a.example.com".to_owned(), "b.example.com".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = date_time_ymd(2026, 6, 1) + 12 * HOUR;
    params.not_after = params.not_before + HOUR;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// A Secret and what it is held against; each test breaks one thing of it.
struct Case {
    crt: String,
    key: String,
    ca_crt: String,
    trust: Trust,
    issued: Option<CertificateDer<'static>>,
}

impl Case {
    fn new(params: CertificateParams, key: &KeyPair, ca: &RootCa) -> Self {
        let certificate = params.signed_by(key, &ca.ca).unwrap();
        Self {
            crt: certificate.pem(),
            key: key.serialize_pem(),
            ca_crt: ca.ca.pem(),
            trust: Trust::Own(ca.certificate()),
            issued: None,
        }
    }

    fn of(params: CertificateParams) -> Self {
        Self::new(params, &KeyPair::generate().unwrap(), &ca())
    }

    fn stored(&self) -> Result<Stored, Defect> {
        let entries = [("tls.crt", &self.crt), ("tls.key", &self.key), ("ca.crt", &self.ca_crt)];
        let data = entries.map(|(name, pem)| (name.to_owned(), ByteString(pem.clone().into_bytes())));
        Stored::read(&Secret { data: Some(data.into()), ..Secret::default() })
    }

    fn verify(&self) -> Result<Proof, Defect> {
        let stored = self.stored()?;
        let names = ["a.example.com", "b.example.com"].map(str::to_owned).into();
        let demand = Demand {
            dns_names: &names,
            duration: Some(HOUR),
            key: KeyAlgorithm::Ecdsa,
            trust: &self.trust,
            issued: self.issued.as_ref().unwrap_or(stored.leaf()),
            now: now(),
        };
        verify(&stored, &demand)
    }

    fn refused(&self) -> String {
        self.verify().unwrap_err().to_string()
    }

    async fn handshake(&self) -> Result<usize, HandshakeError> {
        let stored = self.stored().unwrap();
        let names = ["a.example.com".to_owned(), "b.example.com".to_owned()];
        let roots = anchors(&stored, &self.trust);
        Ok(shake_hands(&stored, roots, &names, now()).await?.len())
    }
}

#[tokio::test]
async fn a_right_certificate_passes_and_serves() {
    let case = Case::of(leaf());
    let proof = case.verify().unwrap();
    assert_eq!(proof.dns_names.len(), 2);
    assert_eq!(proof.issuer, "CN=the run's CA");
    assert_eq!(proof.verified_against, ["the CA that this run made"]);
    assert_eq!(proof.not_after.to_string(), "2026-06-01T13:00:00Z");
    assert_eq!(case.handshake().await.unwrap(), 2);
}

#[tokio::test]
async fn one_of_another_ca_is_refused() {
    // The other CA even has the same name.
    let mut case = Case::of(leaf());
    let ours = ca();
    case.trust = Trust::Own(ours.certificate());
    case.ca_crt = ours.ca.pem();
    assert_eq!(
        case.refused(),
        "a chain that does not lead to the CA that this run made; it ends at the issuer \"CN=the run's CA\""
    );
    let error = case.handshake().await.unwrap_err().to_string();
    assert!(error.contains("a.example.com failed: invalid peer certificate: BadSignature"), "{error}");
}

#[tokio::test]
async fn one_with_the_key_of_another_is_refused() {
    let mut case = Case::of(leaf());
    case.key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(case.refused(), "tls.key is not the private key of the certificate in tls.crt");
    assert!(matches!(case.handshake().await, Err(HandshakeError::Server(_))));
}

#[test]
fn one_with_other_names_is_refused() {
    let mut params = leaf();
    params.subject_alt_names =
        CertificateParams::new(["a.example.com".to_owned(), "10.0.0.1".to_owned()]).unwrap().subject_alt_names;
    let told = Case::of(params).refused();
    assert!(told.contains("missing [b.example.com], not asked for [IPAddress("), "{told}");
    let mut none = leaf();
    none.subject_alt_names.clear();
    assert!(Case::of(none).refused().contains("missing [a.example.com, b.example.com]"));
}

#[tokio::test]
async fn an_expired_one_is_refused() {
    let mut params = leaf();
    params.not_before = date_time_ymd(2026, 6, 1);
    params.not_after = params.not_before + HOUR;
    let case = Case::of(params);
    assert_eq!(
        case.refused(),
        "the certificate expired at 2026-06-01T01:00:00Z, and it is 2026-06-01T12:00:00Z in the cluster"
    );
    assert!(case.handshake().await.unwrap_err().to_string().contains("expired"));
}

#[test]
fn one_that_is_not_valid_yet_is_refused_beyond_the_clocks_tolerance() {
    let starting_in = |seconds: u64| {
        let mut params = leaf();
        params.not_before += Duration::from_secs(seconds);
        params.not_after = params.not_before + HOUR;
        Case::of(params)
    };
    starting_in(59).verify().unwrap();
    assert_eq!(
        starting_in(61).refused(),
        "the certificate is not valid before 2026-06-01T12:01:01Z, and it is 2026-06-01T12:00:00Z in the cluster"
    );
}

#[test]
fn too_long_and_too_short_a_duration_are_refused() {
    for (duration, told) in [(24 * HOUR, "a duration of 86400 s where 3600 s"), (HOUR / 2, "a duration of 1800 s")] {
        let mut params = leaf();
        params.not_after = params.not_before + duration;
        let refused = Case::of(params).refused();
        assert!(refused.starts_with(told), "{refused}");
    }
}

#[test]
fn missing_and_excessive_usages_are_refused() {
    let mut none = leaf();
    none.key_usages.clear();
    none.extended_key_usages.clear();
    assert_eq!(
        Case::of(none).refused(),
        "key usages that are not the requested ones: missing [digital signature, server auth], not asked for []"
    );
    let mut client = leaf();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert!(Case::of(client).refused().contains("missing [server auth], not asked for [client auth]"));
    let mut signing = leaf();
    signing.key_usages.push(KeyUsagePurpose::KeyCertSign);
    assert!(Case::of(signing).refused().contains("not asked for [cert sign]"));
}

#[test]
fn one_that_may_sign_others_is_refused() {
    let mut params = leaf();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(Case::of(params).refused(), "a certificate that is a CA, which was not asked for");
}

#[test]
fn a_ca_crt_of_another_ca_is_refused_and_so_is_none() {
    let mut case = Case::of(leaf());
    case.ca_crt = RootCa::make("another CA", now(), HOUR).unwrap().ca.pem();
    assert_eq!(case.refused(), "ca.crt holds another CA (\"CN=another CA\") than the one that this run made");
    let mut both = Case::of(leaf());
    both.ca_crt.push_str(&RootCa::make("another CA", now(), HOUR).unwrap().ca.pem());
    assert!(both.refused().starts_with("ca.crt holds another CA"));
    let mut none = Case::of(leaf());
    none.ca_crt.clear();
    assert_eq!(none.refused(), "no ca.crt in the Secret");
}

#[test]
fn empty_and_broken_entries_are_refused_without_telling_their_content() {
    let mut empty = Case::of(leaf());
    empty.crt.clear();
    assert_eq!(empty.refused(), "no tls.crt in the Secret");
    let mut words = Case::of(leaf());
    words.crt = "not PEM".to_owned();
    assert_eq!(words.refused(), "tls.crt cannot be read: there is no certificate in it");
    let mut keyless = Case::of(leaf());
    keyless.key = keyless.crt.clone();
    assert_eq!(keyless.refused(), "tls.key cannot be read: there is no private key in it");
    let mut torn = Case::of(leaf());
    let secret = torn.key.lines().nth(1).unwrap().to_owned();
    torn.key = torn.key.replace("-----END", "!hunter2!\n-----END");
    assert_eq!(torn.refused(), "tls.key cannot be read: the base64 text is broken");
    assert!(!torn.refused().contains(&secret));
}

#[test]
fn another_key_algorithm_is_refused() {
    let case = Case::new(leaf(), &KeyPair::generate_for(&PKCS_ED25519).unwrap(), &ca());
    assert_eq!(case.refused(), "a key of Ed25519 where ECDSA was asked for");
}

#[test]
fn a_certificate_that_was_there_before_is_not_the_one_of_this_runs_request() {
    let mut case = Case::of(leaf());
    let mut again = leaf();
    again.serial_number = Some(SerialNumber::from(7));
    case.issued = Some(again.signed_by(&KeyPair::generate().unwrap(), &ca().ca).unwrap().der().clone());
    assert!(case.refused().contains("not the one issued for this run's CertificateRequest"));
}

/// A case whose certificate an intermediate signed, and the intermediate's PEM.
fn with_intermediate(edit: impl FnOnce(&mut CertificateParams)) -> (String, Case) {
    let params = |name: &str, constraints| {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(constraints);
        params
    };
    let root = params("the root", BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let mut between = params("the intermediate", BasicConstraints::Constrained(0));
    edit(&mut between);
    let between = CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), &root).unwrap();
    let key = KeyPair::generate().unwrap();
    let case = Case {
        crt: leaf().signed_by(&key, &between).unwrap().pem() + &between.pem(),
        key: key.serialize_pem(),
        ca_crt: root.pem(),
        trust: Trust::Existing(vec![root.der().clone()]),
        issued: None,
    };
    (between.pem(), case)
}

#[tokio::test]
async fn an_existing_issuers_chain_is_verified_link_by_link() {
    let (between, mut case) = with_intermediate(|_| {});
    assert_eq!(case.verify().unwrap().verified_against, ["a CA of caFile", "the CA in ca.crt"]);
    assert_eq!(case.handshake().await.unwrap(), 2);
    case.crt = case.crt.replace(&between, "");
    let told = "a chain that does not lead to a CA of caFile; it ends at the issuer \"CN=the intermediate\"";
    assert_eq!(case.refused(), told);
    assert!(case.handshake().await.unwrap_err().to_string().contains("UnknownIssuer"));
    case.crt.push_str(&with_intermediate(|_| {}).0);
    assert!(case.refused().ends_with("but the signature is not of its key"), "{}", case.refused());
}

#[test]
fn both_the_file_and_ca_crt_must_hold() {
    let (_, mut case) = with_intermediate(|_| {});
    case.ca_crt = ca().ca.pem();
    assert!(case.refused().starts_with("a chain that does not lead to the CA in ca.crt"));
    let (_, mut case) = with_intermediate(|_| {});
    case.trust = Trust::Existing(vec![ca().certificate()]);
    assert!(case.refused().starts_with("a chain that does not lead to a CA of caFile"));
}

#[test]
fn without_file_and_ca_crt_nothing_is_claimed_about_the_issuer() {
    let (_, mut case) = with_intermediate(|_| {});
    case.trust = Trust::Existing(Vec::new());
    case.ca_crt.clear();
    assert!(case.verify().unwrap().verified_against.is_empty());
}

#[test]
fn an_intermediate_that_is_no_ca_or_has_expired_breaks_the_chain() {
    let (_, case) = with_intermediate(|params| params.is_ca = IsCa::ExplicitNoCa);
    let told = case.refused();
    assert!(told.contains("that CN=the intermediate issued it, but that certificate is no CA"), "{told}");
    let (_, case) = with_intermediate(|params| params.not_after = date_time_ymd(2026, 1, 1));
    let told = case.refused();
    assert!(told.starts_with("the intermediate \"CN=the intermediate\" expired at 2026-01-01"), "{told}");
}
