#include "io/direct_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

namespace kite::engine {
namespace {

/// How long a wait for the disk goes without a look at the context.
constexpr int64_t kWaitNanoseconds = 5'000'000;

Status ReadError(int error, const std::string& what) {
  return Status::IoError(StatusSubject::kIndex, what + ": " + std::strerror(error));
}

/// Bytes read, or minus the error.
int ReadFully(int descriptor, uint64_t offset, std::byte* buffer, uint32_t size) {
  uint32_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(descriptor, buffer + done, size - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) break;
    done += static_cast<uint32_t>(got);
  }
  return static_cast<int>(done);
}

}  // namespace

Result<std::unique_ptr<DirectFile>> DirectFile::Open(const std::string& path) {
#if defined(O_DIRECT)
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (descriptor >= 0) return std::unique_ptr<DirectFile>(new DirectFile(descriptor));
  return ReadError(errno, "cannot open '" + path + "' for direct reads");
#else
  return ReadError(ENOTSUP, "cannot open '" + path + "' for direct reads");
#endif
}

DirectFile::~DirectFile() { ::close(descriptor_); }

#if defined(__linux__)

/// The two rings that io_uring shares with the kernel (man io_uring(7)).
class ReadQueue::Ring {
 public:
  /// Null when the kernel refuses.
  static std::unique_ptr<Ring> Make(unsigned depth) {
    auto ring = std::unique_ptr<Ring>(new Ring());
    io_uring_params params{};
    const long descriptor = ::syscall(__NR_io_uring_setup, depth, &params);
    if (descriptor < 0) return nullptr;
    ring->descriptor_ = static_cast<int>(descriptor);
    constexpr unsigned kNeeded = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_EXT_ARG;
    if ((params.features & kNeeded) != kNeeded || !ring->Map(params)) return nullptr;
    // A sandbox may allow the one call and refuse the other.
    return ring->Enter(false) ? std::move(ring) : nullptr;
  }

  ~Ring() {
    if (rings_ != MAP_FAILED) ::munmap(rings_, rings_bytes_);
    if (entries_ != MAP_FAILED) ::munmap(entries_, entries_bytes_);
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// Submitted by the next Enter.
  void Push(unsigned slot, const Read& read) {
    const unsigned tail = *submit_tail_;
    io_uring_sqe& entry = static_cast<io_uring_sqe*>(entries_)[tail & submit_mask_];
    std::memset(&entry, 0, sizeof(entry));
    entry.opcode = IORING_OP_READ;
    entry.fd = read.descriptor;
    entry.off = read.offset;
    entry.addr = reinterpret_cast<uint64_t>(read.buffer);
    entry.len = read.size;
    entry.user_data = slot;
    submit_array_[tail & submit_mask_] = tail & submit_mask_;
    std::atomic_ref<unsigned>(*submit_tail_).store(tail + 1, std::memory_order_release);
    ++pending_;
  }
  [[nodiscard]] bool pending() const { return pending_ > 0; }

  /// Submits what was pushed and, with `wait`, waits for one end for a while. False when the kernel
  /// refuses.
  bool Enter(bool wait) {
    __kernel_timespec limit{.tv_sec = 0, .tv_nsec = kWaitNanoseconds};
    io_uring_getevents_arg argument{};
    argument.ts = reinterpret_cast<uint64_t>(&limit);
    const unsigned flags = wait ? IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG : 0;
    const long submitted =
        ::syscall(__NR_io_uring_enter, descriptor_, pending_, wait ? 1 : 0, flags,
                  wait ? &argument : nullptr, wait ? sizeof(argument) : 0);
    if (submitted > 0) pending_ -= std::min(pending_, static_cast<unsigned>(submitted));
    return submitted >= 0 || errno == ETIME || errno == EINTR || errno == EAGAIN || errno == EBUSY;
  }

  /// Calls ended(slot, result) for each read that has ended.
  template <typename Ended>
  void Collect(const Ended& ended) {
    unsigned head = *complete_head_;
    const unsigned tail =
        std::atomic_ref<unsigned>(*complete_tail_).load(std::memory_order_acquire);
    for (; head != tail; ++head) {
      const io_uring_cqe& entry = complete_[head & complete_mask_];
      ended(static_cast<unsigned>(entry.user_data), entry.res);
    }
    std::atomic_ref<unsigned>(*complete_head_).store(head, std::memory_order_release);
  }

 private:
  Ring() = default;

  bool Map(const io_uring_params& params) {
    rings_bytes_ = std::max<size_t>(params.sq_off.array + params.sq_entries * sizeof(unsigned),
                                    params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
    entries_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
    constexpr int kAccess = PROT_READ | PROT_WRITE;
    constexpr int kFlags = MAP_SHARED | MAP_POPULATE;
    rings_ = ::mmap(nullptr, rings_bytes_, kAccess, kFlags, descriptor_, IORING_OFF_SQ_RING);
    entries_ = ::mmap(nullptr, entries_bytes_, kAccess, kFlags, descriptor_, IORING_OFF_SQES);
    if (rings_ == MAP_FAILED || entries_ == MAP_FAILED) return false;
    auto* const bytes = static_cast<std::byte*>(rings_);
    const auto word = [&](uint32_t offset) { return reinterpret_cast<unsigned*>(bytes + offset); };
    submit_tail_ = word(params.sq_off.tail);
    submit_array_ = word(params.sq_off.array);
    submit_mask_ = *word(params.sq_off.ring_mask);
    complete_head_ = word(params.cq_off.head);
    complete_tail_ = word(params.cq_off.tail);
    complete_mask_ = *word(params.cq_off.ring_mask);
    complete_ = reinterpret_cast<const io_uring_cqe*>(bytes + params.cq_off.cqes);
    return true;
  }

  int descriptor_ = -1;
  void* rings_ = MAP_FAILED;
  void* entries_ = MAP_FAILED;
  size_t rings_bytes_ = 0;
  size_t entries_bytes_ = 0;
  unsigned* submit_tail_ = nullptr;
  unsigned* submit_array_ = nullptr;
  unsigned submit_mask_ = 0;
  unsigned* complete_head_ = nullptr;
  unsigned* complete_tail_ = nullptr;
  unsigned complete_mask_ = 0;
  const io_uring_cqe* complete_ = nullptr;
  unsigned pending_ = 0;  ///< pushed, not submitted
};

#else

class ReadQueue::Ring {
 public:
  static std::unique_ptr<Ring> Make(unsigned /*depth*/) { return nullptr; }
  void Push(unsigned /*slot*/, const Read& /*read*/) {}
  [[nodiscard]] bool pending() const { return false; }
  bool Enter(bool /*wait*/) { return false; }
  template <typename Ended>
  void Collect(const Ended& /*ended*/) {}
};

#endif

ReadQueue::ReadQueue(unsigned depth, Way way)
    : reads_(depth), ring_(way == Way::kBest ? Ring::Make(depth) : nullptr) {}

ReadQueue::~ReadQueue() { Drain(); }

void ReadQueue::Start(unsigned slot, const DirectFile& file, uint64_t offset, std::byte* buffer,
                      uint32_t size) {
  Read& read = reads_[slot];
  read = {.descriptor = file.descriptor(), .offset = offset, .buffer = buffer, .size = size};
  if (ring_ != nullptr) {
    read.busy = true;
    ring_->Push(slot, read);
  } else {
    read.result = ReadFully(read.descriptor, offset, buffer, size);
  }
}

void ReadQueue::Collect() {
  ring_->Collect([this](unsigned slot, int result) {
    reads_[slot].result = result;
    reads_[slot].busy = false;
  });
}

Status ReadQueue::Wait(const Context& context, unsigned slot) {
  Read& read = reads_[slot];
  if (ring_ != nullptr) {
    Collect();
    if (ring_->pending()) ring_->Enter(read.busy);
    for (Collect(); read.busy; Collect()) {
      KITE_RETURN_IF_ERROR(context.Check());
      ring_->Enter(true);
    }
    // A short or interrupted read is tried again the simple way, which also names the error.
    if (read.result != static_cast<int>(read.size)) {
      read.result = ReadFully(read.descriptor, read.offset, read.buffer, read.size);
    }
  }
  if (read.result < 0) return ReadError(-read.result, "cannot read an index file");
  if (read.result != static_cast<int>(read.size)) {
    return Status::IoError(StatusSubject::kIndex, "an index file became shorter");
  }
  return {};
}

void ReadQueue::Drain() {
  if (ring_ == nullptr) return;
  const auto busy = [](const Read& read) { return read.busy; };
  for (Collect(); std::any_of(reads_.begin(), reads_.end(), busy); Collect()) ring_->Enter(true);
}

}  // namespace kite::engine
