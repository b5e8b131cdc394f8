#include "controller/saspd/alarms.hpp"

#include <fmt/format.h>

#include "controller/saspd/scaling.hpp"
#include "controller/saspd/self_registered.hpp"

namespace saspd {
namespace {

// One for each service, whose text names the first of its servers.
void find_unclear_zeros(const AlarmInput& input, std::vector<Alarm>& alarms) {
  for (const auto& service : input.group.services) {
    std::size_t count = 0;
    const HeldZeros::value_type* first = nullptr;
    for (auto held = input.zeros.lower_bound({service.key, {}});
         held != input.zeros.end() && held->first.first == service.key; ++held) {
      if (held->second.zero.author != ZeroAuthor::unclear) continue;
      if (first == nullptr) first = &*held;
      ++count;
    }
    if (first == nullptr) continue;
    alarms.push_back({"unclear_zero", true, lb::text(service.key),
                      fmt::format("{}{} held at weight 0, {}; {}", first->first.second.text(),
                                  count > 1 ? fmt::format(" and {} more are", count - 1) : " is",
                                  explain(first->second.zero),
                                  lifting_command(input.group.name, first->first.second) +
                                      " gives it back to the advice")});
  }
}

}  // namespace

std::vector<Alarm> find_alarms(const AlarmInput& input) {
  std::vector<Alarm> alarms;
  bool system = false;
  bool application = false;
  for (const auto& service : input.group.services) {
    const auto found = input.actual.find(service.key);
    if (found == input.actual.end()) continue;
    const lb::Pool& pool = found->second;
    const std::string name = lb::text(service.key);
    bool zero = false;
    for (const auto& [endpoint, destination] : pool.destinations) {
      zero = zero || destination.weight == 0;
      (endpoint.port == 0 ? system : application) = true;
    }
    const bool fallback = (pool.flags & lb::service_flag::fallback) != 0;
    if (lb::hashes_clients(pool.scheduler) && !fallback && !service.manage) {
      alarms.push_back(
          {"no_fallback", zero, name,
           fmt::format("{0} without the flag {0}-fallback loses the connections of clients that it "
                       "hashes to a server of weight 0; set the flag with ipvsadm -E … -s {0} -b "
                       "{0}-fallback",
                       pool.scheduler)});
    }
    const auto servers = useful_servers(pool.scheduler);
    if (servers && pool.destinations.size() > *servers) {
      alarms.push_back(
          {"many_servers", pool.scheduler != "wrr", name,
           fmt::format("{} servers under {}: {}", pool.destinations.size(), pool.scheduler,
                       pool.scheduler == "wrr"
                           ? "each change of a weight walks all of them, and packets wait for it"
                           : fmt::format("those beyond {} get no connections", *servers))});
    }
  }
  find_unclear_zeros(input, alarms);
  if (system && application) {
    alarms.push_back({"mixed_kinds",
                      true,
                      {},
                      "destinations with a port and without one: a group holds one kind of member, "
                      "and those without are not registered with the GWM (RFC 4678 5.1)"});
  }
  if (input.left_out > 0) {
    alarms.push_back(
        {"many_members",
         true,
         {},
         fmt::format("{} members that registered themselves with the GWM are left out: "
                     "a group takes {} of these",
                     input.left_out, SelfRegistered::max_members)});
  }
  return alarms;
}

}  // namespace saspd
