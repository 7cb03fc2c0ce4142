"""When a file was opened, by anybody: inotify, which Python's library does not have."""
import ctypes
import os
import threading
import time

from measure import Failed

IN_OPEN = 0x20
libc = ctypes.CDLL(None, use_errno=True)


class Opened:
    """Notes each time `path` is opened while it lasts."""

    def __init__(self, path):
        self.times = []
        self.queue = libc.inotify_init1(os.O_CLOEXEC)
        if self.queue < 0 or libc.inotify_add_watch(self.queue, path.encode(), IN_OPEN) < 0:
            raise Failed(f"inotify on \"{path}\": {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        return self

    def read(self):
        try:
            while os.read(self.queue, 4096):
                self.times.append(time.monotonic())
        except OSError:
            pass

    def __exit__(self, *_):
        os.close(self.queue)

    def last_before(self, moment):
        return max((t for t in self.times if t < moment), default=0.0)
