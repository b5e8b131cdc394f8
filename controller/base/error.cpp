// SPDX-License-Identifier: Apache-2.0

#include "controller/base/error.hpp"

#include <stdexcept>

namespace saspd {

Error at(std::string_view place, Error error) {
  error.detail.insert(0, ": ").insert(0, place);
  return error;
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::system_error(error.code, error.detail);
}

}  // namespace saspd
