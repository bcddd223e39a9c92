//! The commands that need no file: codecs, args, completions, man, and how mistakes end.

use assert_cmd::Command;
use serde_json::Value;

fn etalon(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("etalon")
        .unwrap()
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn json(arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = etalon(arguments);
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn codecs_lists_the_table_with_its_keys() {
    let list = json(&["codecs", "--json"]);
    let bitshuffle = &list[0];
    assert_eq!(
        (&bitshuffle["name"], &bitshuffle["id"]),
        (&"bitshuffle".into(), &32008.into())
    );
    assert_eq!(bitshuffle["lossless"], true);
    for key in bitshuffle["keys"].as_array().unwrap() {
        assert!(key["name"].is_string() && key["default"].is_string() && key["about"].is_string());
    }
    let (code, stdout, _) = etalon(&["codecs"]);
    assert!(
        code == 0 && stdout.contains("compressor=lz4|zstd|none"),
        "{stdout}"
    );
}

#[test]
fn args_are_complete_when_the_element_type_is_given() {
    let answer = json(&[
        "args",
        "bitshuffle:compressor=zstd",
        "--dtype",
        "u2",
        "--json",
    ]);
    assert_eq!(answer["filter_id"], 32008);
    assert_eq!(answer["cd_values"], serde_json::json!([0, 4, 2, 0, 3, 3]));
    assert_eq!(
        (&answer["flag"], &answer["complete"]),
        (&0.into(), &true.into())
    );
    assert_eq!(answer["h5repack"], "UD=32008,0,6,0,4,2,0,3,3");
    assert_eq!(answer["nccopy"], "*,32008,0,4,2,0,3,3");
    assert_eq!(
        answer["h5py"],
        "compression=32008, compression_opts=(0, 4, 2, 0, 3, 3)"
    );
    assert_eq!(
        answer["c"],
        "H5Pset_filter(dcpl, 32008, H5Z_FLAG_MANDATORY, 6, (const unsigned[]){0, 4, 2, 0, 3, 3});"
    );
}

#[test]
fn args_without_an_element_type_are_the_short_form_and_say_so() {
    let (code, stdout, stderr) = etalon(&["args", "bitshuffle:block=4096"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{stdout}");
    assert_eq!(lines[0], "h5repack  UD=32008,0,2,4096,2");
    assert!(stderr.contains("--dtype"), "{stderr}");
    let (_, _, stderr) = etalon(&["args", "bitshuffle", "--quiet"]);
    assert_eq!(stderr, "");
}

#[test]
fn mistakes_in_a_spec_end_with_code_2_and_name_what_was_meant() {
    for (spec, meant) in [
        ("bitshufle", "did you mean 'bitshuffle'?"),
        ("bitshuffle:levle=3", "did you mean 'level'?"),
        ("bitshuffle:compressor=zst", "did you mean 'zstd'?"),
        ("bitshuffle:level=99,compressor=zstd", "from 1 to 22"),
        ("bitshuffle:level=9", "compressor=zstd"),
    ] {
        let (code, stdout, stderr) = etalon(&["args", spec]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{spec}");
        assert!(
            stderr.starts_with("etalon: ") && stderr.contains(meant),
            "{spec}: {stderr}"
        );
    }
}

#[test]
fn wrong_arguments_end_with_code_2() {
    for arguments in [
        &["args"][..],
        &["args", "bitshuffle", "--dtype", "u3"],
        &[
            "args",
            "bitshuffle",
            "--dtype",
            "u2",
            "--chunk",
            "65536,65536",
        ],
        &["args", "bitshuffle", "--dtype", "u2", "--chunk", "0"],
        &["args", "bitshuffle", "--chunk", "1,2"],
        &["codecs", "--jobs", "0"],
        &["completions", "cmd.exe"],
        &["man", "recompres"],
        &["recompres"],
        &[],
    ] {
        let (code, stdout, stderr) = etalon(arguments);
        assert_eq!(code, 2, "{arguments:?}: {stdout}{stderr}");
        assert!(!stderr.is_empty());
    }
}

#[test]
fn completions_and_manual_come_for_every_shell_and_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, stdout, _) = etalon(&["completions", shell]);
        assert!(code == 0 && stdout.contains("recompress"), "{shell}");
        assert!(
            !stdout.contains("__probe"),
            "{shell} offers the hidden command"
        );
    }
    let (code, page, _) = etalon(&["man"]);
    assert!(code == 0 && page.contains(".TH etalon"), "{page}");
    for command in [
        "demo",
        "measure",
        "recompress",
        "inspect",
        "doctor",
        "codecs",
        "args",
    ] {
        let (code, page, _) = etalon(&["man", command]);
        assert!(code == 0 && page.contains(command), "{command}");
        let (code, help, _) = etalon(&[command, "--help"]);
        assert!(code == 0 && help.contains("Usage:"), "{command}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let program = assert_cmd::cargo::cargo_bin("etalon");
    let script = format!(
        "{} man | head -c 10; exit ${{PIPESTATUS[0]}}",
        program.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_full_disk_ends_with_code_4() {
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = std::process::Command::new(assert_cmd::cargo::cargo_bin("etalon"))
        .arg("man")
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(4));
}
