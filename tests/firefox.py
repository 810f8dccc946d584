"""Firefox, driven from outside by its own protocol, WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).

Playwright drives a Firefox of its own alone; this is the one that people have."""

import json
import os
import shutil
import socket
import subprocess
import time

import websocket

FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
START = 60  # seconds it may take
ANSWER = 120  # seconds a command may take


def _free_port():
    "The number of a port of this machine that nobody uses."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Firefox:
    "A browser without a window: `with Firefox(profile) as browser`, and it is ended."

    def __init__(self, profile):
        self._port = _free_port()
        self._count = 0
        self.requests = []  # addresses that it asked for
        command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
        command += [f"--remote-debugging-port={self._port}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        self._socket = self._connected()
        self._send("session.new", capabilities={})
        self._context = self._send("browsingContext.getTree")["contexts"][0]["context"]
        self._send("session.subscribe", events=["network.beforeRequestSent"])
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait()

    def _connected(self):
        "The connection, once there is one."
        address = f"ws://127.0.0.1:{self._port}/session"
        end = time.monotonic() + START
        while True:
            try:
                return websocket.create_connection(address, suppress_origin=True, timeout=ANSWER)
            except (OSError, websocket.WebSocketException):
                assert self._process.poll() is None, "Firefox has ended"
                assert time.monotonic() < end, "Firefox does not answer"
                time.sleep(0.2)

    def _send(self, method, **params):
        "What a command gives."
        self._count += 1
        message = dict(id=self._count, method=method, params=params)
        self._socket.send(json.dumps(message))
        while True:
            reply = json.loads(self._socket.recv())
            if reply.get("method") == "network.beforeRequestSent":
                self.requests.append(reply["params"]["request"]["url"])
            if reply.get("id") == self._count:
                assert reply["type"] == "success", reply.get("message")
                return reply["result"]

    def open(self, address):
        "Go to an address."
        self._send("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def ask(self, function, *values):
        "What a JavaScript function makes of some values; both are plain values."
        words = ", ".join(json.dumps(value) for value in values)
        result = self._send(
            "script.evaluate",
            expression=f"Promise.resolve(({function})({words})).then(JSON.stringify)",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert result["type"] == "success", result.get("exceptionDetails", {}).get("text")
        answer = result["result"].get("value")
        return None if answer is None else json.loads(answer)
