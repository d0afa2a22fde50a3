//! A question asked by a process of its own, for what stands in a process's environment: proxies, trust, the path.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use domain::digest::Digest;
use registry::{Registry, RegistryOptions};

use crate::fake::{Fake, found};

/// The variables that a machine may have and a question here must not see.
const FOREIGN: [&str; 10] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Asks for an image with these variables set and returns the answer, or the failure and what to do about it.
pub(crate) async fn ask(image: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "apart::a_question_is_asked_by_a_process_of_its_own", "--nocapture"]);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.env("ASK_IMAGE", image).envs(variables.iter().copied());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let answer: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ANSWER ")).collect();
    assert!(!answer.is_empty(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    answer.join("\n")
}

/// Both sides: without a question in its environment it asks one, and with one it answers.
#[test]
fn a_question_is_asked_by_a_process_of_its_own() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Ok(image) = std::env::var("ASK_IMAGE") else {
        return runtime.block_on(async {
            let fake = Fake::new(|_, _| found()).await;
            assert_eq!(ask(&fake.image().to_string(), &[]).await, Digest::of(b"index").to_string());
        });
    };
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let options = RegistryOptions {
        docker_config: path("ASK_CONFIG"),
        extra_roots_pem: path("ASK_ROOTS").map(|file| std::fs::read(file).unwrap()).unwrap_or_default(),
        engine_certificates: path("ASK_CERTIFICATES"),
        keychain_limit: std::env::var("ASK_KEYCHAIN_SECONDS")
            .map_or(Duration::from_secs(10), |limit| Duration::from_secs(limit.parse().unwrap())),
        ..Default::default()
    };
    // The test's own name stands on this line already.
    println!();
    let (registry, image) = (Registry::new(options), image.parse().unwrap());
    let answer = if std::env::var_os("ASK_IN_CLEAR").is_some() {
        runtime.block_on(registry.digest_in_clear(&image))
    } else {
        runtime.block_on(registry.digest(&image))
    };
    match answer {
        Ok(digest) => println!("ANSWER {digest}"),
        Err(error) => {
            println!("ANSWER {error}{}", if error.is_temporary() { " [temporary]" } else { "" });
            if let Some(advice) = error.advice() {
                println!("ANSWER hint: {advice}");
            }
        }
    }
}
