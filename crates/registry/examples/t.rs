//! x
use std::time::Instant;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let r = registry::Registry::new(Default::default());
    for name in std::env::args().skip(1) { for _ in 0..3 {
        let t = Instant::now();
        let d = r.digest(&name.parse().unwrap()).await;
        println!("{:?} {:?}", t.elapsed(), d.map_err(|e| e.to_string()));
    }}
}
