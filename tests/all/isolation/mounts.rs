//! A guest can only read its mounted folder.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use super::host::{host, limits};
use crate::support::client::get;

/// The guest's attempts (`guests/trouble/src/mount.rs`) and their results. Opening a folder for changes succeeds, but the
/// changes do not.
const ATTEMPTS: &str = "\
mount /data: Ok(DescriptorFlags(READ))
read: DONE
read within: DONE
write: not-permitted
read and write: not-permitted
truncate: not-permitted
truncate by reading: not-permitted
create: not-permitted
create by reading: not-permitted
create exclusively: not-permitted
create over: not-permitted
mutate the folder: DONE
make a folder: not-permitted
remove a folder: not-permitted
unlink: not-permitted
rename: not-permitted
rename over: not-permitted
rename a folder: not-permitted
link: not-permitted
symlink: not-permitted
set times of a path: not-permitted
set times of the mount: not-permitted
make a folder in one: not-permitted
write to what is read: not-permitted
stream to what is read: not-permitted
append to what is read: not-permitted
set size: not-permitted
set times: not-permitted
up: not-permitted
down and up: not-permitted
dot and up: not-permitted
absolute: not-permitted
root: not-permitted
a folder up: not-permitted
a symlink out: not-permitted
an absolute symlink out: not-permitted
through a symlink to a folder out: not-permitted
look up: not-permitted
look at a symlink out: not-permitted
link from outside: not-permitted
rename to outside: not-permitted
symlink to outside: not-permitted
";

/// The entries of a folder, recursively: names, contents or link targets, and modification times.
fn contents(folder: &Path) -> BTreeMap<String, (String, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_symlink() {
            format!("to {}", std::fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            found.extend(contents(&path));
            "folder".to_owned()
        } else {
            // Compiled code is not text.
            format!(
                "{:?}",
                std::fs::read(&path).unwrap().escape_ascii().to_string()
            )
        };
        let name = path.to_str().unwrap().to_owned();
        found.insert(name, (content, metadata.modified().unwrap()));
    }
    found
}

#[test]
fn a_mount_is_read_only_and_confined() {
    let host = host(limits());
    let outside = host.data.path();
    let mount = outside.join("mount");
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::fs::write(mount.join("file"), "contents").unwrap();
    std::fs::create_dir(mount.join("empty")).unwrap();
    std::fs::create_dir(mount.join("folder")).unwrap();
    std::fs::write(mount.join("folder/file"), "contents").unwrap();
    symlink("../secret", mount.join("out")).unwrap();
    symlink(outside.join("secret"), mount.join("out-absolute")).unwrap();
    symlink("..", mount.join("up")).unwrap();
    let before = contents(outside);
    let report = get(host.address, "/files").text();
    assert_eq!(report, ATTEMPTS.trim_end());
    assert_eq!(contents(outside), before);
}
