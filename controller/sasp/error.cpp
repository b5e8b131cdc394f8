// SPDX-License-Identifier: Apache-2.0

#include "controller/sasp/error.hpp"

#include <string>

namespace saspd::sasp {
namespace {

class Category : public std::error_category {
  const char* name() const noexcept override { return "sasp"; }
  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::truncated: return "component ends before its fields do";
      case Errc::bad_header: return "not a SASP header";
      case Errc::bad_message_length: return "bad message length";
      case Errc::too_large: return "message too large";
      case Errc::bad_component_length: return "bad component length";
      case Errc::unexpected_component: return "unexpected component";
      case Errc::unknown_message: return "unknown message type";
      case Errc::bad_count: return "more items announced than present";
      case Errc::trailing_bytes: return "bytes after the last component";
      case Errc::second_component: return "second message component";
      case Errc::not_encodable: return "value does not fit the format";
      case Errc::unsupported_version: return "unsupported SASP version";
    }
    return "unknown error";
  }
};

}  // namespace

const std::error_category& category() {
  static const Category instance;
  return instance;
}

}  // namespace saspd::sasp
