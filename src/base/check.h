// KITE_CHECK: always-on assertion for programmer errors. Never for user input or bytes read from outside.
#pragma once

namespace kite::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* message);
}

#define KITE_CHECK(condition, message)                                                    \
  do {                                                                                    \
    if (!(condition)) [[unlikely]]                                                        \
      ::kite::internal::CheckFailed(__FILE__, __LINE__, #condition, message);             \
  } while (false)
