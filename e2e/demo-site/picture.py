"""A photo for the guestbook: the sea at dusk, drawn here so that no picture has to be shipped."""
import math
import struct
import zlib

WIDTH, HEIGHT = 640, 300
HORIZON = 190
SUN = (430, 178, 44)


def mix(one, other, share):
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other))


def colour(x, y):
    if y < HORIZON:
        if math.hypot(x - SUN[0], y - SUN[1]) < SUN[2]:
            return (255, 236, 190)
        return mix((44, 62, 110), (250, 170, 110), (y / HORIZON) ** 1.6)
    depth = (y - HORIZON) / (HEIGHT - HORIZON)
    wave = math.sin(x / (9 + 30 * depth) + 9 * math.sqrt(depth) * math.sin(y / 5))
    glitter = max(0, 1 - abs(x - SUN[0]) / (30 + 110 * depth)) * max(0, wave)
    return mix(mix((196, 128, 104), (20, 44, 78), depth ** 0.6), (255, 226, 178), 0.8 * glitter)


def chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png():
    rows = bytearray()
    for y in range(HEIGHT):
        rows.append(0)  # This row is not filtered.
        for x in range(WIDTH):
            rows += bytes(colour(x, y))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6))
            + chunk(b"IEND", b""))
