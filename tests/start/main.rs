//! Starts of a bundle: the program is the one that was packed, in every mode, and has what its caller gave it.

/// Arguments and argv[0].
mod arguments;
/// Root that may not mount, as in a container.
mod contained_root;
/// The current directory.
mod current_directory;
/// Open descriptors and standard streams.
mod descriptors;
/// The environment, and the rules of a bundle for it.
mod environment;
/// Exit statuses, and death by a signal.
mod exit_status;
/// The first start unpacks, the next one does not.
mod first_start;
/// The hosts of these tests are what they say they are.
mod harness;
/// The mode `host`: which stores of a host count as having the closure.
mod host_mode;
/// Programs of the host that the program starts.
mod host_programs;
/// Tools, files, users and terminal that a program sees are the host's.
mod host_view;
/// A shell with job control: Ctrl-C, Ctrl-Z, fg.
mod job_control;
/// Why a bundle can't run: two lines and an exit status.
mod launcher_errors;
/// The variables that configure the launcher: `PACKED`, `PACKED_MODE`, `PACKED_CACHE`, `PACKED_LOG`.
mod launcher_settings;
/// What a start leaves behind: its cache and nothing else.
mod leftovers;
/// Sandboxes, mounts and other bundles inside a bundle.
mod nested;
/// Ignored, blocked and sent signals.
mod signals;
/// How many system calls a next start makes.
mod system_calls;
/// Limits that are too low.
mod too_little;
/// The umask and resource limits.
mod umask_and_limits;
