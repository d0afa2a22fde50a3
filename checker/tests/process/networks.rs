//! Real networks between a source and us: proxies, and certificates of a company's own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::fixture::Fixture;
use crate::server::{Server, message, ok};

const TEXT: &str = "source: http-text\nurl: https://versions.example/latest\n";
const NPM: &str = "source: npm\npackage: tool\n";
const PYPI: &str = "source: pypi\npackage: tool\n";
const CRATES: &str = "source: crates\npackage: tool\n";

/// Configures the user's cargo for another registry.
fn crates_at(fixture: &Fixture, url: &str) {
    let cargo = fixture.path("home/.cargo");
    std::fs::create_dir_all(&cargo).unwrap();
    let own = format!("[source.crates-io]\nreplace-with = \"own\"\n[source.own]\nregistry = \"sparse+{url}\"\n");
    std::fs::write(cargo.join("config.toml"), own).unwrap();
}

#[test]
fn every_source_goes_through_its_proxy() {
    let proxy = Server::saying(message("502 Bad Gateway", &[], ""));
    let address = proxy.url("");
    let (npm, pip) = (("npm_config_registry", "https://npm.example/"), ("PIP_INDEX_URL", "https://pip.example/simple"));
    for (yaml, variables, host) in [
        (TEXT, &[("https_proxy", address.as_str())][..], "versions.example:443"),
        (TEXT, &[("HTTPS_PROXY", address.as_str())], "versions.example:443"),
        (TEXT, &[("all_proxy", address.as_str())], "versions.example:443"),
        (NPM, &[npm, ("npm_config_https_proxy", address.as_str())], "npm.example:443"),
        (PYPI, &[pip, ("PIP_PROXY", address.as_str())], "pip.example:443"),
        (CRATES, &[("CARGO_HTTP_PROXY", address.as_str())], "crates.example:443"),
    ] {
        let before = proxy.asked().len();
        let fixture = Fixture::declaring(yaml);
        crates_at(&fixture, "https://crates.example/");
        let shown = fixture.ask(&["a", "--timeout", "3"], variables);
        assert_eq!(shown.code, Some(6), "{yaml}{variables:?}");
        let asked = proxy.asked();
        assert_eq!(asked.get(before).map(|asked| asked.path.as_str()), Some(host), "{variables:?} {}", shown.stderr);
    }
}

#[test]
fn a_proxy_is_left_out_where_the_user_says_so_and_on_this_machine() {
    let proxy = Server::saying(message("502 Bad Gateway", &[], ""));
    let here = Server::saying(ok("1.0"));
    let (url, address) = (here.url("/latest"), proxy.url(""));
    let own = format!("source: http-text\nurl: {url}\n");
    let shown = Fixture::declaring(&own).ask(&["a"], &[("http_proxy", &address), ("all_proxy", &address)]);
    assert_eq!(shown.everything(), "1.0\nexit 0");
    let left_out = [("https_proxy", address.as_str()), ("no_proxy", ".example")];
    assert_eq!(Fixture::declaring(TEXT).ask(&["a", "--timeout", "3"], &left_out).code, Some(6));
    assert_eq!(proxy.asked().len(), 0);
}

/// A server with a certificate of a company's own authority, and the authority's certificate.
struct Company {
    port: u16,
    authority: String,
}

impl Company {
    /// Answers everything with `answer` for as long as the test lasts.
    fn serving(answer: String) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = parameters.self_signed(&key).unwrap().pem();
        let server_key = KeyPair::generate().unwrap();
        let of_server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = of_server.signed_by(&server_key, &Issuer::new(parameters, key)).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let configuration = Arc::new(configuration);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut tls) = (stream.unwrap(), ServerConnection::new(configuration.clone()).unwrap());
                let mut stream = Stream::new(&mut tls, &mut stream);
                // Whoever does not trust the certificate hangs up.
                if stream.read(&mut [0; 16 * 1024]).is_ok() {
                    let _ = stream.write_all(answer.as_bytes());
                    let _ = stream.flush();
                }
            }
        });
        Self { port, authority }
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    fn authority_in(&self, fixture: &Fixture) -> PathBuf {
        let path = fixture.path("company.pem");
        std::fs::write(&path, &self.authority).unwrap();
        path
    }
}

#[test]
fn a_company_is_trusted_only_when_it_is_named() {
    let company = Company::serving(ok("1.0"));
    let fixture = Fixture::declaring(&format!("source: http-text\nurl: {}\n", company.url("/latest")));
    let path = company.authority_in(&fixture);
    let path = path.to_str().unwrap();
    let shown = fixture.ask(&["a"], &[]);
    let expected = "is not trusted: its certificate is not one that is trusted here";
    assert!(shown.code == Some(6) && shown.stderr.contains(expected), "{}", shown.stderr);
    let folder = fixture.path("").to_str().unwrap().to_owned();
    assert_eq!(fixture.ask(&["a", "--ca-cert", path], &[]).everything(), "1.0\nexit 0");
    assert_eq!(fixture.ask(&["a", "--ca-cert", &folder], &[]).everything(), "1.0\nexit 0");
    assert_eq!(fixture.ask(&["a"], &[("AICAGE_CA_CERT", path)]).everything(), "1.0\nexit 0");
    assert_eq!(fixture.ask(&["a"], &[("SSL_CERT_FILE", path)]).everything(), "1.0\nexit 0");
    // A broken one is told before anything is asked, as a wrong argument.
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, format!("{text}{}", &text[..text.len() / 2])).unwrap();
    let broken = fixture.ask(&["a", "--ca-cert", path], &[]);
    assert_eq!(broken.code, Some(2), "{}", broken.stderr);
    assert!(broken.stderr.contains("certificate 2 in it is damaged: it has no end"), "{}", broken.stderr);
}

#[test]
fn each_tools_own_certificates_are_trusted_for_its_source() {
    let npm = Company::serving(ok(r#"{"version": "1.0"}"#));
    let (index, crates) =
        (Company::serving(ok("<html><a>tool-1.0.tar.gz</a></html>")), Company::serving(ok(r#"{"vers": "1.0.0"}"#)));
    let (npm_url, index_url) = (npm.url("/"), index.url("/simple"));
    for (company, yaml, registry, variable, version) in [
        (&npm, NPM, ("npm_config_registry", npm_url.as_str()), "npm_config_cafile", "1.0"),
        (&npm, NPM, ("npm_config_registry", npm_url.as_str()), "NODE_EXTRA_CA_CERTS", "1.0"),
        (&index, PYPI, ("PIP_INDEX_URL", index_url.as_str()), "PIP_CERT", "1.0"),
        (&index, PYPI, ("PIP_INDEX_URL", index_url.as_str()), "REQUESTS_CA_BUNDLE", "1.0"),
        (&crates, CRATES, ("UNUSED", ""), "CARGO_HTTP_CAINFO", "1.0.0"),
    ] {
        let fixture = Fixture::declaring(yaml);
        crates_at(&fixture, &crates.url("/"));
        let path = company.authority_in(&fixture);
        // This machine's own pip may be told of certificates, which would win.
        let nothing_else = ("PIP_CONFIG_FILE", "/dev/null");
        let untrusted = fixture.ask(&["a"], &[registry, nothing_else]);
        assert!(untrusted.stderr.contains("is not trusted"), "{variable}: {}", untrusted.stderr);
        let shown = fixture.ask(&["a"], &[registry, nothing_else, (variable, path.to_str().unwrap())]);
        assert_eq!(shown.everything(), format!("{version}\nexit 0"), "{variable}");
    }
}
