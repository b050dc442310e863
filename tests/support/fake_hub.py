"""A Hugging Face hub on this machine: enough of its HTTP for one repository's files to be fetched."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(repository: str, files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Yields the hub's address and the list of paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(f"{self.command} {path}")
            name = path.rpartition("/")[2]
            if path == "/":
                self._answer(200)
            elif repository not in path:
                self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif "/revision/" in path:
                self._json({"id": repository, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]})
            elif "/tree/" in path:
                self._json([{"type": "file", "path": f, "size": len(b), "oid": _tag(b)} for f, b in files.items()])
            else:
                self._answer(200, files[name], {"ETag": f'"{_tag(files[name])}"', "X-Repo-Commit": COMMIT})

        do_HEAD = do_GET  # noqa: N815

        def _json(self, data: object) -> None:
            self._answer(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

        def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _tag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
