//! The sending side of BuildKit's file sync protocol.
//!
//! Source: `fsutil` (`send.go`, `receive.go`). Every entry is announced by a STAT packet, its number being its place in
//! the order; an empty STAT ends the list. The receiver asks for a file's bytes by number (REQ), gets DATA packets with
//! that number and an empty one at the end. FIN, from the receiver, is answered by FIN.

use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use crate::context::{Context, Entry, EntryKind};
use crate::follow::select;

/// How many packets may wait for the connection; with data in each, some 2 MiB.
pub(crate) const QUEUE_PACKETS: usize = 32;

/// Go's `os.FileMode` bit of a folder.
const MODE_DIRECTORY: u32 = 1 << 31;
/// Go's `os.FileMode` bit of a symbolic link.
const MODE_SYMLINK: u32 = 1 << 27;
/// Go's `os.FileMode` bits for set-uid, set-gid and sticky, beside the Unix ones.
const MODE_SPECIAL: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// Sends `context`, or only `paths` of it if there are any, to the receiver at the other end of `requests` and
/// `packets`.
pub(crate) async fn send(
    context: Arc<Context>,
    paths: Vec<String>,
    mut requests: Streaming<Packet>,
    packets: mpsc::Sender<Result<Packet, Status>>,
) {
    let selected = Arc::new(select(context.entries(), &paths));
    let list = {
        let (context, selected, packets) = (context.clone(), selected.clone(), packets.clone());
        tokio::spawn(async move {
            for number in selected.iter() {
                let stat = Some(stat(&context.entries()[*number as usize]));
                let packet = Packet { r#type: PacketType::PacketStat.into(), stat, ..Packet::default() };
                if packets.send(Ok(packet)).await.is_err() {
                    return;
                }
            }
            let end = Packet { r#type: PacketType::PacketStat.into(), ..Packet::default() };
            let _ = packets.send(Ok(end)).await;
        })
    };
    // Files go one after the other: they share one connection anyway.
    let (wanted, queue) = mpsc::unbounded_channel();
    let files = {
        let packets = packets.clone();
        tokio::task::spawn_blocking(move || send_files(&context, &selected, queue, &packets))
    };
    while let Some(request) = requests.next().await {
        let Ok(request) = request else { break };
        match PacketType::try_from(request.r#type) {
            Ok(PacketType::PacketReq) => {
                let _ = wanted.send(request.id);
            }
            Ok(PacketType::PacketFin) => {
                let _ = list.await;
                let fin = Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() };
                let _ = packets.send(Ok(fin)).await;
                break;
            }
            Ok(PacketType::PacketErr) => {
                tracing::debug!(message = %String::from_utf8_lossy(&request.data), "the receiver of files failed");
                break;
            }
            _ => {}
        }
    }
    drop(wanted);
    let _ = files.await;
}

fn send_files(
    context: &Context,
    selected: &[u32],
    mut wanted: mpsc::UnboundedReceiver<u32>,
    packets: &mpsc::Sender<Result<Packet, Status>>,
) {
    while let Some(id) = wanted.blocking_recv() {
        let Some(entry) = selected.get(id as usize).and_then(|number| context.entries().get(*number as usize)) else {
            let _ = packets.blocking_send(Err(Status::invalid_argument(format!("no entry has number {id}"))));
            return;
        };
        let data = |data| Packet { r#type: PacketType::PacketData.into(), id, data, ..Packet::default() };
        let answer = match context.read(entry, |piece| packets.blocking_send(Ok(data(piece))).is_ok()) {
            Ok(true) => Ok(data(Vec::new())),
            Ok(false) => Err(Status::aborted(format!("{} changed while the build ran", entry.path))),
            Err(error) => Err(Status::unavailable(format!("cannot read {}: {error}", entry.path))),
        };
        let failed = answer.is_err();
        if packets.blocking_send(answer).is_err() || failed {
            return;
        }
    }
}

fn stat(entry: &Entry) -> Stat {
    let special: u32 = MODE_SPECIAL.iter().filter(|(unix, _)| entry.mode & unix != 0).map(|(_, go)| go).sum();
    let permissions = entry.mode & 0o777 | special;
    // Owner and group stay 0: old engines reset them and later ones do not, and they are part of the cache key.
    let stat = Stat { path: entry.path.clone(), mode: permissions, ..Stat::default() };
    match &entry.kind {
        EntryKind::Directory => Stat { mode: permissions | MODE_DIRECTORY, ..stat },
        EntryKind::Symlink { target } => Stat { mode: permissions | MODE_SYMLINK, linkname: target.clone(), ..stat },
        EntryKind::File { size, digest, .. } => {
            Stat { size: i64::try_from(*size).unwrap_or(i64::MAX), mod_time: time_of(digest), ..stat }
        }
    }
}

/// Returns a modification time that stands for the content, in nanoseconds since 1970.
///
/// The receiver keeps a file of an earlier transfer when size and time agree. A time made from the content makes that
/// test exact, and keeps the user's own times out of the build. It lies between November 2023 and June 2024.
fn time_of(digest: &[u8; 32]) -> i64 {
    let number = |bytes: &[u8]| bytes.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    let seconds = 1_700_000_000 + number(&digest[..3]);
    seconds * 1_000_000_000 + number(&digest[3..7]) % 1_000_000_000
}
