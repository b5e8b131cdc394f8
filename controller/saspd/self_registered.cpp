// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/self_registered.hpp"

#include <iterator>

namespace saspd::director {

void SelfRegistered::told(std::uint64_t connection,
                          const std::map<sasp::MemberKey, std::string>& members, bool full,
                          TimePoint now) {
  if (full) forget_missing(connection, members, now);
  if (full || members_.size() < max_members) left_out_ = 0;
  for (const auto& [key, label] : members) {
    if (members_.size() < max_members || members_.contains(key)) {
      members_[key] = {label, connection, {}};
    } else {
      ++left_out_;
    }
  }
}

void SelfRegistered::forget_missing(std::uint64_t connection,
                                    const std::map<sasp::MemberKey, std::string>& members,
                                    TimePoint now) {
  for (auto entry = members_.begin(); entry != members_.end();) {
    auto& [key, member] = *entry;
    const bool present = members.contains(key);
    if (!present && !member.missing_since) member.missing_since = now;
    const bool gone =
        !present && (member.connection == connection || now - *member.missing_since >= rejoin_time);
    entry = gone ? members_.erase(entry) : std::next(entry);
  }
}

}  // namespace saspd::director
