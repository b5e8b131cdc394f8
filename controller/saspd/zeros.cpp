// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/zeros.hpp"

#include <optional>

#include <fmt/format.h>

#include "controller/base/member_name.hpp"

namespace saspd::director {
namespace {

constexpr std::size_t max_lines = 20;

std::string explain(Doubt doubt) {
  switch (doubt) {
    case Doubt::no_record: return "it was found at the start, and no ledger records who wrote it";
    case Doubt::added_again:
      return "saspd had written 0, but the destination was removed and added again";
    case Doubt::edited:
      return "saspd had written 0, and another program has since written other attributes with it";
    case Doubt::restored:
      return "it came back with its service, and both saspd and another program had written 0 "
             "there before";
    case Doubt::none: break;
  }
  return {};
}

std::string name_of(const HeldZeros::key_type& at, const HeldZero& held) {
  return fmt::format("{} {} {}", held.group, lb::text(at.first), at.second.text());
}

std::string begin(const HeldZeros::key_type& at, const HeldZero& held) {
  return fmt::format("{}: held at weight 0: {}; {} returns it to the advice", name_of(at, held),
                     explain(held.zero), lifting_command(held.group, at.second));
}

std::string end(const HeldZeros::key_type& at, const HeldZero& held, const lb::Table& actual) {
  const auto pool = actual.find(at.first);
  std::optional<std::uint32_t> weight;
  if (pool != actual.end()) {
    const auto found = pool->second.destinations.find(at.second);
    if (found != pool->second.destinations.end()) weight = found->second.weight;
  }
  return fmt::format("{}: no longer held at weight 0: {}", name_of(at, held),
                     !weight       ? "it is not in the kernel"
                     : *weight > 0 ? fmt::format("it has weight {}", *weight)
                                   : "the zero is saspd's own now");
}

}  // namespace

std::string explain(const Zero& zero) {
  if (zero.author == ZeroAuthor::unclear) {
    return "it is unclear who wrote the zero: " + explain(zero.doubt);
  }
  if (zero.keepalived) return "keepalived holds it down, until its check succeeds";
  return "another program or person set it in the kernel, and it is theirs to raise";
}

std::string lifting_command(const std::string& group, const Endpoint& endpoint) {
  return "saspctl undrain " + MemberName{group, endpoint}.text();
}

std::vector<ZeroNews> zero_news(const HeldZeros& before, const HeldZeros& now,
                                const lb::Table& actual) {
  std::vector<ZeroNews> news;
  for (const auto& [at, held] : now) {
    const auto known = before.find(at);
    if (known == before.end() || known->second != held) news.push_back({true, begin(at, held)});
  }
  for (const auto& [at, held] : before) {
    if (!now.contains(at)) news.push_back({false, end(at, held, actual)});
  }
  if (news.size() > max_lines) {
    const auto more = news.size() - max_lines;
    news.resize(max_lines);
    news.push_back(
        {true,
         fmt::format("{} more foreign zeros began or ended: saspctl members shows them", more)});
  }
  return news;
}

}  // namespace saspd::director
