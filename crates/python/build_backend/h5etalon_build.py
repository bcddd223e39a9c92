"""Builds the wheel and the source archive of h5etalon: maturin's backend, and what maturin does not know of.

maturin builds one extension module. The plugins and the `etalon` command are built by cargo first and laid where maturin
takes package data and scripts from. The source archive is ours altogether, because maturin packs only the crates that the
extension module depends on.

With H5ETALON_GLIBC=2.17 in the environment, cargo-zigbuild and zig's compiler make a wheel that runs from that glibc on and
is tagged as manylinux; otherwise the wheel is for machines like this one.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import maturin
from maturin import (  # noqa: F401 - the backend's hooks
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "crates/python/h5etalon"
SCRIPTS = ROOT / "crates/python/wheel.data/scripts"
CARGO = os.environ.get("CARGO", "cargo")
GLIBC = os.environ.get("H5ETALON_GLIBC")
# What the crates are built from; the rest of the repository is not needed to install.
SOURCES = ("*.toml", "Cargo.lock", "*.md", "LICENSE-*", "THIRD_PARTY_LICENSES", "*.rs", "src", "include", "crates", "h5plugins")
LEFT_OUT = {"__pycache__", "plugins", "wheel.data", "target"}


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    # maturin looks for this folder even where it packs nothing.
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    build_plugins_and_command()
    if GLIBC:
        tag = "manylinux_" + GLIBC.replace(".", "_")
        # Nothing to repair: what the wheel's programs need is in every glibc.
        os.environ["MATURIN_PEP517_ARGS"] = "--zig --compatibility %s --auditwheel skip --target %s" % (tag, host())
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    build_plugins_and_command()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def build_plugins_and_command():
    """Builds with cargo, and stages the results in the package."""
    names = sorted(path.parent.name for path in ROOT.glob("h5plugins/*/Cargo.toml"))
    # Two calls, as in the Makefile: together they would be built with other features, so once more.
    for packages in (["etalon-cli"], ["h5etalon-" + name for name in names]):
        selected = [word for package in packages for word in ("-p", package)]
        build = ["zigbuild", "--target", "%s.%s" % (host(), GLIBC)] if GLIBC else ["build"]
        subprocess.run([CARGO, *build, "--release", "--locked", *selected], cwd=ROOT, check=True)
    built = target_folder() / (host() if GLIBC else "") / "release"
    for name in names:
        stage(built / ("libh5etalon_%s.so" % name), PACKAGE / "plugins")
    stage(built / "etalon", SCRIPTS)


def host():
    """What rustc calls this kind of machine."""
    said = subprocess.run([os.environ.get("RUSTC", "rustc"), "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return next(line.split()[1] for line in said.splitlines() if line.startswith("host:"))


def target_folder():
    """Where cargo builds."""
    command = [CARGO, "metadata", "--format-version", "1", "--no-deps", "--locked"]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return Path(json.loads(found.stdout)["target_directory"])


def stage(built, folder):
    """Copies a file under another name and renames it: a process may have the old one mapped."""
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / (built.name + ".new")
    shutil.copy2(built, staged)
    staged.replace(folder / built.name)


def build_sdist(sdist_directory, config_settings=None):
    """Packs the sources with PKG-INFO, which is a wheel's METADATA."""
    metadata_folder = Path(sdist_directory) / "metadata"
    info = metadata_folder / prepare_metadata_for_build_wheel(str(metadata_folder), config_settings)
    name = info.name[: -len(".dist-info")]
    archive = name + ".tar.gz"
    with tarfile.open(Path(sdist_directory) / archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(sources()):
            tar.add(path, "%s/%s" % (name, path.relative_to(ROOT)), recursive=False)
        entry = tarfile.TarInfo(name + "/PKG-INFO")
        metadata = (info / "METADATA").read_bytes()
        entry.size = len(metadata)
        tar.addfile(entry, io.BytesIO(metadata))
    shutil.rmtree(metadata_folder)
    return archive


def sources():
    """The files of the archive."""
    for pattern in SOURCES:
        for top in ROOT.glob(pattern):
            if top.is_file():
                yield top
            for path in top.rglob("*") if top.is_dir() else ():
                if path.is_file() and not LEFT_OUT.intersection(path.relative_to(ROOT).parts) and path.suffix != ".so":
                    yield path
