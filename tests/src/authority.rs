//! An authority of our own for certificates, and a door that speaks TLS in front of what does not.
#![expect(clippy::missing_panics_doc, reason = "in a test a panic is how the unexpected is told")]

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// An authority that nobody knows but those who are given its certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A certificate and its key, in PEM.
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("ring makes keys");
        let certificate = params.self_signed(&key).expect("it signs itself");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("authority.pem"), certificate.pem()).expect("our own folder takes a file");
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// The file with its certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for a host.
    pub fn issue(&self, host: &str) -> Certificate {
        let key = KeyPair::generate().expect("ring makes keys");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a host's name");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        Certificate { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes TLS connections for `localhost` and passes their bytes on; ends when dropped.
pub struct TlsDoor {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl TlsDoor {
    /// Opens one in front of `to`.
    pub async fn open(authority: &Authority, to: SocketAddr) -> Self {
        let Certificate { certificate, key } = authority.issue("localhost");
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM as it was just written")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM as it was just written");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key belongs to the certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port can be had");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), stream, to));
            }
        });
        Self { addr, accepting }
    }

    /// Its address below `scheme`, as in `https` or `wss`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.addr.port())
    }
}

impl Drop for TlsDoor {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, to: SocketAddr) {
    // A client that does not trust us breaks off here.
    let (Ok(mut inside), Ok(mut outside)) = (acceptor.accept(stream).await, TcpStream::connect(to).await) else { return };
    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
}
