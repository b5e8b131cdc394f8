// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/publisher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace saspd::gwm {

using namespace sasp;

namespace {

bool wants_push(const LoadBalancer& lb) {
  return lb.connection && (lb.flags & lb_flag::push) != 0;
}

// RFC 4678 7.6.1 C.
bool wants_news_only(const LoadBalancer& lb) {
  return (lb.flags & lb_flag::no_change) != 0;
}

Told told(const WeightEntry& entry) {
  return {entry.state, entry.flags, entry.weight};
}

void keep_news(GroupOfWeightEntries& weights, const std::vector<bool>& is_news) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < is_news.size(); ++i) {
    if (!is_news[i]) continue;
    if (kept != i) weights.items[kept] = std::move(weights.items[i]);
    ++kept;
  }
  weights.items.resize(kept);
}

std::size_t told_of(const Group& group) {
  return static_cast<std::size_t>(std::count_if(group.begin(), group.end(), [](const auto& member) {
    return static_cast<bool>(member.second.told);
  }));
}

}  // namespace

std::vector<GroupOfWeightEntries> Publisher::answer(const LoadBalancer& lb,
                                                    const std::string& lb_uid,
                                                    const std::vector<GroupData>& groups,
                                                    TimePoint now) {
  const bool all = groups.size() == 1 && groups[0].name.empty();
  std::vector<GroupOfWeightEntries> weights;
  weights.reserve(all ? lb.groups.size() : groups.size());  // a small question, a big answer
  const auto book = books_.find(lb_uid);
  const auto add = [&](const std::string& name, const Group& group) {
    Update update = this->update(group, {lb_uid, name}, now);
    if (wants_news_only(lb)) keep_news(update.weights, update.is_news);
    weights.push_back(std::move(update.weights));
    if (book != books_.end()) book->second.tell(name, group.size());
  };
  for (const auto& [uid, name] : groups) {
    if (!name.empty()) {
      add(name, lb.groups.find(name)->second);
      continue;
    }
    for (const auto& [each, group] : lb.groups)
      add(each, group);
  }
  return weights;
}

std::size_t Publisher::Book::tell(const std::string& group, std::size_t members) {
  const auto known = told.try_emplace(group).first;
  const std::size_t before = std::exchange(known->second, members);
  if (members == 0) told.erase(known);
  return before;
}

Publisher::Update Publisher::update(const Group& group, GroupData name, TimePoint now) const {
  Update update;
  update.weights.items = weigher_.weigh(name.name, group, now);
  update.weights.group = std::move(name);
  update.is_news.reserve(group.size());
  auto entry = update.weights.items.begin();
  for (const auto& [key, member] : group) {
    const Told now_told = told(*entry++);
    const bool is_news = std::exchange(member.told.told_, now_told) != now_told;
    update.is_news.push_back(is_news);
    update.any_news = update.any_news || is_news;
  }
  return update;
}

void Publisher::start(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now) {
  for (const auto& [name, group] : lb.groups) {
    for (const auto& [key, member] : group)
      member.told.told_.reset();
  }
  forget(lb_uid);
  if (!wants_push(lb)) return;
  const TimePoint interval_ends = now + config_.interval;
  books_[lb_uid].interval_ends = interval_ends;
  looks_.set(lb_uid, interval_ends);
}

void Publisher::event(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now) {
  const auto look_at = looks_.of(lb_uid);
  if (look_at && wants_push(lb)) looks_.set(lb_uid, std::min(*look_at, now + config_.coalesce));
}

void Publisher::forget(const std::string& lb_uid) {
  books_.erase(lb_uid);
  looks_.clear(lb_uid);
}

std::vector<SendWeights> Publisher::look(const LoadBalancer& lb, const std::string& lb_uid,
                                         TimePoint now) {
  Book& book = books_[lb_uid];
  while (book.interval_ends <= now)
    book.interval_ends += config_.interval;
  looks_.set(lb_uid, book.interval_ends);
  std::erase_if(book.told, [&](const auto& group) { return !lb.groups.contains(group.first); });
  std::vector<SendWeights> messages;
  for (const auto& [name, group] : lb.groups) {
    const std::size_t known = told_of(group);
    const bool lost_one = known < book.tell(name, group.size());
    Update update = this->update(group, {lb_uid, name}, now);
    if (wants_news_only(lb)) {
      if (!update.any_news) continue;
      keep_news(update.weights, update.is_news);
    }
    if (update.any_news || lost_one) pack(messages, std::move(update.weights));
  }
  return messages;
}

// sasp-interop row 20: small groups share a message, large ones are split over several.
void Publisher::pack(std::vector<SendWeights>& messages, GroupOfWeightEntries group) const {
  const auto fits = [&](std::size_t members) {
    if (messages.empty()) return false;
    std::size_t load = members;
    for (const auto& other : messages.back().groups)
      load += std::max<std::size_t>(other.items.size(), 1);
    return load <= config_.members_per_message;
  };
  std::size_t done = 0;
  do {
    const std::size_t part = std::min(group.items.size() - done, config_.members_per_message);
    if (!fits(part)) messages.emplace_back();
    const auto from =
        std::make_move_iterator(group.items.begin()) + static_cast<std::ptrdiff_t>(done);
    messages.back().groups.push_back(
        {group.group, {from, from + static_cast<std::ptrdiff_t>(part)}});
    done += part;
  } while (done < group.items.size());
}

void Publisher::suspend(const std::string& lb_uid) {
  looks_.clear(lb_uid);
}

void Publisher::resume(const std::string& lb_uid, TimePoint now) {
  if (books_.contains(lb_uid) && !looks_.of(lb_uid)) looks_.set(lb_uid, now);
}

}  // namespace saspd::gwm
