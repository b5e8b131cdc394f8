// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/publisher.hpp"

#include <algorithm>
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

WeightEntry entry_of(const Member& member, const Told& told) {
  return {member.data, told.state, told.flags, told.weight};
}

}  // namespace

// sasp-interop row 20: small groups share a message, large ones are split over several.
class Publisher::Packer {
 public:
  Packer(std::size_t members_per_message, std::uint32_t& last_message_id)
      : members_per_message_(members_per_message), last_message_id_(last_message_id) {}

  void add(const GroupData& group, std::size_t count, ByteView entries) {
    do {
      const std::size_t part = std::min(count, members_per_message_);
      const std::size_t length = part == count ? entries.size() : length_of(entries, part);
      if (count_ == 0 || load_ + part > members_per_message_) begin();
      load_ += std::max<std::size_t>(part, 1);
      writer_.add(group, part, entries.first(length));
      entries = entries.subspan(length);
      count -= part;
    } while (count > 0);
  }

  Messages take() { return {writer_.take(), count_}; }

 private:
  void begin() {
    writer_.begin(++last_message_id_);
    ++count_;
    load_ = 0;
  }

  std::size_t members_per_message_;
  std::uint32_t& last_message_id_;
  SendWeightsWriter writer_;
  std::size_t count_ = 0;
  std::size_t load_ = 0;  // of the last message: members, and groups without any
};

std::vector<GroupOfWeightEntries> Publisher::answer(const LoadBalancer& lb,
                                                    const std::string& lb_uid,
                                                    const std::vector<GroupData>& groups,
                                                    TimePoint now) {
  const bool all = groups.size() == 1 && groups[0].name.empty();
  std::vector<GroupOfWeightEntries> weights;
  weights.reserve(all ? lb.groups.size() : groups.size());  // a small question, a big answer
  const auto book = books_.find(lb_uid);
  const auto add = [&](const std::string& name, const Group& group) {
    const Edition& edition = editions_.of(name, group, now);
    auto& [data, entries] = weights.emplace_back(GroupOfWeightEntries{{lb_uid, name}, {}});
    const bool news_only = wants_news_only(lb);
    if (!news_only) entries.reserve(group.size());
    tell(group, edition, [&](const Member& member, const Told& told, bool is_news) {
      if (is_news || !news_only) entries.push_back(entry_of(member, told));
    });
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

template <class Each>
std::size_t Publisher::tell(const Group& group, const Edition& edition, Each each) {
  std::size_t known = 0;
  auto now_told = edition.told.begin();
  for (const auto& [key, member] : group) {
    auto& told = member.told.told_;
    if (told) ++known;
    const bool is_news = told != *now_told;
    told = *now_told;
    each(member, *now_told++, is_news);
  }
  return known;
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
  const auto book = books_.find(lb_uid);
  if (book == books_.end()) return;
  book->second.seen.reset();
  const auto look_at = looks_.of(lb_uid);
  if (look_at && wants_push(lb)) looks_.set(lb_uid, std::min(*look_at, now + config_.coalesce));
}

void Publisher::forget(const std::string& lb_uid) {
  books_.erase(lb_uid);
  looks_.clear(lb_uid);
}

Messages Publisher::look(const LoadBalancer& lb, const std::string& lb_uid, TimePoint now) {
  Book& book = books_[lb_uid];
  while (book.interval_ends <= now)
    book.interval_ends += config_.interval;
  looks_.set(lb_uid, book.interval_ends);
  editions_.retire(now);
  if (book.seen == weigher_.generation()) return {};
  return news_for(book, lb, lb_uid, now);
}

Messages Publisher::news_for(Book& book, const LoadBalancer& lb, const std::string& lb_uid,
                             TimePoint now) {
  std::erase_if(book.told, [&](const auto& group) { return !lb.groups.contains(group.first); });
  Packer packer(config_.members_per_message, last_message_id_);
  const bool news_only = wants_news_only(lb);
  bool steady = true;
  for (const auto& [name, group] : lb.groups) {
    const Edition& edition = editions_.of(name, group, now);
    steady = steady && edition.steady;
    std::size_t count = 0;
    Bytes entries;
    const auto each = [&](const Member& member, const Told& told, bool is_news) {
      if (!is_news) return;
      ++count;
      if (news_only) append(entries, entry_of(member, told));
    };
    const std::size_t known = tell(group, edition, each);
    const bool lost_one = known < book.tell(name, group.size());
    if (news_only && count > 0) packer.add({lb_uid, name}, count, entries);
    if (!news_only && (count > 0 || lost_one))
      packer.add({lb_uid, name}, group.size(), edition.entries);
  }
  book.seen.reset();
  if (steady) book.seen = weigher_.generation();
  return packer.take();
}

void Publisher::suspend(const std::string& lb_uid) {
  looks_.clear(lb_uid);
}

void Publisher::resume(const std::string& lb_uid, TimePoint now) {
  if (books_.contains(lb_uid) && !looks_.of(lb_uid)) looks_.set(lb_uid, now);
}

}  // namespace saspd::gwm
