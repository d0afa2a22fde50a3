//! Dockerfiles as the user wrote them, with what they get beside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use buildkit::dockerfile::Dockerfile;
use buildkit::mount::{Mount, MountSource, Sharing};
use buildkit::rewrite::Wrap;
use buildkit::solve::{Part, Solve, SolveError, Start};

use crate::{ENGINES, MINIMAL, Named, Table, image, send, solve, step, unique};

/// A folder that holds a Dockerfile.
pub(crate) fn folder_of(dockerfile: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    folder
}

/// The Dockerfile that a table serves under `name`.
pub(crate) fn dockerfile(name: &str) -> Dockerfile {
    Dockerfile {
        name: name.to_owned(),
        context: name.to_owned(),
        dockerfile: format!("{name}-dockerfile"),
        ..Dockerfile::default()
    }
}

fn on_minimal(dockerfile: Dockerfile) -> Solve {
    let build_arguments = BTreeMap::from([("FROM_IMAGE".to_owned(), MINIMAL.to_owned())]);
    solve(Start::Dockerfile(Box::new(Dockerfile { build_arguments, ..dockerfile })), Vec::new())
}

fn wrap() -> Wrap {
    let launcher = "echo wrapped; cat /dev/aicage/ca; echo; exec \"$@\"";
    let mount = |target: &str, source| Mount { target: format!("/dev/aicage/{target}"), source };
    Wrap {
        prefix: ["/bin/sh", "-c", launcher, "launcher"].map(str::to_owned).to_vec(),
        mounts: vec![
            mount("ca", MountSource::OptionalSecret { id: "ca".to_owned(), mode: 0o444 }),
            mount("cache", MountSource::Cache { id: "aicage-test".to_owned(), sharing: Sharing::Shared }),
            mount("absent", MountSource::OptionalSecret { id: "absent".to_owned(), mode: 0o444 }),
            mount("folder", MountSource::Folder("folder".to_owned())),
        ],
        environment: BTreeMap::from([
            ("EXTRA".to_owned(), "extra-value".to_owned()),
            ("OWN".to_owned(), "not this".to_owned()),
        ]),
    }
}

#[tokio::test]
async fn a_dockerfile_is_built_with_all_that_its_language_has() {
    for engine in ENGINES {
        let token = unique();
        let folder = folder_of(&format!(
            r#"ARG FROM_IMAGE
FROM ${{FROM_IMAGE}} AS tools
WORKDIR /tools
COPY ["sub folder", "there/"]
RUN cat there/ü.txt > made && echo {token} >> made

FROM ${{FROM_IMAGE}}
ARG VALUE=default
ENV OWN=$VALUE
COPY --from=tools /tools/made /made
RUN --mount=type=secret,id=x cat /run/secrets/x && echo
RUN --mount=type=cache,target=/var/cache/test touch /var/cache/test/f && ls /var/cache/test
RUN --mount=type=bind,target=/src cat "/src/sub folder/ü.txt"
WORKDIR /made-folder
USER nobody
RUN echo $OWN in $PWD as $(id -un) with {token}
LABEL kind=test
"#
        ));
        fs::create_dir(folder.path().join("sub folder")).unwrap();
        fs::write(folder.path().join("sub folder/ü.txt"), "umlaut\n").unwrap();
        let table = Table::new().dockerfile("d", folder.path()).secret("x", b"hush");
        let image = Named::new(engine);
        let solve = image.solve(on_minimal(dockerfile("d")));
        let outcome = table.solve(engine, &solve).await;
        let mut lines: Vec<_> = outcome.output.lines().map(str::to_owned).collect();
        outcome.expect(engine);
        lines.sort();
        let last = format!("default in /made-folder as nobody with {token}");
        assert_eq!(lines, [last.as_str(), "f", "hush", "umlaut"], "{engine}");
        let config = image.ask("json");
        for part in [r#""User":"nobody""#, r#""WorkingDir":"/made-folder""#, r#""kind":"test""#, "OWN=default"] {
            assert!(config.contains(part), "{engine}: {part} in {config}");
        }
        let again = table.solve(engine, &solve).await.expect(engine);
        assert_eq!(again.start.ran, Vec::<String>::new(), "{engine}");
    }
}

#[tokio::test]
async fn heredocs_are_built_and_wrapped() {
    // The frontend inside 20.10 is older than them.
    for engine in &ENGINES[1..] {
        let token = unique();
        let folder = folder_of(&format!(
            "ARG FROM_IMAGE\nFROM $FROM_IMAGE\nRUN <<EOF\necho {token}\necho $EXTRA\nEOF\nCOPY <<EOF /made\nx\nEOF\n"
        ));
        let table = wrapped_table(folder.path());
        let outcome = table.solve(engine, &on_minimal(Dockerfile { wrap: wrap(), ..dockerfile("d") })).await;
        assert_eq!(outcome.output, format!("wrapped\ncompany\n{token}\nextra-value\n"), "{engine}");
        outcome.expect(engine);
    }
}

fn wrapped_table(folder: &Path) -> Table {
    let beside = tempfile::tempdir().unwrap();
    fs::write(beside.path().join("f"), "from a folder\n").unwrap();
    // What is sent is read when it is asked for.
    let beside = beside.keep();
    Table::new().folder("folder", &beside).dockerfile("d", folder).secret("ca", b"company")
}

#[tokio::test]
async fn what_shells_get_beside_is_seen_by_them_and_leaves_no_trace() {
    for engine in ENGINES {
        let token = unique();
        let folder = folder_of(&format!(
            r#"ARG FROM_IMAGE
FROM $FROM_IMAGE AS other
RUN echo {token}-1 $EXTRA && cat /dev/aicage/folder/f && ls /dev/aicage && echo x > /x && echo {token} > /dev/aicage/cache/f
FROM $FROM_IMAGE
COPY --from=other /x /x
ENV OWN=own
SHELL ["/bin/bash", "-c"]
USER nobody
RUN echo {token}-2 $EXTRA $OWN $(cat /dev/aicage/cache/f)
RUN ["/bin/ls", "/dev"]
USER root
RUN ["/bin/sh", "-c", "echo {token}-3"]
"#
        ));
        let table = wrapped_table(folder.path());
        let made = Named::new(engine);
        let solve = made.solve(on_minimal(Dockerfile { wrap: wrap(), ..dockerfile("d") }));
        let outcome = table.solve(engine, &solve).await;
        let output = outcome.output.clone();
        outcome.expect(engine);
        let (devices, output): (Vec<_>, Vec<_>) = output.lines().partition(|line| {
            ["core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "std", "tty", "urandom", "zero"]
                .iter()
                .any(|device| line.starts_with(device))
        });
        assert!(devices.contains(&"null"), "{engine}: {devices:?}");
        let expected = format!(
            "wrapped\ncompany\n{token}-1 extra-value\nfrom a folder\nca\ncache\nfolder\n\
             wrapped\ncompany\n{token}-2 extra-value own {token}\nwrapped\ncompany\n{token}-3"
        );
        assert_eq!(output.join("\n"), expected, "{engine}");

        for path in ["json", "history"] {
            let told = made.ask(path);
            assert!(told.contains("own") || path == "history", "{engine}: {told}");
            for trace in ["wrapped", "EXTRA=", "extra-value", "company", "launcher"] {
                assert!(!told.contains(trace), "{engine}: {trace} in {told}");
            }
        }
        let search = "ls -A /dev; ls /x; grep -rIl -e extra-value -e company --exclude-dir=proc --exclude-dir=sys /etc /home /opt /root /run /tmp /var 2>/dev/null | head -3";
        let search = format!("{search}; : {token}");
        let look = crate::solve(image(&made.name), vec![Part::Step(step("look", &search))]);
        let found = table.solve(engine, &look).await;
        let listing = found.output.clone();
        found.expect(engine);
        assert!(listing.ends_with("zero\n/x\n") && !listing.contains("aicage"), "{engine}: {listing}");

        let again = table.solve(engine, &solve).await.expect(engine);
        assert_eq!(again.start.ran, Vec::<String>::new(), "{engine}");
        let other = table.secret("ca", b"another company").solve(engine, &solve).await.expect(engine);
        assert_eq!(other.start.ran, Vec::<String>::new(), "{engine}");
    }
}

#[tokio::test]
async fn a_failing_instruction_is_named_as_it_is_written() {
    for engine in ENGINES {
        let folder = folder_of("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nRUN echo last words >&2 && exit 7\n");
        let table = wrapped_table(folder.path());
        for wrap in [Wrap::default(), wrap()] {
            match table.solve(engine, &on_minimal(Dockerfile { wrap, ..dockerfile("d") })).await.result {
                Err(SolveError::Step { step, exit_code, errors, .. }) => {
                    assert_eq!(step, "d: [2/2] RUN echo last words >&2 && exit 7", "{engine}");
                    assert_eq!((exit_code, errors.as_slice()), (7, &b"last words\n"[..]), "{engine}");
                }
                other => panic!("{engine}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_dockerfile_that_says_nonsense_is_told_from_an_engine_that_fails() {
    for engine in ENGINES {
        for (text, told) in [
            ("FROM x\nFOO bar\n", "line 2"),
            ("FROM\n", "line 1"),
            ("# nothing\n", ""),
            ("RUN true\n", ""),
            ("ARG NONE\nFROM $NONE\n", "blank"),
            ("FROM UPPER:case\n", ""),
            ("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nCOPY --from=9 a b\n", ""),
            ("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nRUN --mount=type=nonsense true\n", ""),
            ("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nCOPY no-such-file /\n", "COPY no-such-file"),
            ("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nCOPY --from=0 /no-such-file /\n", ""),
        ] {
            let folder = folder_of(text);
            let table = Table::new().dockerfile("d", folder.path());
            match table.solve(engine, &on_minimal(dockerfile("d"))).await.result {
                Err(error @ SolveError::Dockerfile { .. }) => {
                    assert!(error.to_string().contains(told), "{engine}: {text:?}: {error}");
                }
                other => panic!("{engine}: {text:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_the_dockerfiles_fault() {
    for engine in ENGINES {
        let folder = folder_of("FROM aicage-test-no-such-image:x\nRUN true\n");
        let table = Table::new().dockerfile("d", folder.path());
        match table.solve(engine, &on_minimal(Dockerfile { local_only: true, ..dockerfile("d") })).await.result {
            Err(SolveError::Engine { doing, .. }) => assert!(doing.contains("no-such-image"), "{engine}: {doing}"),
            other => panic!("{engine}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_needed_and_not_given_is_named() {
    for engine in ENGINES {
        let run = "RUN --mount=type=secret,id=token,required=true true";
        let folder = folder_of(&format!("ARG FROM_IMAGE\nFROM $FROM_IMAGE\n{run}\n"));
        let table = Table::new().dockerfile("d", folder.path());
        match table.solve(engine, &on_minimal(dockerfile("d"))).await.result {
            Err(SolveError::NoSecret { step, id }) => {
                assert!(step.starts_with("d: [") && step.ends_with(run), "{engine}: {step}");
                assert_eq!(id, "token", "{engine}");
            }
            other => panic!("{engine}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_dockerfile_runs_again_when_it_is_told_to() {
    for engine in ENGINES {
        let folder = folder_of("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nRUN echo again\n");
        let table = wrapped_table(folder.path());
        let mut solve = on_minimal(Dockerfile { wrap: wrap(), ..dockerfile("d") });
        table.solve(engine, &solve).await.expect(engine);
        solve.ignore_cache();
        let again = table.solve(engine, &solve).await.expect(engine);
        assert!(again.start.ran.contains(&"d: [2/2] RUN echo again".to_owned()), "{engine}: {:?}", again.start);
    }
}

#[tokio::test]
async fn a_failing_instruction_on_an_image_of_a_registry_is_named() {
    let registry = std::env::var("AICAGE_TEST_REGISTRY").unwrap();
    for engine in ENGINES {
        let token = unique();
        let name = format!("{registry}/aicage-test-buildkit:{token}");
        let folder = folder_of(&format!("FROM scratch\nCOPY Dockerfile /{token}\nENV PATH=/bin\n"));
        let table = Table::new().dockerfile("d", folder.path());
        let made = solve(Start::Dockerfile(Box::new(dockerfile("d"))), Vec::new());
        table.solve(engine, &Solve { images: vec![name.clone()], ..made }).await.expect(engine);
        let push = send(engine, "POST", &format!("images/{name}/push"));
        assert!(!push.contains("\"error\""), "{engine}: {push}");
        send(engine, "DELETE", &format!("images/{name}"));

        // There is no shell in it.
        let folder = folder_of(&format!("FROM {name}\nRUN true\n"));
        let table = Table::new().dockerfile("d", folder.path());
        let start = Start::Dockerfile(Box::new(dockerfile("d")));
        match table.solve(engine, &solve(start, Vec::new())).await.result {
            Err(SolveError::Step { step, .. }) => assert!(step.ends_with("RUN true"), "{engine}: {step}"),
            other => panic!("{engine}: {other:?}"),
        }
    }
}
