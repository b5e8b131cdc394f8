// SPDX-License-Identifier: Apache-2.0
// One error type for all programs: a code for machines, a sentence for people.
#pragma once

#include <string>
#include <system_error>

#include <boost/system/result.hpp>

namespace saspd {

// `detail` is lower case, has no full stop, and carries the numbers and names that were seen:
// "weight entry: length 6, expected at least 8".
struct Error {
  std::error_code code;
  std::string detail;
};

// Use only what std::expected also has (`if (!r)`, `*r`, `r.error()`), so that only this alias
// changes when the project requires C++23.
template <class T>
using Result = boost::system::result<T, Error>;

inline Error fail(std::error_code code, std::string detail) {
  return Error{code, std::move(detail)};
}
inline Error fail(std::errc code, std::string detail) {
  return Error{std::make_error_code(code), std::move(detail)};
}
inline Error fail(Error error) {
  return error;
}

// The same error, with the place where it happened in front: "PLACE: detail".
Error at(std::string_view place, Error error);

// Needed by boost::system::result when .value() is called on an error; the project does not do
// that.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

}  // namespace saspd
