"""Asks a running sensor over its control socket."""

import json
import socket

# As much as a slow machine needs, and not for ever.
PATIENCE = 60


def control(path, command):
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(PATIENCE)
        talk.connect(path)
        lines = talk.makefile("rw")
        for message in ({"version": "0.2"}, {"command": command}):
            lines.write(json.dumps(message) + "\n")
            lines.flush()
            answer = json.loads(lines.readline())
        return answer["message"]
