//! The second half: CDNs, search engines, portals, mail, archives, chains, and what is left alone.

use super::{check, check_left_alone};

#[test]
fn image_cdns() {
    check(&[
        (
            "https://res.cloudinary.com/x/image/fetch/w_3/f_auto/https%3A//a.io/b%3Fc%3D1?_a=X",
            "cloudinary-fetch",
            "https://a.io/b?c=1",
        ),
        ("https://img.own.io/image/fetch/https://a.io/b?c=1&_a=X", "cloudinary-fetch", "https://a.io/b?c=1"),
        (
            "https://res.cloudinary.com/x/image/fetch/l_fetch:aHR0cDovL3cuaW8vdy5wbmc/http://a.io/b%252Fc",
            "cloudinary-fetch",
            "http://a.io/b%2Fc",
        ),
        (
            "https://cdn.substack.com/image/fetch/f_auto/https%3A%2F%2Fa.io%2Fb?x=1",
            "substack",
            "https://a.io/b",
        ),
        ("https://media2.dev.to/dynamic/image/w=1/https%3A%2F%2Fa.io%2Fb", "devto-dynamic", "https://a.io/b"),
        ("https://x.imgix.net/https%3A%2F%2Fa.io%2Fb%3Fc?w=3&s=4", "imgix-web-proxy", "https://a.io/b?c"),
        ("https://ik.imagekit.io/x/tr:w-4,h-3/https://a.io/b?tr=w-1&c=2", "imagekit", "https://a.io/b?c=2"),
        ("https://ik.imagekit.io/x/https://a.io/b?tr=w-1", "imagekit", "https://a.io/b"),
        ("https://x.gumlet.io/fetch/https://a.io/b", "gumlet", "https://a.io/b"),
        (
            "https://cdn.statically.io/img/a.io/w=3,h=4/b/c.png?quality=1",
            "statically-img",
            "https://a.io/b/c.png",
        ),
        (
            "https://x.cloudimg.io/v7/https://a.io/b?imageId=1&w=3&org_if_sml=1",
            "cloudimage",
            "https://a.io/b?imageId=1",
        ),
        ("https://x.cloudimg.io/crop/3x4/tjpg/http://a.io/b", "cloudimage", "http://a.io/b"),
        ("https://x.i.optimole.com/abc/w:3/h:4/q:90/http://a.io/b", "optimole", "http://a.io/b"),
        ("https://cdn.shortpixel.ai/client/q_lossy/https://a.io/b?c", "shortpixel", "https://a.io/b?c"),
        ("https://img.imageboss.me/cover/3x4/https://a.io/b", "imageboss", "https://a.io/b"),
        (
            "https://x.ucr.io/-/resize/3x/-/preview/https:/a.io/b?c=1&d=2",
            "uploadcare-proxy",
            "https://a.io/b?c=1&d=2",
        ),
        ("https://cdn.filestackcontent.com/KEY/resize=width:3/https://a.io/b", "filestack", "https://a.io/b"),
        (
            "https://cdn.image.st-hatena.com/image/square/abc/backend=x;width=3/https%3A%2F%2Fa.io%2Fb%253F",
            "hatena-image",
            "https://a.io/b%3F",
        ),
        (
            "https://x.io/a/__origami/service/image/v2/images/raw/https%3A%2F%2Fa.io%2Fb?source=x",
            "ft-origami",
            "https://a.io/b",
        ),
        (
            "https://x.io/dims4/default/1/2/strip/true/?url=https%3A%2F%2Fa.io%2Fb",
            "brightspot-dims4",
            "https://a.io/b",
        ),
        (
            "https://s.aolcdn.com/dims-shared/dims3/GLOB/resize/3x4!/https://a.io/b",
            "aol-dims3",
            "https://a.io/b",
        ),
        (
            "https://www.washingtonpost.com/resizer/?w=3&src=https%3A%2F%2Fa.io%2Fb?h=4",
            "wapo-imrs",
            "https://a.io/b?h=4",
        ),
        (
            "https://imagesvc.timeincapp.com/v3/foundry/image/?q=70&url=https%3A%2F%2Fa.io%2Fb",
            "meredith-imagesvc",
            "https://a.io/b",
        ),
        (
            "https://hips.hearstapps.com/a.s3.amazonaws.com/b.jpg?resize=1",
            "hearst-hips",
            "https://a.s3.amazonaws.com/b.jpg",
        ),
        (
            "https://x.notion.site/image/https%3A%2F%2Fa.io%2F%25EC%2595%2588.png?id=1",
            "notion-image",
            "https://a.io/%EC%95%88.png",
        ),
    ]);
}

#[test]
fn search_engines() {
    check(&[
        (
            "https://external-content.duckduckgo.com/iu/?image_host=http%3A%2F%2Fx&u=http%3A%2F%2Fa.io%2Fb",
            "duckduckgo-iu",
            "http://a.io/b",
        ),
        ("https://s2.qwant.com/thumbr/0x0/a/b.png?q=0&u=http%3A%2F%2Fa.io%2Fb", "qwant", "http://a.io/b"),
        (
            "https://eu-browse.startpage.com/av/proxy-image?piurl=http%3A%2F%2Fa.io%2Fb",
            "startpage",
            "http://a.io/b",
        ),
        (
            "https://www.startpage.com/cgi-bin/serveimage?url=http%3A%2F%2Fa.io%2Fb&sp=1",
            "startpage",
            "http://a.io/b",
        ),
        ("https://tse2.mm.bing.net/th?id=OIP.x&riu=http%3a%2f%2fa.io%2fb", "bing-riu", "http://a.io/b"),
        (
            "https://www.bing.com/images/search?q=x&mediaurl=http%3a%2f%2fa.io%2fb",
            "bing-riu",
            "http://a.io/b",
        ),
        (
            "https://www.google.co.uk/imgres?imgrefurl=http%3A%2F%2Fp.io&imgurl=http%3A%2F%2Fa.io%2Fb",
            "google-imgres",
            "http://a.io/b",
        ),
        (
            "https://images2-opensocial.googleusercontent.com/gadgets/proxy?container=x&url=http://a.io/b",
            "google-gadgets-proxy",
            "http://a.io/b",
        ),
        (
            "https://lh5.googleusercontent.com/proxy/abc=s0-d-e1-ft#http://a.io/b?c=1",
            "gmail-proxy",
            "http://a.io/b?c=1",
        ),
        ("https://a-io.cdn.ampproject.org/ii/w680/a.io/b?c", "amp-cache", "http://a.io/b?c"),
        (
            "https://my--site-co-uk.translate.goog/a.png?b=1&_x_tr_sl=en",
            "translate-goog",
            "https://my-site.co.uk/a.png?b=1",
        ),
        ("https://cdn.swisscows.ch/https://a.io/b", "swisscows", "https://a.io/b"),
        ("https://4get.ca/proxy?i=http%3A%2F%2Fa.io%2Fb&s=thumb", "4get", "http://a.io/b"),
        (
            "https://gimg2.baidu.com/image_search/refer=http%3A%2F%2Fx&src=http%3A%2F%2Fa.io%2Fb?sec=1&t=2",
            "baidu-gimg2",
            "http://a.io/b",
        ),
        (
            "https://timg.baidu.com/timg?image&di=x&src=http%3A%2F%2Fa.io%2Fb&quality=80",
            "baidu-timg",
            "http://a.io/b",
        ),
        (
            "https://image.baidu.com/search/down?thumburl=http://t.io/t&url=http%3A%2F%2Fa.io%2Fb%253D",
            "baidu-search-down",
            "http://a.io/b%3D",
        ),
        (
            "https://img04.sogoucdn.com/v2/thumb/retype/ext/auto?appid=1&url=http%3A%2F%2Fa.io%2Fb",
            "sogou-thumb",
            "http://a.io/b",
        ),
        (
            "https://img02.sogoucdn.com/net/a/04/link?url=http%3A%2F%2Fa.io%2Fb&appid=1",
            "sogou-link",
            "http://a.io/b",
        ),
        (
            "https://search.pstatic.net/common?type=x&src=http%3A%2F%2Fa.io%2F%25A3%25df",
            "naver-search",
            "http://a.io/%A3%df",
        ),
        ("https://dthumb-phinf.pstatic.net/?type=x&src=\"http://a.io/b\"", "naver-dthumb", "http://a.io/b"),
        (
            "//t1.daumcdn.net/thumb/R1/?fname=http%3A%2F%2Fa.io%2Fb&#x26;scode=x",
            "daum-thumb",
            "http://a.io/b",
        ),
        (
            "https://s1.yimg.com/uu/api/res/1.2/sig/Zmk9ZmlsbA--/http:/a.io/b.jpg.cf.webp",
            "yahoo-api-res",
            "http://a.io/b.jpg",
        ),
        ("https://s.yimg.jp/images/x", "", "https://s.yimg.jp/images/x"),
    ]);
}

#[test]
fn portals_mail_and_archives() {
    check(&[
        (
            "https://cdn.read.html5.qq.com/image?imageUrl=http%3A%2F%2Fa.io%2Fb&src=http%3A%2F%2Fx.io",
            "qq-read-image",
            "http://a.io/b",
        ),
        (
            "https://imgconvert.csdnimg.cn/aHR0cDovL2EuaW8vYiUyMGM?x-oss-process=x",
            "csdn-imgconvert",
            "http://a.io/b%20c",
        ),
        (
            "https://imgsize.ph.126.net/?imgurl=http://a.io/b.jpg_3x4x1.png",
            "netease-imgsize",
            "http://a.io/b.jpg",
        ),
        ("http://s.cimg.163.com/pi/a.io%2Fb.jpg.3x4.75.auto.jpg?x", "netease-cimg", "http://a.io/b.jpg"),
        (
            "https://d.ifengimg.com/w3_h4_q70_webp/a.io/b_size_w_h.jpg",
            "ifeng-d",
            "https://a.io/b_size_w_h.jpg",
        ),
        ("https://pic1.xuehuaimg.com/proxy/baijia/a.io/b", "xuehuaimg", "https://a.io/b"),
        (
            "https://imageproxy.pimg.tw/zoomcrop?width=3&url=http%3A%2F%2Fa.io%2Fb",
            "pixnet-imageproxy",
            "http://a.io/b",
        ),
        (
            "https://x.io/api/picReverseUrl?url=https://mmbiz.qpic.cn/a/640?wx_fmt=png&tp=webp&wxfrom=5",
            "generic-image-proxy-param",
            "https://mmbiz.qpic.cn/a/640?wx_fmt=png",
        ),
        (
            "https://ghfast.top/https:/github.com/a/b/raw/c.png",
            "gh-proxy",
            "https://github.com/a/b/raw/c.png",
        ),
        (
            "https://unknown.io/raw.githubusercontent.com/a/b/c.png",
            "gh-proxy",
            "https://raw.githubusercontent.com/a/b/c.png",
        ),
        ("https://i.pixiv.re/a/b.jpg", "pixiv-mirror", "https://i.pximg.net/a/b.jpg"),
        ("https://proxy.imgsmail.ru/?url173=YS5pby9i&e=1", "mailru-imgsmail", "http://a.io/b"),
        (
            "https://resize.yandex.net/imgs_touch?key=1&amp;url=http%3A%2F%2Fa.io%2Fb",
            "yandex-resize",
            "http://a.io/b",
        ),
        (
            "https://images-ext-2.discordapp.net/external/sig/%3Fa%3D%252F/http/a.io/b?width=3",
            "discord-external",
            "http://a.io/b?a=%2F",
        ),
        ("https://steamcommunity.com/linkfilter/?url=http://a.io/b", "steam-image", "http://a.io/b"),
        (
            "https://i-cdn.embed.ly/1/display/resize?errorurl=http%3A%2F%2Fx.io&url=http%3A%2F%2Fa.io%2Fb",
            "embedly",
            "http://a.io/b",
        ),
        (
            "https://my.plex.direct:32400/photo/:/transcode?width=3&url=http%3A%2F%2Fa.io%2Fb",
            "plex-photo",
            "http://a.io/b",
        ),
        (
            "https://x.safelinks.protection.outlook.com/GetUrl?data=1&url=http%3A%2F%2Fa.io%2Fb",
            "outlook-safelinks",
            "http://a.io/b",
        ),
        ("https://urldefense.com/v3/__https:/a.io/b*20c__;JQ!!x!y$", "urldefense", "https://a.io/b%20c"),
        (
            "https://urldefense.proofpoint.com/v1/url?u=http%3A//a.io/b-c_d&k=1",
            "urldefense",
            "http://a.io/b-c_d",
        ),
        ("https://links.jianshu.com/go?to=https%3A%2F%2Fa.io%2Fb", "zhihu-jianshu-link", "https://a.io/b"),
        ("/web/20160819120028im_/http://a.io/b?c", "wayback", "http://a.io/b?c"),
        ("https://web.archive.org/web/2016id_/a.io/b?c", "wayback", "http://a.io/b?c"),
        ("https://web.archive.org/web/20160819/http:/a.io/b", "wayback", "http://a.io/b"),
        ("https://x.io/coll/20160819120028mp_/https://a.io/b", "memento-archive", "https://a.io/b"),
        ("https://archive.md/20160819120028/https://a.io/b", "archive-today", "https://a.io/b"),
    ]);
}

#[test]
fn the_long_tail() {
    check(&[
        (
            "https://images.radiotimes.com/namedimage/x?quality=8&url=http%3A%2F%2Fa.io%2Fb",
            "publisher-resizer",
            "http://a.io/b",
        ),
        (
            "https://media.rbl.ms/image?ho=https%3A%2F%2Fa.io&u=%2Fb.png&s=1",
            "rebelmouse-image",
            "https://a.io/b.png",
        ),
        (
            "https://assets.rebelmouse.io/eyJhbGciOjF9.eyJpbWFnZSI6Imh0dHA6Ly9hLmlvL2IifQ.sig/img.jpg",
            "rebelmouse-image",
            "http://a.io/b",
        ),
        (
            "https://img.lengding.cn/x/getImage.php?url=http://a.io/b?c=1&d=2",
            "lengding",
            "http://a.io/b?c=1&d=2",
        ),
        ("https://img.xiaohuazu.com/?url=wwwz-zaz-zio/bz-zjpg", "xiaohuazu", "http://www.a.io/b.jpg"),
        ("https://images.niooz.fr/safe_image.php?i=/b.png", "niooz", "https://images.niooz.fr/b.png"),
        ("https://steemitimages.com/640x0/https://a.io/b", "path-resizer", "https://a.io/b"),
        (
            "https://cdn.discuss.com.hk/t/abc/f/3x4/filters:quality(8)/http://a.io/b",
            "discuss-hk",
            "http://a.io/b",
        ),
        ("https://i.iheart.com/v3/url/aHR0cDovL2EuaW8vYg?ops=x", "base64-resizer", "http://a.io/b"),
        ("https://a1.blovcdn.com/aHR0cCUzQSUyRiUyRmEuaW8lMkZi", "bloglovin", "http://a.io/b"),
        (
            "https://img.buymeacoffee.com/api/?url=aHR0cDovL2EuaW8vYg==&size=3",
            "base64-parameter",
            "http://a.io/b",
        ),
        ("https://image.ceneostatic.pl/offercandidates/eHg7aHR0cDovL2EuaW8vYg", "ceneo", "http://a.io/b"),
        ("https://itsfun.com.tw/b/gYv8WauE2LvoDc0RHa", "itsfun", "http://a.io/b"),
        (
            "https://x.io/wp-content/plugins/phastpress/phast.php/service=images/src=http-3A-2F-2Fa.\
             io-2Fb/c=1",
            "phastpress",
            "http://a.io/b",
        ),
        ("https://media-cdn.x.io/dims/CSFF/1/2/3/4/http://a.io/b", "dims-csff", "http://a.io/b"),
        ("https://s.yimg.jp/sim/?furl=a.io/b.jpg", "yahoo-japan-sim", "http://a.io/b.jpg"),
    ]);
}

#[test]
fn chains_and_unknown_hosts() {
    check(&[
        (
            "https://x.io/thumbs?src=https%3A%2F%2Fa.io%2Fb.png&w=3&h=4",
            "generic-image-proxy-param",
            "https://a.io/b.png",
        ),
        ("/api/fetch?u=https%3A%2F%2Fa.io%2Fb.png&q=3", "generic-image-proxy-param", "https://a.io/b.png"),
        ("https://x.io/?https://a.io/b.png", "generic-raw-query", "https://a.io/b.png"),
        ("https://x.io/w_3/https%3A%2F%2Fa.io%2Fb.png%3Fc?d", "generic-path-embed", "https://a.io/b.png?c"),
        ("https://x.io/https:/a.io/b.png!w600?c", "generic-path-embed", "https://a.io/b.png!w600?c"),
        ("https://x.io/y/https://i0.wp.com/a.io/b?ssl=1", "generic-path-embed > wp-photon", "https://a.io/b"),
        (
            "https://wsrv.nl/?url=cors.zfour.workers.dev%2F%3Fhttp%3A%2F%2Fa.io%2Fb%3Fc%3D1%26d%3D2",
            "weserv > cors-zfour",
            "http://a.io/b?c=1&d=2",
        ),
        (
            "https://web.archive.org/web/2016im_/https://camo.githubusercontent.com/52feade06f2fecbf\
             006889a904d221e6a730c194/687474703a2f2f612e696f2f62",
            "wayback > github-camo",
            "http://a.io/b",
        ),
        (
            "https://cors.zfour.workers.dev/?https://web.archive.org/web/2016/http://x.ucr.io/-/prev\
             iew/http://a.io/b",
            "cors-zfour > wayback > uploadcare-proxy",
            "http://a.io/b",
        ),
        (
            "https://i0.wp.com/res.cloudinary.com/x/image/upload/b.jpg?ssl=1",
            "wp-photon",
            "https://res.cloudinary.com/x/image/upload/b.jpg",
        ),
        (
            "https://web.archive.org/web/2016im_/https://a.io/screenshot/b.png",
            "wayback",
            "https://a.io/screenshot/b.png",
        ),
        (
            "https://x.io/w_3/https://res.cloudinary.com/x/image/upload/b.jpg",
            "generic-path-embed",
            "https://res.cloudinary.com/x/image/upload/b.jpg",
        ),
        ("/_next/image?url=https://a.io/b c.png&w=3", "nextjs-image", "https://a.io/b%20c.png"),
        ("/_image?href=https%3A%2F%2Fa.io%2Fb.png&w=3&f=webp", "astro-image", "https://a.io/b.png"),
        ("https://x.io/docs/_image?href=https%3A%2F%2Fa.io%2Fb", "astro-image", "https://a.io/b"),
        (
            "https://cors.zfour.workers.dev/?https://a.io\\@wsrv.nl/?url=b.io/c",
            "cors-zfour",
            "https://a.io/@wsrv.nl/?url=b.io/c",
        ),
        ("https://wsrv.nl@x.io/300x/https://a.io/b.png", "willnorris-imageproxy", "https://a.io/b.png"),
        (
            "/_next/image?url=%2F_next%2Fimage%3Furl%3Dx&url=https%3A%2F%2Fa.io%2Fb",
            "nextjs-image",
            "https://a.io/b",
        ),
    ]);
}

#[test]
fn what_is_left_alone() {
    check_left_alone(&[
        "https://a.io/b.jpg",
        "https://a.io/b.jpg?x=1&amp;y=2#z",
        "https://wsrv.nl/?url=null&default=https%3A%2F%2Fa.io%2Fb.png",
        "https://wsrv.nl/?url=photo.jpg",
        "https://wsrv.nl/?w=300",
        "https://wsrv.nl/",
        "https://i0.wp.com/",
        "https://i0.wp.com/localhost/a.jpg",
        "https://cors.zfour.workers.dev/?",
        "https://cors.zfour.workers.dev/?a.io/b.jpg",
        "https://cors.zfour.workers.dev/?ftp://a.io/b.jpg",
        "https://cors.zfour.workers.dev/?https://",
        "https://cors.zfour.workers.dev/?data:image/png;base64,AAAA",
        "https://cors-anywhere.herokuapp.com/",
        "https://camo.githubusercontent.com/52feade06f2fecbf006889a904d221e6a730c194",
        "https://camo.githubusercontent.com/52feade06f2fecbf006889a904d221e6a730c194/zz",
        "https://x.io/sig/rs:fit:1:1/enc/aHR0cDovL2EuaW8vYg/aHR0cDovL2EuaW8vYi5qcGc",
        "https://x.io/unsafe/300x200/photos/2020/b.jpg",
        "https://x.io/unsafe/300x200/photo.jpg",
        "https://x.io/abcdefghijklmnopqrstuvwxyz0=/300x200/htt://a.io/b.jpg",
        "https://x.io/resizer/v2/ABCDEF.jpg?auth=abc&width=3",
        "https://res.cloudinary.com/x/image/upload/w_3/https://a.io/b.jpg",
        "https://x.imgix.net/a/b.jpg?mark=https%3A%2F%2Fa.io%2Fb.png",
        "https://x.cloudimg.io/v7/_alias_/b.jpg",
        "https://www.notion.so/image/attachment%3Aabc%3Ab.png?id=1",
        "https://nitter.net/user/status/1",
        "https://libredd.it/r/pics",
        "https://yewtu.be/watch?v=1",
        "https://a.io/_next/image?url=undefined&w=3",
        "https://a.io/_next/image?url=&w=3",
        "https://a.io/_next/static/b.png",
        "https://a.io/cdn-cgi/image/b.png",
        "https://a.io/proxy.php?link=https%3A%2F%2Fa.io%2Fb.png&hash=1",
        "https://a.io/public.php?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://lh3.googleusercontent.com/proxy/abc=s0-d-e1-ft#c",
        "https://www.google.com/imgres?imgrefurl=https%3A%2F%2Fa.io%2Fb.png",
        "https://external-content.duckduckgo.com/iu/?image_host=https%3A%2F%2Fa.io%2Fb.png",
        "https://d.ifengimg.com/mappa/2020/b.jpg",
        "https://gh-proxy.com/https://a.io/b.png",
        "https://api.embed.ly/1/oembed?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://web.archive.org/web/*/https://a.io/b.png",
        "https://web.archive.org/web/2016im_/",
        "https://archive.ph/abcde/0123456789abcdef.webp",
        "https://mastodon.io/media_proxy/1/small?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://twitter.com/intent/tweet?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/img/share?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/image/login?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/api/og?image=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/image?url=https%3A%2F%2Fa.io%2Fb.png&title=Hello",
        "https://a.io/topic?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/photo?default=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/thumbs?url=https%3A%2F%2Fa.io%2Fpage",
        "https://a.io/go/https://a.io/page",
        "https://a.io/xhttps://a.io/b.png",
        "https://a.io/image?watermark=https%3A%2F%2Fa.io%2Fb.png",
        "https://a.io/assets/aHR0cG5vdA==",
        "https://a.io/assets/aHR0cDovL2EuaW8vcGFnZQ",
        "https://img.shields.io/badge/a-b-c?logo=https%3A%2F%2Fa.io%2Fb.png",
        "https://image.thum.io/get/https://a.io/b.png",
        "https://api.microlink.io/?url=https%3A%2F%2Fa.io%2Fb.png",
        "https://secure.gravatar.com/avatar/0?d=https%3A%2F%2Fi0.wp.com%2Fa.io%2Fb.png",
        "https://s0.wp.com/mshots/v1/https%3A%2F%2Fa.io%2Fb.png?w=3",
        "https://maps.googleapis.com/maps/api/staticmap?image=https%3A%2F%2Fa.io%2Fb.png",
        "https://api.mapbox.com/styles/v1/url-https%3A%2F%2Fa.io%2Fb.png(1,2)/3x4",
        "https://a.io/share/https://a.io/b.png",
        "https://a.io/1200x600/https://a.io/page",
        "https://wsrv.nl@a.io/?url=a.io/b.png",
        "https://a.io\\@wsrv.nl/?url=a.io/b.png",
        "mailto:a@a.io",
        "blob:https://a.io/b",
        "javascript:alert(1)",
        "C:\\pictures\\a.png",
        "",
        "?",
        "#",
        "//",
        "https://",
        "a.png",
        "/proxy/",
    ]);
}
