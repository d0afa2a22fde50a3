//! Certificates on disk: the system's, and those in a file or folder that a person names.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use webpki::anchor_from_trusted_cert;

/// Where distributions keep the bundle of all trusted certificates (the list of Go's `crypto/x509`).
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What the files of certificates in a folder end with; the case of letters does not matter.
const ENDINGS: [&str; 4] = ["crt", "pem", "cer", "der"];

/// How PEM calls a certificate (OpenSSL, `pem.h`). A trusted one has settings of OpenSSL's behind it.
const LABELS: [&str; 3] = ["CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"];

/// The most that is read of all files together, in bytes: some hundred times what distributions trust.
const READ_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// How many letters a line of PEM has (RFC 7468, 2).
const LINE_LENGTH: usize = 64;

/// The first byte of a certificate that is not PEM: the tag of a sequence (X.690, 8.9).
const SEQUENCE: u8 = 0x30;

/// Returns the first of the usual places that has the system's bundle of trusted certificates.
pub fn system_bundle() -> Option<PathBuf> {
    SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// A file or folder from which there are no certificates.
#[derive(Debug, thiserror::Error)]
#[error("cannot read certificates from {}", path.display())]
pub struct Unreadable {
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said, or what is wrong with which certificate of it.
    pub source: io::Error,
}

/// Returns the certificates in a file, or in all `.crt`, `.cer`, `.pem` and `.der` files of a folder by name, as PEM and
/// without anything else that stands beside them: private keys above all. There is at least one.
///
/// # Errors
/// [`Unreadable`] when the file, the folder or a file in it cannot be read or is no regular file, when something in it
/// is called a certificate and is none, when there is none at all, or when there is more than 16 MiB to read.
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    read_all(path, |file, pieces| {
        pieces.into_iter().enumerate().map(|(index, piece)| piece.map_err(|what| wrong(file, index, what))).collect()
    })
}

/// Returns the certificates of the system's bundle, as [`read`] does. What is no certificate there is left out: nobody
/// who is told of it could mend it.
///
/// # Errors
/// [`Unreadable`], as for [`read`].
pub fn read_system(path: &Path) -> Result<Vec<u8>, Unreadable> {
    read_all(path, |_, pieces| Ok(pieces.into_iter().flatten().collect()))
}

/// What was found in the place of a certificate: its bytes, or what is wrong with it.
type Piece = Result<Vec<u8>, &'static str>;

fn read_all(
    path: &Path,
    choose: impl Fn(&Path, Vec<Piece>) -> Result<Vec<Vec<u8>>, Unreadable>,
) -> Result<Vec<u8>, Unreadable> {
    let mut left = READ_LIMIT_BYTES;
    let mut bundle = String::new();
    for file in files(path)? {
        let bytes = contents(&file, left).map_err(|source| Unreadable { path: file.clone(), source })?;
        left -= bytes.len() as u64;
        for certificate in choose(&file, pieces(&bytes))? {
            write_pem(&mut bundle, &certificate);
        }
    }
    if bundle.is_empty() {
        let source = io::Error::new(io::ErrorKind::InvalidData, "there is no certificate in it");
        return Err(Unreadable { path: path.to_owned(), source });
    }
    Ok(bundle.into_bytes())
}

fn wrong(file: &Path, index: usize, what: &str) -> Unreadable {
    let words = format!("certificate {} in it is damaged: {what}", index + 1);
    Unreadable { path: file.to_owned(), source: io::Error::new(io::ErrorKind::InvalidData, words) }
}

/// Returns the file itself, or those of a folder that may hold certificates, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| Unreadable { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let ending = file.extension().unwrap_or_default();
        if ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file of at most `limit` bytes. A pipe, on which nobody may ever write, and a device without end are not
/// opened.
fn contents(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if !fs::metadata(file)?.is_file() {
        return Err(invalid("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(invalid(&format!("there is more than {READ_LIMIT_BYTES} bytes to read")));
    }
    Ok(bytes)
}

/// Returns the certificates of a PEM text in their order, or the one that the bytes themselves are.
fn pieces(bytes: &[u8]) -> Vec<Piece> {
    if bytes.first() == Some(&SEQUENCE) {
        return vec![checked(bytes.to_vec())];
    }
    let mut pieces = Vec::new();
    let mut within: Option<String> = None;
    let text = String::from_utf8_lossy(bytes);
    // Windows' editors put a mark before the text that is no part of it.
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        let label = |edge: &str| line.strip_prefix(edge)?.strip_suffix("-----");
        if let Some(label) = label("-----BEGIN ") {
            if within.is_some() {
                pieces.push(Err("it has no end"));
            }
            within = LABELS.contains(&label).then(String::new);
        } else if label("-----END ").is_some() {
            pieces.extend(within.take().map(|body| decode(&body)));
        } else if let Some(body) = &mut within {
            body.push_str(line);
        }
    }
    pieces.extend(within.map(|_| Err("it has no end")));
    pieces
}

fn decode(body: &str) -> Piece {
    let mut der = BASE64_STANDARD.decode(body).map_err(|_| "it is not base64")?;
    // What OpenSSL adds to a trusted one stands behind it, and is for OpenSSL alone.
    der.truncate(length(&der).unwrap_or(usize::MAX));
    checked(der)
}

fn checked(der: Vec<u8>) -> Piece {
    match anchor_from_trusted_cert(&der.as_slice().into()) {
        Ok(_) => Ok(der),
        Err(_) => Err("it is not an X.509 certificate"),
    }
}

/// Returns how long the value is with which `der` begins, in bytes (X.690, 8.1.3).
fn length(der: &[u8]) -> Option<usize> {
    let first = *der.get(1)?;
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    let octets = der.get(2..2 + usize::from(first & 0x7f))?;
    let value = octets.iter().try_fold(0_usize, |value, octet| value.checked_mul(256)?.checked_add((*octet).into()));
    value?.checked_add(2 + octets.len())
}

fn write_pem(bundle: &mut String, der: &[u8]) {
    let body = BASE64_STANDARD.encode(der);
    bundle.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE_LENGTH));
        bundle.push_str(line);
        bundle.push('\n');
        rest = more;
    }
    bundle.push_str("-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// Makes a certificate; returns it as DER and as PEM.
    fn certificate() -> (Vec<u8>, String) {
        let made = rcgen::generate_simple_self_signed(["company.example.org".to_owned()]).unwrap();
        let mut pem = String::new();
        write_pem(&mut pem, made.cert.der());
        (made.cert.der().to_vec(), pem)
    }

    fn read_text(text: impl AsRef<[u8]>) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.pem");
        fs::write(&file, text).unwrap();
        match read(&file) {
            Ok(bundle) => Ok(String::from_utf8(bundle).unwrap()),
            Err(error) => {
                assert_eq!(error.path, file);
                Err(error.source().unwrap().to_string())
            }
        }
    }

    #[test]
    fn what_stands_beside_a_certificate_is_left_out() {
        let (_, one) = certificate();
        let key = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\r\n";
        assert_eq!(read_text(format!("comment\n{key}{one}tail\n")), Ok(one.clone()));
        // A mark at the beginning, Windows' ends of lines, and spaces.
        let foreign = format!("\u{feff}{}", one.replace('\n', " \r\n"));
        assert_eq!(read_text(foreign), Ok(one));
        assert_eq!(read_text(key).unwrap_err(), "there is no certificate in it");
        assert_eq!(read_text("").unwrap_err(), "there is no certificate in it");
    }

    #[test]
    fn a_trusted_certificate_of_openssls_is_a_certificate() {
        let (mut der, one) = certificate();
        der.extend_from_slice(b"\x30\x03\x0c\x01x");
        let text = format!(
            "-----BEGIN TRUSTED CERTIFICATE-----\n{}\n-----END TRUSTED CERTIFICATE-----\n",
            BASE64_STANDARD.encode(der)
        );
        assert_eq!(read_text(text), Ok(one));
    }

    #[test]
    fn a_damaged_certificate_is_told_by_its_number() {
        let ((der, one), (_, two)) = (certificate(), certificate());
        let (half, tail) = (&two[..two.len() / 2], "-----END CERTIFICATE-----\n");
        let error = |text: String| read_text(text).unwrap_err();
        assert_eq!(error(format!("{one}{half}")), "certificate 2 in it is damaged: it has no end");
        assert_eq!(error(format!("{half}\n{one}")), "certificate 1 in it is damaged: it has no end");
        let short = format!("-----BEGIN CERTIFICATE-----\n{}\n{tail}", BASE64_STANDARD.encode(&der[..der.len() - 9]));
        assert_eq!(error(format!("{one}{short}")), "certificate 2 in it is damaged: it is not an X.509 certificate");
        let garbage = format!("-----BEGIN CERTIFICATE-----\n*garbage*\n{tail}");
        assert_eq!(error(format!("{one}{two}{garbage}")), "certificate 3 in it is damaged: it is not base64");
        assert_eq!(
            error(format!("-----BEGIN CERTIFICATE-----\n{tail}")),
            "certificate 1 in it is damaged: it is not an X.509 certificate"
        );
        assert!(read_text(&der[..der.len() / 2]).is_err());
    }

    #[test]
    fn one_bad_certificate_of_the_systems_disables_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (file, (_, one)) = (folder.path().join("bundle"), certificate());
        fs::write(&file, format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{one}")).unwrap();
        assert_eq!(read_system(&file).unwrap(), one.as_bytes());
        assert!(read(&file).is_err());
    }

    #[test]
    fn a_folder_gives_all_its_certificates_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let made: Vec<_> = ["d.crt", "a.pem", "c.CER", "b.der"].iter().map(|name| (name, certificate())).collect();
        for (name, (der, pem)) in &made {
            let bytes = if name.ends_with("pem") || name.ends_with("crt") { pem.as_bytes() } else { der };
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        fs::write(folder.path().join("readme.txt"), "-----BEGIN CERTIFICATE-----").unwrap();
        fs::write(folder.path().join("key.pem"), "-----BEGIN PRIVATE KEY-----\nB\n-----END PRIVATE KEY-----").unwrap();
        let bundle = String::from_utf8(read(folder.path()).unwrap()).unwrap();
        assert_eq!(bundle, [1, 3, 2, 0].map(|index: usize| made[index].1.1.clone()).concat());
    }

    #[test]
    fn what_is_not_there_or_no_file_is_said_with_its_path() {
        assert_eq!(read(Path::new("/no/such/file")).unwrap_err().path, Path::new("/no/such/file"));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().path, folder.path());
        let pipe = folder.path().join("pipe.crt");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for endless in [&pipe, Path::new("/dev/zero")] {
            let error = read(endless).unwrap_err();
            assert_eq!((error.path.as_path(), error.source.to_string()), (endless, "it is no regular file".to_owned()));
        }
        assert_eq!(read(folder.path()).unwrap_err().path, pipe);
        let long = folder.path().join("long.txt");
        File::create(&long).unwrap().set_len(READ_LIMIT_BYTES + 1).unwrap();
        assert_eq!(read(&long).unwrap_err().source.to_string(), "there is more than 16777216 bytes to read");
    }
}
