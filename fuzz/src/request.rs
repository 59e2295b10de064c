//! The target of a request, whatever a client makes of it.

use std::sync::LazyLock;

use hyper::header::HOST;
use hyper::{Request, Uri};
use imgkeep::blob::BlobName;
use imgkeep::digest::Digest;
use imgkeep::media::MediaType;
use imgkeep::origin::OriginUrl;
use imgkeep::origin::proxy::Families;
use imgkeep::serve::{route, wrapper};

use super::dice::Dice;

static FAMILIES: LazyLock<Families> = LazyLock::new(Families::builtin);

/// A target, and behind a line break a Host.
pub fn holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    a_blob_is_asked_for_by_its_name(&mut dice);
    let (target, host) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], Some(&bytes[end + 1..])),
        None => (bytes, None),
    };
    let Ok(uri) = Uri::try_from(target) else { return };
    if let Some(blob) = route::blob(uri.path()) {
        assert_eq!(uri.path(), format!("/images/{blob}"), "nothing but a blob's own name reaches the disk");
    }
    let _ = imgkeep::web::owns(uri.path());
    let mut request = Request::get(uri);
    if let Some(host) = host {
        request = request.header(HOST, host);
    }
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    let _ = wrapper::is_meant(&FAMILIES, &head);
    let origins = wrapper::origins(&FAMILIES, &head);
    assert!(origins.len() <= 5, "each shape of a wrapper names one image at the most");
    for (index, origin) in origins.iter().enumerate() {
        let url = origin.url();
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{url}");
        assert_eq!(OriginUrl::parse(origin.as_str()).ok().as_ref(), Some(origin));
        assert!(!origins[..index].contains(origin), "{origin} comes twice");
    }
}

/// The name of a blob is a path to it, and no longer once a byte of it is another.
fn a_blob_is_asked_for_by_its_name(dice: &mut Dice<'_>) {
    let blob = BlobName { digest: Digest::of(&[dice.byte()]), media_type: dice.pick(&MediaType::ALL) };
    let path = format!("/images/{blob}");
    assert_eq!(route::blob(&path), Some(blob));
    let mut changed = path.clone().into_bytes();
    let at = dice.below(changed.len());
    changed[at] = dice.byte();
    let Ok(changed) = String::from_utf8(changed) else { return };
    if let Some(other) = route::blob(&changed) {
        assert_eq!(format!("/images/{other}"), changed);
    }
}
