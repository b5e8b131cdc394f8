// SPDX-License-Identifier: Apache-2.0
// What the kernel does with packets, read from the pinned maps without any code that writes them:
// the judge of tests.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bpf/lb.h"
#include "controller/base/descriptor.hpp"

namespace saspd::kernel {

class RawMaps {
 public:
  explicit RawMaps(std::string pins) : pins_(std::move(pins)) {}

  struct Server {
    std::uint32_t number = 0;
    std::uint32_t weight = 0;
    std::uint32_t slots = 0;
    bool resolved = false;
    bool operator==(const Server&) const = default;
  };
  struct Service {
    std::map<std::string, Server> servers;  // by the last two bytes of an IPv4 address: "1.2"
    std::uint32_t nobodys = 0;              // slots that lead to nobody
    std::uint32_t strangers = 0;            // slots that lead to somebody else
    bool has_address = false;
  };

  // Of IPv4 192.0.2.10; nothing: there is no such service.
  std::optional<Service> tcp(std::uint16_t port) const {
    const auto service = tcp_number(port);
    if (!service) return std::nullopt;
    Service found;
    const lb_address_key address{{{192, 0, 2, 10}}, LB_IPV4};
    std::uint32_t meaningless = 0;
    found.has_address = find("addresses", address, meaningless);
    std::map<std::uint32_t, std::string> names;
    for (std::uint32_t number = 1;; ++number) {
      lb_backend backend{};
      if (!find("backends", number, backend)) break;
      if ((backend.flags & LB_BACKEND_PRESENT) == 0 || backend.service != *service) continue;
      names[number] =
          std::to_string(backend.address.bytes[2]) + "." + std::to_string(backend.address.bytes[3]);
      found.servers[names[number]] = {number, backend.weight, 0,
                                      (backend.flags & LB_BACKEND_RESOLVED) != 0};
    }
    const auto led = slots(*service);
    for (std::uint32_t backend = 0; backend < led.size(); ++backend) {
      if (backend == 0)
        found.nobodys = led[0];
      else if (names.contains(backend))
        found.servers[names[backend]].slots = led[backend];
      else
        found.strangers += led[backend];
    }
    return found;
  }

  // The number of that service.
  std::optional<std::uint32_t> tcp_number(std::uint16_t port) const {
    lb_service_key key{};
    key.address = {{192, 0, 2, 10}};
    key.port = static_cast<std::uint16_t>(port << 8 | port >> 8);
    key.protocol = 6;
    key.family = LB_IPV4;
    lb_service service{};
    return find("services", key, service) ? std::optional(service.number) : std::nullopt;
  }
  // How many slots of the service of that number lead to each server, by its number; 0: to nobody.
  std::vector<std::uint32_t> slots(std::uint32_t service) const {
    std::uint32_t in_use = 0;
    if (!find("tables_in_use", service, in_use)) throw std::runtime_error("tables_in_use");
    auto table = std::vector<lb_table>(1);
    if (!find("tables", 2 * service + in_use, table[0])) throw std::runtime_error("tables");
    std::vector<std::uint32_t> slots(65536);
    for (std::size_t slot = 0; slot < LB_SLOTS; ++slot)
      ++slots[table[0].backend[slot]];
    return slots;
  }

  template <class Key, class Value>
  bool find(const std::string& map, const Key& key, Value& value) const {
    const Descriptor fd = open(map);
    return bpf_map_lookup_elem(fd.get(), &key, &value) == 0;
  }
  template <class Key, class Value>
  void put(const std::string& map, const Key& key, const Value& value) const {
    const Descriptor fd = open(map);
    if (bpf_map_update_elem(fd.get(), &key, &value, BPF_ANY) != 0) give_up(map);
  }
  template <class Key>
  void erase(const std::string& map, const Key& key) const {
    const Descriptor fd = open(map);
    if (bpf_map_delete_elem(fd.get(), &key) != 0) give_up(map);
  }
  template <class Key>
  std::size_t count(const std::string& map) const {
    const Descriptor fd = open(map);
    std::size_t count = 0;
    Key key{}, next{};
    for (const Key* last = nullptr; bpf_map_get_next_key(fd.get(), last, &next) == 0; ++count) {
      key = next;
      last = &key;
    }
    return count;
  }

 private:
  [[noreturn]] static void give_up(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
  }
  Descriptor open(const std::string& map) const {
    Descriptor fd(bpf_obj_get((pins_ + "/" + map).c_str()));
    if (!fd) give_up(pins_ + "/" + map);
    return fd;
  }

  std::string pins_;
};

}  // namespace saspd::kernel
