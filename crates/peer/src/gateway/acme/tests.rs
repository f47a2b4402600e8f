//! What the configuration must say, and what a server finds.

use super::{Acme, Challenges, Error};
use hyper::{Request, http::request};

fn acme(text: &str) -> Acme {
    toml::from_str(text).expect("a configuration")
}

/// (G20)
#[test]
fn a_configuration_that_gets_no_certificates_is_refused_with_a_hint() {
    let good = "agree_to_terms = true\n";
    let check = |text: &str, name: &str| acme(text).check([name].into_iter());
    let listed = check(good, "FN.example.com").expect("good");
    assert_eq!(listed, ["fn.example.com".to_owned()].into());
    for (text, name, said) in [
        ("", "fn.example.com", "agree_to_terms = true"),
        (good, "localhost", "see `domain`"),
        (good, "127.0.0.1", "see `domain`"),
        (
            "agree_to_terms = true\ndirectory = \"http://ca.test/\"",
            "fn.example.com",
            "begins with https://",
        ),
    ] {
        let error = check(text, name).expect_err("refused").to_string();
        assert!(error.contains(said) && error.contains("hint:"), "{error}");
    }
    assert!(Error::NotBuilt.to_string().contains("hint:"));
}

fn asks(method: &str, path: &str) -> request::Parts {
    let request = Request::builder().method(method).uri(path).body(());
    request.expect("a request").into_parts().0
}

/// (G20)
#[test]
fn a_server_finds_the_answer_of_the_order_under_way_and_no_other() {
    let challenges = Challenges::default();
    let place = "/.well-known/acme-challenge/one";
    assert_eq!(challenges.find(&asks("GET", place)), None);
    challenges.show("one", "one.key");
    let found = challenges.find(&asks("GET", place));
    assert_eq!(found.as_deref(), Some("one.key"));
    for (method, path) in [
        ("POST", place),
        ("GET", "/.well-known/acme-challenge/two"),
        ("GET", "/.well-known/acme-challenge/"),
        ("GET", "/one"),
    ] {
        let found = challenges.find(&asks(method, path));
        assert_eq!(found, None, "{method} {path}");
    }
    challenges.show("two", "two.key");
    assert_eq!(challenges.find(&asks("GET", place)), None);
}
