//! How long unwrapping takes, a thousand URLs at a time: the figure in µs is ns a URL.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use imgkeep::origin::proxy::Families;

/// What documents hold: a worker's URLs mostly, plain images, and a few of everything else.
const MIX: [(&str, &[&str]); 4] = [
    (
        "worker",
        &["https://cors.zfour.workers.dev/?http://static.1sapp.com/qupost/image/20220406/9d5c60809\
             d65da79.jpg"],
    ),
    (
        "plain",
        &[
            "https://static.example.org/wp-content/uploads/2021/01/The-Mandalorian-portada-scaled.jpeg",
            "https://mmbiz.qpic.cn/mmbiz_png/do0Sayk3PeZBUlWW7NQHX6kicGI0Nf60TYW8A1OIbxKxhURmESZMs0b\
             Qz/640?wx_fmt=png",
        ],
    ),
    (
        "wrapped",
        &[
            "https://i0.wp.com/hipertextual.com/wp-content/uploads/2021/01/portada.jpeg?resize=1536%\
             2C864&ssl=1",
            "https://images.weserv.nl/?url=https%3A%2F%2Fcdn.jsdelivr.net%2Fgh%2Fa%2Fb%40main%2Fc.sv\
             g&w=50&h=50",
            "https://camo.githubusercontent.com/52feade06f2fecbf006889a904d221e6a730c194/68747470733\
             a2f2f612e696f2f62",
            "https://www.microtek.in/_next/image?url=https%3A%2F%2Fcms.microtek.in%2Fupload%2Fluxe.j\
             pg&w=1200&q=75",
        ],
    ),
    (
        "chain",
        &[
            "https://web.archive.org/web/20251215051447im_/https://i1.wp.com/karolineshus.dk/logo.pn\
             g?fit=1000%2C339&ssl=1",
            "https://resize.example.io/300x200/smart/https://images.weserv.nl/?url=cdn.example.net%2\
             Fpics%2Fy.jpg",
        ],
    ),
];

fn unwrap(criterion: &mut Criterion) {
    let families = Families::builtin();
    for (name, urls) in MIX {
        criterion.bench_function(&format!("unwrap/{name}"), |bencher| {
            bencher.iter(|| {
                for url in urls.iter().cycle().take(1000) {
                    let unwrapped = families.unwrap(black_box(url)).expect("each of these is a URL");
                    black_box(unwrapped);
                }
            });
        });
    }
    criterion.bench_function("families/builtin", |bencher| bencher.iter(Families::builtin));
}

criterion_group!(benches, unwrap);
criterion_main!(benches);
