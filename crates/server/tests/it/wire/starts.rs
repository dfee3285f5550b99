//! Starts on what is not as it should be: a database that is gone, a disk that is full.

use super::server::Server;
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// Serves until it ends by itself.
fn refused(data: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.arg("serve").arg("--data").arg(data).args(more).stdin(Stdio::null());
    for listener in ["HTTPS", "HTTP", "BIND", "MQTT", "MQTTS", "MQTT_WS", "COAP", "COAPS"] {
        command.env(format!("LANDFALL_LISTEN_{listener}"), "off");
    }
    command.output().unwrap()
}

#[test]
fn a_database_that_is_gone_is_an_error() {
    let mut server = Server::start();
    assert!(server.stop());
    let wal = std::fs::metadata(server.data().join("landfall.db-wal")).map_or(0, |file| file.len());
    assert_eq!(wal, 0, "a clean end leaves one file");
    let kept = server.data().join("kept.db");
    std::fs::rename(server.data().join("landfall.db"), &kept).unwrap();
    let output = refused(server.data(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("the database is gone") && said.contains("--new-database"), "{said}");
    assert!(!server.data().join("landfall.db").exists(), "nothing is made in its place");
    std::fs::rename(&kept, server.data().join("landfall.db")).unwrap();
    server.resume();
    server.kill();
    std::fs::remove_file(server.data().join("landfall.db")).unwrap();
    server.resume_with(&["--new-database"]);
    assert!(server.stop());
}

/// On disks of many sizes, the first start fails with a message that names it, and leaves nothing that a later start with room trusts.
#[test]
fn a_full_disk_leaves_nothing_half() {
    let script = r#"
        mount -t tmpfs -o size=4k none "$DISK" || exit 77
        # Whether a server comes up on a disk of this size.
        comes_up() {
            mount -o remount,size=$1 none "$DISK"
            "$LANDFALL" serve --data "$DISK/data" >"$OUT" 2>&1 &
            while kill -0 $! 2>/dev/null; do
                [ -e "$DISK/data/ports.json" ] && kill $! && wait $! && return 0
                sleep 0.02
            done
            return 1
        }
        for size in 16k 64k 256k 512k 768k 1024k 1280k 1536k 2048k; do
            comes_up $size && break
            grep -Eqi "disk|space" "$OUT" || { echo "with $size:"; cat "$OUT"; exit 1; }
        done
        [ $size != 16k ] || exit 78
        comes_up 64m || { cat "$OUT"; exit 1; }
        [ "$(wc -c < "$DISK/data/admin.token")" = 65 ] || { echo "half a token"; exit 1; }
        [ -z "$(find "$DISK/data" -name '*.part')" ] || { echo "a part is left"; exit 1; }
    "#;
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "bash", "-c", script]).env("DISK", &disk).env("OUT", folder.path().join("out")).stdin(Stdio::null());
    command.env("LANDFALL", env!("CARGO_BIN_EXE_landfall"));
    for listener in ["HTTPS", "HTTP", "BIND", "MQTT", "MQTTS", "MQTT_WS", "COAP", "COAPS"] {
        command.env(format!("LANDFALL_LISTEN_{listener}"), "127.0.0.1:0");
    }
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) || said.contains("unshare failed") {
        println!("SKIPPED: this machine lets nobody mount a disk: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
}
