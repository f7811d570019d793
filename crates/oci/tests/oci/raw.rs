//! Requests without this crate, to write what it does not write.

use std::io::{Read, Write};
use std::net::TcpStream;

use infer_oci::Digest;

/// A response's status, head and body.
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Send one request.
pub fn request(address: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let end = response
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    Raw {
        status: head[9..12].parse().unwrap(),
        head,
        body: response.split_off(end + 4),
    }
}

/// Upload a blob, and return its descriptor in JSON.
pub fn blob(address: &str, name: &str, media_type: &str, bytes: &[u8]) -> String {
    let begun = request(
        address,
        "POST",
        &format!("/v2/{name}/blobs/uploads/"),
        "",
        b"",
    );
    assert_eq!(begun.status, 202, "{}", begun.head);
    let location = begun
        .head
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .unwrap();
    let path = location
        .split_once(address)
        .map_or(location, |(_, path)| path);
    let digest = Digest::of(bytes);
    let done = request(
        address,
        "PUT",
        &format!("{path}&digest={digest}"),
        "",
        bytes,
    );
    assert_eq!(done.status, 201, "{}", done.head);
    let size = bytes.len();
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

/// Write a manifest to a tag.
pub fn manifest(address: &str, name: &str, tag: &str, media_type: &str, text: &str) {
    let done = request(
        address,
        "PUT",
        &format!("/v2/{name}/manifests/{tag}"),
        &format!("Content-Type: {media_type}\r\n"),
        text.as_bytes(),
    );
    let body = String::from_utf8_lossy(&done.body);
    assert_eq!(done.status, 201, "{tag}: {} {body}", done.head);
}
