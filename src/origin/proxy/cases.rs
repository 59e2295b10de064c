//! Wrappers and decoys, family by family.

use super::*;

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
                *got == wanted
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
