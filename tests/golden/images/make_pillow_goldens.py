#!/usr/bin/env python3
"""Writes pillow_resize.npy and the pictures exif_*.jpg beside it: what Pillow makes of a picture
that image_test.cpp computes again. Needs Pillow and NumPy; run by hand when a case is added.

pillow_resize.npy: all results one after the other, uint8, filter by filter (Pillow's numbers 0 to
5) and size by size (SIZES), each height x width x 3.
"""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 23, 17
SIZES = [(9, 7), (12, 5), (40, 22), (23, 6), (1, 1)]  # width, height


def picture():
    x, y, c = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT), np.arange(3), indexing="xy")
    return ((x * 37 + y * 91 + c * 53 + x * y * 5 + (x > 11) * 128) % 256).astype(np.uint8)


def main():
    image = Image.fromarray(picture())
    results = [
        np.asarray(image.resize(size, resample)).reshape(-1)
        for resample in range(6)
        for size in SIZES
    ]
    np.save(HERE / "pillow_resize.npy", np.concatenate(results))

    # 16 x 8: dark but for one corner, which each orientation puts elsewhere.
    corner = np.zeros((8, 16, 3), np.uint8)
    corner[:4, :8] = 250
    for orientation in (1, 3, 6, 8, 5):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(corner).save(HERE / f"exif_{orientation}.jpg", exif=exif, quality=95)


main()
