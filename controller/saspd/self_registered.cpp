#include "controller/saspd/self_registered.hpp"

#include <iterator>

namespace saspd {

void SelfRegistered::told(std::uint64_t connection,
                          const std::map<sasp::MemberKey, std::string>& members, bool full,
                          TimePoint now) {
  for (const auto& [key, label] : members)
    members_[key] = {label, connection, {}};
  if (!full) return;
  for (auto entry = members_.begin(); entry != members_.end();) {
    auto& [key, member] = *entry;
    const bool present = members.contains(key);
    if (!present && !member.missing_since) member.missing_since = now;
    const bool gone =
        !present && (member.connection == connection || now - *member.missing_since >= rejoin_time);
    entry = gone ? members_.erase(entry) : std::next(entry);
  }
}

}  // namespace saspd
