#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace kite::internal {

void CheckFailed(const char* file, int line, const char* condition, const char* message) {
  std::fprintf(stderr, "KITE_CHECK failed at %s:%d: %s (%s)\n", file, line, condition, message);
  std::abort();
}

}  // namespace kite::internal
