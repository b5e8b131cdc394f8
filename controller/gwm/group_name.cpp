#include "controller/gwm/group_name.hpp"

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::gwm {

Result<void> check_group_name(std::string_view name) {
  if (name.empty()) return fail(std::errc::invalid_argument, "the name of the group is empty");
  if (name.size() > sasp::max_text) {
    return fail(std::errc::invalid_argument,
                fmt::format("the group has {} bytes, at most {}", name.size(), sasp::max_text));
  }
  if (!is_clean_utf8(name)) {
    return fail(std::errc::invalid_argument,
                fmt::format("group '{}' is not UTF-8 without control characters", printable(name)));
  }
  return {};
}

}  // namespace saspd::gwm
