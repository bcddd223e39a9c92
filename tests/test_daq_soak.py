"""Ten seconds of `make soak`: frames of a 4-Mpixel detector as fast as they can be written, every one read back."""

import pytest

import daq_soak


@pytest.mark.parametrize("element", ["u2", "u4"])
def test_every_frame_comes_back_right_and_in_place_and_memory_stays(tmp_path, element):
    options = ["--element", element, "--frames-per-file", 60, "--least-frames", 70]
    said = daq_soak.run(tmp_path / "soak", 5, options, most_bytes=2 * 10**9)
    print(daq_soak.text_of(said))
    assert not said["mistakes"], said["mistakes"]
    assert said["frames"] == said["read"] >= 70 and said["lost"] == 0


def test_a_frame_in_the_place_of_another_is_noticed(tmp_path):
    import h5py

    soak = daq_soak.Soak(tmp_path, "--rows", 64, "--columns", 64, "--seconds", 30, "--frames-per-file", 20)
    event = dict(soak.wait_for(lambda event: event["event"] == "file"))
    soak.stop()
    with h5py.File(event["path"], "r+") as f:
        data = f["entry/data/data"].id
        chunks = [data.read_direct_chunk((at, 0, 0))[1] for at in (3, 4)]
        for at, chunk in zip((4, 3), chunks):
            data.write_direct_chunk((at, 0, 0), chunk)
    reading = daq_soak.Reading()
    reading.read(event)
    assert reading.frames == 18 and "wrong [3, 4]" in reading.mistakes[0]
