// The life of a standalone server: open, serve, drain, end.
#pragma once

#include "server/config.h"
#include "server/exit_code.h"

namespace kite::server {

/// Runs in the calling thread until SIGTERM or SIGINT. Problems go to the log; the code says of
/// which kind.
ExitCode RunStandalone(const Config& config);

}  // namespace kite::server
