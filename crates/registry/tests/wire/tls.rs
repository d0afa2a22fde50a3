//! Company networks: a proxy on the way out, an authority of one's own, and what goes wrong with both.

use std::path::PathBuf;
use std::sync::Arc;

use domain::digest::Digest;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use crate::apart;
use crate::fake::{Fake, answer, found, read_request};

const IMAGE: &str = "registry.test/acme/base:1";

/// A proxy behind which there is one registry, `registry.test`, with a certificate from an authority of its own.
struct Company {
    proxy: String,
    folder: TempDir,
}

impl Company {
    /// The server's certificate is one of its own making.
    async fn alone(adjust: impl Fn(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new(["registry.test".to_owned()]).unwrap();
        // As `openssl req -x509` has it.
        server.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        adjust(&mut server);
        let certificate = server.self_signed(&key).unwrap();
        Self::serving(&certificate, &key, certificate.pem()).await
    }

    async fn new(adjust: impl Fn(&mut CertificateParams)) -> Self {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new(["registry.test".to_owned()]).unwrap();
        adjust(&mut server);
        let certificate = server.signed_by(&key, &authority).unwrap();
        Self::serving(&certificate, &key, authority.pem()).await
    }

    async fn serving(certificate: &Certificate, key: &KeyPair, authority_pem: String) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://me:s3cret@{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut stream).await else { continue };
                if request.line != "CONNECT registry.test:443" {
                    stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                    continue;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                read_request(&mut stream).await.unwrap();
                answer(&mut stream, found()).await;
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority_pem).unwrap();
        Self { proxy, folder }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    async fn ask(&self, variables: &[(&str, &str)]) -> String {
        let mut all = vec![("HTTPS_PROXY", self.proxy.as_str())];
        all.extend_from_slice(variables);
        apart::ask(IMAGE, &all).await
    }

    /// Asks with the company's authority trusted.
    async fn ask_trusting(&self) -> String {
        self.ask(&[("ASK_ROOTS", self.authority().to_str().unwrap())]).await
    }
}

#[tokio::test]
async fn a_given_authority_is_trusted_through_a_proxy() {
    let company = Company::new(|_| {}).await;
    assert_eq!(company.ask_trusting().await, Digest::of(b"index").to_string());
    let authority = company.authority();
    assert_eq!(company.ask(&[("SSL_CERT_FILE", authority.to_str().unwrap())]).await, Digest::of(b"index").to_string());
}

#[tokio::test]
async fn a_given_authority_is_enough_where_the_system_has_none() {
    let company = Company::new(|_| {}).await;
    let authority = company.authority();
    let nothing =
        [("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere"), ("ASK_ROOTS", authority.to_str().unwrap())];
    assert_eq!(company.ask(&nothing).await, Digest::of(b"index").to_string());
}

#[tokio::test]
async fn what_the_engine_has_for_a_registry_is_trusted_of_it_alone() {
    let company = Company::new(|_| {}).await;
    let folder = company.folder.path().join("certs.d");
    let certificates = ("ASK_CERTIFICATES", folder.to_str().unwrap());
    for (registry, is_trusted) in [("registry.test", true), ("registry.test:443", true), ("other.test", false)] {
        let own = folder.join(registry);
        std::fs::create_dir_all(&own).unwrap();
        std::fs::copy(company.authority(), own.join("ca.crt")).unwrap();
        std::fs::write(own.join("broken.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .unwrap();
        let answer = company.ask(&[certificates]).await;
        assert_eq!(answer == Digest::of(b"index").to_string(), is_trusted, "{registry}: {answer}");
        std::fs::remove_dir_all(own).unwrap();
    }
    assert!(company.ask(&[certificates]).await.contains("is not trusted"));
}

#[tokio::test]
async fn an_unknown_authority_is_said() {
    let company = Company::new(|_| {}).await;
    insta::assert_snapshot!(company.ask(&[]).await, @r"
    the registry registry.test is not trusted: its certificate is signed by an authority that is not trusted here
    hint: if an authority of your own signs certificates, give its certificate with --ca-cert or SSL_CERT_FILE
    ");
}

#[tokio::test]
async fn a_system_without_authorities_is_said() {
    let company = Company::new(|_| {}).await;
    insta::assert_snapshot!(company.ask(&[("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")]).await, @r"
    the registry registry.test is not trusted: this system has no certificate authorities
    hint: if an authority of your own signs certificates, give its certificate with --ca-cert or SSL_CERT_FILE
    ");
}

#[tokio::test]
async fn a_server_is_trusted_whose_very_certificate_is_given() {
    let alone = Company::alone(|_| {}).await;
    assert_eq!(alone.ask_trusting().await, Digest::of(b"index").to_string());
    // One that calls itself no authority, too.
    let leaf = Company::alone(|server| server.is_ca = IsCa::ExplicitNoCa).await;
    assert_eq!(leaf.ask_trusting().await, Digest::of(b"index").to_string());
    // Another one of the same name is not the given one.
    let other = Company::alone(|_| {}).await;
    let given = other.authority();
    let advice =
        "hint: if an authority of your own signs certificates, give its certificate with --ca-cert or SSL_CERT_FILE";
    let refused =
        "the registry registry.test is not trusted: its certificate is an authority's own, and not one that was given";
    assert_eq!(alone.ask(&[("ASK_ROOTS", given.to_str().unwrap())]).await, format!("{refused}\n{advice}"));
    let expired = Company::alone(|server| server.not_after = rcgen::date_time_ymd(2001, 1, 1)).await;
    assert!(expired.ask_trusting().await.contains("its certificate has expired"));
    let foreign = Company::alone(|server| {
        server.subject_alt_names = vec![rcgen::SanType::DnsName("other.test".try_into().unwrap())];
    })
    .await;
    assert!(foreign.ask_trusting().await.contains("certificate not valid for name"));
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_said() {
    let expired = Company::new(|server| server.not_after = rcgen::date_time_ymd(2001, 1, 1)).await;
    insta::assert_snapshot!(expired.ask_trusting().await, @r"
    the registry registry.test is not trusted: its certificate has expired
    hint: if an authority of your own signs certificates, give its certificate with --ca-cert or SSL_CERT_FILE
    ");
    let foreign = Company::new(|server| {
        server.subject_alt_names = vec![rcgen::SanType::DnsName("other.test".try_into().unwrap())];
    })
    .await;
    insta::assert_snapshot!(foreign.ask_trusting().await, @r#"
    the registry registry.test is not trusted: its certificate is not valid: certificate not valid for name "registry.test"; certificate is only valid for DnsName("other.test")
    hint: if an authority of your own signs certificates, give its certificate with --ca-cert or SSL_CERT_FILE
    "#);
}

#[tokio::test]
async fn a_proxy_that_says_no_is_said() {
    let company = Company::new(|_| {}).await;
    insta::assert_snapshot!(apart::ask("ghcr.io/acme/base:1", &[("HTTPS_PROXY", &company.proxy)]).await, @r"
    the registry ghcr.io cannot be reached: the proxy did not let the connection through
    hint: check the network, the name, and HTTPS_PROXY and NO_PROXY
    ");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_said() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = format!("http://me:s3cret@{port}");
    insta::assert_snapshot!(apart::ask(IMAGE, &[("HTTPS_PROXY", &proxy)]).await, @r"
    the registry registry.test cannot be reached: Connection refused (os error 111)
    hint: check the network, the name, and HTTPS_PROXY and NO_PROXY
    ");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_said() {
    let answer = apart::ask("registry.invalid/acme/base:1", &[]).await;
    // The rest is the C library's, and differs with the machine's resolver.
    insta::assert_snapshot!(answer.split("information").next().unwrap(), @"the registry registry.invalid cannot be reached: failed to lookup address");
}

#[tokio::test]
async fn this_machine_is_not_asked_through_a_proxy() {
    let fake = Fake::new(|_, _| found()).await;
    let dead = "http://127.0.0.1:9";
    let answer =
        apart::ask(&fake.image().to_string(), &[("HTTP_PROXY", dead), ("http_proxy", dead), ("ALL_PROXY", dead)]).await;
    assert_eq!(answer, Digest::of(b"index").to_string());
}
