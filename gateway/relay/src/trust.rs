//! Which certificates of other servers are trusted: one configuration for relay, tail, replays, commands and sinks.
//!
//! Mozilla's authorities are built in, so that a container without a certificate store works. Those of the system are trusted
//! beside them, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name: a private authority signs for many a pit wall and depot.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// How to connect over TLS. The stores are read once, with the first connection that needs them.
pub fn client_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CONFIG.get_or_init(|| Arc::new(read_config())).clone()
}

fn read_config() -> ClientConfig {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "certificates of authorities cannot be read; see SSL_CERT_FILE and SSL_CERT_DIR");
    }
    let (added, ignored) = roots.add_parsable_certificates(system.certs);
    tracing::debug!(added, ignored, "the system's authorities are trusted");
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Returns what to do about a failure of TLS that an error's text tells of; nothing where it tells of none.
pub fn cure(text: &str) -> &'static str {
    if !text.contains("invalid peer certificate") {
        return if text.contains("received corrupt message") { "; is TLS (https, wss) spoken at that port?" } else { "" };
    }
    // Another authority of the same name, as one made anew, gives a bad signature.
    if text.contains("UnknownIssuer") || text.contains("BadSignature") {
        "; the authority that signed it is not known here: name its certificate with SSL_CERT_FILE=<file.pem>, or add it to the \
         system's store"
    } else if text.contains("xpired") {
        "; it has expired, or this machine's clock is wrong"
    } else if text.contains("not valid for name") || text.contains("NotValidForName") {
        "; use the host name that it was issued for"
    } else {
        ""
    }
}

/// The failure of TLS inside an error of the connection, and what to do about it. Waiting does not mend any of them.
pub fn failure(error: &std::io::Error) -> Option<String> {
    let failure = error.get_ref()?.downcast_ref::<rustls::Error>()?.to_string();
    let cure = cure(&failure);
    Some(failure + cure)
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error};

    use super::*;

    #[test]
    fn every_authority_built_in_is_trusted_whatever_the_system_has() {
        assert!(client_config().crypto_provider().cipher_suites.len() > 3);
        assert!(Arc::ptr_eq(&client_config(), &client_config()));
    }

    #[test]
    fn a_failure_of_tls_is_told_apart_from_an_outage_and_names_its_cure() {
        let wrapped = |error: Error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        let unknown = failure(&wrapped(Error::InvalidCertificate(CertificateError::UnknownIssuer))).unwrap();
        assert!(unknown.contains("SSL_CERT_FILE"), "{unknown}");
        let expired = failure(&wrapped(Error::InvalidCertificate(CertificateError::Expired))).unwrap();
        assert!(expired.contains("clock"), "{expired}");
        let plain = failure(&wrapped(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType))).unwrap();
        assert!(plain.contains("spoken at that port"), "{plain}");
        assert_eq!(failure(&std::io::ErrorKind::ConnectionRefused.into()), None);
    }
}
