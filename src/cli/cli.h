// The command line: `kite run standalone`, `kite check DIR` and the like. Results on stdout, all
// else on stderr.
#pragma once

namespace kite::cli {

/// Runs one command; the process's exit code (server/exit_code.h).
int Main(int argc, const char* const* argv);

}  // namespace kite::cli
