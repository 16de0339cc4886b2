#include "query/filter/text_pattern.h"

#include <re2/re2.h>

#include <cstring>
#include <utility>

namespace kite::query::filter {
namespace {

// RE2's default is 8 MB; a filter's pattern may not take more.
constexpr int64_t kRegexMemoryMax = 8 << 20;

// Fixed texts that follow one another with anything between them; the first begins the text unless
// `open_begin`, the last ends it unless `open_end`.
class SegmentPattern final : public TextPattern {
 public:
  SegmentPattern(std::vector<std::string> segments, bool open_begin, bool open_end)
      : segments_(std::move(segments)), open_begin_(open_begin), open_end_(open_end) {
    for (const std::string& segment : segments_) length_min_ += segment.size();
  }

  [[nodiscard]] bool Matches(std::string_view text) const override {
    if (text.size() < length_min_) return false;
    if (is_exact()) return text == segments_[0];
    size_t first = 0;
    size_t last = segments_.size();
    if (!open_begin_) {
      if (!text.starts_with(segments_[0])) return false;
      text.remove_prefix(segments_[0].size());
      first = 1;
    }
    if (!open_end_) {
      const std::string& suffix = segments_.back();
      if (!text.ends_with(suffix)) return false;
      text.remove_suffix(suffix.size());
      --last;
    }
    for (size_t i = first; i < last; ++i) {
      const std::string& segment = segments_[i];
      const void* found = memmem(text.data(), text.size(), segment.data(), segment.size());
      if (found == nullptr) return false;
      text.remove_prefix(static_cast<const char*>(found) - text.data() + segment.size());
    }
    return true;
  }
  [[nodiscard]] std::string_view prefix() const override {
    return open_begin_ ? std::string_view() : segments_[0];
  }
  [[nodiscard]] bool prefix_decides() const override {
    return segments_.size() == 1 && !open_begin_ && open_end_;
  }
  [[nodiscard]] bool is_exact() const override {
    return segments_.size() == 1 && !open_begin_ && !open_end_;
  }

 private:
  std::vector<std::string> segments_;
  bool open_begin_;
  bool open_end_;
  size_t length_min_ = 0;
};

class RegexPattern final : public TextPattern {
 public:
  RegexPattern(std::string_view pattern, const RE2::Options& options)
      : regex_(re2::StringPiece(pattern.data(), pattern.size()), options) {}
  [[nodiscard]] const RE2& regex() const { return regex_; }
  [[nodiscard]] bool Matches(std::string_view text) const override {
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex_);
  }

 private:
  RE2 regex_;
};

Result<std::unique_ptr<const TextPattern>> Compile(std::string_view pattern, bool dot_newline) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemoryMax);
  options.set_dot_nl(dot_newline);
  auto compiled = std::make_unique<RegexPattern>(pattern, options);
  if (!compiled->regex().ok()) {
    return Status::InvalidArgument(StatusSubject::kFilter, compiled->regex().error());
  }
  return std::unique_ptr<const TextPattern>(std::move(compiled));
}

struct LikeParts {
  std::vector<std::string> segments;  // between the %
  std::string regex;                  // the same pattern as an expression
  bool one_character = false;         // it has a _
  bool open_begin = false;
  bool open_end = false;
};

Result<LikeParts> ParseLike(std::string_view pattern) {
  LikeParts parts;
  std::string segment;
  bool any = false;  // the last thing was a %
  const auto literal = [&](char c) {
    segment.push_back(c);
    const bool letter_or_digit = isalnum(static_cast<unsigned char>(c)) != 0;
    const bool plain = letter_or_digit || c == '_' || static_cast<unsigned char>(c) >= 0x80;
    if (!plain && c != '\0') parts.regex.push_back('\\');
    parts.regex.append(c == '\0' ? std::string_view("\\x00") : std::string_view(&c, 1));
    any = false;
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '%') {
      if (any) continue;
      any = true;
      parts.regex.append(".*");
      if (parts.segments.empty() && segment.empty()) parts.open_begin = true;
      if (!segment.empty()) parts.segments.push_back(std::exchange(segment, {}));
    } else if (c == '_') {
      parts.one_character = true;
      parts.regex.push_back('.');
      any = false;
    } else if (c != '\\') {
      literal(c);
    } else if (++i < pattern.size()) {
      literal(pattern[i]);
    } else {
      return Status::InvalidArgument(StatusSubject::kFilter,
                                     "the pattern ends with a single backslash");
    }
  }
  parts.open_end = any;
  if (!segment.empty()) parts.segments.push_back(std::move(segment));
  return parts;
}

}  // namespace

Result<std::unique_ptr<const TextPattern>> MakeLikePattern(std::string_view pattern) {
  KITE_ASSIGN_OR_RETURN(LikeParts parts, ParseLike(pattern));
  if (parts.one_character) return Compile("\\A(?:" + parts.regex + ")\\z", true);
  if (parts.segments.empty()) parts.segments.emplace_back();  // "" or "%"
  const bool everything = parts.open_begin && parts.segments[0].empty();
  return std::unique_ptr<const TextPattern>(std::make_unique<SegmentPattern>(
      std::move(parts.segments), parts.open_begin && !everything, parts.open_end));
}

Result<std::unique_ptr<const TextPattern>> MakeRegexPattern(std::string_view pattern) {
  return Compile(pattern, false);
}

}  // namespace kite::query::filter
