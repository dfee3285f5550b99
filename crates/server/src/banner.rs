//! What a person sees at the start: where everything is, and the next three commands.

use crate::{listeners::purpose, serve::Server};

/// Prints where the server is.
#[allow(clippy::print_stdout, reason = "for the person who started the server")]
pub fn print(server: &Server) {
    let data = server.data.display();
    println!("Landfall {} is up. Data: {data}", env!("CARGO_PKG_VERSION"));
    for (name, host, port) in &server.listeners {
        println!("  {:<8} {host}:{port}  {}", name, purpose(name));
    }
    println!("  operator token: {data}/admin.token    certificate authority: {data}/ca.pem");
    println!("Next, in another terminal:");
    println!("  export LANDFALL_DATA={data} PATH=$PATH:{}", program_dir());
    println!("  landfall app create my-app              # appId and secret of an application");
    println!("  landfall product import MODEL.json      # or an OceanConnect profile package (zip)");
    println!("  landfall status");
}

/// Where this program is, so that the next commands find it.
fn program_dir() -> String {
    let program = std::env::current_exe().ok();
    program.as_deref().and_then(std::path::Path::parent).map(|dir| dir.display().to_string()).unwrap_or_default()
}
