//! Sources on the wire: real messages from servers on this machine.

use std::process::{Command, Stdio};
use std::time::Duration;

use domain::version::Place;

use crate::fixture::Fixture;
use crate::server::{Server, message, ok};

/// A token that must never be seen where it does not belong.
const TOKEN: &str = "ghp_0123456789abcdef";

fn json(server: &Server) -> String {
    format!("source: http-json\nurl: {}\npointer: /version\n", server.url("/latest.json"))
}

#[test]
fn a_value_of_a_document_is_found() {
    let server = Server::saying(ok(r#"{"release": [{"tag": "v1.10.2"}, {"tag": "v9"}]}"#));
    let url = server.url("/releases.json");
    let yaml = format!("source: http-json\nurl: {url}\npointer: /release/0/tag\nprefix: v\n");
    insta::assert_snapshot!(Fixture::declaring(&yaml).ask(&["a"], &[]).everything(), @"
    1.10.2
    exit 0
    ");
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/releases.json"));
    assert!(asked[0].header("user-agent").unwrap().starts_with("aicage-checker/"));
}

#[test]
fn a_version_is_cut_out_of_a_text() {
    let server = Server::saying(ok("tool stable\nversion 2.0.1 (x86_64)\n"));
    let yaml = format!("source: http-text\nurl: {}\npattern: 'version (\\S+)'\n", server.url("/stable"));
    insta::assert_snapshot!(Fixture::declaring(&yaml).ask(&["a"], &[]).everything(), @"
    2.0.1
    exit 0
    ");
}

#[test]
fn the_registry_of_the_users_npm_is_asked() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/@acme%2ftool/latest" => ok(r#"{"name": "@acme/tool", "version": "3.4.5", "dist": {}}"#),
        _ => message("404 Not Found", &[], "{}"),
    });
    let fixture = Fixture::declaring("source: npm\npackage: '@acme/tool'\n");
    let shown = fixture.ask(&["a"], &[("npm_config_registry", &server.url("/"))]);
    insta::assert_snapshot!(shown.everything(), @"
    3.4.5
    exit 0
    ");
}

#[test]
fn a_registry_that_knows_only_the_tags_of_npm_will_do() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/-/package/tool/dist-tags" => ok(r#"{"latest": "1.2.3", "next": "2.0.0-rc.1"}"#),
        _ => message("404 Not Found", &[], "{}"),
    });
    let fixture = Fixture::declaring("source: npm\npackage: tool\ntag: next\n");
    let shown = fixture.ask(&["a"], &[("npm_config_registry", &server.url("/"))]);
    insta::assert_snapshot!(shown.everything(), @"
    2.0.0-rc.1
    exit 0
    ");
}

#[test]
fn the_index_of_the_users_pip_is_asked() {
    let page = r#"{"meta": {"api-version": "1.1"}, "name": "some-tool", "files": [
        {"filename": "some_tool-1.9.0-py3-none-any.whl", "url": "x", "hashes": {}},
        {"filename": "some_tool-1.10.0-py3-none-any.whl", "url": "x", "hashes": {}},
        {"filename": "some_tool-1.11.0.tar.gz", "url": "x", "hashes": {}, "yanked": "broken"},
        {"filename": "some_tool-2.0.0rc1.tar.gz", "url": "x", "hashes": {}}]}"#;
    let html = r#"<!DOCTYPE html><html><body>
        <a href="x">some_tool-1.9.0.tar.gz</a> <a href="x">some_tool-1.10.0.tar.gz</a>
        <a href="x" data-yanked="">some_tool-1.11.0.tar.gz</a></body></html>"#;
    for (kind, page) in [("application/vnd.pypi.simple.v1+json", page), ("text/html", html)] {
        let server = Server::saying(message("200 OK", &[("Content-Type", kind)], page));
        let fixture = Fixture::declaring("source: pypi\npackage: Some.Tool\n");
        let shown = fixture.ask(&["a"], &[("PIP_INDEX_URL", &server.url("/simple"))]);
        assert_eq!(shown.everything(), "1.10.0\nexit 0");
        assert_eq!(server.asked()[0].path, "/simple/some-tool/");
    }
}

#[test]
fn the_highest_of_a_repositorys_tags_may_stand_on_a_later_page() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/repos/acme/tool/tags?per_page=100" => {
            let next = "</repos/acme/tool/tags?per_page=100&page=2>; rel=\"next\"";
            message("200 OK", &[("Link", next)], r#"[{"name": "v1.9.0"}, {"name": "nightly"}]"#)
        }
        "/repos/acme/tool/tags?per_page=100&page=2" => ok(r#"[{"name": "v1.10.0"}, {"name": "v2.0.0-rc.1"}]"#),
        _ => message("404 Not Found", &[], "{}"),
    });
    let fixture = Fixture::declaring("source: github-tag\nrepository: acme/tool\nprefix: v\n");
    let shown = fixture.ask(&["a"], &[("GITHUB_API_URL", &server.url(""))]);
    insta::assert_snapshot!(shown.everything(), @"
    1.10.0
    exit 0
    ");
}

/// Runs curl and returns what it printed.
fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-sSf", "--noproxy", "*"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_highest_tag_in_a_real_registry_is_found() {
    let registry = std::env::var("AICAGE_TEST_REGISTRY")
        .unwrap_or_else(|_| panic!("AICAGE_TEST_REGISTRY is not set: run `make test`"));
    let repository = format!("checker/sources{}", std::process::id());
    let base = format!("http://{registry}/v2/{repository}");
    let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let headers = curl(&["-D", "-", "-o", "/dev/null", "-X", "POST", &format!("{base}/blobs/uploads/")]);
    let location = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    };
    let upload = headers.lines().find_map(location).unwrap();
    let of_bytes = "Content-Type: application/octet-stream";
    curl(&["-X", "PUT", "-H", of_bytes, "-d", "{}", &format!("{upload}&digest={digest}")]);
    let of_manifest = "application/vnd.oci.image.manifest.v1+json";
    let config = format!(r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":2}}"#);
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{of_manifest}","config":{config},"layers":[]}}"#);
    for tag in ["v1.9.0", "v1.10.0", "v2.0.0-rc.1", "latest"] {
        let kind = format!("Content-Type: {of_manifest}");
        curl(&["-X", "PUT", "-H", &kind, "-d", &manifest, &format!("{base}/manifests/{tag}")]);
    }
    let yaml = format!("source: oci-tag\nrepository: {registry}/{repository}\nprefix: v\n");
    let fixture = Fixture::declaring(&yaml);
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "1.10.0\nexit 0");
    fixture.declare("a", &format!("{yaml}include_prereleases: true\n"));
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "2.0.0-rc.1\nexit 0");
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let server = Server::start(|_, before| match before {
        0 => message("429 Too Many Requests", &[("Retry-After", "1")], ""),
        _ => ok(r#"{"version": "1.0"}"#),
    });
    let shown = Fixture::declaring(&json(&server)).ask(&["a"], &[]);
    assert_eq!(shown.everything(), "1.0\nexit 0");
    assert_eq!(server.asked().len(), 2);
    assert!(shown.took >= Duration::from_secs(1), "{:?}", shown.took);
}

#[test]
fn a_server_that_fails_twice_is_asked_a_third_time_and_no_fourth() {
    let server = Server::start(|_, before| match before {
        0 | 1 => message("503 Service Unavailable", &[], ""),
        _ => ok(r#"{"version": "1.0"}"#),
    });
    assert_eq!(Fixture::declaring(&json(&server)).ask(&["a"], &[]).everything(), "1.0\nexit 0");
    assert_eq!(server.asked().len(), 3);

    let server = Server::saying(message("503 Service Unavailable", &[], ""));
    let shown = Fixture::declaring(&json(&server)).ask(&["a"], &[]);
    insta::assert_snapshot!(server.nameless(&shown.everything()), @"
    error: no version of agent a was found
      caused by: http-json: [SERVER] wants to be asked again later (503)
    exit 6
    ");
    assert_eq!(server.asked().len(), 3);
}

const RELEASE: &str = "source: github-release\nrepository: acme/tool\nprefix: v\n";

#[test]
fn githubs_limit_is_waited_for_when_it_is_near() {
    let past = ("x-ratelimit-reset", "1");
    for near in [&[("x-ratelimit-remaining", "0"), past][..], &[("Retry-After", "0")]] {
        let near: Vec<_> = near.to_vec();
        let api = Server::start(move |_, before| match before {
            0 => message("403 Forbidden", &near, r#"{"message": "API rate limit exceeded"}"#),
            _ => ok(r#"{"tag_name": "v1.0", "draft": false}"#),
        });
        let shown = Fixture::declaring(RELEASE).ask(&["a"], &[("GITHUB_API_URL", &api.url(""))]);
        assert_eq!((shown.everything().as_str(), api.asked().len()), ("1.0\nexit 0", 2));
    }
}

#[test]
fn githubs_limit_is_said_when_it_is_far() {
    let far = message("403 Forbidden", &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")], "{}");
    let api = Server::saying(far);
    let shown = Fixture::declaring(RELEASE).ask(&["a"], &[("GITHUB_API_URL", &api.url(""))]);
    assert!(shown.stderr.contains("wants to be asked again later (403), in "), "{}", shown.stderr);
    assert_eq!((shown.code, api.asked().len()), (Some(6), 1));
    let refused = Server::saying(message("403 Forbidden", &[], "{}"));
    let shown = Fixture::declaring(RELEASE).ask(&["a"], &[("GITHUB_API_URL", &refused.url(""))]);
    assert!(shown.stderr.contains("refused the credentials, or wants some (403)"), "{}", shown.stderr);
}

#[test]
fn an_answer_that_was_not_modified_is_the_one_from_before() {
    let server = Server::start(|asked, _| match asked.header("if-none-match") {
        Some("\"one\"") => message("304 Not Modified", &[("ETag", "\"one\"")], ""),
        _ => message("200 OK", &[("ETag", "\"one\"")], r#"{"version": "1.0"}"#),
    });
    let fixture = Fixture::declaring(&json(&server));
    for _ in 0..2 {
        assert_eq!(fixture.ask(&["a"], &[]).everything(), "1.0\nexit 0");
    }
    let asked = server.asked();
    let etags: Vec<_> = asked.iter().map(|asked| asked.header("if-none-match")).collect();
    assert_eq!(etags, [None, Some("\"one\"")]);
}

#[test]
fn what_is_not_there_is_said_with_its_address_and_asked_for_once() {
    let server = Server::saying(message("404 Not Found", &[], "no such page"));
    let shown = Fixture::declaring(&json(&server)).ask(&["a"], &[]);
    insta::assert_snapshot!(server.nameless(&shown.everything()), @"
    error: no version of agent a was found
      caused by: http-json: http://[SERVER]/latest.json does not exist
    exit 6
    ");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_answer_that_makes_no_sense_is_said_to() {
    let answers = ["<html>Log in</html>", r#"{"version": "#, r#"{"other": 1}"#, r#"{"version": []}"#, ""];
    let shown: String = answers
        .map(|body| {
            let server = Server::saying(ok(body));
            let shown = Fixture::declaring(&json(&server)).ask(&["a"], &[]);
            server.nameless(&shown.everything()) + "\n"
        })
        .concat();
    insta::assert_snapshot!(shown, @"
    error: no version of agent a was found
      caused by: http-json: the answer of http://[SERVER]/latest.json makes no sense: expected value at line 1 column 1
    exit 6
    error: no version of agent a was found
      caused by: http-json: the answer of http://[SERVER]/latest.json makes no sense: EOF while parsing a value at line 1 column 12
    exit 6
    error: no version of agent a was found
      caused by: http-json: http://[SERVER]/latest.json holds no version that fits: there is no /version
    exit 6
    error: no version of agent a was found
      caused by: http-json: http://[SERVER]/latest.json holds no version that fits: /version is neither a text nor a number
    exit 6
    error: no version of agent a was found
      caused by: http-json: the answer of http://[SERVER]/latest.json makes no sense: EOF while parsing a value at line 1 column 0
    exit 6
    ");
}

#[test]
fn githubs_token_goes_to_its_api() {
    let api = Server::saying(ok(r#"{"tag_name": "v1.0", "draft": false}"#));
    let fixture = Fixture::declaring("source: github-release\nrepository: acme/tool\nprefix: v\n");
    let shown = fixture.ask(&["a"], &[("GITHUB_API_URL", &api.url("")), ("GITHUB_TOKEN", TOKEN)]);
    assert_eq!(shown.everything(), "1.0\nexit 0");
    let asked = &api.asked()[0];
    assert_eq!(asked.path, "/repos/acme/tool/releases/latest");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[test]
fn githubs_token_is_not_sent_along_a_redirection() {
    let other = Server::saying(ok(r#"{"tag_name": "v1.0", "draft": false}"#));
    let there = other.url("/elsewhere");
    let api = Server::start(move |_, _| message("302 Found", &[("Location", &there)], ""));
    let fixture = Fixture::declaring("source: github-release\nrepository: acme/tool\nprefix: v\n");
    let shown = fixture.ask(&["a"], &[("GITHUB_API_URL", &api.url("")), ("GITHUB_TOKEN", TOKEN)]);
    assert_eq!(shown.everything(), "1.0\nexit 0");
    assert!(api.asked()[0].header("authorization").is_some());
    assert_eq!((other.asked().len(), other.asked()[0].header("authorization")), (1, None));
}

#[test]
fn githubs_token_goes_to_no_other_source() {
    let server = Server::saying(message("404 Not Found", &[], ""));
    let sources = [
        json(&server),
        format!("source: http-text\nurl: {}\n", server.url("/text")),
        "source: npm\npackage: tool\n".to_owned(),
        "source: pypi\npackage: tool\n".to_owned(),
        format!("source: oci-tag\nrepository: {}/tool\n", server.url("").replace("http://", "")),
    ];
    let (npm, pip) = (server.url("/npm/"), server.url("/pip/"));
    let variables = [("GITHUB_TOKEN", TOKEN), ("npm_config_registry", &npm), ("PIP_INDEX_URL", &pip)];
    for source in &sources {
        let before = server.asked().len();
        let shown = Fixture::declaring(source).ask(&["a"], &variables);
        assert_eq!(shown.code, Some(6), "{source}{}", shown.stderr);
        assert!(server.asked().len() > before, "{source}");
    }
    for asked in server.asked() {
        assert!(!format!("{asked:?}").contains(TOKEN) && asked.header("authorization").is_none(), "{asked:?}");
    }
}

#[test]
fn githubs_token_is_never_shown() {
    // A server that sends back what it should not even know.
    let server = Server::saying(ok(&format!("two lines\n{TOKEN}\n")));
    let text = format!("source: http-text\nurl: {}\n", server.url(&format!("/latest?token={TOKEN}")));
    let github = "source: github-release\nrepository: acme/tool\n".to_owned();
    let api = server.url("");
    for source in [text, github] {
        for format in ["text", "json"] {
            let variables = [("GITHUB_API_URL", api.as_str()), ("GITHUB_TOKEN", TOKEN)];
            let shown = Fixture::declaring(&source).ask(&["a", "--format", format], &variables);
            assert_eq!(shown.code, Some(6), "{source}");
            assert!(!shown.everything().contains(TOKEN), "{}", shown.everything());
            assert_eq!(shown.everything().contains("***"), source.starts_with("source: http-text"));
        }
    }
}

#[test]
fn a_secret_is_masked_before_a_text_is_cut() {
    let server = Server::saying(ok(&format!("{}{TOKEN}", "x".repeat(190))));
    for pattern in ["", "pattern: 'y(y)'\n"] {
        let yaml = format!("source: http-text\nurl: {}\n{pattern}", server.url("/latest"));
        let shown = Fixture::declaring(&yaml).ask(&["a"], &[("GITHUB_TOKEN", TOKEN)]).everything();
        assert!(shown.contains("x***\"") && !shown.contains("ghp_"), "{shown}");
    }
}

#[test]
fn one_broken_definition_harms_no_other() {
    let server = Server::saying(ok(r#"{"version": "1.0"}"#));
    let fixture = Fixture::declaring(&json(&server));
    fixture.declare("b", "source: svn\n");
    fixture.declare("c", &json(&server));
    let shown = fixture.ask(&["--all"], &[]).sorted();
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(6), "a 1.0\nc 1.0\n"), "{}", shown.stderr);
    assert!(shown.stderr.contains("b/version.yml:1:9: unknown source `svn`"), "{}", shown.stderr);
    assert!(shown.stderr.contains("caused by: its definition: "), "{}", shown.stderr);
    assert_eq!(server.asked().len(), 1, "the same question is asked once");
    let report = fixture.ask(&["--all", "--format", "json"], &[]).report();
    assert_eq!(report.agents[1].failed[0].venue, Place::Definition);
}

#[test]
fn a_young_answer_is_taken_without_asking() {
    let server = Server::start(|_, before| ok(&format!(r#"{{"version": "1.{before}"}}"#)));
    let fixture = Fixture::declaring(&json(&server));
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "1.0\nexit 0");
    assert_eq!(fixture.ask(&["a", "--max-age", "3600"], &[]).everything(), "1.0\nexit 0");
    assert_eq!(server.asked().len(), 1);
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "1.1\nexit 0");
    // Another question is not answered with an answer to the old one.
    fixture.declare("a", &format!("{}prefix: '1.'\n", json(&server)));
    assert_eq!(fixture.ask(&["a", "--max-age", "3600"], &[]).everything(), "2\nexit 0");
}

#[test]
fn of_runs_at_the_same_time_one_asks_and_the_others_take_its_answer() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // The first question is answered when every run has been started.
    let server = Server::start(move |_, before| {
        let _ = wait.recv();
        ok(&format!(r#"{{"version": "1.{before}"}}"#))
    });
    let fixture = Fixture::declaring(&json(&server));
    let run = || {
        let mut command = fixture.command();
        command.args(["version", "a", "--via", "native", "--max-age", "3600"]).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let runs: Vec<_> = (0..6).map(|_| run()).collect();
    drop(go);
    for run in runs {
        assert_eq!(run.wait_with_output().unwrap().stdout, b"1.0\n");
    }
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_last_known_version_is_told_with_a_note_when_the_server_is_down() {
    let server = Server::saying(ok(r#"{"version": "1.0"}"#));
    let fixture = Fixture::declaring(&json(&server));
    assert_eq!(fixture.ask(&["a"], &[]).everything(), "1.0\nexit 0");
    drop(server);
    let shown = fixture.ask(&["a", "--allow-cached"], &[]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(0), "1.0\n"), "{}", shown.stderr);
    let note = "note: no version of agent a was found now; the last known: 1.0 was found ";
    assert!(shown.stderr.starts_with(note) && shown.stderr.ends_with(" ago (http-json)\n"), "{}", shown.stderr);
    let shown = fixture.ask(&["a"], &[]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(6), ""), "{}", shown.stderr);
}
