//! The writer with a file that is made up: order, back-pressure, loss, and nothing forgotten.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etalon_daq::{Error, WhenFull, Writer};
use support::{FRAME_BYTES, Memory, frame, number_of, settings};

#[test]
fn one_producers_frames_are_written_in_order_by_any_number_of_encoders() {
    for encoders in 1..=4 {
        let memory = Memory::default();
        let mut settings = settings();
        (settings.encoders, settings.first_number) = (encoders, 100);
        let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
        for number in 100..400 {
            writer.write(number, 7 * number, &frame(number)).unwrap();
        }
        let statistics = writer.close().unwrap();
        let seen = memory.seen();
        let numbers: Vec<u64> = seen.frames.iter().map(|frame| frame.0.number).collect();
        assert_eq!(numbers, (100..400).collect::<Vec<_>>(), "{encoders}");
        for (record, stored) in &seen.frames {
            assert_eq!(number_of(stored), record.number);
            let expected = (record.number - 100, 7 * record.number);
            assert_eq!((record.index, record.timestamp_ns), expected);
        }
        assert_eq!(statistics.frames_written, 300);
        assert_eq!(statistics.frames_flushed, 300);
        assert_eq!((statistics.frames_lost, statistics.buffers_in_use), (0, 0));
        assert_eq!(statistics.bytes_in, 300 * FRAME_BYTES as u64);
        let ending = seen.ending.as_ref().unwrap();
        assert_eq!((ending.rows, ending.frames_written), (300, 300));
    }
}

#[test]
fn frames_of_many_producers_each_come_once_and_at_their_index() {
    let memory = Memory::default();
    let writer = Writer::with_sink(&settings(), memory.sink()).unwrap();
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(number) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).filter(|&n| n < 500)
                {
                    let mut slot = writer.slot(number).unwrap();
                    slot.bytes_mut().copy_from_slice(&frame(number));
                    slot.submit(number).unwrap();
                }
            });
        }
    });
    assert_eq!(writer.close().unwrap().frames_written, 500);
    let mut indices: Vec<u64> = Vec::new();
    for (record, stored) in &memory.seen().frames {
        assert_eq!(
            (number_of(stored), record.index),
            (record.number, record.number)
        );
        indices.push(record.index);
    }
    indices.sort_unstable();
    assert_eq!(indices, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_slow_disk_makes_producers_wait_and_loses_nothing() {
    let memory = Memory::slow(Duration::from_millis(4));
    let writer = Writer::with_sink(&settings(), memory.sink()).unwrap();
    let start = Instant::now();
    for number in 0..60 {
        writer.write(number, 0, &frame(number)).unwrap();
        assert!(writer.statistics().buffers_in_use <= 4);
    }
    // 4 frame buffers and 6 chunk buffers may still be on their way.
    assert!(start.elapsed() >= Duration::from_millis(4 * 45));
    let statistics = writer.close().unwrap();
    assert_eq!((statistics.frames_written, statistics.frames_lost), (60, 0));
    assert!(statistics.latency_max >= 0.004 && statistics.latency_p50 > 0.0);
}

#[test]
fn a_slow_disk_loses_counted_and_named_frames_where_that_is_asked_for() {
    let memory = Memory::slow(Duration::from_millis(5));
    let mut settings = settings();
    settings.when_full = WhenFull::Drop;
    let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
    let mut dropped = Vec::new();
    for number in 0..100 {
        match writer.write(number, 0, &frame(number)) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, Error::Dropped(number));
                dropped.push(number);
            }
        }
    }
    let statistics = writer.close().unwrap();
    assert!(!dropped.is_empty());
    assert_eq!(statistics.lost_without_buffer, dropped.len() as u64);
    assert_eq!(statistics.frames_in, 100);
    assert_eq!(statistics.frames_written + statistics.frames_lost, 100);
    let (runs, is_complete) = writer.lost();
    let named: Vec<u64> = runs.iter().flat_map(|run| run.0..=run.1).collect();
    assert_eq!((named, is_complete), (dropped.clone(), true));
    let seen = memory.seen();
    assert!(
        seen.frames
            .iter()
            .all(|frame| !dropped.contains(&frame.0.number))
    );
    let ending = seen.ending.as_ref().unwrap();
    assert_eq!((ending.rows, ending.lost.clone()), (100, runs));
}

#[test]
fn a_disk_that_fails_ends_the_file_and_names_every_frame_that_is_not_in_it() {
    let memory = Memory::failing_at(20);
    let writer = Writer::with_sink(&settings(), memory.sink()).unwrap();
    let outcomes: Vec<_> = (0..60)
        .map(|number| writer.write(number, 0, &frame(number)))
        .collect();
    assert!(
        outcomes
            .iter()
            .any(|outcome| *outcome == Err(Error::File("no space".into())))
    );
    assert_eq!(writer.close(), Err(Error::File("no space".into())));
    let statistics = writer.statistics();
    assert_eq!(
        (statistics.frames_written, statistics.lost_by_file),
        (20, 40)
    );
    assert_eq!(writer.lost(), (vec![(20, 59)], true));
    let ending = memory.seen().ending.clone().unwrap();
    assert_eq!((ending.frames_written, ending.frames_lost), (20, 40));
}

#[test]
fn producers_that_wait_hear_of_a_disk_that_fails() {
    let memory = Memory::failing_at(0);
    let mut settings = settings();
    (settings.encoders, settings.frame_buffers) = (1, 1);
    let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
    thread::scope(|scope| {
        for producer in 0..3 {
            let writer = &writer;
            scope.spawn(move || {
                let mut numbers = (0..50).map(|at| 3 * at + producer);
                assert!(numbers.any(|number| writer.write(number, 0, &frame(number)).is_err()));
            });
        }
    });
    assert!(writer.close().is_err());
}

#[test]
fn a_sink_that_panics_is_a_disk_that_fails() {
    let memory = Memory::panicking_at(5);
    let writer = Writer::with_sink(&settings(), memory.sink()).unwrap();
    for number in 0..30 {
        let _ = writer.write(number, 0, &frame(number));
    }
    assert!(matches!(writer.close(), Err(Error::File(text)) if text.contains("panicked")));
    assert_eq!(writer.statistics().frames_written, 5);
}

#[test]
fn numbers_are_used_once_and_lie_in_range() {
    let memory = Memory::default();
    let mut settings = settings();
    (settings.first_number, settings.most_frames) = (10, 5);
    let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
    for wrong in [9, 15, u64::MAX] {
        assert_eq!(writer.write(wrong, 0, &frame(0)), Err(Error::Number(wrong)));
    }
    writer.write(12, 0, &frame(12)).unwrap();
    assert_eq!(writer.write(12, 0, &frame(12)), Err(Error::Number(12)));
    let size = Error::Size {
        given: 3,
        needed: FRAME_BYTES,
    };
    assert_eq!(writer.write(13, 0, &[1, 2, 3]), Err(size));
    let statistics = writer.close().unwrap();
    assert_eq!((statistics.frames_in, statistics.frames_written), (1, 1));
    assert_eq!(writer.write(13, 0, &frame(13)), Err(Error::Closed));
    assert_eq!(writer.close(), Err(Error::Closed));
}

#[test]
fn a_buffer_that_is_given_back_empty_is_a_lost_frame() {
    let memory = Memory::default();
    let writer = Writer::with_sink(&settings(), memory.sink()).unwrap();
    for number in 0..20 {
        drop(writer.slot(number).unwrap());
    }
    writer.write(20, 0, &frame(20)).unwrap();
    let late = writer.slot(21).unwrap();
    let statistics = writer.close().unwrap();
    assert_eq!(
        (statistics.frames_written, statistics.lost_abandoned),
        (1, 21)
    );
    assert_eq!(memory.seen().ending.as_ref().unwrap().frames_lost, 21);
    assert_eq!(late.submit(0), Err(Error::Closed));
    assert_eq!(writer.statistics().lost_abandoned, 21);
    assert_eq!(writer.lost().0, [(0, 19), (21, 21)]);
}

#[test]
fn what_the_codec_refuses_is_stored_losslessly() {
    let memory = Memory::default();
    let mut settings = settings();
    // This codec is for counts, and looks at the dispersion before it believes that.
    settings.spec = "sigma-clip".parse().unwrap();
    settings.element = "u2".parse().unwrap();
    settings.frame_shape = vec![32, 64];
    let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
    for number in 0..6 {
        let scale = if number % 2 == 0 { 1 } else { 100 };
        // Sums of bits: 16 on average, with half the dispersion of counts.
        let values = (0..2048_u32).map(|at| {
            let mixed = (at + 1).wrapping_mul(2_654_435_761).rotate_left(7);
            let mixed = (mixed ^ mixed >> 15).wrapping_mul(2_246_822_519);
            mixed.count_ones() as u16 * scale
        });
        let bytes: Vec<u8> = values.flat_map(u16::to_le_bytes).collect();
        writer.write(number, 0, &bytes).unwrap();
    }
    let statistics = writer.close().unwrap();
    assert_eq!((statistics.frames_written, statistics.frames_lost), (6, 0));
    assert!(
        writer.refusal().unwrap().contains("sigma-clip"),
        "{:?}",
        writer.refusal()
    );
}

#[test]
fn a_loss_is_recorded_for_every_frame_in_both_modes() {
    let values = (0..FRAME_BYTES / 4).map(|at| at as f32 * 0.01);
    let ramp: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    for stream in [None, Some("bitshuffle".parse().unwrap())] {
        let memory = Memory::default();
        let mut settings = settings();
        settings.spec = "quantise:abs=0.001".parse().unwrap();
        settings.stream = stream;
        settings.element = "f4".parse().unwrap();
        settings.frame_shape = vec![FRAME_BYTES / 4];
        let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
        writer.write(0, 0, &ramp).unwrap();
        let worst = writer.close().unwrap().worst_error;
        assert!(worst > 0.0 && worst <= 0.001, "{worst}");
        let seen = memory.seen();
        assert_eq!(seen.frames[0].0.certificate.loss.max_abs_error, worst);
        let whole = seen.ending.as_ref().unwrap().certificate;
        assert_eq!(whole, seen.frames[0].0.certificate);
    }
}

#[test]
fn flushes_follow_writes_within_the_time_asked_for() {
    let memory = Memory::default();
    let mut settings = settings();
    settings.flush_after = Duration::from_millis(20);
    let writer = Writer::with_sink(&settings, memory.sink()).unwrap();
    assert_eq!(memory.seen().flushed, 0);
    writer.write(0, 0, &frame(0)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while writer.statistics().frames_flushed < 1 {
        assert!(Instant::now() < deadline, "the frame was never flushed");
        thread::sleep(Duration::from_millis(2));
    }
    // Without another frame there is nothing to flush.
    thread::sleep(Duration::from_millis(60));
    assert_eq!(memory.seen().flushes, 1);
    writer.close().unwrap();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |change: fn(&mut etalon_daq::Settings)| {
        let mut settings = settings();
        change(&mut settings);
        let writer = Writer::with_sink(&settings, Memory::default().sink());
        assert!(matches!(writer.err(), Some(Error::Settings(_))));
    };
    refused(|it| it.encoders = 0);
    refused(|it| it.frame_buffers = 0);
    refused(|it| it.most_frames = 0);
    refused(|it| it.encoders = 1025);
    refused(|it| it.frame_buffers = 1 << 20);
    refused(|it| it.most_frames = u64::MAX);
    refused(|it| it.frame_shape = vec![]);
    refused(|it| it.frame_shape = vec![4, 0]);
    refused(|it| it.frame_shape = vec![1 << 40, 1 << 40]);
    refused(|it| it.element = "f2".parse().unwrap());
    refused(|it| it.element = "V8".parse().unwrap());
    // More than processors have addresses for.
    refused(|it| {
        it.frame_shape = vec![1 << 15, 1 << 15];
        it.frame_buffers = 1 << 16;
    });
    refused(|it| it.first_number = u64::MAX);
    refused(|it| it.stream = Some("bitshuffle".parse().unwrap()));
    refused(|it| {
        it.spec = "quantise:abs=1".parse().unwrap();
        it.stream = Some("quantise:abs=1".parse().unwrap());
    });
}
