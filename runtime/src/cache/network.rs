//! Network file systems, by the type that statfs(2) tells.
//!
//! There, thousands of small files take long to write, other machines use the same files, and a lock may be known to
//! this machine only.

use rustix::fs::StatFs;
use rustix::io::Errno;

/// The types, of `linux/magic.h` and of the file systems' own sources.
///
/// What is behind FUSE, the kernel does not tell: sshfs, GlusterFS, ceph-fuse and s3fs are network file systems, and no
/// other one is fast with small files.
const TYPES: [(u32, &str); 17] = [
    (0x6969, "nfs"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x00c3_6400, "ceph"),
    (0x6573_5546, "fuse"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x517b, "smb"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0xaad7_aaea, "panfs"),
    (0x2003_0528, "orangefs"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x0102_1997, "9p"),
    (0x7375_7245, "coda"),
];

/// Returns the name of a network file system; `None` if the file system is another one, or unknown.
pub(super) fn name(statfs: Result<StatFs, Errno>) -> Option<&'static str> {
    named(statfs.ok()?.f_type)
}

/// The type is a number of 32 bits in an integer whose size and sign depend on the machine.
fn named(kind: impl TryInto<i64>) -> Option<&'static str> {
    let kind = kind.try_into().ok()? & i64::from(u32::MAX);
    TYPES.into_iter().find(|(number, _)| i64::from(*number) == kind).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_whatever_their_sign() {
        let cases = [
            (0x6969_i64, Some("nfs")),
            (0x0bd0_0bd0, Some("lustre")),
            (0xff53_4d42, Some("cifs")),
            // As a number of 32 bits with a sign.
            (-0x00ac_b2be, Some("cifs")),
            // ext4, xfs, btrfs, tmpfs, overlay.
            (0xef53, None),
            (0x5846_5342, None),
            (0x9123_683e, None),
            (0x0102_1994, None),
            (0x794c_7630, None),
        ];
        for (kind, name) in cases {
            assert_eq!(named(kind), name, "{kind:x}");
        }
    }
}
