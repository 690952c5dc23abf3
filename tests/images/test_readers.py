"""IDX files, arrays and sheets, and what is wrong with them."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from spikeproof.errors import InvalidRecording
from spikeproof.images import load_images, read_idx

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3


def idx(array, kind=8):
    head = struct.pack(">HBB", 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def mnist(folder, *, pack=lambda data: data, ending="", dot="-"):
    for part, chosen in (("train", slice(0, 8)), ("t10k", slice(8, 12))):
        for kind, dims, array in (("images", 3, PIXELS), ("labels", 1, LABELS)):
            path = folder / f"{part}-{kind}{dot}idx{dims}-ubyte{ending}"
            path.write_bytes(pack(idx(array[chosen])))
    return folder


@pytest.mark.parametrize(
    "spelling",
    [{}, {"pack": gzip.compress, "ending": ".gz"}, {"dot": "."}],
    ids=["plain", "zipped", "dotted"],
)
def test_mnist_and_its_like(tmp_path, spelling):
    data = load_images(mnist(tmp_path, **spelling))
    both = torch.cat([data.learn.x, data.test.x])
    assert torch.equal(both[:, 0, 0], torch.from_numpy(PIXELS / np.float32(255)))
    assert data.learn.labels.tolist() == LABELS[:8].tolist()
    assert data.test.classes == data.learn.classes == ("0", "1", "2")


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(idx(LABELS)))
    assert np.array_equal(read_idx(path), LABELS)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "two zero bytes"),
        (b"\x89PNG....", "two zero bytes"),
        (idx(LABELS, kind=0x0D), "type 0x0d"),
        (idx(PIXELS)[:6], "before its 3 dimensions end"),
        (struct.pack(">HBB", 0, 8, 0), "before its 0 dimensions end"),
        (idx(PIXELS)[:-1], "239 of 240 bytes are there"),
        (idx(PIXELS) + b"x", "goes on after the 240 bytes"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 4), "promises 2147483648 x"),
        (gzip.compress(idx(PIXELS))[:-12], "gzip file is damaged"),
        (gzip.compress(idx(PIXELS)[:-1]), "239 of 240 bytes are there"),
        (b"\x1f\x8bnonsense", "gzip file is damaged"),
        (bytes([*gzip.compress(idx(PIXELS), mtime=0)[:30], *b"\xff" * 20]), "gzip file is damaged"),
    ],
)
def test_damaged_idx_files(tmp_path, data, says):
    path = tmp_path / "some-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(InvalidRecording, match=says) as error:
        read_idx(path)
    assert str(error.value).startswith(str(path))


def test_missing_idx_files(tmp_path):
    with pytest.raises(InvalidRecording, match="No such file"):
        read_idx(tmp_path / "nothing")
    mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InvalidRecording, match="has no t10k-labels-idx1-ubyte"):
        load_images(tmp_path)


def test_parts_that_do_not_fit(tmp_path):
    mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(PIXELS[8:, :3]))
    with pytest.raises(InvalidRecording, match=r"differ in size, \[5, 4\] and \[3, 4\]"):
        load_images(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(PIXELS[8:]))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(4, 9, np.uint8)))
    with pytest.raises(InvalidRecording, match="classes that the other has not"):
        load_images(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(InvalidRecording, match=r"\(t10k\): 4 images need as many"):
        load_images(tmp_path)


@pytest.mark.parametrize("names", ["{part}_{kind}", "{kind}_{part}", "{part}_{short}"])
def test_archives_with_a_split(tmp_path, names):
    arrays = {}
    for part, chosen in (("train", slice(0, 8)), ("test", slice(8, 12))):
        for kind, short, array in (("images", "x", PIXELS), ("labels", "y", LABELS)):
            arrays[names.format(part=part, kind=kind, short=short)] = array[chosen]
    np.savez(tmp_path / "set.npz", **arrays)
    data = load_images(tmp_path / "set.npz")
    assert (len(data.learn), len(data.test)) == (8, 4)
    assert data.learn.classes == data.test.classes


def test_arrays_without_a_split(tmp_path):
    np.savez(tmp_path / "set.npz", images=PIXELS / 255, labels=LABELS)
    np.save(tmp_path / "images.npy", PIXELS)
    np.save(tmp_path / "labels.npy", LABELS)
    archive = load_images(tmp_path / "set.npz", holdout=3, seed=4)
    folder = load_images(tmp_path, holdout=3, seed=4)
    assert len(archive.test) == 3
    assert torch.allclose(archive.test.x, folder.test.x)
    assert torch.equal(archive.test.labels, folder.test.labels)


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, pictures=PIXELS)
    with pytest.raises(InvalidRecording, match="only pictures; name"):
        load_images(path)
    np.savez(path, images=np.array([{}], dtype=object), labels=LABELS)
    with pytest.raises(InvalidRecording, match="Object arrays cannot be loaded"):
        load_images(path)
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InvalidRecording, match="is no archive of arrays"):
        load_images(path)
    np.save(tmp_path / "one.npy", PIXELS)
    with pytest.raises(InvalidRecording, match="is a single array"):
        load_images(tmp_path / "one.npy")
    np.save(tmp_path / "images.npy", PIXELS)
    with pytest.raises(InvalidRecording, match=r"labels\.npy: cannot be read"):
        load_images(tmp_path)


def sheets(folder, batches=(3, 50)):
    pixels = RNG.integers(0, 256, (len(batches), 1000, 3072), dtype=np.uint8)
    for batch, rows in zip(batches, pixels, strict=True):
        sheet = Image.fromarray(rows.reshape(1000, 1024, 3))
        sheet.save(folder / f"cifar10_batch_{batch}.png", compress_level=0)
    labels = RNG.integers(0, 10, 51_000)
    listed = ", ".join(map(str, labels))
    (folder / "cifar10_labels.js").write_text(f"var labels=[{listed}];\n")
    return pixels, labels


def test_sheets_of_cifar(tmp_path):
    pixels, labels = sheets(tmp_path)
    data = load_images(tmp_path)
    assert data.learn.x.shape == data.test.x.shape == (1000, 1, 3, 32, 32)
    image = pixels[1, 7].reshape(32, 32, 3) / np.float32(255)
    assert torch.equal(data.test.x[7, 0], torch.from_numpy(image).permute(2, 0, 1))
    assert data.test.labels.tolist() == labels[50_000:].tolist()
    assert data.learn.labels.tolist() == labels[3000:4000].tolist()
    assert data.test.classes[3] == "cat"
    (tmp_path / "cifar10_batch_3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InvalidRecording, match="is no picture"):
        load_images(tmp_path)
    Image.new("RGB", (1024, 10)).save(tmp_path / "cifar10_batch_3.png")
    with pytest.raises(InvalidRecording, match="is 1024x10 pixels"):
        load_images(tmp_path)
    (tmp_path / "cifar10_batch_3.png").unlink()
    with pytest.raises(InvalidRecording, match="needs cifar10_batch_50"):
        load_images(tmp_path)
    (tmp_path / "cifar10_labels.js").write_text("alert(1)")
    with pytest.raises(InvalidRecording, match="is not one list"):
        load_images(tmp_path)


def test_nothing_that_is_known(tmp_path):
    with pytest.raises(InvalidRecording, match="no such file or folder"):
        load_images(tmp_path / "nothing")
    with pytest.raises(InvalidRecording, match="holds no images that are known"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("name", "mean", "channels"),
    [("mnist", 0.1307, 1), ("fashion_mnist", 0.2860, 1), ("cifar10_subset", 0.47, 3)],
)
def test_the_real_sets(shared_data, name, mean, channels):
    """The means of their pixels are known from everybody's normalisation."""
    data = load_images(shared_data / name)
    assert data.learn.x.shape[2] == channels
    assert data.learn.x.mean().item() == pytest.approx(mean, abs=6e-3 if channels == 3 else 1e-4)
    assert len(data.test.classes) == 10
