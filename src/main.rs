//! Starts the program: the shim before anything else, then the command line.

use std::path::Path;
use std::process::ExitCode;

use upshift::agent::build;
use upshift::agent::exec;
use upshift::agent::files;
use upshift::agent::shim;
use upshift::base::environment::Environment;
use upshift::base::streams::Streams;

/// A server is small objects made and dropped by the thousand on two or three threads: measured, this takes a
/// quarter off its time and a tenth off its memory, for a third of a millisecond at the start of a client.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How much a thread may allocate before jemalloc looks through what it keeps for it, in bytes: with its default of
/// 64 KiB that is at every request or two, and a fortieth of all time. A C string.
#[cfg(target_os = "linux")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 29] = b"tcache_gc_incr_bytes:4194304\0";

fn main() -> ExitCode {
    let environment = Environment::of_process();
    // Before any thread or runtime: the shim forks.
    if let [_, word, _whose] = environment.arguments.as_slice()
        && word == shim::SUBCOMMAND
    {
        return shim::main();
    }
    // Beside a program that an administrator runs; it lowers its own rights.
    if let [_, word] = environment.arguments.as_slice()
        && word == exec::SUBCOMMAND
    {
        return exec::main();
    }
    // Of a build pod, under its shim; it starts no runtime either.
    if let [_, word, folder] = environment.arguments.as_slice()
        && word == build::SUBCOMMAND
    {
        let streams = Streams::of_process();
        return build::inside::main(Path::new(folder), &environment, &streams);
    }
    // Of a pod that serves files.
    if let [_, word] = environment.arguments.as_slice()
        && word == files::SUBCOMMAND
    {
        return files::main(&environment, &Streams::of_process());
    }
    ExitCode::from(upshift::cli::run(environment, &Streams::of_process()))
}
