//! Against OpenSSL's command line, which does as the original does: TLS 1.2 with tickets, and 1.3.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::HandshakeKind;

use crate::spec::TlsIdentity;
use crate::transport::codec::Codec;
use crate::transport::tls::codec::TlsCodec;
use crate::transport::tls::handshake::TlsHandshake;
use crate::transport::tls::scene::*;
use crate::transport::tls::side::Side;

/// Files for OpenSSL, gone with it.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("warren-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// `certificate.pem`, `key.pem`, `root.pem`.
    fn put(&self, identity: &TlsIdentity, root: &[u8]) {
        let pem = |kind: &str, der: &[u8]| {
            let text = STANDARD.encode(der);
            let lines: Vec<_> = text
                .as_bytes()
                .chunks(64)
                .map(String::from_utf8_lossy)
                .collect();
            format!(
                "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
                lines.join("\n")
            )
        };
        let write = |name: &str, text: String| std::fs::write(self.0.join(name), text).unwrap();
        write("certificate.pem", pem("CERTIFICATE", &identity.chain[0]));
        write("key.pem", pem("PRIVATE KEY", &identity.key.0));
        write("root.pem", pem("CERTIFICATE", root));
    }

    fn openssl(&self, arguments: &str) -> Child {
        Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn has_openssl() -> bool {
    let version = Command::new("openssl").arg("version").output();
    version.is_ok_and(|output| output.stdout.starts_with(b"OpenSSL 3"))
}

fn read(stream: &mut TcpStream, came: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 20_000];
    let length = stream.read(&mut buffer).unwrap();
    came.extend_from_slice(&buffer[..length]);
    length > 0
}

fn establish<S: Side>(stream: &mut TcpStream, mut hand: TlsHandshake<S>) -> (TlsCodec<S>, Vec<u8>) {
    let (mut came, mut out) = (Vec::new(), Vec::new());
    loop {
        let codec = hand.go(&mut came, &mut out).unwrap();
        stream.write_all(&out).unwrap();
        out.clear();
        if let Some(codec) = codec {
            return (codec, came);
        }
        assert!(read(stream, &mut came), "closed in the handshake");
    }
}

/// Reads until so much plaintext has come, or close_notify.
fn receive(
    stream: &mut TcpStream,
    codec: &mut dyn Codec,
    came: &mut Vec<u8>,
    wanted: usize,
) -> Vec<u8> {
    let mut plain = Vec::new();
    loop {
        let found = open(codec, came).unwrap();
        stream.write_all(&found.reply).unwrap();
        plain.extend(found.plain);
        *came = found.rest;
        if plain.len() >= wanted || found.ended {
            return plain;
        }
        assert!(read(stream, came), "closed without close_notify");
    }
}

#[test]
fn our_server_serves_openssl_and_resumes_its_sessions() {
    if !has_openssl() {
        eprintln!("skipped: no OpenSSL 3 here");
        return;
    }
    let files = Files::new("s_client");
    let authority = Authority::new("root");
    let identity = authority.issue(&["a.test"], KeyKind::P256);
    files.put(&identity, &authority.der);
    let server = server(vec![identity], &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for version in ["tls1_2", "tls1_3"] {
        for (session, kind) in [
            ("-sess_out session.pem", HandshakeKind::Full),
            ("-sess_in session.pem", HandshakeKind::Resumed),
        ] {
            let mut child = files.openssl(&format!(
                "s_client -quiet -connect {address} -{version} -CAfile root.pem -verify_hostname a.test \
                 -verify_return_error {session}"
            ));
            let (mut stream, _) = listener.accept().unwrap();
            let (mut codec, mut came) = establish(&mut stream, server.begin());
            assert_eq!(codec.common().handshake_kind(), Some(kind), "{version}");
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(b"to the server\n").unwrap();
            let plain = receive(&mut stream, &mut codec, &mut came, 14);
            assert_eq!(plain, b"to the server\n");
            let mut wire = seal(&mut codec, b"to the client");
            codec.finish(&mut wire).unwrap();
            stream.write_all(&wire).unwrap();
            drop(stdin);
            let mut answer = Vec::new();
            child
                .stdout
                .take()
                .unwrap()
                .read_to_end(&mut answer)
                .unwrap();
            assert_eq!(answer, b"to the client", "{version}");
            child.wait().unwrap();
        }
    }
}

/// `R` makes s_client begin a second handshake inside the first connection.
#[test]
fn renegotiation_is_declined() {
    if !has_openssl() {
        eprintln!("skipped: no OpenSSL 3 here");
        return;
    }
    let files = Files::new("renegotiation");
    let authority = Authority::new("root");
    let identity = authority.issue(&["a.test"], KeyKind::P256);
    files.put(&identity, &authority.der);
    let server = server(vec![identity], &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut child = files.openssl(&format!("s_client -connect {address} -tls1_2"));
    let (mut stream, _) = listener.accept().unwrap();
    let (mut codec, mut came) = establish(&mut stream, server.begin());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"R\n").unwrap();
    let reply = loop {
        let found = open(&mut codec, &came).unwrap();
        assert!(found.plain.is_empty() && !found.ended);
        if !found.reply.is_empty() {
            break found.reply;
        }
        came = found.rest;
        assert!(read(&mut stream, &mut came), "closed without asking");
    };
    // An alert, and no fault of ours: what we say still goes out.
    assert_eq!(reply[0], 21);
    assert!(!seal(&mut codec, b"as before").is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn our_client_resumes_at_openssl() {
    if !has_openssl() {
        eprintln!("skipped: no OpenSSL 3 here");
        return;
    }
    for (version, kind) in [("tls1_2", KeyKind::Rsa), ("tls1_3", KeyKind::P256)] {
        let files = Files::new(version);
        let authority = Authority::new("root");
        files.put(&authority.issue(&["a.test"], kind), &authority.der);
        let client = client(&[&authority.der], "a.test");
        let mut child = files.openssl(&format!(
            "s_server -accept 127.0.0.1:0 -{version} -cert certificate.pem -key key.pem -rev -naccept 3"
        ));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(str::to_owned))
            .unwrap();
        for kind in [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed,
        ] {
            let mut stream = TcpStream::connect(&*address).unwrap();
            let (mut codec, mut came) = establish(&mut stream, client.begin());
            assert_eq!(codec.common().handshake_kind(), Some(kind), "{version}");
            let wire = seal(&mut codec, b"abc\n");
            stream.write_all(&wire).unwrap();
            assert_eq!(receive(&mut stream, &mut codec, &mut came, 4), b"cba\n");
            let mut wire = Vec::new();
            codec.finish(&mut wire).unwrap();
            stream.write_all(&wire).unwrap();
            while read(&mut stream, &mut came) {}
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
