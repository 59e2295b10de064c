//! What the layers say together.

use std::collections::BTreeMap;
use std::time::Duration;

use imgkeep::config::sources::Sources;
use imgkeep::config::{Config, Error, Scope, Source};

use crate::support::{Folder, contract, load_file, load_set, load_variables};

const SHIPPED: &str = include_str!("../../config/imgkeep.toml");

fn check(loaded: Result<Config, Error>, change: impl Fn(&mut Config)) {
    let mut expected = contract();
    change(&mut expected);
    assert_eq!(loaded.unwrap(), expected);
}

#[test]
fn the_shipped_file_holds_the_defaults_of_the_contract() {
    assert_eq!(Config::default(), contract());
    assert_eq!(toml::from_str::<Config>(SHIPPED).unwrap(), contract());
    check(load_set(&[]), |_| {});
}

#[test]
fn every_key_of_the_shipped_file_is_needed_and_explained() {
    let sections: toml::Table = SHIPPED.parse().unwrap();
    for (section, keys) in &sections {
        for key in keys.as_table().unwrap().keys() {
            let mut fewer = sections.clone();
            fewer[section].as_table_mut().unwrap().remove(key);
            assert!(fewer.try_into::<Config>().is_err(), "{section}.{key} is not a field");
        }
    }

    let mut comment = String::new();
    for line in SHIPPED.lines() {
        if let Some(more) = line.strip_prefix('#') {
            comment += more;
        } else if let Some((key, value)) = line.split_once(" = ") {
            assert!(comment.contains(&format!("Default: {value}")), "{key}: {comment}");
            comment.clear();
        } else {
            comment.clear();
        }
    }
}

#[test]
fn the_shipped_file_can_be_copied_and_read() {
    let folder = Folder::new();
    let path = folder.write("conf/imgkeep.toml", SHIPPED);
    let cache = folder.path().join("conf/cache");
    check(Config::load(&Sources { file: Some(path), ..folder.sources() }), |config| {
        config.store.path = cache.clone();
        config.catalog.url = format!("sqlite:{}/catalog.db", cache.display());
    });
}

#[test]
fn a_later_layer_wins() {
    let folder = Folder::new();
    folder.write("imgkeep.toml", "[fetch]\nper_host = 2\nconcurrency = 20\nretries = 1\n");
    let environment = [("IMGKEEP_FETCH__PER_HOST", "3"), ("IMGKEEP_FETCH__CONCURRENCY", "30"), ("HOME", "/")];
    let sources = Sources {
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        sets: vec!["fetch.per_host=4".to_owned(), "fetch.per_host = 5".to_owned()],
        ..folder.sources()
    };
    check(Config::load(&sources), |config| {
        config.fetch.per_host = 5;
        config.fetch.concurrency = 30;
        config.fetch.retries = 1;
    });
}

#[test]
fn the_file_of_the_command_line_is_read_in_place_of_the_one_that_lies_there() {
    let folder = Folder::new();
    folder.write("imgkeep.toml", "[gc]\ngrace_days = 1\n");
    let other = folder.write("other.toml", "[fetch]\nretries = 9\n");
    check(Config::load(&Sources { file: Some(other), ..folder.sources() }), |config| {
        config.fetch.retries = 9;
    });
}

#[test]
fn paths_in_a_file_start_at_its_folder() {
    let folder = Folder::new();
    let text = "store.path = \"kept\"\nreferences.families = \"own.toml\"\n\
                daemon.watch = [\"posts\", \"/srv\"]\ndaemon.allow = [\"drafts\"]\n\
                server.token_file = \"token\"\nserver.tls_certificate = \"tls.pem\"\nserver.tls_key = \"/key.pem\"\n\
                fetch.root_certificates = [\"../ca.pem\"]\n";
    let file = folder.write("conf/imgkeep.toml", text);
    let conf = folder.path().join("conf");
    check(Config::load(&Sources { file: Some(file), ..folder.sources() }), |config| {
        config.store.path = conf.join("kept");
        config.catalog.url = format!("sqlite:{}/kept/catalog.db", conf.display());
        config.references.families = Some(conf.join("own.toml"));
        config.daemon.watch = vec![conf.join("posts"), "/srv".into()];
        config.daemon.allow = vec![conf.join("drafts")];
        config.server.token_file = Some(conf.join("token"));
        config.server.tls_certificate = Some(conf.join("tls.pem"));
        config.server.tls_key = Some("/key.pem".into());
        config.fetch.root_certificates = vec![conf.join("../ca.pem")];
    });
}

#[test]
fn the_catalog_follows_the_store_unless_it_is_set() {
    check(load_set(&["store.path=/srv/kept"]), |config| {
        config.store.path = "/srv/kept".into();
        config.catalog.url = "sqlite:/srv/kept/catalog.db".into();
    });
    check(load_set(&["catalog.url=sqlite:cache/catalog.db", "store.path=kept"]), |config| {
        config.store.path = "kept".into();
    });
}

#[test]
fn texts_are_read_as_the_kind_of_value_that_the_key_has() {
    check(load_set(&["store.path=2024", "catalog.url='sqlite:c'"]), |config| {
        config.store.path = "2024".into();
        config.catalog.url = "sqlite:c".into();
    });
    check(
        load_variables(&[("IMGKEEP_FETCH__SOURCES", "proxy, origin"), ("IMGKEEP_FETCH__MAX_BYTES", "1000")]),
        |config| {
            config.fetch.sources = vec![Source::Proxy, Source::Origin];
            config.fetch.max_bytes = 1000;
        },
    );
    check(
        load_set(&["references.attributes=[\"data-a\", \"Data-B\"]", "fetch.max_bytes=\"2 KiB\""]),
        |config| {
            config.references.attributes = vec!["data-a".into(), "data-b".into()];
            config.fetch.max_bytes = 2048;
        },
    );
    check(load_set(&["documents.include=a/*.md", "documents.include=", "fetch.connect_to="]), |_| {});
    check(load_set(&["documents.include=\"{a,b}/*.md\""]), |config| {
        config.documents.include = vec!["{a,b}/*.md".into()];
    });
    check(load_set(&["fetch.timeout_secs=0.5", "daemon.settle_secs=0", "rewrite.in_place=true"]), |config| {
        config.fetch.timeout = Duration::from_millis(500);
        config.daemon.settle = Duration::ZERO;
        config.rewrite.in_place = true;
    });
    check(load_set(&["references.scope=proxied", "rewrite.link=/images/"]), |config| {
        config.references.scope = Scope::Proxied;
        config.rewrite.link = "/images/".into();
    });
}

#[test]
fn tables_are_set_whole_or_by_entry() {
    let connect = |names: &[&str]| {
        names
            .iter()
            .map(|&name| (name.to_owned(), "127.0.0.1:1".parse().unwrap()))
            .collect::<BTreeMap<_, _>>()
    };
    check(load_set(&[r#"fetch.connect_to={"*"="127.0.0.1:1"}"#]), |config| {
        config.fetch.connect_to = connect(&["*"]);
    });
    check(load_variables(&[("IMGKEEP_FETCH__CONNECT_TO", r#"{ "*" = "127.0.0.1:1" }"#)]), |config| {
        config.fetch.connect_to = connect(&["*"]);
    });
    let one_by_one = [
        "fetch.connect_to.CDN.example=127.0.0.1:1",
        r#"fetch.connect_to."b.example:443"=127.0.0.1:1"#,
        "fetch.connect_to.'[::1]:80' = '127.0.0.1:1'",
        "fetch.connect_to.*=127.0.0.1:1",
    ];
    check(load_set(&one_by_one), |config| {
        config.fetch.connect_to = connect(&["cdn.example", "b.example:443", "[::1]:80", "*"]);
    });
    check(
        load_set(&["fetch.resolve.a.example=192.0.2.7, 2001:db8::7", "fetch.resolve.b.example=[]"]),
        |config| {
            let addresses = ["192.0.2.7", "2001:db8::7"].map(|address| address.parse().unwrap());
            config.fetch.resolve =
                [("a.example".into(), addresses.to_vec()), ("b.example".into(), vec![])].into();
        },
    );
    check(load_file("[fetch.connect_to]\n\"*\" = \"127.0.0.1:1\"\n"), |config| {
        config.fetch.connect_to = connect(&["*"]);
    });
}

#[test]
fn values_are_brought_into_one_form() {
    check(
        load_set(&[
            "fetch.allow_networks=127.0.0.0/8,::1/128",
            "references.exclude_hosts=A.example,*.bücher.example",
        ]),
        |config| {
            config.fetch.allow_networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
            config.references.exclude_hosts = vec!["a.example".into(), "*.xn--bcher-kva.example".into()];
        },
    );
    check(
        load_set(&["server.cors=https://Blog.example:443/,*", "fetch.user_agent=me/{version}"]),
        |config| {
            config.server.cors = vec!["https://blog.example".into(), "*".into()];
            config.fetch.user_agent = concat!("me/", env!("CARGO_PKG_VERSION")).into();
        },
    );
    check(
        load_set(&["catalog.url=sqlite:///var/c.db", "fetch.proxies=https://p.example/?url={url}"]),
        |config| {
            config.catalog.url = "sqlite:/var/c.db".into();
            config.fetch.proxies = vec!["https://p.example/?url={url}".into()];
        },
    );
}
