//! Splicing: ten links of a 4 KB post, and ten thousand of a 4 MB page.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use imgkeep::digest::Digest;
use imgkeep::document::span::Span;
use imgkeep::document::splice::{Edit, Patch};

/// A document of `links` links with 300 bytes of text between them, and the patch that replaces each.
fn document(links: usize) -> (Vec<u8>, Patch) {
    let mut source = Vec::new();
    let mut edits = Vec::new();
    for n in 0..links {
        source.extend_from_slice(&[b'x'; 300]);
        let url = format!("https://proxy.example/?http://cdn.example/2022/04/14/{n:032x}.jpeg");
        let start = source.len();
        source.extend_from_slice(url.as_bytes());
        let text = format!("../cache/images/ab/{n:064x}.jpg").into_bytes();
        edits.push(Edit { span: Span::new(start, source.len()), text });
    }
    let patch = Patch::new(Digest::of(&source), edits).expect("the links stand one after the other");
    (source, patch)
}

fn splice(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("splice");
    for links in [10, 10_000] {
        let (source, patch) = document(links);
        group.throughput(Throughput::Bytes(source.len() as u64));
        group.bench_function(format!("{links} links"), |bencher| bencher.iter(|| patch.apply(&source)));
    }
    group.finish();
}

criterion_group!(benches, splice);
criterion_main!(benches);
