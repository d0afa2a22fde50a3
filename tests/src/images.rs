//! Making and looking through images, by the engines' REST API.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Engine;

impl Engine {
    /// Returns every name of every image; none when the engine does not answer.
    pub fn names(self) -> Vec<String> {
        let (_, body) = self.api("GET", "/images/json", None);
        let images: Vec<Value> = serde_json::from_str(&body).unwrap_or_default();
        let names = images.iter().flat_map(|image| image["RepoTags"].as_array().into_iter().flatten());
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Takes a name away, and the image if it was its last one.
    pub fn remove(self, reference: &str) {
        self.api("DELETE", &format!("/images/{reference}?force=1"), None);
    }

    /// Returns the ids of the images that have a label and no name.
    pub fn nameless(self, label: &str, value: &str) -> Vec<String> {
        let filters = json!({ "dangling": ["true"], "label": [format!("{label}={value}")] }).to_string();
        let (status, body) = self.api("GET", &format!("/images/json?filters={}", percent(&filters)), None);
        assert_eq!(status, 200, "{body}");
        let images: Vec<Value> = serde_json::from_str(&body).unwrap();
        images.iter().map(|image| image["Id"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the layers of an image, the lowest first.
    pub fn layers(self, reference: &str) -> Vec<String> {
        let image = self.image(reference).unwrap_or_else(|| panic!("{self:?} has no {reference}"));
        let layers = image["RootFS"]["Layers"].as_array().unwrap();
        layers.iter().map(|layer| layer.as_str().unwrap().to_owned()).collect()
    }

    /// Returns the history of an image, the newest entry first.
    pub fn history(self, reference: &str) -> Vec<Value> {
        let (status, body) = self.api("GET", &format!("/images/{reference}/history"), None);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Makes an image of `from` by a shell command and changes to its config, in the words of a Dockerfile.
    pub fn make(self, from: &str, command: &str, changes: &[&str], repository: &str, tag: &str) {
        let container = self.start(from, &["sh", "-c", command]);
        let (_, body) = self.api("POST", &format!("/containers/{container}/wait"), None);
        let ended: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(ended["StatusCode"], 0, "{command}");
        let changes: String = changes.iter().map(|change| format!("&changes={}", percent(change))).collect();
        let path = format!("/commit?container={container}&repo={repository}&tag={tag}{changes}");
        // The container's own command would otherwise be the image's.
        let config = &self.image(from).unwrap()["Config"];
        let (status, body) = self.api("POST", &path, Some(&config.to_string()));
        assert_eq!(status, 201, "{body}");
        self.discard(&container);
    }

    /// Pushes an image to the registry in its name, as a user there or as nobody.
    pub fn push(self, reference: &str, user: Option<(&str, &str)>) {
        let auth = match user {
            Some((name, password)) => json!({ "username": name, "password": password }).to_string(),
            None => "{}".to_owned(),
        };
        let auth = format!("X-Registry-Auth: {}", base64(auth.as_bytes()));
        self.transfer(&format!("/images/{reference}/push"), &auth);
    }

    /// Pulls an image from the registry in its name, as nobody.
    pub fn pull(self, reference: &str) {
        let (repository, tag) = reference.rsplit_once(':').unwrap();
        self.transfer(&format!("/images/create?fromImage={}&tag={tag}", percent(repository)), "Accept: */*");
    }

    fn transfer(self, path: &str, header: &str) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "120", "--request", "POST", "--header", header]);
        curl.arg("--unix-socket").arg(self.socket()).arg(format!("http://docker{path}"));
        let output = curl.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        // The engine says that all is well before it knows.
        assert!(output.status.success() && !text.contains("\"error\""), "{self:?} {path}: {text}");
    }

    /// Returns the files and folders of an image by path, each with what `tar` lists of it, its time left out.
    ///
    /// Unlike in a running container, what the image has beneath `/dev` shows too.
    pub fn listing(self, reference: &str) -> BTreeMap<String, String> {
        let text = self.exported(reference, "tar --list --verbose --numeric-owner --file -");
        let entry = |line: &str| {
            let mut words = line.splitn(6, ' ').filter(|word| !word.is_empty());
            // The columns are padded, so the path is what follows the time.
            let (mode, owner) = (words.next()?.to_owned(), words.next()?.to_owned());
            let at = line.find(':')? + 4;
            Some((line.get(at..)?.to_owned(), format!("{mode} {owner}")))
        };
        let entries: BTreeMap<_, _> = text.lines().filter_map(entry).collect();
        assert!(entries.len() > 100, "{text}");
        entries
    }

    /// Says whether any file of an image holds a text.
    pub fn holds(self, reference: &str, text: &str) -> bool {
        assert!(!text.contains('\''), "{text}");
        let count = self.exported(reference, &format!("grep --text --count --fixed-strings -e '{text}'"));
        count.trim() != "0"
    }

    /// Gives the file system of an image to a shell command as a tarball and returns what the command says.
    fn exported(self, reference: &str, command: &str) -> String {
        let container = self.container(reference, &["true"]);
        let (socket, url) = (self.socket(), format!("http://docker/containers/{container}/export"));
        let script =
            format!("curl --silent --show-error --max-time 120 --unix-socket '{}' {url} | {command}", socket.display());
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        self.discard(&container);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn container(self, image: &str, command: &[&str]) -> String {
        let body = json!({ "Image": image, "Cmd": command, "Entrypoint": [] });
        let (status, answer) = self.api("POST", "/containers/create", Some(&body.to_string()));
        assert_eq!(status, 201, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()["Id"].as_str().unwrap().to_owned()
    }

    /// Makes an image of the files in a folder and of nothing else.
    pub fn import(self, folder: &std::path::Path, reference: &str) {
        let (repository, tag) = reference.rsplit_once(':').unwrap();
        let mut tar = Command::new("tar");
        let mut tar = tar.arg("-C").arg(folder).args(["-cf", "-", "."]).stdout(Stdio::piped()).spawn().unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--request", "POST", "--upload-file", "-", "--unix-socket"])
            .arg(self.socket());
        curl.arg(format!("http://docker/images/create?fromSrc=-&repo={repository}&tag={tag}"));
        let sent = curl.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(sent.status.success() && tar.wait().unwrap().success(), "{}", String::from_utf8_lossy(&sent.stdout));
    }

    /// Starts a container of an image and returns its id; the caller discards it.
    pub fn start(self, image: &str, command: &[&str]) -> String {
        let container = self.container(image, command);
        let (status, body) = self.api("POST", &format!("/containers/{container}/start"), None);
        assert_eq!(status, 204, "{body}");
        container
    }

    /// Ends a container and takes it away.
    pub fn discard(self, container: &str) {
        self.api("DELETE", &format!("/containers/{container}?force=1"), None);
    }
}

/// Returns the base64 form of some bytes.
pub fn base64(bytes: &[u8]) -> String {
    let mut encoder =
        Command::new("base64").arg("--wrap=0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    encoder.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(encoder.wait_with_output().unwrap().stdout).unwrap()
}

/// Writes a text so that it can stand in the query of a URL.
fn percent(text: &str) -> String {
    let write = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(write).collect()
}
