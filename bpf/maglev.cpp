// SPDX-License-Identifier: Apache-2.0

#include "bpf/maglev.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <limits>
#include <tuple>
#include <utility>

namespace saspd::bpf {
namespace {

// A member's part in the slots that are shared by weight.
struct Claim {
  std::size_t index = 0;  // of the member
  std::uint64_t weight = 0;
  std::uint64_t remainder = 0;  // of the division that gave its slots
  bool has_more = false;        // than that division gave
};

// Those with a weight, the lowest first.
std::vector<Claim> claims_of(std::span<const Member> members) {
  std::vector<Claim> claims;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].weight > 0) claims.push_back({.index = i, .weight = members[i].weight});
  }
  std::ranges::sort(claims, {}, &Claim::weight);
  return claims;
}

// The order in which a member comes by its slots: all of them, each once, since LB_SLOTS is prime.
// A bid is the n-th one of its member; earlier bids count more, the more so the higher the weight.
class Bidder {
 public:
  Bidder(const Member& member, std::size_t rank);

  struct Bid {
    std::uint32_t slot = 0;
    std::uint32_t count = 0;
  };
  Bid next();
  bool beats(std::uint32_t count, const Bidder& other, std::uint32_t other_count) const;

 private:
  std::uint64_t weight_;
  std::size_t rank_;  // by endpoint
  std::uint32_t slot_;
  std::uint32_t step_;
  std::uint32_t count_ = 0;
};

// The finalizer of SplitMix64.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// FNV-1a.
std::uint64_t hash(const Endpoint& endpoint) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  const auto add = [&hash](std::uint32_t byte) { hash = (hash ^ byte) * 0x100000001B3U; };
  for (const std::uint8_t byte : endpoint.address.bytes())
    add(byte);
  add(endpoint.port >> 8U);
  add(endpoint.port & 0xFFU);
  return hash;
}

Bidder::Bidder(const Member& member, std::size_t rank) : weight_(member.weight), rank_(rank) {
  const std::uint64_t first = mix(hash(member.endpoint));
  slot_ = static_cast<std::uint32_t>(first % LB_SLOTS);
  step_ = static_cast<std::uint32_t>(mix(first + 1) % (LB_SLOTS - 1)) + 1;
}

Bidder::Bid Bidder::next() {
  const Bid bid{slot_, ++count_};
  assert(count_ <= LB_SLOTS);
  slot_ += step_;
  if (slot_ >= LB_SLOTS) slot_ -= LB_SLOTS;
  return bid;
}

bool Bidder::beats(std::uint32_t count, const Bidder& other, std::uint32_t other_count) const {
  const std::uint64_t ours = count * other.weight_;
  const std::uint64_t theirs = other_count * weight_;
  return ours != theirs ? ours < theirs : rank_ < other.rank_;
}

}  // namespace

std::vector<std::uint32_t> quotas(std::span<const Member> members,
                                  std::span<const std::uint32_t> held, std::uint32_t slots) {
  assert(held.empty() || held.size() == members.size());
  std::vector<std::uint32_t> quota(members.size(), 0);
  auto claims = claims_of(members);
  std::span<Claim> sharing = claims;
  std::uint64_t weights = 0;
  for (const Claim& claim : claims)
    weights += claim.weight;

  const bool enough = claims.size() <= slots;
  while (enough && !sharing.empty() && sharing.front().weight * slots < weights) {
    quota[sharing.front().index] = 1;
    weights -= sharing.front().weight;
    --slots;
    sharing = sharing.subspan(1);
  }

  std::uint32_t left = slots;
  for (Claim& claim : sharing) {
    const auto whole = static_cast<std::uint32_t>(claim.weight * slots / weights);
    claim.remainder = claim.weight * slots % weights;
    claim.has_more = claim.remainder > 0 && !held.empty() && held[claim.index] > whole;
    quota[claim.index] = whole;
    left -= whole;
  }
  if (sharing.empty()) return quota;
  assert(left < sharing.size());
  const auto rounded_up = sharing.begin() + left;
  std::ranges::nth_element(sharing, rounded_up, [&](const Claim& a, const Claim& b) {
    return std::tie(b.has_more, b.remainder, members[a.index].endpoint) <
           std::tie(a.has_more, a.remainder, members[b.index].endpoint);
  });
  for (const Claim& claim : std::span(sharing.begin(), rounded_up))
    ++quota[claim.index];
  return quota;
}

SlotTable minimal(std::span<const std::uint16_t> previous, std::span<const Member> members) {
  assert(previous.empty() || previous.size() == LB_SLOTS);
  std::vector<std::uint32_t> of_number(std::numeric_limits<std::uint16_t>::max() + 1);
  for (const std::uint16_t owner : previous)
    ++of_number[owner];
  std::vector<std::uint32_t> held;
  for (const Member& member : members)
    held.push_back(of_number[member.number]);

  const auto quota = quotas(members, held);
  std::ranges::fill(of_number, 0);  // from here on: what each may still have
  for (std::size_t i = 0; i < members.size(); ++i) {
    assert(members[i].number != 0);
    of_number[members[i].number] = quota[i];
  }

  // With steps of the golden section, any stretch of the walk is spread evenly over the table, and
  // so are the slots that a member loses or gains.
  constexpr std::uint32_t step = 40503;
  SlotTable table(LB_SLOTS);
  std::vector<std::uint32_t> free;
  for (std::uint32_t i = 0, slot = 0; i < LB_SLOTS; ++i, slot = (slot + step) % LB_SLOTS) {
    const std::uint16_t owner = previous.empty() ? std::uint16_t{0} : previous[slot];
    if (of_number[owner] > 0) {
      --of_number[owner];
      table[slot] = owner;
    } else {
      free.push_back(slot);
    }
  }
  auto next = free.begin();
  for (const Member& member : members) {
    for (; of_number[member.number] > 0; --of_number[member.number])
      table[*next++] = member.number;
  }
  return table;
}

// Each member bids for slots in an order of its own until it has its quota. A slot goes to the best
// bid; a member that is outbid continues bidding. The order of turns makes no difference to the
// outcome: these are stable marriages, and since a pair has the same rank from both sides, there is
// only one set of them. Changed weights leave most bids as good as they were, so most slots stay.
SlotTable independent(std::span<const Member> members) {
  std::vector<Member> ranked(members.begin(), members.end());
  std::ranges::sort(ranked, {}, &Member::endpoint);
  const auto quota = quotas(ranked);
  std::vector<Bidder> bidders;
  for (std::size_t i = 0; i < ranked.size(); ++i)
    bidders.emplace_back(ranked[i], i);

  constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();
  struct Holder {
    std::uint32_t bidder = nobody;
    std::uint32_t count = 0;  // of the bid
  };
  std::vector<Holder> holders(LB_SLOTS);
  const auto bid_until_a_free_slot = [&](std::uint32_t bidder) {
    for (;;) {
      const auto bid = bidders[bidder].next();
      Holder& holder = holders[bid.slot];
      if (holder.bidder == nobody) {
        holder = {bidder, bid.count};
        return;
      }
      if (bidders[bidder].beats(bid.count, bidders[holder.bidder], holder.count)) {
        bidder = std::exchange(holder, {bidder, bid.count}).bidder;
      }
    }
  };
  for (std::uint32_t bidder = 0; bidder < bidders.size(); ++bidder) {
    for (std::uint32_t i = 0; i < quota[bidder]; ++i)
      bid_until_a_free_slot(bidder);
  }

  SlotTable table(LB_SLOTS, 0);
  for (std::size_t slot = 0; slot < table.size(); ++slot) {
    if (holders[slot].bidder != nobody) table[slot] = ranked[holders[slot].bidder].number;
  }
  return table;
}

// Four words at a time, so that the multiplications do not wait for each other.
std::uint64_t digest(std::span<const std::uint16_t> table) {
  constexpr std::size_t lanes = 4, slots = sizeof(std::uint64_t) / sizeof(std::uint16_t);
  std::array<std::uint64_t, lanes> sums{1, 2, 3, 4};
  std::size_t i = 0;
  for (; i + lanes * slots <= table.size(); i += lanes * slots) {
    std::array<std::uint64_t, lanes> words;
    std::memcpy(words.data(), &table[i], sizeof words);
    for (std::size_t lane = 0; lane < lanes; ++lane)
      sums[lane] = (sums[lane] ^ words[lane]) * 0xFF51AFD7ED558CCDU + 1;
  }
  for (; i < table.size(); ++i)
    sums[0] = mix(sums[0] ^ table[i]);
  for (const std::uint64_t sum : sums)
    sums[0] = mix(sums[0] ^ mix(sum));
  return sums[0];
}

}  // namespace saspd::bpf
