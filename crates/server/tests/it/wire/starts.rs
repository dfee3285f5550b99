//! Starts on what is not as it should be: a database that is gone, a disk that is full.

use super::{
    api,
    server::{Server, listen_at},
};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Serves until it ends by itself.
fn refused(data: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.arg("serve").arg("--data").arg(data).args(more).stdin(Stdio::null());
    listen_at(&mut command, "off");
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

/// Runs a script in bash where a disk of its own is mounted at `$DISK`; the program is `$LANDFALL`, its words go to `$OUT`.
fn with_a_small_disk(script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let script = format!("mount -t tmpfs -o size=4k none \"$DISK\" || exit 77\n{script}");
    let mut command = Command::new("unshare");
    command.args(["-m", "bash", "-c", &script]).env("DISK", &disk).env("OUT", folder.path().join("out")).stdin(Stdio::null());
    command.env("LANDFALL", env!("CARGO_BIN_EXE_landfall"));
    listen_at(&mut command, "127.0.0.1:0");
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) || said.contains("unshare failed") {
        // Written past the capture of the test harness on purpose.
        drop(std::io::stderr().write_all(format!("\nSKIPPED: no disk can be mounted here: {said}\n").as_bytes()));
        return;
    }
    assert!(output.status.success(), "{said}");
}

/// On disks of many sizes, the first start fails with a message that names it, and leaves nothing that a later start with room trusts.
#[test]
fn a_full_disk_leaves_nothing_half() {
    with_a_small_disk(
        r#"
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
        "#,
    );
}

/// A server whose disk is full says so at /ready, and is ready again when there is room.
#[test]
fn a_full_disk_is_not_ready() {
    with_a_small_disk(
        r#"
        mount -o remount,size=64m none "$DISK"
        "$LANDFALL" serve --data "$DISK/data" >"$OUT" 2>&1 &
        until [ -e "$DISK/data/ports.json" ]; do kill -0 $! || exit 1; sleep 0.02; done
        port=$(sed 's/.*"http":{[^}]*"port":\([0-9]*\).*/\1/' "$DISK/data/ports.json")
        says() {
            for try in $(seq 500); do
                exec 3<>/dev/tcp/127.0.0.1/$port
                printf 'GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
                answer=$(cat <&3)
                exec 3>&-
                case "$answer" in *"$1"*) return 0 ;; esac
                sleep 0.05
            done
            echo "$answer"; cat "$OUT"; exit 1
        }
        says '"ready"'
        dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null
        says 'the disk of the database is full'
        case "$answer" in 'HTTP/1.1 503'*) ;; *) echo "$answer"; exit 1 ;; esac
        rm "$DISK/fill"
        says '"ready"'
        kill $!; wait $!
        "#,
    );
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let server = Server::start_logging_to(&[("LANDFALL_LOG_LEVEL", "trace")], Some(Path::new("/dev/full")));
    for name in ["one", "two"] {
        assert_eq!(api::account(&server, name), name);
    }
}
