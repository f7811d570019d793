//! Tries every operation of wasi:filesystem that would change a mount or leave it.

use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{
    Descriptor, DescriptorFlags as Flags, ErrorCode, NewTimestamp, OpenFlags as Open, PathFlags,
};

type Attempt = (&'static str, Result<(), ErrorCode>);

/// Report a line for each attempt, with its name and its result.
pub fn report() -> String {
    let mut mounts = get_directories();
    let mut lines: Vec<String> = mounts
        .iter()
        .map(|(mount, name)| format!("mount {name}: {:?}", mount.get_flags()))
        .collect();
    if let Some((mount, _)) = mounts.pop() {
        for (name, result) in opened(&mount).into_iter().chain(changed(&mount)).chain(left(&mount)) {
            let how = match result {
                Ok(()) => "DONE".to_owned(),
                Err(code) => code.name().to_owned(),
            };
            lines.push(format!("{name}: {how}"));
        }
    }
    lines.join("\n")
}

fn open(mount: &Descriptor, path: &str, how: Open, flags: Flags) -> Result<(), ErrorCode> {
    mount.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags).map(drop)
}

/// Attempts to open files for more than reading, and to create files.
fn opened(mount: &Descriptor) -> Vec<Attempt> {
    let none = Open::empty();
    let (read, write) = (Flags::READ, Flags::WRITE);
    vec![
        ("read", open(mount, "file", none, read)),
        ("read within", open(mount, "folder/../file", none, read)),
        ("write", open(mount, "file", none, write)),
        ("read and write", open(mount, "file", none, read | write)),
        ("truncate", open(mount, "file", Open::TRUNCATE, write)),
        ("truncate by reading", open(mount, "file", Open::TRUNCATE, read)),
        ("create", open(mount, "new", Open::CREATE, write)),
        ("create by reading", open(mount, "new", Open::CREATE, read)),
        ("create exclusively", open(mount, "new", Open::CREATE | Open::EXCLUSIVE, read | write)),
        ("create over", open(mount, "file", Open::CREATE | Open::TRUNCATE, read | write)),
        ("mutate the folder", open(mount, "folder", Open::DIRECTORY, read | Flags::MUTATE_DIRECTORY)),
    ]
}

/// Attempts to change existing files and folders.
fn changed(mount: &Descriptor) -> Vec<Attempt> {
    let flags = PathFlags::empty();
    let now = || NewTimestamp::Now;
    let mut attempts = vec![
        ("make a folder", mount.create_directory_at("new")),
        ("remove a folder", mount.remove_directory_at("empty")),
        ("unlink", mount.unlink_file_at("file")),
        ("rename", mount.rename_at("file", mount, "new")),
        ("rename over", mount.rename_at("file", mount, "folder/file")),
        ("rename a folder", mount.rename_at("folder", mount, "new")),
        ("link", mount.link_at(flags, "file", mount, "new")),
        ("symlink", mount.symlink_at("file", "new")),
        ("set times of a path", mount.set_times_at(flags, "file", now(), now())),
        ("set times of the mount", mount.set_times(now(), now())),
    ];
    let folder = mount.open_at(flags, "folder", Open::DIRECTORY, Flags::READ | Flags::MUTATE_DIRECTORY);
    attempts.push(("make a folder in one", folder.and_then(|folder| folder.create_directory_at("new"))));
    let opened = mount.open_at(flags, "file", Open::empty(), Flags::READ);
    match opened {
        Ok(file) => attempts.extend([
            ("write to what is read", file.write(b"changed", 0).map(drop)),
            ("stream to what is read", file.write_via_stream(0).map(drop)),
            ("append to what is read", file.append_via_stream().map(drop)),
            ("set size", file.set_size(0)),
            ("set times", file.set_times(now(), now())),
        ]),
        Err(code) => attempts.push(("open to change", Err(code))),
    }
    attempts
}

/// Attempts to leave the mount.
fn left(mount: &Descriptor) -> Vec<Attempt> {
    let read = |path| open(mount, path, Open::empty(), Flags::READ);
    let follow = PathFlags::SYMLINK_FOLLOW;
    vec![
        ("up", read("../secret")),
        ("down and up", read("folder/../../secret")),
        ("dot and up", read("./../secret")),
        ("absolute", read("/etc/passwd")),
        ("root", read("/")),
        ("a folder up", open(mount, "..", Open::DIRECTORY, Flags::READ)),
        ("a symlink out", read("out")),
        ("an absolute symlink out", read("out-absolute")),
        ("through a symlink to a folder out", read("up/secret")),
        ("look up", mount.stat_at(follow, "../secret").map(drop)),
        ("look at a symlink out", mount.stat_at(follow, "out").map(drop)),
        ("link from outside", mount.link_at(follow, "../secret", mount, "new")),
        ("rename to outside", mount.rename_at("file", mount, "../stolen")),
        ("symlink to outside", mount.symlink_at("../secret", "new")),
    ]
}
