// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/sasp_gwm/weights_source.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/cli/config_file.hpp"
#include "controller/gwm/weights_file.hpp"

namespace saspd::programs {

using namespace gwm;

namespace {

constexpr std::size_t members_in_a_line = 4;

std::size_t members_in(const AdviceTable& table) {
  std::size_t sum = 0;
  for (const auto& [group, members] : table)
    sum += members.size();
  return sum;
}

std::string listed(const std::vector<WeightsBook::Name>& names) {
  return saspd::listed(names, members_in_a_line, std::mem_fn(&WeightsBook::Name::text));
}

}  // namespace

WeightsSource::WeightsSource(std::string path, std::chrono::seconds memory, unsigned looks_in_place,
                             cli::Log& log, Use use)
    : path_(std::move(path)),
      memory_(memory),
      log_(log),
      use_(std::move(use)),
      book_(memory),
      file_(
          {path_}, looks_in_place,
          {.read = [this] { return read_file(); },
           .failed =
               [this](const std::string& why) { log_.warning("{}; the old weights stay", why); }}) {
}

void WeightsSource::look() {
  file_.look();
  take(book_.expire(Clock::now()));
}

void WeightsSource::read_now() {
  file_.read_now();
  if (file_.error().empty()) take(book_.believe_held(Clock::now()));
}

Result<void> WeightsSource::read_file() {
  const auto text = cli::read_regular_file(path_);
  if (!text) return fail(text.error());
  auto table = parse_weights(*text);
  if (!table) return fail(at(path_, table.error()));
  for (const auto& doubt : doubts_about(*table))
    log_.warning("{}: {}", path_, doubt);
  const std::size_t members = members_in(*table);
  const std::size_t groups = table->size();
  const auto news = book_.read(std::move(*table), Clock::now());
  if (book_.held()) {
    say_what_is_held();
  } else {
    log_.info("{}: {} members in {} groups", path_, members, groups);
  }
  take(news);
  return {};
}

void WeightsSource::say_what_is_held() const {
  const auto& held = *book_.held();
  log_.warning(
      "{}: {} of its {} members are missing; is it complete? The old weights stay for {} s, or "
      "until SIGHUP confirms the file (systemctl reload sasp-gwm)",
      path_, held.missing, held.before,
      std::chrono::ceil<std::chrono::seconds>(held.until - Clock::now()).count());
}

void WeightsSource::take(const WeightsBook::News& news) {
  if (!news.vanished.empty()) {
    log_.warning("{} no longer names {}: the last advice stays for {} s", path_,
                 listed(news.vanished), memory_.count());
  }
  if (!news.forgotten.empty()) {
    log_.warning("{} has not named {} for {} s: its last advice for them is forgotten", path_,
                 listed(news.forgotten), memory_.count());
  }
  if (news.changed) use_(book_.table());
}

}  // namespace saspd::programs
