//! A certificate authority that signs whatever name a client asks for, or a bad certificate when told to.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

/// A certificate with something wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certificate {
    /// Its last day was long ago.
    Expired,
    /// It is another host's.
    WrongName,
    /// It is signed by an authority that the client was not told of.
    UnknownAuthority,
}

pub(super) struct Authority {
    root_pem: String,
    signer: Arc<Signer>,
    config: Arc<ServerConfig>,
}

/// Makes certificates as they are asked for.
struct Signer {
    issuer: Issuer<'static, KeyPair>,
    stranger: Issuer<'static, KeyPair>,
    /// One key for all hosts: making keys is what takes time.
    leaf: KeyPair,
    leaf_key: Arc<dyn SigningKey>,
    bad: Mutex<HashMap<String, Certificate>>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let leaf = KeyPair::generate().expect("P-256 keys can be made");
        let leaf_der = PrivateKeyDer::Pkcs8(leaf.serialize_der().into());
        let leaf_key = aws_lc_rs::sign::any_supported_type(&leaf_der).expect("P-256 is supported");
        let (root_pem, issuer) = new_issuer("the test origin's authority");
        let (_, stranger) = new_issuer("an authority that nobody knows");
        let signer = Arc::new(Signer {
            issuer,
            stranger,
            leaf,
            leaf_key,
            bad: Mutex::default(),
            made: Mutex::default(),
        });
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Signer>::clone(&signer));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { root_pem, signer, config: Arc::new(config) }
    }

    pub(super) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// From now on `host` shows this one.
    pub(super) fn show(&self, host: &str, certificate: Certificate) {
        self.signer.bad.lock().expect("it never panics").insert(host.to_owned(), certificate);
        self.signer.made.lock().expect("it never panics").remove(host);
    }
}

impl Signer {
    fn sign(&self, host: &str) -> Arc<CertifiedKey> {
        let bad = self.bad.lock().expect("it never panics").get(host).copied();
        let name = match bad {
            Some(Certificate::WrongName) => "somebody-else.example",
            _ => host,
        };
        let mut params = CertificateParams::new([name.to_owned()]).expect("a host is a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.use_authority_key_identifier_extension = true;
        if let Some(Certificate::Expired) = bad {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let issuer = match bad {
            Some(Certificate::UnknownAuthority) => &self.stranger,
            _ => &self.issuer,
        };
        let certificate = params.signed_by(&self.leaf, issuer).expect("the parameters are complete");
        Arc::new(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&self.leaf_key)))
    }
}

impl ResolvesServerCert for Signer {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // no name is sent for an address literal (RFC 6066, section 3)
        let host = hello.server_name().unwrap_or("127.0.0.1");
        let mut made = self.made.lock().expect("it never panics");
        Some(Arc::clone(made.entry(host.to_owned()).or_insert_with(|| self.sign(host))))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// An authority, and its own certificate in PEM.
fn new_issuer(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("P-256 keys can be made");
    let certificate = params.self_signed(&key).expect("the parameters are complete");
    (certificate.pem(), Issuer::new(params, key))
}
