// The weights file: advice written by hand or by a script. Pure; reading it is the program's
// business.
//
//   # group   member                  advice
//   web       tcp:192.0.2.1:80        40        0..65535: contact and confident on
//   web       192.0.2.2:80            quiesce   quiesced by the administrator, weight 0
//   web       [2001:db8::3]:80        down      contact off, confident on, weight 0
//   web       192.0.2.4:80            unknown   confident off, as for a member that is not listed
//   hosts     192.0.2.5               10        an address alone is a system member
#pragma once

#include <optional>
#include <string_view>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"
#include "controller/gwm/weigher.hpp"

namespace saspd::gwm {

// All of the text or nothing: the error says the line, what is wrong and the accepted form. A group
// is everything before the member, so that its name may contain spaces. "#" starts a comment at the
// beginning of a line and behind a space.
Result<AdviceTable> parse_weights(std::string_view text);

// What stat(2) tells of the file; two equal stamps are taken for the same content.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t changed_ns = 0;  // ctime, which no writer can set back
  bool operator==(const FileStamp&) const = default;
};

// Decides when the file is read again: when it is another one than was read, and has not changed
// from one look to the next. A file that is just being written is then not read by half (a weight
// of 40 cut to 4 would look fine).
class FileWatch {
 public:
  // The content behind this stamp was read; nothing: it could not be.
  void was_read(const std::optional<FileStamp>& stamp) { read_ = last_seen_ = stamp; }
  // To be called regularly. No stamp: the file is not there, which changes nothing.
  bool should_read(const std::optional<FileStamp>& stamp);

 private:
  std::optional<FileStamp> read_;
  std::optional<FileStamp> last_seen_;
};

}  // namespace saspd::gwm
