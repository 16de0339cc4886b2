// For the thread sanitizer only; nothing in other builds. gRPC is not instrumented, so a completion queue that carries
// an event from one thread to another looks to the sanitizer like no synchronisation at all: it has to be told.
#pragma once

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace kite::api {

#ifdef __SANITIZE_THREAD__

/// Lives while gRPC is given the tag of an event. What this thread did before happens before TakeOver; what gRPC's
/// inlined code does until the tag is on its way does too, but cannot be told from what comes after, and is not looked at.
class HandOver {
 public:
  explicit HandOver(void* tag) {
    __tsan_release(tag);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~HandOver() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  HandOver(const HandOver&) = delete;
  HandOver& operator=(const HandOver&) = delete;
};

/// When the tag has come back, maybe in another thread.
inline void TakeOver(void* tag) { __tsan_acquire(tag); }

#else

class HandOver {
 public:
  explicit HandOver(void*) {}
};
inline void TakeOver(void*) {}

#endif

}  // namespace kite::api
