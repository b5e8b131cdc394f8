// The head of an HTTP answer, as much of it as a probe needs: the status, read as generously as
// curl and HAProxy read it (tests/conformance/gwm/http_probe_test.cpp asks both). Pure.
//
//   - a line ends with LF, with or without CR (RFC 9112 2.2)
//   - the reason phrase may be missing, and the blank before it
//   - interim answers (1xx but 101) are read past (RFC 9110 15.2)
//   - what is no header field is no HTTP answer, and neither is a Content-Length that is no number
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/error.hpp"

namespace saspd::gwm {

// Of all heads of an answer together.
inline constexpr std::size_t max_http_head = 65536;

class HttpAnswer {
 public:
  // What came next. True: no more is needed, result() has it.
  bool take(std::string_view bytes);

  // The final status, 200 to 999; or why there is none. As long as take() has not said true: that
  // the connection ended too early.
  Result<unsigned> result() const;

 private:
  void take_line(std::string_view line);
  void take_status(std::string_view line);
  void take_field(std::string_view line);
  void take_length(std::string_view value);
  void end_head();
  void refuse(std::string why);

  std::string line_;  // without its end yet
  std::size_t size_ = 0;
  unsigned status_ = 0;  // of the head that is being read; 0: its first line is awaited
  bool has_field_ = false;
  std::optional<std::string> length_;
  bool is_done_ = false;
  std::string error_;
};

}  // namespace saspd::gwm
