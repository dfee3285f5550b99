//! Files that are large, too large, or break off.

use super::disposition;
use crate::cumulocity::tests::{Asked, Scene};
use landfall_model::Binary;

const BINARIES: &str = "/inventory/binaries";

async fn sent(scene: &Scene, headers: &[(&str, &str)], body: &[u8]) -> (u16, serde_json::Value) {
    let headers = [headers, &[("Authorization", scene.basic("admin")), ("Accept", "*/*")]].concat();
    let answer = scene.answer(Asked { method: "POST", path: BINARIES, headers: &headers, body }).await;
    (answer.status, answer.json())
}

async fn kept(scene: &Scene) -> (u64, u64) {
    scene.ground.core.store().binary_usage(scene.mine.all.account()).await.unwrap()
}

#[tokio::test]
async fn a_file_of_several_parts_comes_back_as_it_was() {
    let scene = Scene::new().await;
    let file: Vec<u8> = (0..Binary::PART_BYTES * 2 + 77).map(|i| (i % 251) as u8).collect();
    let form =
        [&b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"[..], &file, b"\r\n--B--\r\n"].concat();
    for (headers, body) in [(&[("Content-Type", "application/zip")], &file), (&[("Content-Type", "multipart/form-data")], &form)]
    {
        let (status, made) = sent(&scene, headers, body).await;
        assert_eq!((status, made["length"].as_u64()), (201, Some(file.len() as u64)));
        let path = format!("{BINARIES}/{}", made["id"].as_str().unwrap());
        let headers = [("Authorization", scene.basic("device"))];
        let answer = scene.answer(Asked { method: "GET", path: &path, headers: &headers, body: b"" }).await;
        assert!(answer.status == 200 && answer.body == file);
    }
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let scene = Scene::new().await;
    let most = scene.ground.core.settings().binary_bytes;
    let announced = (most + 1).to_string();
    let (status, why) = sent(&scene, &[("Content-Length", &announced), ("Content-Type", "a/b")], b"").await;
    assert_eq!((status, why["error"].as_str()), (413, Some("undefined/payloadTooLarge")), "before it comes");
    assert_eq!(sent(&scene, &[("Content-Type", "a/b")], &vec![0; most as usize + 1]).await.0, 413, "as it comes");
    let part = "--B\r\nContent-Disposition: form-data; name=\"object\"\r\n\r\n";
    let object = format!("{part}{}\r\n--B--", "x".repeat(200_000));
    assert_eq!(sent(&scene, &[("Content-Type", "multipart/form-data; boundary=B")], object.as_bytes()).await.0, 413);
    let file = "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let broken = format!("{file}{}\r\n--B\r\nContent-Dis", "x".repeat(200_000));
    assert_eq!(
        sent(&scene, &[("Content-Type", "multipart/form-data; boundary=B")], broken.as_bytes()).await.0,
        400,
        "it breaks off"
    );
    let twice = format!("{file}1\r\n{file}2\r\n--B--");
    assert_eq!(sent(&scene, &[("Content-Type", "multipart/form-data; boundary=B")], twice.as_bytes()).await.0, 422);
    assert_eq!(kept(&scene).await, (0, 0));
}

#[test]
fn names_of_files_are_quoted() {
    for (name, expected) in [
        ("a b.txt", "attachment; filename=\"a b.txt\""),
        ("a\"\\;.txt", "attachment; filename=\"a\\\"\\\\;.txt\""),
        ("ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
    ] {
        assert_eq!(disposition(name), expected);
    }
}
