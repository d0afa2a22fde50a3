//! Parts that are one process each.

use std::collections::BTreeMap;
use std::path::Path;

use buildkit::llb::Proxies;
use buildkit::mount::{Mount, MountSource, Sharing};
use buildkit::solve::{Part, SolveError, Step};

use crate::{ENGINES, MINIMAL, Outcome, Table, image, unique};

fn step(script: &str, token: &str) -> Step {
    let mount = |target: &str, source| Mount { target: format!("/dev/aicage/{target}"), source };
    let secret = |id: &str| MountSource::OptionalSecret { id: id.to_owned(), mode: 0o400 };
    Step {
        environment: BTreeMap::from([("TOKEN".to_owned(), token.to_owned())]),
        mounts: vec![
            mount("folder", MountSource::Folder("folder".to_owned())),
            mount("secret", secret("secret")),
            mount("absent", secret("absent")),
        ],
        ..crate::step("the step", script)
    }
}

async fn solve(engine: &str, folder: &Path, base: &str, step: Step) -> Outcome {
    let table = Table::new().folder("folder", folder).secret("secret", b"hush");
    table.solve(engine, &crate::solve(image(base), vec![Part::Step(step)])).await
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("run.sh"), "#!/bin/sh\r\necho from a script\r\n").unwrap();
    std::fs::write(folder.path().join("sub/data"), vec![b'x'; 300_000]).unwrap();
    std::os::unix::fs::symlink("sub/data", folder.path().join("link")).unwrap();
    folder
}

#[tokio::test]
async fn a_step_sees_its_folder_its_secret_and_its_environment() {
    for engine in ENGINES {
        let folder = folder();
        let script = "cd /dev/aicage/folder && ./run.sh && wc -c < link && cat ../secret && echo && ls -A /dev/aicage && echo $TOKEN && echo w > new";
        let token = unique();
        let outcome = solve(engine, folder.path(), MINIMAL, step(script, &token)).await;
        outcome.result.unwrap_or_else(|error| panic!("{engine}: {error}"));
        assert_eq!(outcome.output, format!("from a script\n300000\nhush\nfolder\nsecret\n{token}\n"), "{engine}");
        assert!(!folder.path().join("new").exists());
    }
}

#[tokio::test]
async fn the_same_step_is_cached_until_a_byte_a_mode_or_the_environment_changes() {
    use std::os::unix::fs::PermissionsExt as _;
    for engine in ENGINES {
        let folder = folder();
        let token = unique();
        let run = async |token: &str| {
            let outcome = solve(engine, folder.path(), MINIMAL, step("true", token)).await;
            outcome.result.unwrap().parts[0].ran.contains(&"the step".to_owned())
        };
        assert!(run(&token).await, "{engine}: first");
        assert!(!run(&token).await, "{engine}: again");
        let data = folder.path().join("sub/data");
        let before = std::fs::metadata(&data).unwrap().modified().unwrap();
        std::fs::write(&data, vec![b'y'; 300_000]).unwrap();
        std::fs::File::options().write(true).open(&data).unwrap().set_modified(before).unwrap();
        assert!(run(&token).await, "{engine}: same size and time, other bytes");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(run(&token).await, "{engine}: other mode");
        assert!(!run(&token).await, "{engine}: again");
        assert!(run(&unique()).await, "{engine}: other environment");
    }
}

#[tokio::test]
async fn a_failing_step_gives_its_exit_code_and_its_standard_error() {
    for engine in ENGINES {
        let folder = folder();
        let outcome =
            solve(engine, folder.path(), MINIMAL, step("echo out; echo last words >&2; exit 42", &unique())).await;
        match outcome.result {
            Err(SolveError::Step { step, exit_code, errors, output }) => {
                assert_eq!((step.as_str(), exit_code), ("the step", 42), "{engine}");
                assert_eq!(String::from_utf8(errors).unwrap(), "last words\n", "{engine}");
                let output = String::from_utf8(output).unwrap();
                // The engine reads the two streams at once.
                assert!(["out\nlast words\n", "last words\nout\n"].contains(&&*output), "{engine}: {output}");
            }
            other => panic!("{engine}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_absent_base_is_named() {
    for engine in ENGINES {
        let folder = folder();
        let outcome = solve(engine, folder.path(), "aicage-test-no-such-image:x", step("true", "")).await;
        match outcome.result {
            Err(SolveError::Engine { doing, .. }) => {
                assert!(doing.contains("aicage-test-no-such-image:x"), "{engine}: {doing}")
            }
            other => panic!("{engine}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_cancelled_solve_leaves_the_connection_usable() {
    for engine in ENGINES {
        let folder = folder();
        let slow = solve(engine, folder.path(), MINIMAL, step("sleep 60", &unique()));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1500), slow).await.is_err());
        let outcome = solve(engine, folder.path(), MINIMAL, step("true", "after")).await;
        outcome.result.unwrap_or_else(|error| panic!("{engine}: {error}"));
    }
}

#[tokio::test]
async fn two_solves_at_once_do_not_get_each_others_folder() {
    for engine in ENGINES {
        let (one, two) = (folder(), folder());
        std::fs::write(one.path().join("who"), "one").unwrap();
        std::fs::write(two.path().join("who"), "two").unwrap();
        let script = "cat /dev/aicage/folder/who; sleep 1";
        let token = unique();
        let (first, second) = tokio::join!(
            solve(engine, one.path(), MINIMAL, step(script, &token)),
            solve(engine, two.path(), MINIMAL, step(script, &token)),
        );
        assert_eq!((first.output.as_str(), second.output.as_str()), ("one", "two"), "{engine}");
    }
}

#[tokio::test]
async fn proxies_reach_a_step_in_both_spellings_and_are_no_part_of_its_cache_key() {
    for engine in ENGINES {
        let folder = folder();
        let token = unique();
        let with = async |http: &str| {
            let proxies = Proxies { http: http.to_owned(), none: "localhost".to_owned(), ..Proxies::default() };
            let step = Step { proxies, ..step("echo $http_proxy $HTTP_PROXY $no_proxy", &token) };
            solve(engine, folder.path(), MINIMAL, step).await
        };
        let first = with("http://one:1").await;
        assert_eq!(first.output, "http://one:1 http://one:1 localhost\n", "{engine}");
        let second = with("http://two:2").await;
        assert!(!second.result.unwrap().parts[0].ran.contains(&"the step".to_owned()), "{engine}");
    }
}

fn with_mounts(name: &str, script: &str, mounts: Vec<(&str, MountSource)>) -> Part {
    let mount = |(target, source): (&str, MountSource)| Mount { target: format!("/dev/aicage/{target}"), source };
    Part::Step(Step { mounts: mounts.into_iter().map(mount).collect(), ..crate::step(name, script) })
}

#[tokio::test]
async fn a_cache_is_kept_between_processes_and_is_no_part_of_the_image() {
    for engine in ENGINES {
        for sharing in [Sharing::Shared, Sharing::Private] {
            let token = unique();
            let cache = || vec![("cache", MountSource::Cache { id: format!("aicage-test-{token}"), sharing })];
            let parts = vec![
                with_mounts("write", &format!("echo {token} > /dev/aicage/cache/f"), cache()),
                with_mounts("read", "cat /dev/aicage/cache/f", cache()),
                Part::Step(crate::step("look", &format!("ls -A /dev | grep -c aicage; echo {token}"))),
            ];
            let outcome = Table::new().solve(engine, &crate::solve(image(MINIMAL), parts)).await;
            assert_eq!(outcome.output, format!("{token}\n0\n{token}\n"), "{engine} {sharing:?}");
            outcome.expect(engine);
        }
    }
}

#[tokio::test]
async fn secrets_have_the_bits_they_are_given_and_must_be_there_when_they_are_needed() {
    for engine in ENGINES {
        let secrets = |name: &str| {
            let secret = |mode| MountSource::Secret { id: name.to_owned(), mode };
            vec![("closed", secret(0o400)), ("open", secret(0o444))]
        };
        let script = format!("stat -c %a /dev/aicage/*; cat /dev/aicage/open; : {}", unique());
        let parts = vec![with_mounts("secrets", &script, secrets("given"))];
        let outcome = Table::new().secret("given", b"hush").solve(engine, &crate::solve(image(MINIMAL), parts)).await;
        assert_eq!(outcome.output, "400\n444\nhush", "{engine}");
        outcome.expect(engine);

        let parts = vec![with_mounts("secrets", &script, secrets("absent"))];
        match Table::new().solve(engine, &crate::solve(image(MINIMAL), parts)).await.result {
            Err(SolveError::NoSecret { step, id }) => {
                assert_eq!((step.as_str(), id.as_str()), ("secrets", "absent"), "{engine}");
            }
            other => panic!("{engine}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn twenty_folders_are_served_in_one_solve() {
    for engine in ENGINES {
        let token = unique();
        let mut table = Table::new();
        let mut parts = Vec::new();
        let mut folders = Vec::new();
        for number in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("n"), format!("{number} ")).unwrap();
            let name = format!("folder-{number}");
            table = table.folder(&name, folder.path());
            folders.push(folder);
            let script = format!("cat /dev/aicage/f/n; : {token}");
            parts.push(with_mounts(&format!("step {number}"), &script, vec![("f", MountSource::Folder(name))]));
        }
        let outcome = table.solve(engine, &crate::solve(image(MINIMAL), parts)).await;
        let expected: String = (0..20).map(|number| format!("{number} ")).collect();
        assert_eq!(outcome.output, expected, "{engine}");
        let solved = outcome.expect(engine);
        assert!(solved.parts.iter().all(|part| part.history == 1), "{engine}");
    }
}
