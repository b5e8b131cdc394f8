// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/duplicates.hpp"

#include <fmt/format.h>

namespace saspd::gwm {

void Duplicates::replaced(const std::string& lb_uid, const Endpoint& old, const Endpoint& by,
                          TimePoint now) {
  forget(now);
  if (replacements_.size() >= most_uids && !replacements_.contains(lb_uid)) return;
  auto& of_uid = replacements_[lb_uid];
  of_uid.push_back({now, old, by});
  // The last ones show who they are now; more of them add nothing.
  if (of_uid.size() > 8 * enough) of_uid.pop_front();
}

void Duplicates::forget(TimePoint now) {
  std::erase_if(replacements_,
                [now](const auto& entry) { return now - entry.second.back().at > within; });
}

std::vector<Duplicates::Suspicion> Duplicates::suspected(TimePoint now) const {
  std::vector<Suspicion> found;
  for (const auto& [lb_uid, of_uid] : replacements_) {
    std::size_t count = 0;
    for (const Replacement& replacement : of_uid) {
      if (now - replacement.at <= within) ++count;
    }
    if (count >= enough) found.push_back({lb_uid, of_uid.back().old, of_uid.back().by, count});
  }
  return found;
}

std::string text(const Duplicates::Suspicion& suspicion) {
  const auto& [lb_uid, one, other, replacements] = suspicion;
  if (one.address != other.address) {
    return fmt::format(
        "LB '{}': two load balancers seem to use this UID, one at {} and one at {}: their "
        "connections replaced each other {} times within {} minutes; give each its own UID",
        lb_uid, one.address.text(), other.address.text(), replacements,
        std::chrono::floor<std::chrono::minutes>(Duplicates::within).count());
  }
  return fmt::format(
      "LB '{}': two load balancers at {} seem to use this UID (the last connections came from "
      "ports {} and {}): they replaced each other {} times within {} minutes; give each its own "
      "UID",
      lb_uid, one.address.text(), one.port, other.port, replacements,
      std::chrono::floor<std::chrono::minutes>(Duplicates::within).count());
}

}  // namespace saspd::gwm
