"""`etalon recompress` keeps everything that is not a chunk: groups, links, types, references, attributes, layouts.

What it adds to a NeXus file is in test_cli_provenance.py.
"""

import h5py
import numpy as np
import pytest

from etalon_command import etalon, etalon_json_lines
from hdf5_files import describe
from programs import call, require

RANDOM = np.random.RandomState(3)
COUNTS = RANDOM.poisson(3, (20, 64, 96)).astype("<u2")
ROW = np.dtype([("x", "<f4"), ("n", "<i2"), ("name", "S5")])


@pytest.fixture(autouse=True)
def plugin_path(plugins):
    """This process reads through the plugin too."""
    h5py.h5pl.prepend(str(plugins).encode())
    yield
    h5py.h5pl.remove(0)


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "source.h5", tmp_path / "copy.h5"


def copy(paths, *arguments):
    """Recompresses, checks that everything is as it was, and returns the last event."""
    source, target = paths
    events = etalon_json_lines("recompress", source, target, "--codec", "bitshuffle", "--no-provenance", *arguments)
    with h5py.File(source, "r") as before, h5py.File(target, "r") as after:
        before, after = describe(before), describe(after)
        assert list(before) == list(after)
        for path in before:
            assert before[path] == after[path], path
    return events[-1]


def add_frames(file):
    """The dataset that will be recompressed."""
    return file.create_dataset("entry/data", data=COUNTS, chunks=(1, 64, 96), compression="gzip", shuffle=True)


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110", "latest"])
@pytest.mark.parametrize("track_order", [False, True])
@pytest.mark.parametrize("count", [3, 40])
def test_groups_keep_members_and_their_order(paths, libver, track_order, count):
    with h5py.File(paths[0], "w", libver=libver, track_order=track_order) as file:
        add_frames(file)
        for name in RANDOM.permutation(count):
            group = file.create_group("entry/many/g%d" % name, track_order=track_order)
            for key in RANDOM.permutation(count):
                group.attrs["key %d" % key] = key
        file.create_group("empty")
        file["entry/Größe"] = 1.5
    copy(paths)


def test_links_stay_links_and_sharing_stays_sharing(paths):
    with h5py.File(paths[0], "w") as file:
        data = add_frames(file)
        file["again"] = data
        file["entry/third"] = data
        file["entry/up"] = file["/"]
        file["soft"] = h5py.SoftLink("/entry/data")
        file["dangling"] = h5py.SoftLink("/nowhere/at/all")
        file["relative"] = h5py.SoftLink("entry/data")
        file["external"] = h5py.ExternalLink("other.h5", "/x/y")
    copy(paths)
    with h5py.File(paths[1], "r") as file:
        assert file["again"] == file["entry/data"] == file["soft"] and file["entry/up"] == file["/"]
        assert (file["entry/third"][()] == COUNTS).all()


def test_a_nexus_file_of_one_file_per_module_keeps_its_master(tmp_path):
    with h5py.File(tmp_path / "module_1.h5", "w") as file:
        file["counts"] = COUNTS
    master, target = tmp_path / "master.h5", tmp_path / "copy.h5"
    with h5py.File(master, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["data/data_000001"] = h5py.ExternalLink("module_1.h5", "counts")
        layout = h5py.VirtualLayout((40, 64, 96), "<u2")
        layout[:20] = h5py.VirtualSource("module_1.h5", "counts", COUNTS.shape)
        layout[20:] = h5py.VirtualSource(".", "entry/own", COUNTS.shape)
        entry["own"] = COUNTS + 1
        entry.create_virtual_dataset("all", layout, fillvalue=9)
    copy((master, target))
    with h5py.File(target, "r") as file:
        assert (file["entry/data/data_000001"][()] == COUNTS).all()
        assert (file["entry/all"][:20] == COUNTS).all() and (file["entry/all"][20:] == COUNTS + 1).all()


def test_references_lead_to_the_copies(paths):
    with h5py.File(paths[0], "w") as file:
        data, group = add_frames(file), file.create_group("late")
        with_number = np.dtype([("object", h5py.ref_dtype), ("number", "<i4"), ("pair", h5py.ref_dtype, (2,))])
        objects = file.create_dataset("objects", (3,), h5py.ref_dtype)
        objects[0], objects[1] = data.ref, group.ref
        regions = file.create_dataset("regions", (3,), h5py.regionref_dtype)
        regions[0], regions[1] = data.regionref[2:4, :, 5], data.regionref[:, ::7, 3:9]
        compound = file.create_dataset("compound", (2,), with_number)
        compound[0] = (data.ref, 3, (group.ref, file.ref))
        sequence = file.create_dataset("sequence", (2,), h5py.vlen_dtype(h5py.ref_dtype))
        sequence[1] = np.array([data.ref, group.ref], h5py.ref_dtype)
        chunked = file.create_dataset("chunked", (100,), h5py.ref_dtype, chunks=(10,), compression="gzip")
        chunked[55] = data.ref
        group.attrs["object"], group.attrs["region"] = data.ref, data.regionref[0, 3:5, :]
        group.attrs.create("compound", np.array([(data.ref, 1, (file.ref, data.ref))], with_number))
    copy(paths)
    with h5py.File(paths[1], "r") as file:
        assert file[file["objects"][0]].name == "/entry/data"
        assert (file["entry/data"][file["regions"][0]] == COUNTS[2:4, :, 5:6]).all()


def test_a_reference_to_nothing_becomes_null_with_a_warning(paths):
    with h5py.File(paths[0], "w") as file:
        add_frames(file)
        gone = file.create_group("gone")
        file.attrs["reference"] = gone.ref
        del file["gone"]
    done = etalon_json_lines("recompress", *paths, "--codec", "bitshuffle")[-1]
    assert "1 references lead nowhere" in done["warnings"][0]
    with h5py.File(paths[1], "r") as file:
        assert not file.attrs["reference"]


def test_dimension_scales_stay_attached(paths):
    with h5py.File(paths[0], "w") as file:
        data = add_frames(file)
        for axis, size in enumerate(COUNTS.shape):
            file["axis %d" % axis] = np.arange(size) * 0.5
            file["axis %d" % axis].make_scale("name %d" % axis)
            data.dims[axis].attach_scale(file["axis %d" % axis])
            data.dims[axis].label = "label %d" % axis
    copy(paths)
    with h5py.File(paths[1], "r") as file:
        assert [dimension[0].name for dimension in file["entry/data"].dims] == ["/axis 0", "/axis 1", "/axis 2"]


def test_committed_types_stay_shared(paths):
    with h5py.File(paths[0], "w") as file:
        add_frames(file)
        file["types/row"] = ROW
        file["types/row"].attrs["about"] = "a row"
        file["types/alias"] = file["types/row"]
        file["z"] = np.dtype("<u4")
        file.create_dataset("a/rows", data=np.zeros(4000, ROW), dtype=file["types/row"], chunks=(1000,))
        file.create_dataset("a/plain", (7,), file["z"])
        file["a"].attrs.create("rows", np.ones(2, ROW), dtype=file["types/row"])
    copy(paths)
    with h5py.File(paths[1], "r") as file:
        assert file["a/rows"].id.get_type() == file["types/alias"].id


def test_values_of_every_type_stay(paths):
    nested = np.dtype([("inner", ROW, (2,)), ("flags", "?")])
    with h5py.File(paths[0], "w") as file:
        add_frames(file)
        file.create_dataset("text", data=["a", "", "grün"], dtype=h5py.string_dtype())
        file.create_dataset("texts", data=["x" * n for n in range(3000)], dtype=h5py.string_dtype(), chunks=(100,), compression="gzip")
        file.create_dataset("ragged", (5,), h5py.vlen_dtype("<i2"))[2] = [1, 2, 3]
        file.create_dataset("nested", data=np.zeros(9, nested))
        file.create_dataset("enum", data=[1, 2], dtype=h5py.enum_dtype({"ON": 1, "OFF": 2}, "i1"))
        file.create_dataset("opaque", data=np.frombuffer(b"0123456789" * 4000, "V10"))
        file.create_dataset("complex", data=np.arange(4000) * (1 + 2j), chunks=(1000,))
        file.create_dataset("half", data=np.arange(20000).astype(">f2"))
        file["scalar"], file["empty"], file["none"] = 3.5, h5py.Empty("<f4"), np.zeros((0, 3))
        file["entry"].attrs["many"] = ["a", "bc"]
        file["entry"].attrs["none"] = h5py.Empty("S3")
        file["entry"].attrs["rows"] = np.ones(3, nested)
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((4,))
        data = h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_U8LE, space, compact)
        data.write(space, space, np.arange(4, dtype="u1"))
    copy(paths)


def test_large_attributes_stay(paths):
    with h5py.File(paths[0], "w", libver="latest") as file:
        add_frames(file).attrs["large"] = np.arange(100_000)
    copy(paths)


def test_data_in_other_files_stay_there(paths, tmp_path):
    (tmp_path / "raw.bin").write_bytes(COUNTS.tobytes())
    with h5py.File(paths[0], "w") as file:
        add_frames(file)
        file.create_dataset("outside", COUNTS.shape, "<u2", external=[(str(tmp_path / "raw.bin"), 0, COUNTS.nbytes)])
    copy(paths)
    with h5py.File(paths[1], "r") as file:
        assert file["outside"].external == [(str(tmp_path / "raw.bin"), 0, COUNTS.nbytes)]
    assert (tmp_path / "raw.bin").read_bytes() == COUNTS.tobytes()


def test_the_user_block_stays(paths):
    with h5py.File(paths[0], "w", userblock_size=1024) as file:
        add_frames(file)
    with open(paths[0], "r+b") as file:
        file.write(b"#!/bin/sh\n")
    copy(paths)
    assert paths[1].read_bytes()[:1024] == b"#!/bin/sh\n" + bytes(1014)


def test_pages_stay(paths):
    with h5py.File(paths[0], "w", fs_strategy="page", fs_page_size=8192) as file:
        add_frames(file)
    copy(paths)
    with h5py.File(paths[1], "r") as file:
        plist = file.id.get_create_plist()
        assert (plist.get_file_space_strategy()[0], plist.get_file_space_page_size()) == (h5py.h5f.FSPACE_STRATEGY_PAGE, 8192)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_hdf5_1_10_reads_the_copy_of_what_it_can_read(paths, plugins, libver):
    h5dump, _ = require("h5dump", "h5diff")
    with h5py.File(paths[0], "w", libver=("earliest", "v110") if libver == "earliest" else ("v110", "v110")) as file:
        data = add_frames(file)
        file.attrs["region"] = data.regionref[0, 3:5, :]
        layout = h5py.VirtualLayout(COUNTS.shape, "<u2")
        layout[...] = h5py.VirtualSource(data)
        file.create_virtual_dataset("virtual", layout)
    copy(paths)
    call([h5dump, "-o", "/dev/null", paths[1]], plugins)
    call(["h5diff", *paths], plugins)


def test_the_copy_of_a_copy_is_the_same_file_again(paths, tmp_path):
    with h5py.File(paths[0], "w") as file:
        add_frames(file).attrs["unit"] = "counts"
    etalon("recompress", *paths, "--codec", "bitshuffle:compressor=zstd", "--jobs", "1")
    etalon("recompress", paths[0], tmp_path / "two.h5", "--codec", "bitshuffle:compressor=zstd", "--jobs", "2")
    with h5py.File(paths[1], "r") as one, h5py.File(tmp_path / "two.h5", "r") as two:
        for number in range(20):
            a, b = (file["entry/data"].id.read_direct_chunk((number, 0, 0)) for file in (one, two))
            assert a == b
        info = [[file["entry/data"].id.get_chunk_info(number).byte_offset for number in range(20)] for file in (one, two)]
        assert info[0] == info[1]
