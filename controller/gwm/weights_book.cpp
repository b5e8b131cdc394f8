// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/weights_book.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace saspd::gwm {
namespace {

// One line may be taken out by hand.
constexpr std::size_t fewest_missing = 2;
constexpr int patience = 10;  // of the time of memory

bool has(const AdviceTable& table, const std::string& group, const sasp::MemberKey& member) {
  const auto members = table.find(group);
  return members != table.end() && members->second.contains(member);
}

// Members of `before` that are not in `after`.
std::vector<WeightsBook::Name> missing_in(const AdviceTable& after, const AdviceTable& before) {
  std::vector<WeightsBook::Name> missing;
  for (const auto& [group, members] : before) {
    for (const auto& [member, advice] : members) {
      if (!has(after, group, member)) missing.push_back({group, member});
    }
  }
  return missing;
}

std::size_t members_in(const AdviceTable& table) {
  std::size_t sum = 0;
  for (const auto& [group, members] : table)
    sum += members.size();
  return sum;
}

void remove(AdviceTable& table, const WeightsBook::Name& name) {
  const auto members = table.find(name.group);
  if (members == table.end()) return;
  members->second.erase(name.member);
  if (members->second.empty()) table.erase(members);
}

}  // namespace

std::string WeightsBook::Name::text() const {
  return fmt::format("{} {}", group, member.text());
}

WeightsBook::News WeightsBook::read(AdviceTable file, TimePoint now) {
  if (held_ && held_->table == file) return {};
  held_.reset();
  const std::size_t before = members_in(file_);
  const std::size_t missing = missing_in(file, file_).size();
  if (memory_ > Duration{} && missing >= fewest_missing && missing * 2 > before) {
    held_ = Held{std::move(file), missing, before, now + patience * memory_};
    return {};
  }
  return believe(std::move(file), now);
}

WeightsBook::News WeightsBook::believe_held(TimePoint now) {
  if (!held_) return {};
  AdviceTable file = std::move(held_->table);
  held_.reset();
  return believe(std::move(file), now);
}

WeightsBook::News WeightsBook::believe(AdviceTable file, TimePoint now) {
  News news;
  if (memory_ > Duration{}) news.vanished = missing_in(file, file_);
  for (const Name& name : news.vanished)
    remembered_.try_emplace(name, now + memory_);
  std::erase_if(remembered_,
                [&](const auto& old) { return has(file, old.first.group, old.first.member); });
  AdviceTable table = file;
  for (const auto& [name, until] : remembered_)
    table[name.group].emplace(name.member, table_.at(name.group).at(name.member));
  news.changed = table != table_;
  file_ = std::move(file);
  table_ = std::move(table);
  return news;
}

WeightsBook::News WeightsBook::expire(TimePoint now) {
  News news;
  if (held_ && held_->until <= now) news = believe_held(now);
  for (auto old = remembered_.begin(); old != remembered_.end();) {
    if (old->second > now) {
      ++old;
      continue;
    }
    remove(table_, old->first);
    news.forgotten.push_back(old->first);
    news.changed = true;
    old = remembered_.erase(old);
  }
  return news;
}

std::optional<TimePoint> WeightsBook::remembered_until(const Name& name) const {
  const auto known = remembered_.find(name);
  if (known == remembered_.end()) return {};
  return known->second;
}

}  // namespace saspd::gwm
