//! What arrives of a folder.

use std::fs;
use std::os::unix::fs::symlink;

use buildkit::mount::{Mount, MountSource};
use buildkit::solve::{Part, Start, Step};

use crate::dockerfiles::{dockerfile, folder_of};
use crate::{ENGINES, MINIMAL, Table, image, solve, step, unique};

/// Lists the context of a Dockerfile, as the engine got it.
async fn listed(engine: &str, table: &Table) -> Vec<String> {
    let outcome = table.solve(engine, &solve(Start::Dockerfile(Box::new(dockerfile("d"))), Vec::new())).await;
    let lines = outcome.output.lines().map(str::to_owned).collect();
    outcome.expect(engine);
    lines
}

fn lister(token: &str) -> tempfile::TempDir {
    folder_of(&format!(
        "FROM {MINIMAL}\nRUN --mount=type=bind,target=/context cd /context && find . -mindepth 1 | LC_ALL=C sort; : {token}\n"
    ))
}

#[tokio::test]
async fn what_is_ignored_does_not_arrive_and_changes_nothing() {
    for engine in ENGINES {
        let folder = lister(&unique());
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(".dockerignore", "# all but some\n*\n!src/**/*.txt\n!with space\n**/secret.txt\n");
        for path in ["src/a/b.txt", "src/a/b.md", "src/a/secret.txt", "with space", "other/x.txt"] {
            write(path, path);
        }
        symlink("/etc/passwd", folder.path().join("ignored-link")).unwrap();
        let walk = || Table::new().dockerfile("d", folder.path());
        let expected = ["./src", "./src/a", "./src/a/b.txt", "./with space"];
        assert_eq!(listed(engine, &walk()).await, expected, "{engine}");
        write("src/a/secret.txt", "other");
        write("other/y.txt", "new");
        assert!(listed(engine, &walk()).await.is_empty(), "{engine}: it should have been cached");
        write("src/a/c.txt", "new");
        assert_eq!(listed(engine, &walk()).await.len(), 5, "{engine}");
    }
}

#[tokio::test]
async fn a_dockerfile_that_is_ignored_is_built_all_the_same_and_its_own_ignore_file_wins() {
    for engine in ENGINES {
        let folder = lister(&unique());
        fs::write(folder.path().join(".dockerignore"), "*\n").unwrap();
        fs::write(folder.path().join("Dockerfile.dockerignore"), "Dockerfile*\n.dockerignore\n").unwrap();
        fs::write(folder.path().join("left"), "").unwrap();
        let table = Table::new().dockerfile("d", folder.path());
        assert_eq!(listed(engine, &table).await, ["./left"], "{engine}");
    }
}

#[tokio::test]
async fn a_path_is_copied_whatever_its_name_is() {
    for engine in ENGINES {
        let names = ["plain", "with space", "ünï cødé ☺", "per%cent+plus", "-dash", "comma,semi;colon", "link"];
        let copies: String = names
            .iter()
            .map(|name| format!("COPY [{}, \"/copied/\"]\n", serde_json::to_string(name).unwrap()))
            .collect();
        let folder = folder_of(&format!(
            "FROM {MINIMAL}\n{copies}RUN cat /copied/* | fold -w1 | sort | tr -d '\\n'; : {}\n",
            unique()
        ));
        for name in &names[..6] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/target"), "y").unwrap();
        symlink("deep/target", folder.path().join("link")).unwrap();
        let table = Table::new().dockerfile("d", folder.path());
        assert_eq!(listed(engine, &table).await, ["xxxxxxy"], "{engine}");
    }
}

/// Returns how much memory this process has used at most, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_files_and_a_large_one_arrive_in_little_memory() {
    let engine = ENGINES[2];
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        let inner = folder.path().join(format!("d{}", number % 100));
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join(format!("f{number}")), number.to_string()).unwrap();
    }
    let large = fs::File::create(folder.path().join("large")).unwrap();
    large.set_len(300 * 1024 * 1024).unwrap();
    let before = peak_kib();
    let script = format!("cd /dev/aicage/folder && find . -type f | wc -l && wc -c < large; : {}", unique());
    let mounts =
        vec![Mount { target: "/dev/aicage/folder".to_owned(), source: MountSource::Folder("folder".to_owned()) }];
    let part = Part::Step(Step { mounts, ..step("count", &script) });
    let table = Table::new().folder("folder", folder.path());
    let outcome = table.solve(engine, &solve(image(MINIMAL), vec![part])).await;
    assert_eq!(outcome.output, "10001\n314572800\n");
    outcome.expect(engine);
    let used = peak_kib() - before;
    assert!(used < 64 * 1024, "{used} KiB");
}
