// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/drains_source.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/cli/config_file.hpp"

namespace saspd::programs {

using namespace gwm;

namespace {

constexpr std::size_t named = 4;

// "; new: 192.0.2.1:80, web/192.0.2.2:80 and 3 more"; empty: none.
std::string only_in(const std::set<MemberName>& a, const std::set<MemberName>& b,
                    std::string_view title) {
  std::vector<MemberName> only;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(only));
  if (only.empty()) return {};
  return fmt::format("; {}: {}", title, listed(only, named, std::mem_fn(&MemberName::text)));
}

}  // namespace

DrainsSource::DrainsSource(std::string path, unsigned looks_in_place, cli::Log& log, Use use)
    : path_(std::move(path)),
      log_(log),
      use_(std::move(use)),
      file_(
          {path_}, looks_in_place,
          {.read = [this] { return read_file(); },
           .failed =
               [this](const std::string& why) { log_.warning("{}; the old drains stay", why); }}) {}

Result<void> DrainsSource::read_file() {
  const auto text = cli::read_regular_file(path_);
  if (!text) return fail(text.error());
  auto drains = parse_drains(*text);
  if (!drains) return fail(at(path_, drains.error()));
  log_.info("{}: {} members drained{}{}", path_, drains->size(), only_in(*drains, last_, "new"),
            only_in(last_, *drains, "no longer"));
  last_ = *drains;
  use_(std::move(*drains));
  return {};
}

}  // namespace saspd::programs
