//! How fast images are walked, in bytes a second: PNG bears its CRCs, JPEG the search for markers.

use std::hint::black_box;
use std::io::Cursor;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image::{DynamicImage, ImageFormat, RgbImage};
use imgkeep::media::{self, Limits};

fn inspect(criterion: &mut Criterion) {
    let picture = DynamicImage::from(RgbImage::from_fn(2_000, 1_500, |x, y| {
        let noise = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503_001);
        image::Rgb([(noise >> 8) as u8, (noise >> 16) as u8, (noise >> 24) as u8])
    }));
    let mut images = Vec::new();
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("the encoder knows RGB");
        images.push((format!("{format:?}"), bytes.into_inner()));
    }
    let path = r#"<path class="a" d="M10 10h80v80z" fill="red"/>"#.repeat(100_000);
    images.push(("Svg".into(), format!("<svg xmlns='http://www.w3.org/2000/svg'>{path}</svg>").into()));

    let mut group = criterion.benchmark_group("inspect");
    for (name, bytes) in images {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |bencher, bytes| {
            bencher.iter(|| media::inspect(Cursor::new(black_box(bytes)), &Limits::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, inspect);
criterion_main!(benches);
