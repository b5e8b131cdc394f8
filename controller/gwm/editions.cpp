// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/editions.hpp"

#include <utility>

namespace saspd::gwm {

using namespace sasp;

namespace {

// To find a smaller group among others costs as much as to weigh it.
constexpr std::size_t worth_sharing = 8;

template <class Value>
void append_value(std::string& key, const Value& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Texts with their length, so that no two groups have the same key.
void append_text(std::string& key, std::string_view text) {
  append_value(key, text.size());
  key.append(text);
}

void append_member(std::string& key, const Member& member) {
  append_value(key, member.data.address);
  append_value(key, member.data.port);
  append_value(key, member.data.protocol);
  append_value(key, member.state);
  append_value(key, member.registered_by_lb);
  append_value(key, member.quiesced());
  append_text(key, member.data.label);
}

}  // namespace

const Edition& Editions::of(std::string_view name, const Group& group, TimePoint now) {
  retire(now);
  if (group.size() < worth_sharing) return unshared_ = edit(name, group, now);
  Dated& dated = find(name, group);
  const std::uint64_t generation = weigher_.generation();
  if (dated.generation != generation || !(dated.edition.steady || dated.at == now)) {
    recent_bytes_ -= dated.bytes;
    dated = {edit(name, group, now), generation, now};
    dated.bytes = key_.size() + dated.edition.entries.size() +
                  dated.edition.told.size() * sizeof dated.edition.told[0];
    recent_bytes_ += dated.bytes;
  }
  return dated.edition;
}

void Editions::retire(TimePoint now) {
  if (now < retire_at_) return;
  clear_out();
  retire_at_ = now + lifetime_;
}

void Editions::clear_out() {
  old_ = std::exchange(recent_, {});
  recent_bytes_ = 0;
}

// Load balancers that share one ask for it at about the same time: it need not be kept for long.
bool Editions::is_full() const {
  return recent_bytes_ > registered_.bytes;
}

Editions::Dated& Editions::find(std::string_view name, const Group& group) {
  key_.clear();
  append_text(key_, name);
  for (const auto& [key, member] : group)
    append_member(key_, member);
  const auto recent = recent_.find(key_);
  if (recent != recent_.end()) return recent->second;
  auto old = old_.extract(key_);
  if (is_full()) clear_out();
  if (old.empty()) return recent_[key_];
  recent_bytes_ += old.mapped().bytes;
  return recent_.insert(std::move(old)).position->second;
}

Edition Editions::edit(std::string_view name, const Group& group, TimePoint now) const {
  const Weighing weighing = weigher_.weighing(name, group, now);
  Edition edition;
  edition.steady = weighing.steady;
  edition.told.reserve(weighing.entries.size());
  for (const WeightEntry& entry : weighing.entries) {
    append(edition.entries, entry);
    edition.told.push_back({entry.state, entry.flags, entry.weight});
  }
  edition.entries.shrink_to_fit();
  return edition;
}

}  // namespace saspd::gwm
