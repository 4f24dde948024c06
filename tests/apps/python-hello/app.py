"""A small web server that needs nothing but Python: greets at /, echoes WebSocket messages at /ws.

It listens where HOST and PORT say. /healthz answers at once, /slow?seconds=N after that time. TERM lets requests in
flight finish.
"""

import base64
import hashlib
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GREETING = os.environ.get("GREETING", "Hello from Upshift!")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        # A connection that waits for its next request is closed when the server stops.
        if self.server.stopping:
            self.close_connection = True
            return
        self.server.idle.add(self.connection)
        super().handle_one_request()

    def parse_request(self):
        self.server.idle.discard(self.connection)
        return super().parse_request()

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/ws":
            return self.echo()
        if url.path == "/slow":
            seconds = float(parse_qs(url.query).get("seconds", ["1"])[0])
            time.sleep(seconds)
            return self.answer(f"slept {seconds:g} seconds\n")
        if url.path == "/healthz":
            return self.answer("ok\n")
        if url.path == "/":
            return self.answer(f"{GREETING}\n")
        return self.answer("not found\n", status=404)

    def answer(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def echo(self):
        """Answers every text message with the same one (RFC 6455), until the other side closes."""
        key = self.headers.get("Sec-WebSocket-Key")
        if not key:
            return self.answer("this is a WebSocket\n", status=400)
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            opcode, length = head[0] & 15, head[1] & 127
            if length == 126:
                length = int.from_bytes(self.rfile.read(2), "big")
            elif length == 127:
                length = int.from_bytes(self.rfile.read(8), "big")
            mask = self.rfile.read(4) if head[1] & 128 else bytes(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            if opcode == 9:
                opcode = 10
            self.wfile.write(frame(opcode, data))
            self.wfile.flush()
            if opcode == 8:
                return

    def log_message(self, form, *arguments):
        print(f"{self.address_string()} {form % arguments}", flush=True)


def frame(opcode, data):
    head = bytes([128 | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 65536:
        return head + bytes([126]) + len(data).to_bytes(2, "big") + data
    return head + bytes([127]) + len(data).to_bytes(8, "big") + data


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 1024
    stopping = False
    idle = set()

    def stop(self):
        self.stopping = True
        self.shutdown()
        for connection in list(self.idle):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                pass


def main():
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    server = Server(address, Handler)

    # Stopping waits for the loop below, which a signal handler would hold up.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.stop).start())
    print(f"listening on {address[0]}:{address[1]}", flush=True)
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
