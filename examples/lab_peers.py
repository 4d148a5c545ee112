#!/usr/bin/env python3
"""Servers and the client of lab.sh. Each does one thing as programs in the field do it.

    lab_peers.py web ADDRESS PORT        HTTP/1.1, with keep-alive
    lab_peers.py leaky ADDRESS PORT      answers, and never closes: the bug that CLOSE_WAIT is about
    lab_peers.py patient ADDRESS PORT    reads to the end, then answers slowly, then closes
    lab_peers.py traffic SERVER SILENT   16 connections to them, every wait bounded
"""
import http.client
import http.server
import socket
import struct
import sys
import time

TIMEOUT_S = 5


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"hello from Python\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve_web(address):
    http.server.ThreadingHTTPServer(address, Web).serve_forever()


def listen(address):
    listener = socket.create_server(address)
    while True:
        yield listener.accept()[0]


def serve_leaky(address):
    kept = []
    for connection in listen(address):
        connection.sendall(connection.recv(1000))
        kept.append(connection)  # the client closes; we never look


def serve_patient(address):
    for connection in listen(address):
        while connection.recv(1000):
            pass
        for _ in range(5):  # the client has closed its side, and listens
            connection.sendall(b"x" * 1000)
            time.sleep(0.05)
        connection.close()


def connect(server, port, timeout=TIMEOUT_S):
    return socket.create_connection((server, port), timeout)


def echo(server, port):
    connection = connect(server, port)
    connection.sendall(b"hello")
    connection.recv(1000)
    return connection


def get(server, header, server_closes):
    connection = connect(server, 80)
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {server}\r\n{header}\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    if server_closes:
        connection.recv(1)  # its FIN comes first
    connection.close()


def make_traffic(server, silent):
    for _ in range(4):
        get(server, "", server_closes=False)
    for _ in range(4):
        get(server, "Connection: close\r\n", server_closes=True)
    for _ in range(3):
        echo(server, 8080).close()

    half = connect(server, 8081)
    half.sendall(b"this is all")
    half.shutdown(socket.SHUT_WR)
    while half.recv(10000):
        pass
    half.close()

    for _ in range(2):
        aborted = echo(server, 8082)
        aborted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        aborted.close()  # RST, not FIN

    for host, port, timeout in ((server, 81, TIMEOUT_S), (silent, 80, 1.5)):
        try:
            connect(host, port, timeout).close()
        except (ConnectionRefusedError, TimeoutError, socket.timeout):
            continue
        sys.exit(f"{host}:{port} answered")


def main():
    role, first, second = sys.argv[1:]
    if role == "traffic":
        make_traffic(first, second)
        return
    address = (first, int(second))
    {"web": serve_web, "leaky": serve_leaky, "patient": serve_patient}[role](address)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
