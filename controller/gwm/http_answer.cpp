// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/http_answer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controller/base/address.hpp"
#include "controller/base/ascii.hpp"
#include "controller/base/text.hpp"

namespace saspd::gwm {
namespace {

constexpr unsigned switching_protocols = 101;
constexpr std::size_t shown = 40;

// RFC 9110 5.6.2.
bool is_token_character(char c) {
  return ascii::is_digit(c) || ascii::is_letter(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// "HTTP/1.1 200 OK"; 0: it is none.
unsigned status_of(std::string_view line) {
  if (!line.starts_with("HTTP/") || line.size() < 12) return 0;
  if (!ascii::is_digit(line[5]) || line[6] != '.' || !ascii::is_digit(line[7]) || line[8] != ' ')
    return 0;
  line.remove_prefix(8);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view digits = line.substr(0, line.find(' '));
  if (digits.size() != 3 || !std::all_of(digits.begin(), digits.end(), ascii::is_digit)) return 0;
  const auto number = parse_number(digits, 100, 999);
  return number ? static_cast<unsigned>(*number) : 0;
}

}  // namespace

bool HttpAnswer::take(std::string_view bytes) {
  while (!bytes.empty() && !is_done_) {
    const auto end = bytes.find('\n');
    const auto piece = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    size_ += piece.size() + (end == std::string_view::npos ? 0 : 1);
    line_ += piece.substr(0, max_http_head);
    if (size_ > max_http_head) {
      refuse(fmt::format("the HTTP header is longer than {} bytes", max_http_head));
    } else if (end != std::string_view::npos) {
      if (line_.ends_with('\r')) line_.pop_back();
      take_line(line_);
      line_.clear();
    }
  }
  return is_done_;
}

Result<unsigned> HttpAnswer::result() const {
  if (!error_.empty()) return fail(std::errc::bad_message, error_);
  if (is_done_) return status_;
  return fail(std::errc::connection_aborted,
              size_ == 0 ? "closed without an answer" : "closed in the middle of its answer");
}

void HttpAnswer::take_line(std::string_view line) {
  // A CR that does not end a line could hide what follows from another parser.
  if (line.find_first_of(std::string_view("\0\r", 2)) != std::string_view::npos) {
    return refuse("not an HTTP answer: a line contains a NUL or a CR");
  }
  if (status_ == 0) return take_status(line);
  if (line.empty()) return end_head();
  take_field(line);
}

void HttpAnswer::take_status(std::string_view line) {
  status_ = status_of(line);
  if (status_ != 0) return;
  refuse(fmt::format("not an HTTP answer: it begins with '{}'", printable(line.substr(0, shown))));
}

void HttpAnswer::take_field(std::string_view line) {
  const bool is_folded = line[0] == ' ' || line[0] == '\t';
  if (is_folded && has_field_) return;
  const auto colon = line.find(':');
  const auto name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() ||
      !std::all_of(name.begin(), name.end(), is_token_character)) {
    return refuse(
        fmt::format("not an HTTP answer: '{}' is not a header", printable(line.substr(0, shown))));
  }
  has_field_ = true;
  if (ascii::same("content-length", name)) take_length(without_blanks(line.substr(colon + 1)));
}

void HttpAnswer::take_length(std::string_view value) {
  const bool number = !value.empty() && std::all_of(value.begin(), value.end(), ascii::is_digit);
  if (!number || (length_ && *length_ != value)) {
    return refuse("not an HTTP answer: its Content-Length is not one number");
  }
  length_ = value;
}

void HttpAnswer::end_head() {
  if (status_ >= 200 || status_ == switching_protocols) {
    is_done_ = true;
    return;
  }
  status_ = 0;
  has_field_ = false;
  length_.reset();
}

void HttpAnswer::refuse(std::string why) {
  error_ = std::move(why);
  is_done_ = true;
}

}  // namespace saspd::gwm
