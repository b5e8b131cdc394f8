// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP answer, as far as a probe needs it: the status, read as generously as curl
// and HAProxy do (tests/conformance/gwm/http_probe_test.cpp compares with both). Pure.
//
//   - a line ends with LF, with or without CR (RFC 9112 2.2)
//   - the reason phrase and the blank before it may be missing
//   - interim answers (1xx except 101) are skipped (RFC 9110 15.2)
//   - a line that is not a header field, or a Content-Length that is not a number, is an error
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd::gwm {

// Limit of all heads of an answer together.
inline constexpr std::size_t max_http_head = 65536;

class HttpAnswer {
 public:
  // Takes the next bytes. True once no more are needed and result() is complete.
  bool take(std::string_view bytes);

  // The final status, 200 to 999, or why there is none. Until take() returns true, the reason is
  // that the connection ended too early.
  Result<unsigned> result() const;

 private:
  void take_line(std::string_view line);
  void take_status(std::string_view line);
  void take_field(std::string_view line);
  void take_length(std::string_view value);
  void end_head();
  void refuse(std::string why);

  std::string line_;  // still incomplete
  std::size_t size_ = 0;
  unsigned status_ = 0;  // of the current head; 0 before its first line
  bool has_field_ = false;
  std::optional<std::string> length_;
  bool is_done_ = false;
  std::string error_;
};

}  // namespace saspd::gwm
