//! Writes many posts in the form of Hexo exports, for benchmarks: 4 KB each, ten proxied references to eight
//! images (the first is also `headimg` and `thumbnail`), the same bytes for the same arguments.
//!
//! `cargo run --release --example generate_posts -- DIR COUNT [--images N] [--hosts H] [--list FILE]`

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Context;
use clap::Parser;
use fastrand::Rng;

const PROXY: &str = "https://cors.zfour.workers.dev/?";
const POSTS_IN_A_FOLDER: u64 = 1_000;
const IMAGES_IN_A_POST: u64 = 8;
const SIZE: usize = 4096;
const SENTENCES: [&str; 10] = [
    "清晨的街道还很安静，只有几家早餐铺亮着灯。",
    "村口的老槐树下，几位老人正在下棋。",
    "今年的收成比去年好，大家都很高兴。",
    "孩子们放学以后，总要到河边去看一看船。",
    "山路修好了，去镇上只要半个小时。",
    "The road to the village was closed for three days, and then it was open again.",
    "Everyone who could carry something carried something.",
    "She wrote down the names, the hours, and what was left to do.",
    "傍晚下起了小雨，屋檐下站满了躲雨的人。",
    "第二天，事情就办好了。",
];

#[derive(Parser)]
struct Args {
    /// The folder to fill; need not exist
    dir: PathBuf,
    /// Posts to write
    count: NonZeroU64,
    /// Distinct image URLs that the posts draw from [default: COUNT]. All are used unless there are more than
    /// eight a post
    #[arg(long)]
    images: Option<NonZeroU64>,
    /// Hosts that the images are spread over
    #[arg(long, default_value = "20")]
    hosts: NonZeroU64,
    /// Also writes the image URLs to this file, one a line
    #[arg(long)]
    list: Option<PathBuf>,
}

/// The images, by number.
struct Images {
    count: u64,
    hosts: u64,
    /// Coprime to `count`: steps of this length visit every image once before any is seen again.
    stride: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let count = args.count.get();
    let images = Images::new(args.images.unwrap_or(args.count).get(), args.hosts.get());
    if let Some(list) = &args.list {
        images.write_list(list).with_context(|| format!("cannot write `{}`", list.display()))?;
    }
    let next = AtomicU64::new(0);
    let folders = count.div_ceil(POSTS_IN_A_FOLDER);
    let write_folders = || -> anyhow::Result<()> {
        loop {
            let folder = next.fetch_add(1, Ordering::Relaxed);
            if folder >= folders {
                return Ok(());
            }
            let first = folder * POSTS_IN_A_FOLDER;
            let path = args.dir.join(format!("{folder:03}"));
            write_folder(&path, first..count.min(first + POSTS_IN_A_FOLDER), &images)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let writers: Vec<_> = (0..threads).map(|_| scope.spawn(write_folders)).collect();
        writers.into_iter().try_for_each(|writer| writer.join().expect("writers do not panic"))
    })
}

fn write_folder(folder: &Path, numbers: std::ops::Range<u64>, images: &Images) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut text = String::with_capacity(2 * SIZE);
    for number in numbers {
        text.clear();
        write_post(&mut text, number, images)?;
        fs::write(folder.join(format!("{number:08}.md")), &text)?;
    }
    Ok(())
}

fn write_post(text: &mut String, number: u64, images: &Images) -> std::fmt::Result {
    let mut rng = Rng::with_seed(number);
    let first = images.url(number * IMAGES_IN_A_POST);
    let (day, hour) = (1 + number % 28, number % 24);
    writeln!(text, "\n---\ntitle: '第 {number} 篇'\ncategories: \n - 新媒体\n - 分类")?;
    writeln!(text, "headimg: '{PROXY}{first}'\nauthor: 作者\ncomments: false")?;
    writeln!(text, "date: 2022-04-{day:02} {hour:02}:14:37")?;
    writeln!(text, "thumbnail: '{PROXY}{first}'\n---\n\n<div>   ")?;
    for image in 0..IMAGES_IN_A_POST {
        let url = images.url(number * IMAGES_IN_A_POST + image);
        let tag =
            format!(r#"<p><img src="{PROXY}{url}" data-size="640,360" referrerpolicy="no-referrer"></p>"#);
        let share = (SIZE - text.len()) / (IMAGES_IN_A_POST - image) as usize;
        let end = text.len() + share.saturating_sub(tag.len() + "<p></p>\n".len());
        text.push_str("<p>");
        while text.len() < end {
            text.push_str(SENTENCES[rng.usize(..SENTENCES.len())]);
        }
        writeln!(text, "</p>{tag}")?;
    }
    writeln!(text, "</div>")
}

impl Images {
    fn new(count: u64, hosts: u64) -> Self {
        // near the golden section, so that neighbours among posts are none among images
        let mut stride = (count as f64 * 0.618) as u64 + 1;
        while gcd(stride, count) != 1 {
            stride += 1;
        }
        Self { count, hosts, stride }
    }

    /// The image that a place in the posts shows, for as many places as are wanted.
    fn url(&self, place: u64) -> String {
        self.url_of((u128::from(place) * u128::from(self.stride) % u128::from(self.count)) as u64)
    }

    fn url_of(&self, image: u64) -> String {
        let host = image % self.hosts;
        let name = Rng::with_seed(image).u128(..);
        format!("http://img{host}.example/qupost/img/2022/04/{:02}/{name:032x}.jpeg", 1 + image % 28)
    }

    fn write_list(&self, path: &Path) -> std::io::Result<()> {
        let mut list = BufWriter::new(File::create(path)?);
        for image in 0..self.count {
            writeln!(list, "{}", self.url_of(image))?;
        }
        list.flush()
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
