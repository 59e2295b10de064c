//! What the server shows of itself to those who speak TLS, and how it is changed while it serves.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::files;

/// The longest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Why there are no certificates. The message says which file is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// A file is no PEM, or has not in it what it should.
    #[error("`{}` holds no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What was found.
        source: pem::Error,
    },
    /// The two do not belong together, or are of a kind that is not known.
    #[error("`{}` and `{}` cannot be used together", certificate.display(), key.display())]
    Unfit {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// A chain of certificates and its key, and where they are from.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads both.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let current = RwLock::new(config(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    /// Reads both again, for the connections that come after.
    ///
    /// # Errors
    /// When they cannot be used; the old ones are then shown as before.
    pub fn reload(&self) -> Result<(), Error> {
        let config = config(&self.certificate, &self.key)?;
        *self.current.write().expect("no holder of the certificates panics") = config;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().expect("no holder of the certificates panics");
        TlsAcceptor::from(Arc::clone(&current))
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let read = |path: &Path| Ok::<_, Error>(files::read(path, MOST_BYTES)?.0);
    let in_pem = |path: &Path, what| {
        let path = path.to_owned();
        move |source| Error::Pem { path, what, source }
    };
    let chain = read(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain =
        chain.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) });
    let chain = chain.map_err(in_pem(certificate, "certificate"))?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(in_pem(key, "private key"))?;
    let unfit = |source| Error::Unfit { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
