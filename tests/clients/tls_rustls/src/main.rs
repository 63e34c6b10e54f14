// SPDX-License-Identifier: MIT
//! A peer of tls_matrix.py with rustls. Options and output are those of tls_peer.cpp; --tls VERSION is the only version
//! that it uses. The field `peer` is "certificate" if the other side has shown one.
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use rustls::{ProtocolVersion, SupportedProtocolVersion};
use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options(HashMap<String, String>);

impl Options {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
    fn number(&self, name: &str, otherwise: usize) -> usize {
        self.text(name).parse().unwrap_or(otherwise)
    }
    fn alpn(&self) -> Vec<Vec<u8>> {
        let names = self.text("alpn").split(',').filter(|each| !each.is_empty());
        names.map(|each| each.as_bytes().to_vec()).collect()
    }
    fn versions(&self) -> [&'static SupportedProtocolVersion; 1] {
        match self.text("tls") {
            "1.2" => [&rustls::version::TLS12],
            _ => [&rustls::version::TLS13],
        }
    }
}

fn certificates(path: &str) -> Outcome<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

fn roots(path: &str) -> Outcome<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for each in certificates(path)? {
        roots.add(each)?;
    }
    Ok(roots)
}

fn identity(chain: &str, key: &str) -> Outcome<Arc<CertifiedKey>> {
    let key = ring::sign::any_supported_type(&PrivateKeyDer::from_pem_file(key)?)?;
    Ok(Arc::new(CertifiedKey::new(certificates(chain)?, key)))
}

/// Chooses one of two identities by the host name that the client requests.
#[derive(Debug)]
struct Identities {
    usual: Arc<CertifiedKey>,
    second: Option<(String, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello) -> Option<Arc<CertifiedKey>> {
        match &self.second {
            Some((host, identity)) if hello.server_name() == Some(host) => Some(identity.clone()),
            _ => Some(self.usual.clone()),
        }
    }
}

#[derive(Default)]
struct Line {
    handshake: String,
    bytes: usize,
    end: &'static str,
    error: String,
}

impl Line {
    fn shaken(
        &mut self,
        version: Option<ProtocolVersion>,
        alpn: Option<&[u8]>,
        kind: Option<HandshakeKind>,
        name: &str,
        peer: Option<&[CertificateDer]>,
    ) {
        let version = if version == Some(ProtocolVersion::TLSv1_3) { "1.3" } else { "1.2" };
        let alpn = String::from_utf8_lossy(alpn.unwrap_or_default());
        let resumed = if kind == Some(HandshakeKind::Resumed) { "yes" } else { "no" };
        let peer = if peer.is_some_and(|all| !all.is_empty()) { "certificate" } else { "" };
        self.handshake = format!("version={version}\talpn={alpn}\tresumed={resumed}\tname={name}\tpeer={peer}");
    }
    fn print(&self) {
        let handshake = if self.handshake.is_empty() { "version=" } else { &self.handshake };
        println!("{handshake}\tbytes={}\tend={}\terror={}", self.bytes, self.end, self.error);
    }
}

fn serve(mut tcp: TcpStream, config: Arc<ServerConfig>, line: &mut Line) -> Outcome<()> {
    let mut tls = ServerConnection::new(config)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    let name = tls.server_name().unwrap_or_default();
    line.shaken(tls.protocol_version(), tls.alpn_protocol(), tls.handshake_kind(), name, tls.peer_certificates());
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let mut buffer = [0; 20_000];
    loop {
        let count = stream.read(&mut buffer)?; // an error if the client ends the connection without close_notify
        if count == 0 {
            break;
        }
        line.bytes += count;
        stream.write_all(&buffer[..count])?;
    }
    line.end = "closed";
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}

fn run_server(given: &Options) -> Outcome<()> {
    let builder = ServerConfig::builder_with_protocol_versions(&given.versions());
    let builder = match given.text("client-ca") {
        "" => builder.with_no_client_auth(),
        ca => builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots(ca)?)).build()?),
    };
    let second = match given.text("second").split(',').collect::<Vec<_>>()[..] {
        [host, chain, key] => Some((host.to_string(), identity(chain, key)?)),
        _ => None,
    };
    let usual = identity(given.text("cert"), given.text("key"))?;
    let mut config = builder.with_cert_resolver(Arc::new(Identities { usual, second }));
    config.alpn_protocols = given.alpn();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("port {}", listener.local_addr()?.port());
    for _ in 0..given.number("count", 1) {
        let mut line = Line::default();
        if let Err(error) = serve(listener.accept()?.0, config.clone(), &mut line) {
            line.error = error.to_string();
        }
        line.print();
    }
    Ok(())
}

fn talk(given: &Options, config: Arc<ClientConfig>, line: &mut Line) -> Outcome<()> {
    let mut tcp = TcpStream::connect(("127.0.0.1", given.number("port", 0) as u16))?;
    let mut tls = ClientConnection::new(config, ServerName::try_from(given.text("host").to_string())?)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    line.shaken(tls.protocol_version(), tls.alpn_protocol(), tls.handshake_kind(), "", tls.peer_certificates());
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let mut sent = vec![b'x'; given.number("size", 100)];
    *sent.last_mut().unwrap() = b'\n';
    stream.write_all(&sent)?;
    let mut buffer = [0; 20_000];
    while line.bytes < sent.len() {
        match stream.read(&mut buffer)? {
            0 => return Err("the server has ended the stream".into()),
            count => line.bytes += count,
        }
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    if stream.read(&mut buffer)? == 0 {
        line.end = "closed";
    }
    Ok(())
}

fn run_client(given: &Options) -> Outcome<()> {
    let builder = ClientConfig::builder_with_protocol_versions(&given.versions());
    let builder = builder.with_root_certificates(roots(given.text("ca"))?);
    let mut config = match given.text("cert") {
        "" => builder.with_no_client_auth(),
        chain => {
            builder.with_client_auth_cert(certificates(chain)?, PrivateKeyDer::from_pem_file(given.text("key"))?)?
        }
    };
    config.alpn_protocols = given.alpn();
    let config = Arc::new(config);
    for _ in 0..given.number("count", 1) {
        let mut line = Line::default();
        if let Err(error) = talk(given, config.clone(), &mut line) {
            line.error = error.to_string();
        }
        line.print();
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let pairs = words[1..].chunks(2);
    let given = Options(pairs.map(|pair| (pair[0].trim_start_matches('-').to_string(), pair[1].clone())).collect());
    match words[0].as_str() {
        "server" => run_server(&given),
        _ => run_client(&given),
    }
}
