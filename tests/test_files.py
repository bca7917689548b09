from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphfuse._files import make_folder, sweep_drafts, write_whole
from graphfuse.errors import UnwritableFile

LIMITED = """
import resource, sys
from pathlib import Path
from graphfuse._files import write_whole
from graphfuse.errors import UnwritableFile
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
write_whole(Path(sys.argv[1]) / "small", b"x" * 4096)
try:
    write_whole(Path(sys.argv[1]) / "large", b"x" * 4097)
except UnwritableFile as error:
    print(error)
"""


def test_a_file_takes_the_place_of_another_whole(tmp_path):
    write_whole(tmp_path / "f", b"old")
    write_whole(str(tmp_path / "f"), b"new, and longer")
    assert (tmp_path / "f").read_bytes() == b"new, and longer"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_limit_of_the_system_leaves_nothing_half_written(tmp_path):
    """A real refusal: the kernel allows this process files of 4096 bytes."""
    run = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True)
    assert "'large', which needs 4,097 bytes: File too large" in run.stdout
    assert str(tmp_path) not in run.stdout
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"small": 4096}


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """On a disk of one megabyte where one may be mounted; elsewhere /dev/full says the same to every write."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode
    if mounted != 0:
        (disk / ".f.draft").symlink_to("/dev/full")
    try:
        with pytest.raises(UnwritableFile, match=r"'f', which needs 2,000,000 bytes: No space left.*Free space"):
            write_whole(disk / "f", b"x" * 2_000_000)
        assert not list(disk.iterdir())
        write_whole(disk / "f", b"x" * 1000)  # and when there is space it goes on
        assert (disk / "f").stat().st_size == 1000
    finally:
        if mounted == 0:
            subprocess.run(["umount", disk], check=True)


def test_a_folder_that_takes_no_files_is_named(tmp_path):
    """Without the rights of root, who may write anywhere."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "f").write_bytes(b"old")
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        for parent in (folder, *[p for p in folder.parents if p.owner() == "root" and "pytest" in p.name]):
            parent.chmod(0o555)
        os.seteuid(65534)
    try:
        with pytest.raises(UnwritableFile, match="'f', which needs 3 bytes: Permission denied"):
            write_whole(folder / "f", b"new")
        with pytest.raises(UnwritableFile, match="the folder 'inner': Permission denied"):
            make_folder(folder / "inner")
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        tmp_path.chmod(0o700)
    assert (folder / "f").read_bytes() == b"old"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    write_whole(tmp_path / "f", b"")
    for act in (lambda: write_whole(tmp_path / "f" / "g", b"x"), lambda: make_folder(tmp_path / "f" / "g")):
        with pytest.raises(UnwritableFile, match="'g'"):
            act()


def test_an_interrupt_leaves_no_draft(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("graphfuse._files.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "f", b"x")
    assert not list(tmp_path.iterdir())


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("graphfuse._files.os.fsync", lambda fd: (order.append("on disk"), fsync(fd)))
    monkeypatch.setattr("graphfuse._files.os.replace", lambda *names: (order.append("named"), replace(*names)))
    write_whole(tmp_path / "f", b"x")
    assert order == ["on disk", "named"]


def test_drafts_of_a_killed_run_are_swept_and_nothing_else(tmp_path):
    for name in (".a.npz.draft", ".b.draft", "a.npz", ".hidden", "draft"):
        (tmp_path / name).touch()
    assert sweep_drafts(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", ".hidden", "draft"}
    assert sweep_drafts(Path(tmp_path) / "absent") == 0
