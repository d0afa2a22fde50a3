//! Parts on parts: processes and Dockerfiles in one solve.

use std::collections::BTreeMap;

use buildkit::dockerfile::Dockerfile;
use buildkit::rewrite::Wrap;
use buildkit::solve::{Part, Start};

use crate::dockerfiles::{dockerfile, folder_of};
use crate::{ENGINES, MINIMAL, Named, Table, image, solve, step, unique};

fn chained(dockerfile: Dockerfile) -> Part {
    let build_arguments = BTreeMap::from([("BASE_IMAGE".to_owned(), "aicage-test-nowhere:state".to_owned())]);
    Part::Dockerfile {
        dockerfile: Dockerfile { build_arguments, ..dockerfile },
        from: "aicage-test-nowhere:state".to_owned(),
    }
}

#[tokio::test]
async fn only_engines_from_23_on_chain_dockerfiles() {
    let mut found = Vec::new();
    for engine in ENGINES {
        let (buildkit, session) = Table::new().open(engine).await;
        found.push(buildkit.chains_dockerfiles(&session, &unique()).await.unwrap());
    }
    assert_eq!(found, [false, true, true, true]);
}

#[tokio::test]
async fn a_dockerfile_between_two_processes_sees_what_is_below_it() {
    for engine in &ENGINES[1..] {
        let token = unique();
        let folder = folder_of(&format!(
            "ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN cat /one && echo $KIND > /two && echo {token}\nENV MORE=1\n"
        ));
        let kind = folder_of("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nENV KIND=agent\n");
        let table = Table::new().dockerfile("kind", kind.path()).dockerfile("d", folder.path());
        let parts = vec![
            Part::Step(step("first", &format!("echo {token} > /one"))),
            chained(dockerfile("kind")),
            chained(dockerfile("d")),
            Part::Step(step("last", "cat /one /two; echo $KIND $MORE")),
        ];
        let solve = solve(image(MINIMAL), parts);
        let outcome = table.solve(engine, &solve).await;
        let output = outcome.output.clone();
        let solved = outcome.expect(engine);
        assert_eq!(output, format!("{token}\n{token}\n{token}\nagent\nagent 1\n"), "{engine}");
        let history: Vec<_> = solved.parts.iter().map(|part| part.history).collect();
        // RUN and ENV; the engine's frontend says something of both.
        assert_eq!((solved.start.history, history), (0, vec![1, 1, 2, 1]), "{engine}");
        assert_eq!(solved.parts[3].ran, ["last"], "{engine}: {solved:?}");

        let again = table.solve(engine, &solve).await.expect(engine);
        let cached: Vec<_> = again.parts.iter().map(|part| part.cached.len()).collect();
        assert_eq!(cached, [1, 0, 1, 1], "{engine}: {:?}", again.parts);
    }
}

#[tokio::test]
async fn processes_stand_on_a_dockerfile_that_names_its_own_image() {
    for engine in ENGINES {
        let token = unique();
        let folder = folder_of(&format!("ARG FROM_IMAGE\nFROM $FROM_IMAGE\nRUN echo {token} > /one\nUSER 1234\n"));
        let table = Table::new().dockerfile("d", folder.path());
        let build_arguments = BTreeMap::from([("FROM_IMAGE".to_owned(), MINIMAL.to_owned())]);
        let start = Start::Dockerfile(Box::new(Dockerfile { build_arguments, ..dockerfile("d") }));
        let outcome = table.solve(engine, &solve(start, vec![Part::Step(step("last", "cat /one"))])).await;
        assert_eq!(outcome.output, format!("{token}\n"), "{engine}");
        let solved = outcome.expect(engine);
        assert_eq!((solved.start.history, solved.parts[0].history), (2, 1), "{engine}");
    }
}

#[tokio::test]
async fn an_image_gets_several_names() {
    for engine in ENGINES {
        let named = [Named::new(engine), Named::new(engine)];
        let mut solve = solve(image(MINIMAL), vec![Part::Step(step("s", "true"))]);
        solve.images = named.iter().map(|named| format!("docker.io/library/{}", named.name)).collect();
        Table::new().solve(engine, &solve).await.expect(engine);
        for named in named {
            assert!(named.ask("json").contains("\"Id\""), "{engine}: {}", named.name);
        }
    }
}

#[tokio::test]
async fn each_process_of_a_chain_is_wrapped_once_and_only_those_of_dockerfiles() {
    for engine in &ENGINES[1..] {
        let token = unique();
        let text = |number: u32| format!("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nRUN echo {number} {token}\n");
        let (one, two) = (folder_of(&text(1)), folder_of(&text(2)));
        let table = Table::new().dockerfile("one", one.path()).dockerfile("two", two.path());
        let prefix = ["/bin/sh", "-c", "echo wrapped; exec \"$@\"", "launcher"].map(str::to_owned).to_vec();
        let wrapped = |name: &str| {
            let wrap = Wrap { prefix: prefix.clone(), ..Wrap::default() };
            chained(Dockerfile { wrap, ..dockerfile(name) })
        };
        let own = |name: &str| Part::Step(step(name, &format!("echo {name} {token}")));
        let parts = vec![own("first"), wrapped("one"), own("between"), wrapped("two"), own("last")];
        let solve = solve(image(MINIMAL), parts);
        let outcome = table.solve(engine, &solve).await;
        let expected =
            format!("first {token}\nwrapped\n1 {token}\nbetween {token}\nwrapped\n2 {token}\nlast {token}\n");
        assert_eq!(outcome.output, expected, "{engine}");
        outcome.expect(engine);
        let again = table.solve(engine, &solve).await;
        assert_eq!(again.output, "", "{engine}");
        assert!(again.expect(engine).parts.iter().all(|part| part.cached.len() == 1), "{engine}");
    }
}

#[tokio::test]
async fn the_last_dockerfile_alone_runs_again_when_it_changes() {
    for engine in &ENGINES[1..] {
        let token = unique();
        let text = |text: &str| format!("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY f /f\nRUN echo {text} {token}\n");
        let folders = [folder_of(&text("one")), folder_of(&text("two"))];
        for folder in &folders {
            std::fs::write(folder.path().join("f"), &token).unwrap();
        }
        let run = async || {
            let table = Table::new().dockerfile("one", folders[0].path()).dockerfile("two", folders[1].path());
            let parts = vec![chained(dockerfile("one")), chained(dockerfile("two"))];
            table.solve(engine, &solve(image(MINIMAL), parts)).await
        };
        run().await.expect(engine);
        std::fs::write(folders[1].path().join("f"), "other").unwrap();
        let outcome = run().await;
        assert_eq!(outcome.output, format!("two {token}\n"), "{engine}");
        outcome.expect(engine);
    }
}

#[tokio::test]
async fn two_solves_at_once_do_not_get_each_others_context() {
    for engine in ENGINES {
        let token = unique();
        let text = format!("FROM {MINIMAL}\nCOPY who /who\nRUN cat /who; sleep 1; : {token}\n");
        let (one, two) = (folder_of(&text), folder_of(&text));
        std::fs::write(one.path().join("who"), "one").unwrap();
        std::fs::write(two.path().join("who"), "two").unwrap();
        let solve = solve(Start::Dockerfile(Box::new(dockerfile("d"))), Vec::new());
        let tables = [&one, &two].map(|folder| Table::new().dockerfile("d", folder.path()));
        let (first, second) = tokio::join!(tables[0].solve(engine, &solve), tables[1].solve(engine, &solve));
        assert_eq!((first.output.as_str(), second.output.as_str()), ("one", "two"), "{engine}");
    }
}

#[tokio::test]
async fn a_dockerfile_may_start_from_nothing() {
    for engine in ENGINES {
        let folder = folder_of("FROM scratch\nCOPY f /f\nLABEL a=b\n");
        std::fs::write(folder.path().join("f"), unique()).unwrap();
        let table = Table::new().dockerfile("d", folder.path());
        let start = || Start::Dockerfile(Box::new(dockerfile("d")));
        let solved = table.solve(engine, &solve(start(), Vec::new())).await.expect(engine);
        assert_eq!(solved.start.history, 2, "{engine}");
    }
}
