// SPDX-License-Identifier: Apache-2.0

#include "controller/lb/backend.hpp"

namespace saspd::lb {

ExitCode exit_code_of(const std::error_code& code) {
  if (code == std::errc::no_protocol_option || code == std::errc::no_such_file_or_directory) {
    return ExitCode::unavailable;
  }
  if (code == std::errc::address_in_use || code == std::errc::resource_unavailable_try_again) {
    return ExitCode::try_again;
  }
  if (code == std::errc::operation_not_permitted || code == std::errc::permission_denied) {
    return ExitCode::no_permission;
  }
  if (code == std::errc::not_supported || code == std::errc::no_such_device ||
      code == std::errc::device_or_resource_busy) {
    return ExitCode::configuration;
  }
  return ExitCode::io;
}

}  // namespace saspd::lb
