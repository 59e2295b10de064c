//! Wrappers and decoys, family by family.

use super::*;

mod more;

#[test]
fn the_shared_vectors_hold() {
    #[derive(serde::Deserialize)]
    struct Row {
        family: String,
        wrapped: String,
        origin: Option<String>,
        note: String,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/proxies.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("{path} is not here: nothing to check");
        return;
    };
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    let families = Families::builtin();
    let mut wrong = Vec::new();
    for row in &rows {
        let got = families.unwrap(&row.wrapped);
        let right = match (&row.origin, &got) {
            (Some(origin), Ok(unwrapped)) => {
                let wanted = Url::parse(origin).unwrap();
                let got = unwrapped.origin.url();
                let inferred = row.note.contains("scheme inferred");
                got == wanted
                    || (inferred && got[url::Position::BeforeHost..] == wanted[url::Position::BeforeHost..])
            }
            (None, Ok(unwrapped)) => unwrapped.layers.is_empty(),
            (origin, Err(_)) => origin.is_none(),
        };
        if !right {
            wrong.push(format!("{}: {}\n  want {:?}\n  got  {got:?}", row.family, row.wrapped, row.origin));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Each case is a wrapper, the families that must be seen (joined by ` > `), and the origin.
fn check(cases: &[(&str, &str, &str)]) {
    let families = Families::builtin();
    for (wrapped, names, origin) in cases {
        let unwrapped = families.unwrap(wrapped).unwrap_or_else(|error| panic!("{wrapped}: {error}"));
        let got: Vec<_> = unwrapped.layers.iter().map(|layer| &*layer.family).collect();
        assert_eq!(unwrapped.origin.as_str(), *origin, "{wrapped} by {got:?}");
        assert_eq!(got.join(" > "), *names, "{wrapped}");
        let again = families.unwrap(origin).unwrap();
        assert!(again.layers.is_empty(), "{origin} is unwrapped once more: {again:?}");
    }
}

fn check_left_alone(cases: &[&str]) {
    let families = Families::builtin();
    for wrapped in cases {
        if let Ok(unwrapped) = families.unwrap(wrapped) {
            assert_eq!(unwrapped.layers, [], "{wrapped}");
            assert_eq!(unwrapped.origin, OriginUrl::parse(wrapped).unwrap());
        }
    }
}

#[test]
fn cors_proxies() {
    check(&[
        ("https://cors.halulu.workers.dev/?http://a.io/b.jpg?", "raw-query-worker", "http://a.io/b.jpg?"),
        ("https://cors.zfour.workers.dev?http://a.io/b.jpg", "cors-zfour", "http://a.io/b.jpg"),
        ("https://CORS.zfour.Workers.dev/?//a.io/b.jpg", "cors-zfour", "https://a.io/b.jpg"),
        ("http://cors.zfour.workers.dev/?//a.io/b.jpg", "cors-zfour", "http://a.io/b.jpg"),
        (
            "https://cors.zfour.workers.dev/?http://a.io/b%20c%252F.jpg",
            "cors-zfour",
            "http://a.io/b%20c%252F.jpg",
        ),
        (
            "https://cors.zfour.workers.dev/?http%3A%2F%2Fa.io%2Fb%2520c.jpg",
            "cors-zfour",
            "http://a.io/b%20c.jpg",
        ),
        ("https://cors.zfour.workers.dev/?HTTP://A.io/B.jpg", "cors-zfour", "http://a.io/B.jpg"),
        ("https://cors.zfour.workers.dev/?http://a.io/b.jpg#c", "cors-zfour", "http://a.io/b.jpg"),
        ("https://cors.zfour.workers.dev/?http://a.io/b'c.jpg", "cors-zfour", "http://a.io/b'c.jpg"),
        (
            "https://cors.zfour.workers.dev/?http://a.io/b.jpg?x=1&amp;y=2",
            "cors-zfour",
            "http://a.io/b.jpg?x=1&y=2",
        ),
        ("https://x.y.workers.dev/http://a.io/b", "path-prefix-worker", "http://a.io/b"),
        (
            "https://x.y.workers.dev/cors/https%3A%2F%2Fa.io%2Fb.png",
            "path-prefix-worker",
            "https://a.io/b.png",
        ),
        (
            "https://x.y.workers.dev/?url=https%3A%2F%2Fa.io%2Fb.png&w=3",
            "parameter-worker",
            "https://a.io/b.png",
        ),
        ("https://crossorigin.me///a.io/b.png", "cors-anywhere", "http://a.io/b.png"),
        ("https://cors.eu.org/a.io:8080/b.png?c", "cors-anywhere", "http://a.io:8080/b.png?c"),
        ("https://proxy.cors.sh/https://a.io/b.png?", "cors-anywhere", "https://a.io/b.png?"),
        (
            "https://corsproxy.io/?https%3A%2F%2Fa.io%2Fb.png%3Fc%3D1%26d%3D2",
            "corsproxy-io",
            "https://a.io/b.png?c=1&d=2",
        ),
        ("https://corsproxy.io/?url=https%3A%2F%2Fa.io%2Fb&key=k", "corsproxy-io", "https://a.io/b"),
        ("https://api.allorigins.win/get?charset=x&url=https%3A//a.io/b", "allorigins", "https://a.io/b"),
        (
            "https://api.allorigins.win/raw?url=https://a.io/b?wx_fmt=png&from=c",
            "allorigins",
            "https://a.io/b?wx_fmt=png",
        ),
        ("https://api.codetabs.com/v1/proxy/?quest=http://a.io/b", "codetabs", "http://a.io/b"),
        ("https://thingproxy.freeboard.io/fetch/http:/a.io/b?c&d", "thingproxy", "http://a.io/b?c&d"),
    ]);
}

#[test]
fn image_proxies() {
    check(&[
        ("https://wsrv.nl?url=a.io/b.png", "weserv", "http://a.io/b.png"),
        ("https://wsrv.nl/?url=b%C3%BCcher.de/b.png", "weserv", "http://xn--bcher-kva.de/b.png"),
        ("https://wsrv.nl/?url=ssl://a.io/b.png", "weserv", "https://a.io/b.png"),
        ("https://i0.wp.com/a.io/b.jpg?ssl=1&q=", "wp-photon", "https://a.io/b.jpg"),
        ("https://cors-anywhere.herokuapp.com/a.io:443/b.png", "cors-anywhere", "https://a.io/b.png"),
        ("//wsrv.nl/?w=3&default=https%3A%2F%2Fx.io%2Fy.png&url=a.io/b.png", "weserv", "http://a.io/b.png"),
        ("https://images.weserv.nl/?w=3&amp;url=ssl%3Aa.io%2Fb.png", "weserv", "https://a.io/b.png"),
        ("https://images.weserv.nl/?url=%2F%2Fa.io%2Fb.png%23c", "weserv", "https://a.io/b.png"),
        ("https://images.weserv.nl/?url=HTTPS%3A%2F%2Fa.io%2Fb+c.png%3F", "weserv", "https://a.io/b+c.png?"),
        ("https://wsrv.nl/?url=https://wsrv.nl/?url=a.io/b.png", "weserv > weserv", "http://a.io/b.png"),
        ("https://i0.wp.com/http.cat/404?ssl=1", "wp-photon", "https://http.cat/404"),
        ("https://i2.wp.com/a.io/b%20c.png?w=3&#038;ssl=1", "wp-photon", "https://a.io/b%20c.png"),
        ("http://i1.wp.com/a.io/b.php?ssl=0&q=x%3D1%26y%3D%252F", "wp-photon", "http://a.io/b.php?x=1&y=%2F"),
        ("https://i0.wp.com/i1.wp.com/a.io/b.png?ssl=1", "wp-photon > wp-photon", "http://a.io/b.png"),
        (
            "https://camo.githubusercontent.com/15411371090ab808f4644366f83bf2871aeacd208b2879fbe87f\
             562a20150a3d/687474703A2F2F612E696F2F62",
            "github-camo",
            "http://a.io/b",
        ),
        (
            "https://camo.forum.io/52feade06f2fecbf006889a904d221e6a730c194/687474703a2f2f612e696f2f62",
            "go-camo-b64",
            "http://a.io/b",
        ),
        (
            "https://camo.forum.io/52feade06f2fecbf006889a904d221e6a730c194?url=http%3A%2F%2Fa.io%2Fb",
            "camo-query",
            "http://a.io/b",
        ),
        (
            "https://www.inoreader.com/camo/sABC,q80,x120,b64/aHR0cDovL2EuaW8vYg",
            "inoreader-camo",
            "http://a.io/b",
        ),
        ("https://x.io/x200,q80,sABC=/http://a.io/b?c=1", "willnorris-imageproxy", "http://a.io/b?c=1"),
        ("https://x.io/proxy/300x/https:/a.io/b.jpg", "willnorris-imageproxy", "https://a.io/b.jpg"),
        (
            "https://proxy-prod.omnivore-image-cache.app/320x320,sABC/https://a.io/640?wx_fmt=png&from=c",
            "omnivore",
            "https://a.io/640?wx_fmt=png&from=c",
        ),
        (
            "https://x.io/sig/rs:fill:1:2/plain/https://a.io/b@c/d.jpg",
            "imgproxy-plain",
            "https://a.io/b@c/d.jpg",
        ),
        ("https://x.io/_/w:3/plain/https://a.io/b.jpg@png", "imgproxy-plain", "https://a.io/b.jpg"),
        (
            "https://x.io/insecure/plain/http%3A%2F%2Fa.io%2Fb%40c.jpg%3Fd%3D1@png",
            "imgproxy-plain",
            "http://a.io/b@c.jpg?d=1",
        ),
        (
            "https://x.io/insecure/fill/300/400/sm/0/aHR0cDovL2EuaW8vYi5qcGc.png",
            "b64-path-generic",
            "http://a.io/b.jpg",
        ),
        (
            "https://x.io/unsafe/wm:1/wmu:aHR0cDovL3cuaW8vdy5wbmc/aHR0cDov/L2EuaW8v/Yi5qcGc.webp/name.webp",
            "imgproxy-b64",
            "http://a.io/b.jpg",
        ),
        (
            "https://imgs.search.brave.com/sig/rs:fit:1:1/g:ce/aHR0cDovL2EuaW8v/Yj9jPTE",
            "brave-search",
            "http://a.io/b?c=1",
        ),
        (
            "https://thumbnails.odycdn.com/card/s:1:2/quality:8/plain/https://a.io/b.png",
            "odysee-optimize",
            "https://a.io/b.png",
        ),
        (
            "https://x.io/unsafe/300x200/filters:watermark(https://w.io/w.png,0,0)/https://a.io/b",
            "thumbor",
            "https://a.io/b",
        ),
        (
            "https://x.io/abcdefghijklmnopqrstuvwxyz0=/fit-in/-300x200/left/top/smart/a.io/b/c.jpg",
            "thumbor",
            "https://a.io/b/c.jpg",
        ),
        (
            "https://x.io/unsafe/trim/0x53:980x604/https%3A%2F%2Fa.io%2Fb%3Fc%3D1",
            "thumbor",
            "https://a.io/b?c=1",
        ),
        ("https://x.io/unsafe/http:/a.io/b?c", "thumbor", "http://a.io/b?c"),
        (
            "https://cdn.vox-cdn.com/thumbor/abcdefghijklmnopqrstuvwxyz0=/fit-in/1x2/filters:focal(1\
             x2:3x4)/a.io/b.jpg",
            "vox-thumbor",
            "https://a.io/b.jpg",
        ),
        (
            "https://thumbor.forbes.com/thumbor/fit-in/9x/filters%3Aformat%28jpg%29/https://a.io/b",
            "thumbor-forbes",
            "https://a.io/b",
        ),
        ("https://t2.genius.com/unsafe/3x3/https://a.io/b.png", "genius-thumbor", "https://a.io/b.png"),
        (
            "https://www.paper.io/pf/resizer/abcdefghijklmnopqrstuvwxyz0=/4x3/smart/a.io/b.jpg",
            "arc-resizer",
            "https://a.io/b.jpg",
        ),
        (
            "https://pocket-image-cache.com/direct?resize=w1&url=http%3A%2F%2Fa.io%2Fb",
            "pocket",
            "http://a.io/b",
        ),
        (
            "https://pocket-image-cache.com/x200/filters:format(jpg)/http://a.io/b?c",
            "pocket",
            "http://a.io/b",
        ),
        (
            "http://localhost:8080/proxy/abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG=/aHR0cDovL2EuaW8vYg==",
            "miniflux",
            "http://a.io/b",
        ),
        ("https://x.io/img/abc/aHR0cDovL2EuaW8vYi5wbmc=", "b64-path-generic", "http://a.io/b.png"),
        (
            "https://r.io/public.php?plugin=af_zz_imgproxy&pmethod=imgproxy&op=pluginhandler&url=htt\
             p%3A%2F%2Fa.io%2Fb",
            "ttrss-af-proxy",
            "http://a.io/b",
        ),
        (
            "https://s.io/searx/image_proxy?h=1&url=http%3A%2F%2Fa.io%2Fb",
            "searx-image-proxy",
            "http://a.io/b",
        ),
        ("https://s.io/image_proxy.php?url=http%3A%2F%2Fa.io%2Fb", "searx-image-proxy", "http://a.io/b"),
        ("https://nitter.cz/pic/orig/media%2Fa.jpg", "nitter-pic", "https://pbs.twimg.com/media/a.jpg"),
        (
            "https://nitter.net/pic/media%2Fa.jpg%3Fname%3Dsmall",
            "nitter-pic",
            "https://pbs.twimg.com/media/a.jpg?name=small",
        ),
        (
            "https://nitter.net/pic/https%3A%2F%2Fpbs.twimg.com%2Fa.jpg",
            "nitter-pic",
            "https://pbs.twimg.com/a.jpg",
        ),
        ("https://nitter.net/pic/enc/bWVkaWEvYS5qcGc", "nitter-pic", "https://pbs.twimg.com/media/a.jpg"),
        (
            "https://safereddit.com/preview/external-pre/a.jpg?s=1",
            "redlib",
            "https://external-preview.redd.it/a.jpg?s=1",
        ),
        (
            "https://libredd.it/preview/pre/a.jpg?width=1&s=2",
            "redlib",
            "https://preview.redd.it/a.jpg?width=1&s=2",
        ),
        ("https://libredd.it/thumb/b/a.jpg", "redlib", "https://b.thumbs.redditmedia.com/a.jpg"),
        ("https://invidio.us/ggpht/a=s48", "invidious", "https://yt3.ggpht.com/a=s48"),
        (
            "https://a.io/blog/_next/image?q=75&w=3&url=https%3A%2F%2Fb.io%2Fc",
            "nextjs-image",
            "https://b.io/c",
        ),
        ("https://a.io/_next/image?url=%2F%2Fb.io%2Fc%20d&w=3", "nextjs-image", "https://b.io/c%20d"),
        ("http://a.io:3000/_vercel/image?url=%2Fb.png", "vercel-image", "http://a.io:3000/b.png"),
        ("https://a.io/.netlify/images?url=_astro/b.png&w=3", "netlify-images", "https://a.io/_astro/b.png"),
        ("https://a.io/_ipx/w_3,h_4/https%3A%2F%2Fb.io%2Fc.png?url=x", "ipx", "https://b.io/c.png"),
        ("https://a.io/cdn-cgi/image/w=3/https:/b.io/c.png?d", "cdn-cgi-image", "https://b.io/c.png?d"),
        ("https://a.io/cdn-cgi/image/w=3,q=4//b/c.png", "cdn-cgi-image", "https://a.io/b/c.png"),
        ("/cdn-cgi/image/w=3/https%3a%2f%2fb.io%2fc", "cdn-cgi-image", "https://b.io/c"),
        ("https://a.io/wp/phpThumb.php?w=3&src=img/b.png", "timthumb", "https://a.io/img/b.png"),
        ("https://a.io/getimg.php?src=http%3A%2F%2Fb.io%2Fc", "getimg-php", "http://b.io/c"),
        ("https://a.io/forum/proxy.php?hash=1&image=http://b.io/c", "xenforo-proxy", "http://b.io/c"),
        ("https://a.io/proxy.php?request=http://b.io/c", "smf-proxy", "http://b.io/c"),
        ("https://a.io/imageproxy.php?url=http://b.io/c", "tapatalk", "http://b.io/c"),
    ]);
}
