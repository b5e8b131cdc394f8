// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/self_registered.hpp"

#include <iterator>

namespace saspd::director {

bool SelfRegistered::told(std::uint64_t connection,
                          const std::map<sasp::MemberKey, std::string>& members, bool full,
                          TimePoint now) {
  const std::size_t left_out_before = left_out_;
  bool changed = full && forget_missing(connection, members, now);
  if (full || members_.size() < max_members) left_out_ = 0;
  for (const auto& [key, label] : members) {
    const bool known = members_.contains(key);
    if (!known && members_.size() >= max_members) {
      ++left_out_;
      continue;
    }
    members_[key] = {label, connection, {}};
    changed = changed || !known;
  }
  return changed || left_out_ != left_out_before;
}

bool SelfRegistered::forget_missing(std::uint64_t connection,
                                    const std::map<sasp::MemberKey, std::string>& members,
                                    TimePoint now) {
  const std::size_t before = members_.size();
  for (auto entry = members_.begin(); entry != members_.end();) {
    auto& [key, member] = *entry;
    const bool present = members.contains(key);
    if (!present && !member.missing_since) member.missing_since = now;
    const bool gone =
        !present && (member.connection == connection || now - *member.missing_since >= rejoin_time);
    entry = gone ? members_.erase(entry) : std::next(entry);
  }
  return members_.size() != before;
}

}  // namespace saspd::director
