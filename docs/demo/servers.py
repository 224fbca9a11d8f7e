#!/usr/bin/env python3
"""The web and mail servers that make-capture talks to; standard library only."""
import gzip
import http.server
import socketserver
import sys
import threading

# Stands for what a sensor looks for in files; it is a sentence and does nothing.
HARMLESS = b"BATELEUR-DEMO$THIS-TEXT-IS-HARMLESS-AND-STANDS-FOR-MALWARE!"
PROGRAM = b"MZ\x90\x00" + b"\x00" * 56 + b"\x40\x00\x00\x00" + b"PE\x00\x00" + b"\x90" * 2000


class Web(http.server.BaseHTTPRequestHandler):
    """A few fixed pages."""

    protocol_version = "HTTP/1.1"
    server_version = "DemoServer/1.0"
    sys_version = ""

    PAGES = {
        "/": ("text/html", b"<html><body>It works.</body></html>\n"),
        "/news.html": ("text/html", b"<html>" + b"<p>nothing happened today</p>\n" * 40 + b"</html>"),
        "/files/sample.txt": ("text/plain", b"before " + HARMLESS + b" after\n"),
        "/files/setup.exe": ("application/octet-stream", PROGRAM),
    }

    def answer(self, status, kind, body, packed=False):
        if packed:
            body = gzip.compress(body, mtime=0)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        packed = "gzip" in self.headers.get("Accept-Encoding", "")
        if path in self.PAGES:
            self.answer(200, *self.PAGES[path], packed=packed)
        elif path.startswith("/cgi-bin/"):
            self.answer(200, "text/plain", b"uid=0(root) gid=0(root) groups=0(root)\n")
        else:
            self.answer(404, "text/plain", b"no such page\n")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(401, "text/plain", b"wrong password\n")

    def log_message(self, *_):
        pass


class Mail(socketserver.StreamRequestHandler):
    """Takes every letter and forgets it."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 mail.example ESMTP")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-mail.example")
                self.say("250 8BITMIME")
            elif verb == b"DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.say("250 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection."""

    allow_reuse_address = True
    daemon_threads = True


def main():
    web, mail = sys.argv[1:]
    servers = [Server((web, 80), Web), Server((mail, 25), Mail)]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
