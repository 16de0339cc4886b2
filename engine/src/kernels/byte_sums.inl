// Running sums of the bytes of vector registers. Included by one source file per level, which defines
// kRegisterBytes in an anonymous namespace.

namespace {

/// Byte i of a register is added to byte i of those before: the even ones and the odd ones as 16-bit
/// sums apart.
class ByteSums {
 public:
  using Register = long long __attribute__((vector_size(kRegisterBytes)));

  inline void Add(Register bytes) {
    const auto pairs = reinterpret_cast<Shorts>(bytes);
    all_ += pairs;
    odd_ += pairs >> 8;
  }
  [[nodiscard]] inline Register even() const {
    return reinterpret_cast<Register>(all_ - (odd_ << 8));
  }
  [[nodiscard]] inline Register odd() const { return reinterpret_cast<Register>(odd_); }

 private:
  using Shorts = uint16_t __attribute__((vector_size(kRegisterBytes)));

  Shorts all_ = {};  ///< of pairs of bytes taken as one number
  Shorts odd_ = {};
};

}  // namespace
