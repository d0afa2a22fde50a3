//! What a base's Dockerfile says of its image, and how the agent's image has it.

use std::collections::BTreeSet;

use aicage_tests::{Engine, Story, TOOL, on_every_engine, run};

use super::{ROOT, on};

on_every_engine!(what_the_last_stage_says_is_handed_on);

/// Two stages; all that a container of the image would notice is in the second.
const LINES: &str = r#"
RUN echo made > /made
FROM ${FROM_IMAGE}
COPY --from=0 /made /opt/made
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV GREETING="two words" PATH=/opt/own:$PATH
RUN useradd --create-home somebody
WORKDIR /srv/own work
LABEL org.example.team="ours"
EXPOSE 8080
ENTRYPOINT ["tini", "--"]
CMD ["bash"]
STOPSIGNAL SIGINT
USER somebody
"#;

fn what_the_last_stage_says_is_handed_on(engine: Engine) {
    let story = Story::new(engine);
    story.define_base("mine", ROOT, LINES);
    story.install(&format!("{TOOL}\n(id -un; pwd; echo $GREETING; cat /opt/made) > /opt/seen\n"));
    run(&mut on(&story, "build", "mine")).expect(0);

    let image = format!("{}:tool-mine", story.repository);
    let config = &engine.image(&image).unwrap()["Config"];
    for (key, value) in [
        ("Entrypoint", r#"["tini","--"]"#),
        ("Cmd", r#"["bash"]"#),
        ("WorkingDir", r#""/srv/own work""#),
        ("User", r#""somebody""#),
        ("StopSignal", r#""SIGINT""#),
        ("ExposedPorts", r#"{"8080/tcp":{}}"#),
    ] {
        assert_eq!(config[key].to_string(), value, "{key}");
    }
    assert_eq!(config["Labels"]["org.example.team"], "ours");
    let variables = config["Env"].as_array().unwrap().iter().map(|variable| variable.as_str().unwrap());
    let variables: BTreeSet<_> = variables.collect();
    for variable in ["GREETING=two words", "AGENT=tool", "AICAGE_ENTRYPOINT_CMD=tool"] {
        assert!(variables.contains(variable), "{variable}: {variables:?}");
    }
    assert!(variables.iter().any(|variable| variable.starts_with("PATH=/opt/own:")), "{variables:?}");
    // Agents are installed by root, whoever the image is for.
    let seen = engine.run(&image, &["cat", "/opt/seen"]);
    assert_eq!(seen, "root\n/srv/own work\ntwo words\nmade\n");
}
