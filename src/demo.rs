//! Sample posts, and a sample web for them to link to, so that the whole job can be seen offline.
//!
//! The posts have the forms of real ones: proxied, nested, direct, lazy, in front matter, in Markdown and in
//! a saved page. The web is one small server on loopback that plays every host they name: three origins that
//! live and one that died, two proxies that live and one whose domain is for sale.

mod canvas;
mod picture;

use std::collections::HashMap;
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::{Position, Url};

use crate::demo::picture::PICTURES;

/// The path below the folder, and the text. One leading blank line is how Hexo's exporters write them.
const POSTS: [(&str, &str); 5] = [
    ("2022/harbour-morning.md", include_str!("demo/posts/2022/harbour-morning.md")),
    ("2022/mountain-mist.txt", include_str!("demo/posts/2022/mountain-mist.txt")),
    ("notes/in-the-garden.md", include_str!("demo/posts/notes/in-the-garden.md")),
    ("notes/what-is-left.md", include_str!("demo/posts/notes/what-is-left.md")),
    ("pages/saved-gallery.html", include_str!("demo/posts/pages/saved-gallery.html")),
];

/// So old are the posts: one that was written just now might still be under an editor's hands.
const AGE: Duration = Duration::from_secs(3600);

/// The origin that no longer has anything. What it had is still known to the proxies.
const DEAD_ORIGIN: &str = "gone.example";

const NOT_FOUND: &str = "<!DOCTYPE html>\n<title>404</title>\n<h1>Not found</h1>\n";
const FOR_SALE: &str =
    "<!DOCTYPE html>\n<title>dead-proxy.example</title>\n<h1>This domain is for sale</h1>\n";

/// Writes the sample posts below `folder`, which need not exist, and gives their paths.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn write_posts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let write = |(path, text): (&str, &str)| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, text)?;
        File::options().write(true).open(&path)?.set_modified(SystemTime::now() - AGE)?;
        Ok(path)
    };
    POSTS.into_iter().map(write).collect()
}

/// The sample web, at work on a task of its own until [`Self::stop`] or its drop.
pub struct Site {
    /// Where every host of the posts is found, for `fetch.connect_to`.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Site {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free, or the pictures cannot be made.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let pictures = pictures()?;
        let served = tokio::spawn(serve(listener, pictures, async {
            // a `Site` that is dropped has stopped as well
            stopped.await.unwrap_or_default();
        }));
        Ok(Self { address, stop, served })
    }

    /// Answers what was asked and ends.
    ///
    /// # Errors
    /// When serving had ended before, with an error.
    pub async fn stop(self) -> io::Result<()> {
        drop(self.stop);
        self.served.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }
}

/// URL → bytes, for every picture of the sample web.
type Pictures = HashMap<String, Bytes>;

async fn serve(
    listener: TcpListener,
    pictures: Pictures,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().fallback(answer).with_state(Arc::new(pictures));
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

fn pictures() -> io::Result<Pictures> {
    let encode = |picture: &picture::Picture| {
        let url = Url::parse(picture.url).map_err(io::Error::other)?;
        Ok((url.into(), picture.encode().map_err(io::Error::other)?.into()))
    };
    PICTURES.iter().map(encode).collect()
}

async fn answer(State(pictures): State<Arc<Pictures>>, target: Uri, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // a client that was told of the address, not of `connect_to`, names our port as well
    let host = host.split(':').next().unwrap_or_default();
    let Ok(url) = Url::parse(&format!("http://{host}{target}")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let found = match url.host_str() {
        Some(DEAD_ORIGIN) => None,
        Some("dead-proxy.example") => return Html(FOR_SALE).into_response(),
        _ => pictures.get(unwrapped(url).as_str()),
    };
    match found {
        Some(bytes) => ([(CONTENT_TYPE, media_type(bytes))], bytes.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, Html(NOT_FOUND)).into_response(),
    }
}

/// What the proxies do: `proxy.example` has a URL for its query, `thumbs.example` behind its first path
/// segment.
fn unwrapped(url: Url) -> Url {
    let inner = match url.host_str() {
        Some("proxy.example") => url.query().unwrap_or_default(),
        Some("thumbs.example") => {
            let path = &url[Position::AfterPort..Position::AfterQuery];
            path[1..].split_once('/').map_or("", |(_, inner)| inner)
        }
        _ => return url,
    };
    match Url::parse(inner) {
        Ok(inner) => unwrapped(inner),
        Err(_) => url,
    }
}

fn media_type(bytes: &[u8]) -> &'static str {
    image::guess_format(bytes).map_or("application/octet-stream", |format| format.to_mime_type())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use image::ImageFormat;

    use super::*;

    /// A URL of the posts that yields no picture, and what it answers instead.
    const DEAD: [(&str, &str); 5] = [
        ("http://dead-proxy.example/?http://cdn.example/2014/still-here.jpg", "200 text/html"),
        ("http://proxy.example/?http://gone.example/2014/lost.jpg", "404 text/html"),
        // in a comment and in a script: nobody asks for it
        ("http://pictures.example/garden/not-shown.jpg", "404 text/html"),
        ("http://gone.example/2014/old-bridge.jpg", "404 text/html"),
        ("http://gone.example/2014/lost.jpg", "404 text/html"),
    ];

    fn urls() -> BTreeSet<&'static str> {
        let ends = |next: char| next.is_whitespace() || "\"'<>),&;".contains(next);
        let url_at = |(start, text): (usize, &'static str)| {
            let rest = &text[start..];
            &rest[..rest.find(ends).unwrap_or(rest.len())]
        };
        POSTS
            .into_iter()
            .flat_map(|(_, text)| text.match_indices("http://").map(move |(start, _)| (start, text)))
            .map(url_at)
            .collect()
    }

    #[test]
    fn the_pictures_are_what_their_names_say_and_all_differ() {
        let start = std::time::Instant::now();
        let pictures = pictures().unwrap();
        println!("{} pictures in {:?}", pictures.len(), start.elapsed());
        for (url, bytes) in &pictures {
            assert_eq!(image::guess_format(bytes).unwrap(), ImageFormat::from_path(url).unwrap(), "{url}");
            image::load_from_memory(bytes).unwrap();
        }
        let distinct: BTreeSet<_> = pictures.values().collect();
        assert_eq!((distinct.len(), pictures.len()), (PICTURES.len(), PICTURES.len()));
    }

    #[tokio::test]
    async fn the_site_answers_what_the_posts_ask_for() {
        let site = Site::start().await.unwrap();
        let client = reqwest::Client::builder().no_proxy();
        let hosts: BTreeSet<_> =
            urls().into_iter().map(|url| Url::parse(url).unwrap().host_str().unwrap().to_owned()).collect();
        let client = hosts.iter().fold(client, |client, host| client.resolve(host, site.address));
        let client = client.build().unwrap();
        let ask = async |url: &str| {
            let mut url = Url::parse(url).unwrap();
            url.set_port(Some(site.address.port())).unwrap();
            let answer = client.get(url).send().await.unwrap();
            let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap();
            format!("{} {}", answer.status().as_u16(), kind.split(';').next().unwrap())
        };
        for (url, expected) in DEAD {
            assert_eq!(ask(url).await, expected, "{url}");
        }
        let alive: Vec<_> =
            urls().into_iter().filter(|url| DEAD.iter().all(|(dead, _)| dead != url)).collect();
        assert!(alive.len() > 15, "{alive:?}");
        for url in alive {
            assert!(ask(url).await.starts_with("200 image/"), "{url}");
        }
        site.stop().await.unwrap();
    }

    #[test]
    fn the_posts_are_written_and_old() {
        let folder = tempfile::tempdir().unwrap();
        let paths = write_posts(&folder.path().join("posts")).unwrap();
        assert_eq!(paths.len(), POSTS.len());
        for (path, (_, text)) in paths.iter().zip(POSTS) {
            assert_eq!(fs::read_to_string(path).unwrap(), text);
            assert!(path.metadata().unwrap().modified().unwrap().elapsed().unwrap() >= AGE);
        }
    }
}
