//! Parts on parts: processes and Dockerfiles in one solve.

use std::collections::BTreeMap;

use buildkit::dockerfile::Dockerfile;
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
        let kind = BTreeMap::from([("KIND".to_owned(), "agent".to_owned())]);
        let table = Table::new().dockerfile("d", folder.path());
        let parts = vec![
            Part::Step(step("first", &format!("echo {token} > /one"))),
            Part::Environment(kind),
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
        assert_eq!((solved.start.history, history), (0, vec![1, 0, 2, 1]), "{engine}");
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
