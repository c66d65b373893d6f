"""make_sounds.py: the flac and mp3 files of this folder, made of models/demo/keywords.wav, and what
an independent decoder makes of the mp3 files (libsndfile with mpg123), as wav of 16 bits.

Needs the programs flac and lame, and the Python modules numpy and soundfile.
"""
import pathlib
import subprocess

import numpy
import soundfile

HERE = pathlib.Path(__file__).parent
SOUND = HERE.parents[2] / "models/demo/keywords.wav"


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


def main():
    samples, rate = soundfile.read(SOUND, dtype="int16")
    loudest = numpy.convolve(numpy.abs(samples.astype(float)), numpy.ones(2400), "valid").argmax()
    word = samples[loudest : loudest + 2400]
    soundfile.write(HERE / "word.wav", word, rate, subtype="PCM_16")
    run("flac", "--silent", "--force", "--best", "--padding=32", "--tag=TITLE=a word", HERE / "word.wav",
        "-o", HERE / "word.flac")
    left = word[:1200].astype("int32") << 16
    both = numpy.stack([left, numpy.roll(left, 7) // 3 + 12800], axis=1)
    soundfile.write(HERE / "stereo.wav", both, 44100, subtype="PCM_24")
    run("flac", "--silent", "--force", "--padding=32", HERE / "stereo.wav", "-o", HERE / "stereo.flac")
    run("lame", "--quiet", "-V", "5", "--add-id3v2", "--tt", "a word", HERE / "word.wav", HERE / "word.mp3")
    run("lame", "--quiet", "-b", "96", "-m", "j", HERE / "stereo.wav", HERE / "stereo.mp3")
    for name in ("word", "stereo"):
        decoded, rate = soundfile.read(HERE / f"{name}.mp3", dtype="float32", always_2d=True)
        rounded = numpy.round(decoded.mean(axis=1) * 32768).astype("int16")
        soundfile.write(HERE / f"{name}_mp3.wav", rounded, rate, subtype="PCM_16")


main()
