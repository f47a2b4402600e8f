//! Files that nobody should make, and gateways that lie. A real one: `tests/mp/references.rs`.

use super::{Blocks, MAX_BLOCKS, MAX_DEPTH, Reference, fetch, max_bytes, unixfs::made, within};
use crate::import::{
    Refused,
    cache::Cache,
    max_component,
    server::{Lie, answer_with, ok, serve},
    web::Web,
};
use cid::Cid;
use std::{collections::BTreeMap, future::pending, time::Duration};

/// What comes of putting these blocks together.
async fn file(root: Cid, blocks: &[made::Block]) -> Result<Vec<u8>, String> {
    let blocks: BTreeMap<_, _> = blocks.iter().cloned().collect();
    let block = async |cid: &Cid| {
        let missing = || Refused {
            what: "missing".into(),
            hint: String::new(),
        };
        blocks.get(cid).cloned().ok_or_else(missing)
    };
    let mut blocks = Blocks::new(block);
    blocks.file(root).await.map_err(|refused| refused.what)
}

/// (P26)
#[tokio::test]
async fn a_file_is_put_together_from_its_parts_in_order() {
    let parts = [&b"one "[..], b"two ", b"three"].map(made::raw);
    let inner = made::file(b"", &[parts[1].0, parts[2].0], 9);
    let root = made::file(b"zero ", &[parts[0].0, inner.0, parts[0].0], 22);
    let mut blocks = parts.to_vec();
    blocks.extend([inner, root.clone()]);
    assert_eq!(
        file(root.0, &blocks).await.unwrap(),
        b"zero one two threeone "
    );
    assert_eq!(file(root.0, &blocks[1..]).await.unwrap_err(), "missing");
}

/// (P24, P26)
#[tokio::test]
async fn a_file_is_bounded_in_size_depth_and_number_of_blocks() {
    let leaf = made::raw(b"leaf");
    let large = made::file(b"", &[leaf.0], max_component() + 1);
    let refused = file(large.0, &[large.clone(), leaf.clone()])
        .await
        .unwrap_err();
    assert!(refused.contains("larger than"), "{refused}");

    let megabyte = made::raw(&vec![0; 1 << 20]);
    let lying = made::file(b"", &vec![megabyte.0; 65], 5);
    let refused = file(lying.0, &[lying.clone(), megabyte]).await.unwrap_err();
    assert!(refused.contains("larger than"), "{refused}");

    let mut chain = vec![leaf.clone()];
    for _ in 0..=MAX_DEPTH {
        chain.push(made::file(b"", &[chain[chain.len() - 1].0], 4));
    }
    let (deepest, allowed) = (chain[MAX_DEPTH + 1].0, chain[MAX_DEPTH].0);
    assert_eq!(file(allowed, &chain).await.unwrap(), b"leaf");
    let refused = file(deepest, &chain).await.unwrap_err();
    assert!(refused.contains("deeper than"), "{refused}");

    // Empty parts, each of which names all others twice: more than anybody could ever fetch.
    let mut bomb = vec![made::file(b"", &[], 0)];
    for _ in 0..MAX_DEPTH {
        let last = bomb[bomb.len() - 1].0;
        bomb.push(made::file(b"", &[last; 64], 0));
    }
    let refused = file(bomb[MAX_DEPTH].0, &bomb).await.unwrap_err();
    assert!(refused.contains("more than 8192 blocks"), "{refused}");
    let wide = made::file(b"", &vec![leaf.0; MAX_BLOCKS], 0);
    let refused = file(wide.0, std::slice::from_ref(&wide)).await.unwrap_err();
    assert!(refused.contains("more than 8192 blocks"), "{refused}");

    // Little of a file in blocks that hold much else.
    let much = "a".repeat(max_bytes() as usize / 16);
    let padded = made::node(2, None, Some(4), &[(&much, leaf.0)]);
    let root = made::file(b"", &[padded.0; 16], 64);
    let refused = file(root.0, &[root.clone(), padded, leaf])
        .await
        .unwrap_err();
    assert!(refused.contains("in all"), "{refused}");
}

/// (P24, P26)
#[tokio::test]
async fn a_file_is_bounded_in_time() {
    let refused = within(Duration::ZERO, pending()).await.unwrap_err();
    assert!(refused.what.contains("have not come"), "{refused:?}");
    assert!(refused.hint.contains("--ipfs-gateway"), "{refused:?}");
}

/// (P26)
#[tokio::test]
async fn a_file_is_as_large_as_it_says() {
    let leaf = made::raw(b"leaf");
    for size in [0, 3, 5] {
        let root = made::file(b"", &[leaf.0], size);
        let refused = file(root.0, &[root.clone(), leaf.clone()])
            .await
            .unwrap_err();
        assert!(refused.contains("not as large as it says"), "{refused}");
    }
    let folder = made::folder(&[("leaf", leaf.0)]);
    let root = made::file(b"", &[folder.0], 4);
    let refused = file(root.0, &[root.clone(), folder, leaf])
        .await
        .unwrap_err();
    assert!(refused.contains("is a folder"), "{refused}");
}

/// What comes of a gateway that answers so.
async fn fetched(
    reference: &str,
    lie: impl Fn(&str) -> Lie + Send + 'static,
) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let gateway = format!("http://{}", serve(lie));
    let reference: Reference = reference.parse().unwrap();
    let fetched = fetch(&Web::new().unwrap(), &cache, &gateway, &reference).await;
    fetched.map_err(|refused| format!("{} {}", refused.what, refused.hint))
}

/// (P26)
#[tokio::test]
async fn a_gateway_is_believed_nothing() {
    let (cid, _) = made::raw(b"what it is");
    let name = cid.to_string();
    let asked = format!("/ipfs/{cid}?format=raw");
    let honest = move |path: &str| {
        assert_eq!(path, asked);
        ok("what it is")
    };
    assert_eq!(fetched(&name, honest).await.unwrap(), b"what it is");
    for lie in ["", "what it isn't", "what it i"] {
        let refused = fetched(&name, move |_| ok(lie)).await.unwrap_err();
        assert!(refused.contains(&format!("is not {name}")), "{refused}");
    }
    let endless = |_: &str| Lie {
        answer: "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into(),
        forever: Some("what it is"),
    };
    let refused = fetched(&name, endless).await.unwrap_err();
    assert!(refused.contains("larger than"), "{refused}");
    let rude = |_: &str| answer_with("504 Late", "", "no \u{1b}[2J providers\nfound");
    let refused = fetched(&name, rude).await.unwrap_err();
    assert!(
        refused.contains("HTTP 504") && refused.contains("--ipfs-gateway"),
        "{refused}"
    );
    assert!(!refused.contains('\u{1b}'), "{refused}");
    let inline = "bafkqabtimvwgy3yk";
    let nobody = |_: &str| -> Lie { panic!("nobody is asked for what is there") };
    assert_eq!(fetched(inline, nobody).await.unwrap(), b"hello\n");
}

/// (P26)
#[tokio::test]
async fn a_path_goes_through_folders_by_name() {
    let leaf = made::raw(b"leaf");
    let inner = made::folder(&[("a", leaf.0), ("b", leaf.0)]);
    let outer = made::folder(&[("inner", inner.0)]);
    let blocks: BTreeMap<_, _> = [leaf, inner, outer.clone()].into_iter().collect();
    let block = async |cid: &Cid| Ok(blocks[cid].clone());
    let mut all = Blocks::new(block);
    let mut found = async |path: &str| {
        let reference: Reference = format!("{}{path}", outer.0).parse().unwrap();
        let cid = all.find(&reference).await.map_err(|refused| refused.what)?;
        all.file(cid).await.map_err(|refused| refused.what)
    };
    assert_eq!(found("/inner/b").await.unwrap(), b"leaf");
    for (path, why) in [
        ("/inner/c", "has no file \"c\""),
        ("/inner/a/b", "is no folder"),
        ("/inner", "is a folder"),
        ("", "is a folder"),
    ] {
        let refused = found(path).await.unwrap_err();
        assert!(refused.contains(why), "{path}: {refused}");
    }
}
