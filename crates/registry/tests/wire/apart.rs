//! A question asked by a process of its own, for what stands in a process's environment: proxies, trust, the path.

use std::path::PathBuf;
use std::process::Command;

use registry::{Registry, RegistryOptions};

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
    command.args(["--ignored", "--exact", "apart::a_question_in_a_process_of_its_own", "--nocapture"]);
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

#[test]
#[ignore = "the other tests run it, each with an environment of its own"]
fn a_question_in_a_process_of_its_own() {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let options = RegistryOptions {
        docker_config: path("ASK_CONFIG"),
        extra_roots_pem: path("ASK_ROOTS").map(|file| std::fs::read(file).unwrap()).unwrap_or_default(),
        ..Default::default()
    };
    let image = std::env::var("ASK_IMAGE").unwrap().parse().unwrap();
    let jumps = std::env::var_os("ASK_WITHOUT_WAITING").is_some();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(jumps).build().unwrap();
    // The test's own name stands on this line already.
    println!();
    match runtime.block_on(Registry::new(options).digest(&image)) {
        Ok(digest) => println!("ANSWER {digest}"),
        Err(error) => {
            println!("ANSWER {error}{}", if error.is_temporary() { " [temporary]" } else { "" });
            if let Some(advice) = error.advice() {
                println!("ANSWER hint: {advice}");
            }
        }
    }
}
