//! Speed of the HTTP/1 parser, by size of the answer's body.

use decode::{Direction, Timestamp};
use divan::Bencher;
use divan::counter::BytesCount;
use protocol::registry::Opening;
use protocol::{
    AnyParser, AppProto, Chunk, Effects, Input, Outcome, Parser, ProtocolSettings, Transport,
};

const REQUEST: &[u8] = b"GET /search?q=a%20b&lang=en HTTP/1.1\r\nHost: www.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/115.0\r\n\
    Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\nConnection: keep-alive\r\n\r\n";

fn main() {
    divan::main();
}

fn response(body: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: demo\r\nContent-Type: text/html; charset=utf-8\r\n\
         Date: Sat, 21 Nov 2026 16:15:06 GMT\r\nContent-Length: {body}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(std::iter::repeat_n(b'x', body));
    bytes
}

#[divan::bench(args = [0, 1_000, 60_000])]
fn request_and_response(bencher: Bencher<'_, '_>, body: usize) {
    let settings = ProtocolSettings::default();
    let opening =
        Opening { settings: &settings, transport: Transport::Tcp, server: None, origin: None };
    let response = response(body);
    let sides = [(Direction::ToServer, REQUEST), (Direction::ToClient, response.as_slice())];
    bencher.counter(BytesCount::new(REQUEST.len() + response.len())).bench_local(|| {
        let mut parser = AnyParser::open(AppProto::Http1, &opening).expect("a parser");
        let mut effects = Effects::default();
        for (direction, bytes) in sides {
            let chunk = Chunk::Bytes(divan::black_box(bytes));
            let input = Input { direction, chunk, eof: false, timestamp: Timestamp(0) };
            assert_eq!(parser.parse(&input, &mut effects), Outcome::Consumed(bytes.len()));
        }
        assert_eq!(parser.next_tx(), 1);
        parser
    });
}
