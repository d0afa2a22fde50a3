//! Dockerfiles as the user wrote them, with what they get beside.

use std::collections::BTreeMap;
use std::fs;

use buildkit::dockerfile::Dockerfile;
use buildkit::solve::{Solve, Start};

use crate::{ENGINES, MINIMAL, Table, ask, solve, unique};

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
        let solve = on_minimal(dockerfile("d"));
        let outcome = table.solve(engine, &solve).await;
        let mut lines: Vec<_> = outcome.output.lines().map(str::to_owned).collect();
        outcome.expect(engine);
        lines.sort();
        let last = format!("default in /made-folder as nobody with {token}");
        assert_eq!(lines, [last.as_str(), "f", "hush", "umlaut"], "{engine}");
        let config = ask(engine, "images/aicage-test-buildkit:result/json");
        for part in [r#""User":"nobody""#, r#""WorkingDir":"/made-folder""#, r#""kind":"test""#, "OWN=default"] {
            assert!(config.contains(part), "{engine}: {part} in {config}");
        }
        let again = table.solve(engine, &solve).await.expect(engine);
        assert!(again.start.ran.iter().all(|name| !name.contains("RUN")), "{engine}: {:?}", again.start);
    }
}
