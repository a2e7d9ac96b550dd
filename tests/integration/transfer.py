# SPDX-License-Identifier: BSD-2-Clause
"""A payload by TCP between two namespaces, whose digest tells whether it arrived as it was."""
import hashlib
import os
import socket
import threading

PAYLOAD = os.urandom(1 << 20)
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()


def transfer(src, src_address, dst):
    """The digest of what arrives when 'src' serves the payload and 'dst' fetches it."""
    server = src.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.settimeout(30)
    server.bind((src_address, 0))
    server.listen(1)

    def serve():
        try:
            conn, _ = server.accept()
            with conn:
                conn.settimeout(30)
                conn.sendall(PAYLOAD)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    digest = hashlib.sha256()
    try:
        with dst.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(30)
            client.connect((src_address, server.getsockname()[1]))
            while chunk := client.recv(1 << 16):
                digest.update(chunk)
        return digest.hexdigest()
    except OSError as e:
        return str(e)
    finally:
        server.close()
        thread.join(1)
